//! Container images of inputs, as programs are shown them.

mod layers;
mod overlay;

use osbuild_stage::{Command, Error, Input, Result, bail};
use serde_json::Value;

pub use layers::unpack;
pub use overlay::spell_out_opaque;

/// Where a program sees the image: its own path may contain characters that references give a meaning.
const PLACE: &str = "/tmp/osbuild-image";
/// Where a program sees the containers storage of an input.
const STORAGE: &str = "/run/osbuild/containers/storage";

/// One image of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Key of the image in the input, usually its id.
    pub id: String,
    /// Name to give it where it is stored.
    pub name: String,
    /// How it is kept: `dir`, `oci-archive` or `containers-storage`.
    pub format: String,
    /// Contract path of its directory, its archive or the whole storage.
    pub path: String,
    driver: String,
}

/// The images of an input, in the order of the manifest.
pub fn images(input: &Input) -> Result<Vec<Image>> {
    let Some(archives) = input.data.get("archives").and_then(Value::as_object) else {
        bail!("the input has no `archives`: it must hold container images");
    };
    archives
        .iter()
        .map(|(id, more)| image(input, id, more))
        .collect()
}

fn image(input: &Input, id: &str, more: &Value) -> Result<Image> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(String::from);
    let Some(format) = text(more.get("format")) else {
        bail!("image {id}: the input does not say its format");
    };
    let file = if format == "containers-storage" {
        "storage"
    } else {
        id
    };
    Ok(Image {
        id: id.into(),
        name: text(more.get("name")).unwrap_or_default(),
        path: input.tree().path(file),
        driver: text(more.pointer("/storage/driver")).unwrap_or_else(|| "overlay".into()),
        format,
    })
}

/// The image of an input that must have exactly one.
pub fn only_image(input: &Input) -> Result<Image> {
    let mut images = images(input)?;
    match images.len() {
        1 => Ok(images.remove(0)),
        number => Err(Error::new(format!(
            "the input must have exactly one image, not {number}"
        ))),
    }
}

impl Image {
    /// The reference by which a program that was [shown](Image::show) the image finds it.
    pub fn source(&self) -> Result<String> {
        match self.format.as_str() {
            "dir" | "oci-archive" => Ok(format!("{}:{PLACE}", self.format)),
            // The storage of the input cannot be written: a second one on top of it takes what the program writes.
            "containers-storage" if self.driver == "overlay" => Ok(format!(
                "containers-storage:[overlay@{STORAGE}2+/run/containers/storage:additionalimagestore={STORAGE}]{}",
                self.id.trim_start_matches("sha256:")
            )),
            "containers-storage" => bail!(
                "image {}: a containers storage with the driver {} cannot be read without writing to it",
                self.id,
                self.driver
            ),
            other => bail!("image {}: unknown format `{other}`", self.id),
        }
    }

    /// Shows the image to the program.
    pub fn show(&self, command: Command) -> Command {
        let place = match self.format.as_str() {
            "containers-storage" => STORAGE,
            _ => PLACE,
        };
        command.bind(&self.path, place, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(archives: &str) -> Input {
        let text = format!(r#"{{"path": "/i", "data": {{"archives": {archives}}}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_image_has_a_path_and_a_reference() {
        let archive = input(r#"{"sha256:a": {"format": "oci-archive", "name": "n"}}"#);
        let image = only_image(&archive).unwrap();
        assert_eq!((&*image.path, &*image.name), ("/i/sha256:a", "n"));
        assert_eq!(image.source().unwrap(), "oci-archive:/tmp/osbuild-image");
        let stored = input(r#"{"sha256:a": {"format": "containers-storage", "name": "n"}}"#);
        let image = only_image(&stored).unwrap();
        assert_eq!(image.path, "/i/storage");
        assert!(image.source().unwrap().ends_with("/storage]a"));
    }

    #[test]
    fn other_formats_and_drivers_are_refused() {
        for bad in [
            r#"{"a": {"format": "tar", "name": "n"}}"#,
            r#"{"a": {"format": "containers-storage", "storage": {"driver": "vfs"}}}"#,
        ] {
            assert!(only_image(&input(bad)).unwrap().source().is_err(), "{bad}");
        }
        assert!(only_image(&input("{}")).is_err());
    }
}
