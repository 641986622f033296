//! What is made of a disk: formats of virtual machines, archives for clouds, compressed files.
use super::{BuildRoot, Pipeline};
use crate::GeneratorError;
use crate::content::ResolvedContent;
use crate::manifest::{Stage, pipeline_file, pipeline_tree};
use crate::random::Random;
use crate::sources::Sources;
use osbuild_wasm_distro::{Compression, DiskConfig, ImageFormat, ImageType, Kind};
use serde_json::{Map, Value, json};

/// Name that Google's cloud wants the disk in an archive to have.
pub const GCE_DISK: &str = "disk.raw";

/// Name of the compressed disk on a medium that writes it.
pub const WRITTEN_DISK: &str = "image.raw.xz";

/// A file of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Pipeline in whose tree it lies.
    pub pipeline: String,
    /// Its name there.
    pub file: String,
}

impl Artifact {
    /// The file of that name of that pipeline.
    pub fn new(pipeline: impl Into<String>, file: impl Into<String>) -> Self {
        Self {
            pipeline: pipeline.into(),
            file: file.into(),
        }
    }

    fn input(&self) -> Value {
        pipeline_file(&self.pipeline, &self.file)
    }

    /// Its name with another ending.
    fn renamed(&self, ending: &str) -> String {
        let stem = self
            .file
            .rsplit_once('.')
            .map_or(self.file.as_str(), |(stem, _)| stem);
        format!("{stem}.{ending}")
    }
}

/// A pipeline that makes one thing of another, of which nothing else has to be known.
#[derive(Clone, Debug)]
pub struct Step {
    /// What comes out, which also names the pipeline. Its file has no name where all of the tree is the result.
    pub result: Artifact,
    /// What its stages run in.
    pub build_root: BuildRoot<'static>,
    build_package: &'static str,
    stages: Vec<Stage>,
}

impl Pipeline for Step {
    fn name(&self) -> &str {
        &self.result.pipeline
    }

    fn build_root(&self) -> BuildRoot<'_> {
        self.build_root
    }

    fn build_packages(&self) -> Vec<String> {
        vec![self.build_package.into()]
    }

    fn stages(&self, _: &ResolvedContent, _: &mut Sources) -> Result<Vec<Stage>, GeneratorError> {
        Ok(self.stages.clone())
    }
}

impl Step {
    fn new(
        pipeline: &str,
        file: impl Into<String>,
        build_package: &'static str,
        stages: Vec<Stage>,
    ) -> Self {
        Self {
            result: Artifact::new(pipeline, file),
            build_root: BuildRoot::Pipeline("build"),
            build_package,
            stages,
        }
    }

    fn qemu(pipeline: &str, from: &Artifact, file: &str, format: Value) -> Self {
        let stage = Stage::new("qemu", json!({"filename": file, "format": format}))
            .input("image", from.input());
        Self::new(pipeline, file, "qemu-img", vec![stage])
    }

    /// A disk in QEMU's format.
    pub fn qcow2(disk: &Artifact, file: &str, compat: &str) -> Self {
        let format = json!({"type": "qcow2", "compat": compat});
        Self::qemu("qcow2", disk, file, format)
    }

    /// A disk in VMware's format.
    pub fn vmdk(disk: &Artifact, file: &str) -> Self {
        let format = json!({"type": "vmdk", "subformat": "streamOptimized"});
        Self::qemu("vmdk", disk, file, format)
    }

    /// A disk in Microsoft's format; `force_size`: whether its size is kept to the byte, where that is said.
    pub fn vpc(disk: &Artifact, file: &str, force_size: Option<bool>) -> Self {
        let mut format = json!({"type": "vpc"});
        if let Some(force) = force_size {
            format["force_size"] = force.into();
        }
        Self::qemu("vpc", disk, file, format)
    }

    /// The description of a virtual machine beside its disk, which is in VMware's format.
    pub fn ovf(vmdk: &Artifact, config: &DiskConfig) -> Self {
        let file = vmdk.renamed("ovf");
        Self::new("ovf", file, "qemu-img", described(vmdk, config))
    }

