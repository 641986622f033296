//! The files that an image becomes.
use super::ImageRequest;
use crate::command_error::{CommandError, Result};
use crate::format::json;
use crate::output_file;
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_files::{NewFile, WorkDirectory, move_file};
use osbuild_wasm_generator::plan::is_build_root;
use osbuild_wasm_report::Diagnostic;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where everything about an image goes.
#[derive(Debug)]
pub(crate) struct OutputFiles {
    directory: PathBuf,
    /// Name of all files, without extension.
    base: String,
    /// Extension of the image: everything after the first dot of the type's file.
    extension: String,
}

impl OutputFiles {
    /// Names the files of a request, in this directory; `name` is the base name, with or without extension, in place of DISTRO-TYPE-ARCH.
    ///
    /// # Errors
    /// The type has several results, or the name has a directory in it.
    pub(crate) fn new(request: &ImageRequest, name: Option<&str>) -> Result<Self> {
        let image_type = &request.image_type;
        if image_type.exports.len() != 1 {
            let message = format!(
                "image type {:?} has several results, of which none is the image",
                image_type.name
            );
            return Err(CommandError::invalid(Diagnostic::new(message).hint(
                "make its manifest and build it: osbuild-wasm manifest, osbuild-wasm run",
            )));
        }
        let extension = image_type
            .filename
            .split_once('.')
            .map_or("", |(_, extension)| extension);
        let own = format!(
            "{}-{}-{}",
            request.distro.name, image_type.name, request.arch
        );
        let base = name.map_or(own, |name| {
            name.strip_suffix(&format!(".{extension}"))
                .unwrap_or(name)
                .to_owned()
        });
        if base.contains('/') || matches!(&*base, "" | "." | "..") {
            let diagnostic =
                Diagnostic::new(format!("--output-name {base:?} is no name of a file"));
            return Err(CommandError::invalid(
                diagnostic.hint("name the directory by --output-dir"),
            ));
        }
        Ok(Self {
            directory: PathBuf::from("."),
            base,
            extension: extension.to_owned(),
        })
    }

    /// The base name.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Makes the directory of the files, and finds out whether the image can have its name there.
    pub(crate) fn make(&mut self, directory: &Path) -> Result<()> {
        self.directory = directory.to_owned();
        let made = make_directory(directory).map(drop);
        made.map_err(|error| self.cannot("make", directory, &error))?;
        output_file::check(&self.beside(&self.extension))
    }

    /// Writes what pipelines are made of: that of a build root is `BASE.buildroot-PIPELINE.spdx.json`, all else is of the image.
    pub(crate) fn write_sboms(&self, sboms: &[(String, Value)]) -> Result<()> {
        for (pipeline, sbom) in sboms {
            let part = if is_build_root(pipeline) {
                "buildroot"
            } else {
                "image"
            };
            let path = self.beside(&format!("{part}-{pipeline}.spdx.json"));
            output_file::write(&path, json(sbom).as_bytes())?;
        }
        Ok(())
    }

    /// An error about a file.
    pub(super) fn cannot(&self, verb: &str, path: &Path, error: &std::io::Error) -> CommandError {
        CommandError::failed(
            Diagnostic::new(format!("cannot {verb} {}", path.display())).cause(error.to_string()),
        )
    }

    /// The file with this extension.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        let dot = if extension.is_empty() { "" } else { "." };
        self.directory
            .join(format!("{}{dot}{extension}", self.base))
    }

    /// A new file with this extension, which appears when it is complete.
    pub(super) fn create(&self, extension: &str) -> Result<NewFile> {
        let path = self.beside(extension);
        NewFile::create(&path).map_err(|error| self.cannot("make", &path, &error))
    }

    /// A directory on the file system of the image, for what is not done yet.
    pub(super) fn work_directory(&self) -> Result<WorkDirectory> {
        WorkDirectory::new(&self.directory, &self.base)
            .map_err(|error| self.cannot("make a directory in", &self.directory, &error))
    }

    /// Gives the image its name.
    pub(super) fn move_image(&self, work: &Path, request: &ImageRequest) -> Result<PathBuf> {
        let built = work
            .join(&request.image_type.exports[0])
            .join(&request.image_type.filename);
        let image = self.beside(&self.extension);
        move_file(&built, &image).map_err(|error| self.cannot("make", &image, &error))?;
        Ok(image)
    }
}
