//! Create an ext4 file system.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    uuid: String,
    label: Option<String>,
    lazy_init: Option<bool>,
    metadata_csum_seed: Option<bool>,
    orphan_file: Option<bool>,
    verity: Option<bool>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let mut command = Command::new("mkfs.ext4").args(["-U", &options.uuid]);
        command = command.option(
            "-L",
            options.label.as_deref().filter(|label| !label.is_empty()),
        );
        if let Some(lazy) = options.lazy_init {
            let value = u8::from(lazy);
            command = command.args([
                "-E",
                &format!("lazy_itable_init={value}"),
                "-E",
                &format!("lazy_journal_init={value}"),
            ]);
        }
        let features = [
            ("verity", options.verity),
            ("orphan_file", options.orphan_file),
            ("metadata_csum_seed", options.metadata_csum_seed),
        ];
        for (feature, wanted) in features {
            command = command.option(
                "-O",
                wanted.map(|wanted| format!("{}{feature}", if wanted { "" } else { "^" })),
            );
        }
        command.arg(arguments.device("device")?).run()
    })
}