    fn tar(pipeline: &str, tree: &str, file: &str, options: Value) -> Self {
        let mut all = Map::new();
        all.insert("filename".into(), file.into());
        if let Value::Object(options) = options {
            all.extend(options);
        }
        let stage = Stage::new("tar", all.into()).input("tree", pipeline_tree(tree));
        Self::new(pipeline, file, "tar", vec![stage])
    }

    /// The archive of a virtual machine: its description first, by which a reader knows what follows.
    pub fn ova(ovf: &Artifact, file: &str) -> Self {
        let paths = ["ovf", "mf", "vmdk"].map(|ending| ovf.renamed(ending));
        let options = json!({"format": "ustar", "paths": paths});
        Self::tar("archive", &ovf.pipeline, file, options)
    }

    /// The archive that Google's cloud takes: nothing but the disk, by the name that it wants.
    pub fn gce(pipeline: &str, disk: &Artifact, file: &str) -> Self {
        let mut options = json!({
            "format": "oldgnu",
            "acls": false,
            "selinux": false,
            "xattrs": false,
            "root-node": "omit",
        });
        if disk.file != GCE_DISK {
            let name = disk.file.replace('.', "\\.");
            options["transform"] = format!("s/{name}/{GCE_DISK}/").into();
        }
        Self::tar(pipeline, &disk.pipeline, file, options)
    }

    /// What is in a box of Vagrant, beside what is there already.
    fn vagrant(disk: &Artifact, options: Value, mut stages: Vec<Stage>) -> Self {
        stages.push(Stage::new("vagrant", options).input("image", disk.input()));
        Self::new("vagrant", "", "qemu-img", stages)
    }

    fn vagrant_box(vagrant: &Artifact, file: &str) -> Self {
        let options = json!({"format": "ustar"});
        Self::tar("archive", &vagrant.pipeline, file, options)
    }

