//! The disk: a file with partitions, into whose file systems the tree of a system is copied.
use super::Pipeline;
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::disk::{self, Purpose};
use crate::manifest::{Stage, pipeline_tree, source_checkout};
use crate::sources::Sources;
use osbuild_wasm_distro::{
    Bootloader, ImageFormat, ImageType, Kind, PartitionTable, PartitionTool, Platform, TableKind,
};
use serde_json::{Value, json};
use std::rc::Rc;

/// The mount with the root of the system, as places in stages name it.
const ROOT: &str = "mount://-";

/// What zipl calls the disk that it writes itself to.
const WHOLE: &str = "disk";

/// The disk.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// Pipeline whose tree it gets.
    pub tree: &'static str,
    /// Name of its file.
    pub file: &'a str,
    /// Its partitions, with identifiers.
    pub table: Rc<PartitionTable>,
    /// Program that writes its label.
    pub tool: PartitionTool,
    /// What it boots by.
    pub platform: &'a Platform,
    /// Package of the kernel that zipl installs, which is in the tree.
    pub kernel: Option<&'a str>,
}

/// Name of the file of the disk: that of the image, if nothing is made of the disk.
pub fn file_of(image_type: &ImageType) -> &str {
    let is_result = image_type.kind != Kind::OstreeSimplifiedInstaller
        && image_type.platform.image_format == ImageFormat::Raw
        && image_type.compression.is_none();
    match image_type.platform.image_format {
        _ if is_result => &image_type.filename,
        ImageFormat::Gce => super::formats::GCE_DISK,
        _ => "disk.img",
    }
}

impl Pipeline for Image<'_> {
    fn name(&self) -> &str {
        "image"
    }

    fn build_packages(&self) -> Vec<String> {
        match self.tool {
            PartitionTool::Sfdisk => Vec::new(),
            PartitionTool::Sgdisk => vec!["gdisk".into()],
        }
    }

    fn system(&self) -> &str {
        self.tree
    }

    fn stages(
        &self,
        resolved: &ResolvedContent,
        _sources: &mut Sources,
    ) -> Result<Vec<Stage>, GeneratorError> {
        let table = &self.table;
        if self.platform.zipl && disk::mount(table, &format!("/{WHOLE}")).is_some() {
            return Err(GeneratorError::PartitionTable(format!(
                "nothing can be mounted at /{WHOLE}, by whose name zipl knows the disk: mount it elsewhere"
            )));
        }
        let mut stages = vec![
            disk::truncate_stage(table, self.file),
            disk::label_stage(table, self.tool, self.file)?,
        ];
        stages.extend(disk::container_stages(table, self.file));
        stages.extend(disk::content_stages(table, self.file, "build")?);
        let system = json!({"from": "input://root-tree/", "to": format!("{ROOT}/")});
        stages.push(self.copy("root-tree", pipeline_tree(self.tree), vec![system]));
        stages.extend(self.boot_files(resolved));
        stages.extend(disk::finishing_stages(table, self.file));
        stages.extend(self.bootloader(resolved)?);
        Ok(stages)
    }
}

