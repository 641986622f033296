//! Partition a device with sgdisk.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Result};
use osbuild_stage_common::partitions::Partition;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// The attribute of a partition that a BIOS boots from.
const BOOTABLE: u8 = 2;

#[derive(Deserialize)]
struct Options {
    uuid: Option<String>,
    quote_partition_name: Option<bool>,
    partitions: Vec<Partition>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (device, options) = (arguments.device("device")?, &arguments.options);
        let uuid = options.uuid.as_deref().filter(|uuid| !uuid.is_empty());
        let quoted = options.quote_partition_name.unwrap_or(true);
        let mut command = Command::new("sgdisk")
            .args(["-Z", device, "-g"])
            .option("-U", uuid);
        for (index, partition) in options.partitions.iter().enumerate() {
            let number = partition.partnum.unwrap_or(index as u64 + 1);
            command = command.args(partition_arguments(number, partition, quoted)?);
        }
        command.run()?;
        // For the log; the table is made.
        Command::new("sgdisk")
            .args(["-p", device])
            .status()
            .map(drop)
    })
}

fn partition_arguments(number: u64, partition: &Partition, quoted: bool) -> Result<Vec<String>> {
    let start = partition
        .start
        .ok_or_else(|| Error::new(format!("partition {number}: `start` is missing")))?;
    let size = match partition.size {
        Some(size) if size > 0 => format!("+{size}"),
        _ => "0".into(),
    };
    let mut out = vec!["-n".into(), format!("{number}:{start}:{size}")];
    let name = partition.name.as_deref().filter(|name| !name.is_empty());
    let name = name.map(|name| {
        if quoted {
            format!("\"{name}\"")
        } else {
            name.into()
        }
    });
    let kind = partition.kind.clone();
    for (flag, value) in [("-c", name), ("-u", partition.uuid.clone()), ("-t", kind)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out.extend([flag.into(), format!("{number}:{value}")]);
        }
    }
    let mut bits: BTreeSet<u8> = partition.attrs.iter().copied().collect();
    bits.extend(partition.bootable.then_some(BOOTABLE));
    for bit in bits {
        out.extend(["-A".into(), format!("{number}:set:{bit}")]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_set_in_order() {
        let partition: Partition = serde_json::from_str(
            r#"{"start": 2048, "size": 8, "name": "a", "type": "T", "uuid": "U", "bootable": true, "attrs": [60, 0, 2]}"#,
        )
        .unwrap();
        assert_eq!(
            partition_arguments(3, &partition, true).unwrap().join(" "),
            "-n 3:2048:+8 -c 3:\"a\" -u 3:U -t 3:T -A 3:set:0 -A 3:set:2 -A 3:set:60"
        );
        assert!(partition_arguments(1, &Partition::default(), false).is_err());
    }
}
