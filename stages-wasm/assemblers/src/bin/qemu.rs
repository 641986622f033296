//! Assemble a partitioned, bootable disk image and convert it.
#![forbid(unsafe_code)]
use osbuild_stage::qemu_img::{self, Conversion};
use osbuild_stage::{Arguments, Command, Error, File, OpenMode, Result, Tree, bail, path};
use osbuild_stage_common::compress::{Compressor, Method};
use osbuild_stage_common::grub::{self, CoreSpec};
use osbuild_stage_common::image::{self, SECTOR, Volume};
use osbuild_stage_common::mkfs::Kind;
use osbuild_stage_common::partitions::{self, Found, Partition};
use osbuild_stage_common::zipl;
use serde::Deserialize;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    bootloader: Option<Bootloader>,
    format: String,
    qcow2_compat: Option<String>,
    vmdk_subformat: Option<String>,
    filename: String,
    #[serde(default)]
    partitions: Vec<Part>,
    ptuuid: String,
    pttype: Option<String>,
    root_fs_uuid: Option<String>,
    size: u64,
    #[serde(default)]
    root_fs_type: Kind,
}

#[derive(Deserialize)]
struct Bootloader {
    #[serde(rename = "type")]
    kind: Option<Loader>,
    platform: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Loader {
    Grub2,
    Zipl,
}

#[derive(Deserialize, Clone)]
struct Part {
    #[serde(flatten)]
    table: Partition,
    filesystem: Option<FileSystem>,
}

#[derive(Deserialize, Clone)]
struct FileSystem {
    label: Option<String>,
    mountpoint: String,
    #[serde(rename = "type")]
    kind: Kind,
    uuid: String,
}

/// Partition types that hold a GRUB core image: PReP for POWER (dos and gpt), the BIOS boot partition of gpt.
const PREP: [&str; 2] = ["41", "9E1A2D38-C612-4316-AA26-8B49521E5A8B"];
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (output, options) = (&arguments.tree, &arguments.options);
        if !options.size.is_multiple_of(SECTOR) {
            bail!("size {} is not a multiple of {SECTOR}", options.size);
        }
        let raw = if options.format == "raw" {
            options.filename.clone()
        } else {
            format!(".{}.raw", path::name(&options.filename))
        };
        let disk = output.open_as(&raw, OpenMode::Create)?;
        disk.set_size(options.size)?;
        let image = output.path(&raw);

        let label = options.label();
        let parts = options.parts()?;
        let found = partition(&image, label, &options.ptuuid, &parts)?;
        let loader = options.loader(label);
        if loader == Some(Loader::Grub2) {
            install_grub(&disk, options, label, &parts, &found)?;
        }
        drop(disk);
        let volumes: Vec<Volume> = parts
            .iter()
            .zip(&found)
            .filter_map(|(part, found)| volume(part, found))
            .collect();
        image::fill(
            &image,
            &volumes,
            &arguments.input("tree")?.path,
            || match loader {
                Some(Loader::Zipl) => zipl::install(&image, boot_part(&parts, &found)?.1.start),
                _ => Ok(()),
            },
        )?;
        convert(output, options, &raw)
    })
}

impl Options {
    fn label(&self) -> &str {
        match self.pttype.as_deref() {
            None | Some("mbr") => "dos",
            Some(label) => label,
        }
    }

    /// GRUB is the loader of dos tables unless the options say otherwise.
    fn loader(&self, label: &str) -> Option<Loader> {
        let default = (label == "dos").then_some(Loader::Grub2);
        self.bootloader
            .as_ref()
            .map_or(default, |loader| Some(loader.kind.unwrap_or(Loader::Grub2)))
    }

    fn platform(&self) -> &str {
        self.bootloader
            .as_ref()
            .and_then(|loader| loader.platform.as_deref())
            .unwrap_or("i386-pc")
    }

    /// The partitions; without any there is one for the root file system.
    fn parts(&self) -> Result<Vec<Part>> {
        if !self.partitions.is_empty() {
            return Ok(self.partitions.clone());
        }
        let uuid = self
            .root_fs_uuid
            .clone()
            .ok_or_else(|| Error::new("one of `partitions` and `root_fs_uuid` is needed"))?;
        let table = Partition {
            kind: Some("83".into()),
            bootable: true,
            ..Partition::default()
        };
        let filesystem = FileSystem {
            label: None,
            mountpoint: "/".into(),
            kind: self.root_fs_type,
            uuid,
        };
        Ok(vec![Part {
            table,
            filesystem: Some(filesystem),
        }])
    }
}

fn partition(image: &str, label: &str, id: &str, parts: &[Part]) -> Result<Vec<Found>> {
    let wanted: Vec<Partition> = parts.iter().map(|part| part.table.clone()).collect();
    let script = partitions::script(image, label, id, &wanted)?;
    Command::new("sfdisk")
        .args(["-q", image])
        .stdin(script)
        .run()?;
    let report = Command::new("sfdisk").args(["--json", image]).capture()?;
    Ok(partitions::parse(&report, parts.len())?.partitions)
}

