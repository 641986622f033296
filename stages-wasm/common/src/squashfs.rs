//! Squashfs images, by mksquashfs.
use osbuild_stage::Command;
use serde::Deserialize;

/// How an image is compressed.
#[derive(Debug, Deserialize)]
pub struct Compression {
    method: String,
    #[serde(default)]
    options: CompressionOptions,
}

#[derive(Debug, Default, Deserialize)]
struct CompressionOptions {
    bcj: Option<String>,
}

/// The command that makes image `image` of the content of `directory`.
pub fn command(directory: &str, image: &str, compression: Option<&Compression>) -> Command {
    let command = Command::new("mksquashfs").arg(directory).arg(image);
    match compression {
        Some(Compression { method, options }) => command
            .args(["-comp", method])
            .option("-Xbcj", options.bcj.as_ref()),
        None => command,
    }
}