impl Image<'_> {
    /// A stage that works on the file systems of the disk.
    fn on_disk(&self, stage: Stage) -> Stage {
        let (mut devices, mounts) = disk::mounted_disk(&self.table, self.file);
        if self.platform.zipl {
            let whole = disk::whole_disk(&self.table, self.file, false);
            devices.insert(WHOLE.into(), whole);
        }
        stage.devices(devices).mounts(mounts)
    }

    /// A stage that copies to the disk.
    fn copy(&self, name: &str, input: Value, paths: Vec<Value>) -> Stage {
        let stage = Stage::new("copy", json!({"paths": paths}));
        self.on_disk(stage.input(name, input))
    }

    /// The stages that copy what firmware reads: files of the system, then of the build root. Those of a deployed
    /// system are not where they belong in its tree, but they are in its commit.
    fn boot_files(&self, resolved: &ResolvedContent) -> Vec<Stage> {
        let (name, input, root) = match resolved.commits.first() {
            None => ("root-tree", pipeline_tree(self.tree), String::new()),
            Some(commit) => (
                "ostree-tree",
                source_checkout(&commit.checksum),
                format!("/{}", commit.checksum),
            ),
        };
        [
            (false, name, input, root),
            (true, "build-tree", pipeline_tree("build"), String::new()),
        ]
        .into_iter()
        .filter_map(|(from_build, name, input, root)| {
            let paths: Vec<Value> = self
                .platform
                .boot_files
                .iter()
                .filter(|file| file.from_build == from_build)
                .map(|file| {
                    json!({
                        "from": format!("input://{name}{root}{}", file.src),
                        "to": format!("{ROOT}{}", file.dst),
                    })
                })
                .collect();
            (!paths.is_empty()).then(|| self.copy(name, input, paths))
        })
        .collect()
    }

    /// What is written outside of file systems, or by the loader's own installer.
    fn bootloader(&self, resolved: &ResolvedContent) -> Result<Vec<Stage>, GeneratorError> {
        let mut stages = Vec::new();
        if self.platform.zipl {
            stages.push(self.zipl(resolved)?);
        } else if !self.platform.bios_platform.is_empty() {
            stages.push(self.grub()?);
        }
        if self.platform.bootloader == Bootloader::SystemdBoot {
            let options = json!({"root": format!("{ROOT}/")});
            stages.push(self.on_disk(Stage::new("bootctl.install.root", options)));
        }
        Ok(stages)
    }

    fn zipl(&self, resolved: &ResolvedContent) -> Result<Stage, GeneratorError> {
        let missing = |missing: &str| GeneratorError::Unresolved {
            pipeline: "image".into(),
            missing: missing.into(),
        };
        let name = self.kernel.ok_or_else(|| missing("a kernel for zipl"))?;
        let kernel = resolved
            .packages
            .package(name)
            .ok_or_else(|| missing(&format!("the kernel {name}")))?;
        let start = self.boot_partition()?.1;
        let options = json!({"kernel": kernel.evra(), "location": start / self.table.sector()});
        Ok(self.on_disk(Stage::new("zipl.inst", options)))
    }

    fn grub(&self) -> Result<Stage, GeneratorError> {
        let core = self.core_partition()?;
        let label = match self.table.kind {
            TableKind::Gpt => "gpt",
            TableKind::Dos => "dos",
        };
        let (number, _) = self.boot_partition()?;
        let boot = disk::mount(&self.table, "/boot").or_else(|| disk::mount(&self.table, "/"));
        let path = match disk::has_own_partition(&self.table, "/boot") {
            true => "/grub2",
            false => "/boot/grub2",
        };
        Ok(Stage::new(
            "grub2.inst",
            json!({
                "filename": self.file,
                "platform": self.platform.bios_platform,
                "location": core / self.table.sector(),
                "core": {
                    "type": "mkimage",
                    "partlabel": label,
                    "filesystem": boot.map_or("", |mount| mount.kind),
                },
                "prefix": {
                    "type": "partition",
                    "partlabel": label,
                    "number": number,
                    "path": path,
                },
            }),
        ))
    }

    /// Number, from 0, and start of the partition with `/boot`.
    fn boot_partition(&self) -> Result<(usize, u64), GeneratorError> {
        disk::partition_of(&self.table, "/boot")
            .or_else(|| disk::partition_of(&self.table, "/"))
            .map(|number| (number, self.table.partitions[number].start))
            .ok_or_else(|| {
                GeneratorError::PartitionTable("nothing is mounted at /boot or /".into())
            })
    }

    /// Start of the partition that GRUB's core is written to.
    fn core_partition(&self) -> Result<u64, GeneratorError> {
        let is_core = |kind: &str| {
            [Purpose::BiosBoot, Purpose::Prep]
                .into_iter()
                .any(|purpose| purpose.has_type(self.table.kind, kind))
        };
        self.table
            .partitions
            .iter()
            .find(|partition| is_core(&partition.kind))
            .map(|partition| partition.start)
            .ok_or_else(|| {
                GeneratorError::PartitionTable(
                    "there is no partition for the core of GRUB, which BIOS and POWER start from: a BIOS boot or PReP \
                     partition"
                        .into(),
                )
            })
    }
}