/// The partition with the kernels: that of /boot, otherwise that of the root.
fn boot_part<'a>(parts: &'a [Part], found: &'a [Found]) -> Result<(&'a FileSystem, &'a Found)> {
    let at = |mountpoint: &str| {
        let mut all = parts
            .iter()
            .zip(found)
            .filter_map(|(part, found)| Some((part.filesystem.as_ref()?, found)));
        all.find(|(fs, _)| fs.mountpoint == mountpoint)
    };
    at("/boot")
        .or_else(|| at("/"))
        .ok_or_else(|| Error::new("no partition is mounted at /boot or /"))
}

fn install_grub(
    disk: &File,
    options: &Options,
    label: &str,
    parts: &[Part],
    found: &[Found],
) -> Result<()> {
    let (boot, boot_found) = boot_part(parts, found)?;
    let directory = if boot.mountpoint == "/boot" {
        "grub2"
    } else {
        "boot/grub2"
    };
    let spec = CoreSpec {
        program: "grub2-mkimage",
        platform: options.platform(),
        partition_table: label,
        file_system: boot.kind.name(),
        prefix: &grub::partition_prefix(label, boot_found.number()?, directory),
    };
    let core = osbuild_stage::grub::core_image(&spec.core()?)?;
    let (sector, room) = core_place(options.platform(), label, found)?;
    if core.len() as u64 > room * SECTOR {
        bail!(
            "the GRUB core image has {} bytes, at sector {sector} there is room for {}",
            core.len(),
            room * SECTOR
        );
    }
    disk.write_at(sector * SECTOR, &core)?;
    if options.platform() != "i386-pc" {
        return Ok(());
    }
    if sector > 1 {
        disk.write_at(
            sector * SECTOR + grub::CORE_NEXT_SECTOR,
            &(sector + 1).to_le_bytes(),
        )?;
    }
    grub::write_boot_sector(
        disk,
        &osbuild_stage::grub::boot_image(options.platform())?,
        sector,
    )
}

/// First sector for the core image and how many there are.
fn core_place(platform: &str, label: &str, found: &[Found]) -> Result<(u64, u64)> {
    let of_type = |kinds: &[&str]| {
        found.iter().find(|part| {
            kinds
                .iter()
                .any(|kind| part.kind.eq_ignore_ascii_case(kind))
        })
    };
    let partition = match (platform, label) {
        ("powerpc-ieee1275", _) => of_type(&PREP)
            .map(Some)
            .ok_or_else(|| Error::new("GRUB needs a PReP partition on POWER"))?,
        (_, "gpt") => of_type(&[BIOS_BOOT])
            .map(Some)
            .ok_or_else(|| Error::new("GRUB needs a BIOS boot partition in a gpt"))?,
        _ => None,
    };
    Ok(match partition {
        Some(part) => (part.start, part.size),
        None => (
            1,
            found
                .iter()
                .map(|part| part.start)
                .min()
                .unwrap_or(1)
                .saturating_sub(1),
        ),
    })
}

fn volume(part: &Part, found: &Found) -> Option<Volume> {
    let fs = part.filesystem.as_ref()?;
    Some(Volume {
        offset: found.start * SECTOR,
        size: Some(found.size * SECTOR),
        kind: fs.kind,
        uuid: fs.uuid.clone(),
        label: fs.label.clone(),
        mount_point: fs.mountpoint.clone(),
    })
}

/// Turns the raw image into what was asked for.
fn convert(output: &Tree, options: &Options, raw: &str) -> Result<()> {
    let some = |name: &str, value: &Option<String>| {
        value
            .iter()
            .map(|value| format!("{name}={value}"))
            .collect()
    };
    let (format, compress, extra): (_, _, Vec<String>) = match options.format.as_str() {
        "raw" => return Ok(()),
        "raw.xz" => {
            compress_xz(output, raw, &options.filename)?;
            return output.remove(raw);
        }
        "qcow2" => (
            qemu_img::Format::Qcow2,
            true,
            some("compat", &options.qcow2_compat),
        ),
        "vmdk" => (
            qemu_img::Format::Vmdk,
            true,
            some("subformat", &options.vmdk_subformat),
        ),
        "vpc" => (
            qemu_img::Format::Vpc,
            false,
            vec!["subformat=fixed".into(), "force_size".into()],
        ),
        "vdi" => (qemu_img::Format::Vdi, false, vec![]),
        "vhdx" => (qemu_img::Format::Vhdx, false, vec![]),
        other => bail!("image format `{other}` is not known"),
    };
    let conversion = Conversion {
        format,
        compress,
        options: extra,
        coroutines: None,
    };
    qemu_img::convert(
        &output.path(raw),
        &output.path(&options.filename),
        &conversion,
    )?;
    output.remove(raw)
}

fn compress_xz(output: &Tree, raw: &str, filename: &str) -> Result<()> {
    let target = io::BufWriter::with_capacity(1 << 20, output.create(filename)?);
    let mut stream = Compressor::new(Method::Xz(0), target)?;
    let mut source = io::BufReader::with_capacity(1 << 20, output.open(raw)?);
    io::copy(&mut source, &mut stream)?;
    Ok(stream.finish()?.flush()?)
}
