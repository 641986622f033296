//! Partition a device with parted.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Result};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    label: String,
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    start: u64,
    size: u64,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    bootable: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (device, options) = (arguments.device("device")?, &arguments.options);
        let parted = || Command::new("parted").args(["-a", "none", "-s", device, "--"]);
        parted()
            .args(["unit", "s", "mklabel", &options.label])
            .args(partitions(&options.partitions)?)
            .run()?;
        parted().arg("print").run()
    })
}

fn partitions(partitions: &[Partition]) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for (index, partition) in partitions.iter().enumerate() {
        let number = (index + 1).to_string();
        let name = format!("\"{}\"", partition.name.as_deref().unwrap_or("None"));
        let end = partition
            .start
            .checked_add(partition.size)
            .and_then(|end| end.checked_sub(1))
            .ok_or_else(|| Error::new(format!("partition {number} has no end")))?;
        out.extend(["mkpart".into(), name]);
        out.extend([partition.start.to_string(), end.to_string()]);
        let kind = partition.kind.as_deref().filter(|kind| !kind.is_empty());
        for flag in partition.bootable.then_some("boot").into_iter().chain(kind) {
            out.extend(["set", &number, flag, "on"].map(Into::into));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_ends_before_the_next() {
        let options: Options = serde_json::from_str(
            r#"{"label": "gpt", "partitions": [{"start": 8, "size": 2, "name": "a", "bootable": true, "type": "esp"}, {"start": 10, "size": 1}]}"#,
        )
        .unwrap();
        assert_eq!(
            partitions(&options.partitions).unwrap().join(" "),
            "mkpart \"a\" 8 9 set 1 boot on set 1 esp on mkpart \"None\" 10 10"
        );
    }
}
