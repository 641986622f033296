//! Build the contents of a vagrant box.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, CopyOptions, Error, IndexMap, Result, Tree, bail, json, qemu_img};
use serde::Deserialize;
use serde_json::json;
use std::process::ExitCode;

/// Bytes of the unit in which a box states its size.
const GIGABYTE: u64 = 1_000_000_000;

#[derive(Deserialize)]
struct Options {
    provider: Provider,
    #[serde(default)]
    synced_folders: IndexMap<String, Folder>,
    virtualbox: Option<VirtualBox>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Provider {
    Libvirt,
    Virtualbox,
}

#[derive(Deserialize)]
struct Folder {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct VirtualBox {
    mac_address: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let source = arguments.input("image")?.single_file()?;
        let (name, image) = match options.provider {
            Provider::Libvirt => ("libvirt", "box.img"),
            Provider::Virtualbox => ("virtualbox", "box.vmdk"),
        };
        let how = CopyOptions {
            remove_destination: false,
            follow: false,
        };
        Tree::contract().copy(&source, &tree.path(image), how)?;
        let mut metadata = json!({ "provider": name });
        if options.provider == Provider::Libvirt {
            let size = qemu_img::info(&tree.path(image))?.virtual_size;
            metadata["format"] = "qcow2".into();
            metadata["virtual_size"] = (size / GIGABYTE).into();
        }
        tree.write("metadata.json", json::one_line(&metadata))?;
        tree.write("Vagrantfile", vagrantfile(options)?)
    })
}

fn vagrantfile(options: &Options) -> Result<String> {
    let content = match options.provider {
        Provider::Libvirt => {
            "config.vm.provider :libvirt do |libvirt|\n  libvirt.driver = \"kvm\"\nend\n".to_owned()
        }
        Provider::Virtualbox => virtualbox(options)?,
    };
    Ok(format!(
        "Vagrant.configure(\"2\") do |config|\n    {content}\nend\n"
    ))
}

fn virtualbox(options: &Options) -> Result<String> {
    let machine = options
        .virtualbox
        .as_ref()
        .ok_or_else(|| Error::new("options: provider virtualbox needs `virtualbox`"))?;
    let data = |text: &str| !text.contains(['"', '\\', '#']);
    let folders = options.synced_folders.iter();
    let mut folders = folders.flat_map(|(path, folder)| [path, &folder.kind]);
    if let Some(text) = folders.find(|text| !data(text)) {
        bail!("options.synced_folders: {text:?} would not be data to Vagrant, which runs its file");
    }
    if !data(&machine.mac_address) {
        bail!(
            "options.virtualbox.mac_address: {:?} is no address",
            machine.mac_address
        );
    }
    let mut text = format!("config.vm.base_mac = \"{}\"\n", machine.mac_address);
    for (path, folder) in &options.synced_folders {
        text += &format!(
            "    config.vm.synced_folder \".\", \"{path}\", type: \"{}\"\n",
            folder.kind
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtualbox_box_has_its_address_and_folders() {
        let text = r#"{"provider": "virtualbox", "virtualbox": {"mac_address": "0a"}, "synced_folders": {"/v": {"type": "rsync"}}}"#;
        assert_eq!(
            vagrantfile(&serde_json::from_str(text).unwrap()).unwrap(),
            "Vagrant.configure(\"2\") do |config|\n    config.vm.base_mac = \"0a\"\n    config.vm.synced_folder \".\", \"/v\", type: \"rsync\"\n\nend\n"
        );
        assert!(
            vagrantfile(&serde_json::from_str(r#"{"provider": "virtualbox"}"#).unwrap()).is_err()
        );
    }
}