    /// A compressed file.
    pub fn compressed(compression: Compression, from: &Artifact, file: &str) -> Self {
        let name = match compression {
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        let stage = Stage::new(name, json!({"filename": file})).input("file", from.input());
        Self::new(name, file, name, vec![stage])
    }
}

/// Everything that is made of a disk to get the image of a type, in order.
///
/// # Errors
/// The format of the type is none of a disk.
pub fn steps(
    image_type: &ImageType,
    disk: &Artifact,
    random: &mut Random,
) -> Result<Vec<Step>, GeneratorError> {
    if image_type.kind == Kind::OstreeSimplifiedInstaller {
        return Ok(vec![Step::compressed(Compression::Xz, disk, WRITTEN_DISK)]);
    }
    let config = &image_type.disk_config;
    let platform = &image_type.platform;
    // What is compressed in the end has the type's name only then.
    let file = |ending: &str| match image_type.compression {
        Some(_) => format!("image.{ending}"),
        None => image_type.filename.clone(),
    };
    let mut steps = match platform.image_format {
        ImageFormat::Raw => Vec::new(),
        ImageFormat::Qcow2 => vec![Step::qcow2(disk, &file("qcow2"), &platform.qcow2_compat)],
        ImageFormat::Vhd => vec![Step::vpc(disk, &file("vhd"), config.vpc_force_size)],
        ImageFormat::Vmdk => vec![Step::vmdk(disk, &file("vmdk"))],
        ImageFormat::Gce => vec![Step::gce("archive", disk, &file("tar"))],
        ImageFormat::Ova => {
            let vmdk = Step::vmdk(disk, "image.vmdk");
            let ovf = Step::ovf(&vmdk.result, config);
            let ova = Step::ova(&ovf.result, &file("ova"));
            vec![vmdk, ovf, ova]
        }
        ImageFormat::VagrantLibvirt => {
            let qcow2 = Step::qcow2(disk, "image.qcow2", &platform.qcow2_compat);
            let vagrant = Step::vagrant(&qcow2.result, json!({"provider": "libvirt"}), Vec::new());
            let packed = Step::vagrant_box(&vagrant.result, &file("box"));
            vec![qcow2, vagrant, packed]
        }
        ImageFormat::VagrantVirtualbox => {
            let vmdk = Step::vmdk(disk, "box.vmdk");
            let machine = described(&vmdk.result, config);
            let vagrant = Step::vagrant(&vmdk.result, virtualbox(random), machine);
            let packed = Step::vagrant_box(&vagrant.result, &file("box"));
            vec![vmdk, vagrant, packed]
        }
        format @ (ImageFormat::Unset | ImageFormat::Iso) => {
            return Err(GeneratorError::Request(format!(
                "image type {:?} has {format:?} for a format, which is none of a disk",
                image_type.name
            )));
        }
    };
    if let Some(compression) = image_type.compression {
        let last = steps.last().map_or(disk, |step| &step.result);
        let compressed = Step::compressed(compression, last, &image_type.filename);
        steps.push(compressed);
    }
    Ok(steps)
}

/// The stages that put a disk and the description of its machine side by side.
fn described(vmdk: &Artifact, config: &DiskConfig) -> Vec<Stage> {
    let copy = json!({"paths": [{
        "from": format!("input://vmdk-tree/{}", vmdk.file),
        "to": "tree:///",
    }]});
    let mut options = json!({"vmdk": vmdk.file});
    if let Some(machine) = &config.vmware {
        options["vmware"] = machine.clone();
    }
    vec![
        Stage::new("copy", copy).input("vmdk-tree", pipeline_tree(&vmdk.pipeline)),
        Stage::new("ovf", options),
    ]
}

/// Options of a box for VirtualBox: a network card of its maker, and no shared folder, which needs drivers.
fn virtualbox(random: &mut Random) -> Value {
    let address = format!("080027{}", hex::encode(random.bytes::<3>()));
    json!({
        "provider": "virtualbox",
        "virtualbox": {"mac_address": address},
        "synced_folders": {"/vagrant": {"type": "rsync"}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pipelines and their files for a type with this format and compression.
    fn made(format: &str, compression: Option<&str>) -> Vec<String> {
        let image_type: ImageType = serde_json::from_value(json!({
            "name": "type",
            "filename": "result",
            "mime_type": "application/octet-stream",
            "kind": "disk",
            "exports": [],
            "compression": compression,
            "platform": {"image_format": format, "qcow2_compat": "1.1"},
        }))
        .expect("a type");
        let disk = Artifact::new("image", crate::pipelines::image::file_of(&image_type));
        let steps = steps(&image_type, &disk, &mut Random::new(0)).expect("steps");
        std::iter::once(&disk)
            .chain(steps.iter().map(|step| &step.result))
            .map(|result| format!("{}/{}", result.pipeline, result.file))
            .collect()
    }

    #[test]
    fn the_last_of_what_is_made_has_the_name_of_the_image() {
        let cases: [(&str, Option<&str>, &[&str]); 9] = [
            ("raw", None, &["image/result"]),
            ("raw", Some("zstd"), &["image/disk.img", "zstd/result"]),
            ("qcow2", None, &["image/disk.img", "qcow2/result"]),
            (
                "vmdk",
                Some("gzip"),
                &["image/disk.img", "vmdk/image.vmdk", "gzip/result"],
            ),
            (
                "vhd",
                Some("xz"),
                &["image/disk.img", "vpc/image.vhd", "xz/result"],
            ),
            ("gce", None, &["image/disk.raw", "archive/result"]),
            (
                "ova",
                None,
                &[
                    "image/disk.img",
                    "vmdk/image.vmdk",
                    "ovf/image.ovf",
                    "archive/result",
                ],
            ),
            (
                "vagrant-libvirt",
                None,
                &[
                    "image/disk.img",
                    "qcow2/image.qcow2",
                    "vagrant/",
                    "archive/result",
                ],
            ),
            (
                "vagrant-virtualbox",
                None,
                &[
                    "image/disk.img",
                    "vmdk/box.vmdk",
                    "vagrant/",
                    "archive/result",
                ],
            ),
        ];
        for (format, compression, expected) in cases {
            assert_eq!(made(format, compression), expected, "{format}");
        }
    }

    #[test]
    fn a_disk_for_googles_cloud_gets_the_name_that_it_wants() {
        let options = |file: &str| {
            let step = Step::gce("gce", &Artifact::new("image", file), "image.tar.gz");
            step.stages[0].options().cloned().expect("options")
        };
        assert_eq!(options(GCE_DISK).get("transform"), None);
        assert_eq!(options("image.raw")["transform"], "s/image\\.raw/disk.raw/");
    }
}
