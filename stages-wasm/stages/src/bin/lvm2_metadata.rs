//! Rename a volume group and edit its metadata on the disk.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, OpenMode, Result, Tree, bail};
use osbuild_stage_common::lvm::{self, Entry, Section, Value};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    vg_name: String,
    creation_host: Option<String>,
    creation_time: Option<String>,
    description: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let device = Tree::contract().open_as(arguments.device("device")?, OpenMode::Update)?;
        let areas = lvm::areas(&device)?;
        let mut metadata = lvm::parse(&lvm::read_text(&device, &areas[0])?)?;
        change(&mut metadata, &arguments.options)?;
        let text = lvm::render(&metadata);
        areas
            .iter()
            .try_for_each(|area| lvm::write_text(&device, area, &text))?;
        device.sync()
    })
}

fn change(metadata: &mut Section, options: &Options) -> Result<()> {
    let Some((name, Entry::Section(_))) = metadata.first_mut() else {
        bail!("the LVM metadata does not begin with its volume group");
    };
    name.clone_from(&options.vg_name);
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    if let Some(host) = given(&options.creation_host) {
        set(metadata, "creation_host", text(&host)?);
    }
    if let Some(time) = given(&options.creation_time) {
        let time: u64 = time
            .trim()
            .parse()
            .map_err(|_| Error::new(format!("creation_time: `{time}` is no number of seconds")))?;
        set(metadata, "creation_time", Value::Number(time.to_string()));
    }
    if let Some(description) = given(&options.description) {
        set(metadata, "description", text(&description)?);
    }
    Ok(())
}

fn text(value: &str) -> Result<Value> {
    if value.contains(['"', '\\', '\0']) {
        bail!("`{value}`: LVM metadata holds no quotes and backslashes");
    }
    Ok(Value::Text(value.into()))
}

fn set(metadata: &mut Section, key: &str, value: Value) {
    let value = Entry::Value(value);
    match metadata.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => metadata.push((key.into(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_renamed_and_values_are_set() {
        let mut metadata =
            lvm::parse("old {\nid = \"x\"\n}\ndescription = \"a\"\ncreation_time = 5\n").unwrap();
        let options = Options {
            vg_name: "new".into(),
            creation_host: Some("h".into()),
            creation_time: Some("0".into()),
            description: None,
        };
        change(&mut metadata, &options).unwrap();
        assert_eq!(
            lvm::render(&metadata),
            "new {\nid = \"x\"\n}\n\ndescription = \"a\"\ncreation_time = 0\ncreation_host = \"h\"\n"
        );
        assert!(change(&mut Section::new(), &options).is_err());
    }
}
