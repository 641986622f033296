//! Write description and checksums of a virtual machine beside its disk.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, path, qemu_img};
use osbuild_stage_common::ovf::Machine;
use osbuild_stage_common::random;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    vmdk: String,
    #[serde(default)]
    vmware: Vmware,
    #[serde(default)]
    virtualbox: VirtualBox,
}

#[derive(Deserialize, Default)]
struct Vmware {
    os_type: Option<String>,
    virtual_hardware_version: Option<String>,
}

#[derive(Deserialize, Default)]
struct VirtualBox {
    os_type: Option<String>,
    mac_address: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        // An absolute path may name the tree itself.
        let disk = match options.vmdk.strip_prefix(&format!("{}/", tree.root())) {
            Some(below) => below,
            None => &options.vmdk,
        };
        let file = path::name(disk);
        let stem = disk.strip_suffix(extension(file)).unwrap_or(disk);
        let (ovf, mf) = (format!("{stem}.ovf"), format!("{stem}.mf"));
        let mac = match &options.virtualbox.mac_address {
            Some(mac) => mac.clone(),
            None => mac_address(random::bytes()?),
        };
        let machine = Machine {
            file,
            size: tree.stat(disk)?.size,
            capacity: qemu_img::info(&tree.path(disk))?.virtual_size,
            disk: &random::uuid()?,
            machine: &random::uuid()?,
            vmware_os: options
                .vmware
                .os_type
                .as_deref()
                .unwrap_or("other26xLinux64Guest"),
            hardware: options
                .vmware
                .virtual_hardware_version
                .as_deref()
                .unwrap_or("vmx-15"),
            virtualbox_os: options
                .virtualbox
                .os_type
                .as_deref()
                .unwrap_or("OtherLinux_64"),
            mac: &mac,
        };
        tree.write(&ovf, machine.render())?;
        let sums = [ovf.as_str(), disk].map(|path| sum(tree, path));
        let [ovf_sum, disk_sum] = sums;
        tree.write(&mf, ovf_sum? + &disk_sum?)
    })
}

/// What follows the last dot of a name, with it.
fn extension(name: &str) -> &str {
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// VirtualBox's prefix and three bytes, each of two different digits.
fn mac_address(random: [u8; 3]) -> String {
    let pair = |byte: u8| {
        let (first, second) = (byte >> 4, byte & 0x0f);
        let second = if first == second {
            (second + 1) % 16
        } else {
            second
        };
        format!("{first:x}{second:x}")
    };
    format!("080027{}", random.map(pair).concat())
}

/// A line with the checksum of a file.
fn sum(tree: &Tree, path: &str) -> Result<String> {
    let mut file = tree.open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = std::io::Read::read(&mut file, &mut buffer)?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    let digits: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("SHA256({})= {digits}\n", path::name(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_pairs_of_different_digits() {
        assert_eq!(mac_address([0x12, 0x33, 0xff]), "0800271234f0");
    }

    #[test]
    fn an_extension_begins_at_the_last_dot() {
        assert_eq!((extension("a.b.vmdk"), extension("a")), (".vmdk", ""));
    }
}
