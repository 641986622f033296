//! Install the zipl boot loader.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Number, Result, Tree, bail, path};
use osbuild_stage_common::bls;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    kernel: String,
    location: Number,
    #[serde(default)]
    kernel_opts_append: Vec<String>,
    blocksize: Option<Number>,
}

/// What zipl needs of a boot loader entry.
struct Entry {
    kernel: String,
    initrd: String,
    parameters: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (root, options) = (Tree::new(&arguments.paths.mounts), &arguments.options);
        let disk = match arguments.device("disk")? {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => path::join(&arguments.paths.devices, relative),
        };
        let entry = find(&root, &options.kernel)?;
        let mut parameters = vec![entry.parameters];
        parameters.extend(options.kernel_opts_append.iter().cloned());
        let block_size = options.blocksize.clone().unwrap_or_else(|| 512.into());
        Command::new("zipl")
            .args(["--verbose", "--target", &root.path("boot")])
            .args(["--image", &root.path(&entry.kernel)])
            .args(["--ramdisk", &root.path(&entry.initrd)])
            .args(["--parameters", &parameters.join(" ")])
            .args(["--targetbase", &disk, "--targettype", "SCSI"])
            .args(["--targetblocksize", &block_size.to_string()])
            .args(["--targetoffset", &options.location.to_string()])
            .run()
    })
}

/// The entry of a kernel that is no rescue system.
fn find(root: &Tree, kernel: &str) -> Result<Entry> {
    for path in bls::entries(root, "boot")? {
        if path.trim_end_matches(".conf").ends_with("rescue") {
            continue;
        }
        let text = root.read_to_string(&path)?;
        let entry = bls::parse(&text)
            .ok_or_else(|| Error::new(format!("{path}: a line is no key and value")))?;
        if bls::value(&entry, "version") != Some(kernel) {
            continue;
        }
        let file = |key| {
            bls::value(&entry, key)
                .map(str::to_owned)
                .ok_or_else(|| Error::new(format!("{path}: `{key}` is missing")))
        };
        return Ok(Entry {
            kernel: file("linux")?,
            initrd: file("initrd")?,
            parameters: bls::value(&entry, "options").unwrap_or_default().into(),
        });
    }
    bail!("Unknown kernel: {kernel}")
}
