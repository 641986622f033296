//! What customizations and types do to media, beside what the oracle's requests show.
use super::*;
use crate::content::{CommitRequest, Package, Repository, ResolvedContent};
use crate::customizations::nodes::LocalFiles;
use crate::manifest::Stage;
use crate::pipelines::Pipeline;
use crate::pipelines::bootc::info::ContainerInfo;
use crate::pipelines::formats::Artifact;
use crate::random::Random;
use crate::request::{Options, Request};
use crate::sources::Sources;
use crate::{GeneratorError, mock};
use osbuild_wasm_blueprint::model::Blueprint;
use osbuild_wasm_distro::{Arch, Distro, ImageType, IsoBoot};
use serde_json::{Value, json};

/// What a request borrows.
struct Fixture {
    distro: Distro,
    arch: Arch,
    image_type: ImageType,
    blueprint: Blueprint,
    options: Options,
    repositories: Vec<Repository>,
    local_files: LocalFiles,
    info: Option<ContainerInfo>,
}

/// A request for a medium of this kind; `customizations` of its blueprint.
fn fixture(kind: &str, customizations: Value) -> Fixture {
    let distro = json!({
        "name": "os-1", "like": "fedora", "os_version": "1", "release_version": "1",
        "module_platform_id": "platform:os1", "product": "OS",
        "runner": {"name": "org.osbuild.linux", "build_packages": []},
    });
    let image_type = json!({
        "name": "medium", "filename": "medium.iso", "mime_type": "application/x-iso9660-image",
        "kind": kind, "exports": ["bootiso"], "iso_label": "OS-1", "platform": {"uefi_vendor": "os"},
        "package_sets": {"installer": {"include": ["kernel"]}},
        "installer_config": {"unattended_kernel_options": ["inst.text"]},
        "ostree": {"name": "os", "remote_name": "origin", "ref": "os/1"},
    });
    let blueprint = json!({"name": "test", "customizations": customizations});
    Fixture {
        distro: read(distro),
        arch: Arch::X86_64,
        image_type: read(image_type),
        blueprint: read(blueprint),
        options: Options::default(),
        repositories: vec![Repository {
            baseurls: vec!["https://repo.test/os".into()],
            ..Repository::default()
        }],
        local_files: LocalFiles::default(),
        info: None,
    }
}

fn read<T: serde::de::DeserializeOwned>(document: Value) -> T {
    serde_json::from_value(document).expect("a document of the test")
}

impl Fixture {
    fn request(&self) -> Request<'_> {
        Request {
            distro: &self.distro,
            arch: self.arch,
            image_type: &self.image_type,
            blueprint: &self.blueprint,
            options: &self.options,
            repositories: &self.repositories,
            local_files: &self.local_files,
            bootc: self.info.as_ref(),
            bootc_build: None,
            seed: 0,
        }
    }

    /// All stages of all pipelines of an installer.
    fn installer(&self) -> Result<Vec<Value>, GeneratorError> {
        let commit = CommitRequest {
            reference: "os/1".into(),
            ..CommitRequest::default()
        };
        let installer = Installer::of(self.request(), Some(commit))?;
        let mut pipelines = installer.system_pipelines();
        pipelines.extend(installer.medium_pipelines(&mut Random::new(0)));
        stages(&pipelines, self.arch)
    }

    fn simplified(&self) -> Result<Vec<Value>, GeneratorError> {
        let disk = Artifact::new("xz", "disk.xz");
        stages(
            &simplified_pipelines(self.request(), &disk, &mut Random::new(0))?,
            self.arch,
        )
    }

    fn bootc(&self) -> Result<Vec<Value>, GeneratorError> {
        let info = self.info.as_ref().expect("a container");
        stages(
            &BootcMedia::of(self.request(), info)?.pipelines(&mut Random::new(0))?,
            self.arch,
        )
    }
}

fn stages(pipelines: &[Box<dyn Pipeline + '_>], arch: Arch) -> Result<Vec<Value>, GeneratorError> {
    let kernel = Package {
        name: "kernel".into(),
        version: "6".into(),
        release: "1".into(),
        arch: "x".into(),
        ..Package::default()
    };
    let mut all = Vec::new();
    for pipeline in pipelines {
        let mut resolved: ResolvedContent =
            mock::resolve(pipeline.name(), &pipeline.content(), arch, &[]);
        resolved.packages.transactions.push(vec![kernel.clone()]);
        let made = pipeline.stages(&resolved, &mut Sources::default())?;
        all.extend(made.into_iter().map(Stage::into_json));
    }
    Ok(all)
}

/// Options of the only stage of that name.
fn options<'a>(stages: &'a [Value], name: &str) -> &'a Value {
    let kind = format!("org.osbuild.{name}");
    let mut found = stages.iter().filter(|stage| stage["type"] == kind);
    let stage = found.next().expect("the stage");
    assert!(found.next().is_none(), "{name} is there twice");
    &stage["options"]
}

fn kernel_options(stages: &[Value]) -> &Value {
    &options(stages, "grub2.iso")["kernel"]["opts"]
}

fn refused(made: Result<Vec<Value>, GeneratorError>) -> String {
    made.expect_err("an error").to_string()
}

#[test]
fn a_medium_is_named_by_the_blueprint() {
    let iso = json!({"volume_id": "MINE", "publisher": "Me", "application_id": "App"});
    let stages = fixture("network_installer", json!({"iso": iso}))
        .installer()
        .expect("stages");
    let written = options(&stages, "xorrisofs");
    assert_eq!(written["volid"], "MINE");
    assert_eq!(
        (&written["pub"], &written["appid"]),
        (&json!("Me"), &json!("App"))
    );
    assert_eq!(options(&stages, "grub2.iso")["isolabel"], "MINE");
    assert_eq!(
        kernel_options(&stages),
        &json!(["inst.stage2=hd:LABEL=MINE"])
    );
}

#[test]
fn arguments_of_the_kernel_have_their_order() {
    let customizations = json!({
        "kernel": {"append": "debug console=ttyS0"},
        "fips": true,
        "installer": {"unattended": true, "bootloader": {"grub2": {"menu-timeout": 7}}},
    });
    let stages = fixture("image_installer", customizations)
        .installer()
        .expect("stages");
    let expected = [
        "inst.stage2=hd:LABEL=OS-1",
        "inst.ks=hd:LABEL=OS-1:/osbuild.ks",
        "inst.text",
        "debug console=ttyS0",
        "fips=1",
    ];
    assert_eq!(kernel_options(&stages), &json!(expected));
    assert_eq!(
        options(&stages, "grub2.iso")["config"],
        json!({"timeout": 7})
    );
    assert_eq!(
        options(&stages, "grub2.iso.legacy")["config"],
        json!({"timeout": 7})
    );
}

#[test]
fn a_network_installer_has_a_kickstart_only_where_there_is_something_to_say() {
    let silent = fixture("network_installer", json!({}))
        .installer()
        .expect("stages");
    assert!(
        silent
            .iter()
            .all(|stage| stage["type"] != "org.osbuild.kickstart")
    );
    let customizations = json!({"group": [{"name": "crew", "gid": 7}, {"name": "guests"}]});
    let stages = fixture("network_installer", customizations)
        .installer()
        .expect("stages");
    let expected = json!({"path": "/osbuild.ks", "groups": {"crew": {"gid": 7}, "guests": {}}});
    assert_eq!(options(&stages, "kickstart"), &expected);
    let argument = json!("inst.ks=hd:LABEL=OS-1:/osbuild.ks");
    assert_eq!(kernel_options(&stages)[1], argument);
}

#[test]
fn modules_of_anaconda_follow_from_what_they_are_needed_for() {
    let module = |name: &str| format!("org.fedoraproject.Anaconda.Modules.{name}");
    let usual = ["Network", "Payloads", "Runtime", "Storage"].as_slice();
    let with_people = ["Network", "Payloads", "Runtime", "Storage", "Users"].as_slice();
    let secured = ["Network", "Payloads", "Runtime", "Security", "Storage"].as_slice();
    let cases = [
        (json!({}), usual),
        (json!({"user": [{"name": "ada"}]}), with_people),
        (json!({"group": [{"name": "crew"}]}), with_people),
        (
            json!({"sshkey": [{"user": "ada", "key": "ssh-rsa A"}]}),
            with_people,
        ),
        (json!({"fips": true}), secured),
        (
            json!({"installer": {"modules": {"enable": [module("Security"), module("Storage")]}}}),
            secured,
        ),
        (
            json!({"installer": {"modules": {"disable": [module("Runtime")]}}}),
            &["Network", "Payloads", "Storage"],
        ),
    ];
    for (customizations, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|name| module(name)).collect();
        let stages = fixture("ostree_installer", customizations.clone())
            .installer()
            .expect("stages");
        let written = &options(&stages, "anaconda")["activatable-modules"];
        assert_eq!(written, &json!(expected), "{customizations}");
    }
    let disabled = json!({"installer": {"modules": {"disable": [module("Users")]}}});
    let stages = fixture("network_installer", disabled)
        .installer()
        .expect("stages");
    assert_eq!(
        options(&stages, "anaconda"),
        &json!({"forbidden-modules": [module("Users")]})
    );
}

#[test]
fn a_payload_in_the_system_has_its_kickstart_there_and_brings_flatpaks() {
    let flatpak = json!({"registry": {"remote_name": "hub", "url": "oci+https://hub.test"}, "references": ["app/a", "app/b"]});
    let customizations = json!({"installer": {"payload": {"flatpaks": {"force": [flatpak]}}}});
    let mut fixture = fixture("ostree_installer", customizations);
    fixture.image_type.installer_config.payload_in_system = Some(true);
    let stages = fixture.installer().expect("stages");
    let kickstart = options(&stages, "kickstart");
    assert_eq!(
        kickstart["path"],
        "/usr/share/anaconda/interactive-defaults.ks"
    );
    assert_eq!(kickstart["ostree"]["url"], "file:///ostree/repo");
    assert_eq!(
        kernel_options(&stages),
        &json!(["inst.stage2=hd:LABEL=OS-1"])
    );
    let bundles = stages
        .iter()
        .filter(|stage| stage["type"] == "org.osbuild.flatpak.build-import-bundle.oci");
    assert_eq!(bundles.count(), 2);
}

#[test]
fn every_loader_has_its_boot_image() {
    let cases = [
        (
            IsoBoot::Uefi,
            Arch::Aarch64,
            Value::Null,
            json!("images/efiboot.img"),
        ),
        (
            IsoBoot::Isolinux,
            Arch::X86_64,
            json!("isolinux/isolinux.bin"),
            json!("images/efiboot.img"),
        ),
        (
            IsoBoot::Grub2,
            Arch::X86_64,
            json!("images/eltorito.img"),
            json!("images/efiboot.img"),
        ),
        (IsoBoot::Ppc64le, Arch::Ppc64le, Value::Null, Value::Null),
        (
            IsoBoot::S390x,
            Arch::S390x,
            json!("images/cdboot.img"),
            Value::Null,
        ),
    ];
    for (boot, arch, image, efi) in cases {
        let mut fixture = fixture("network_installer", json!({}));
        fixture.image_type.iso_config.boot = Some(boot);
        fixture.arch = arch;
        let stages = fixture.installer().expect("stages");
        let written = options(&stages, "xorrisofs");
        let found = written["boot"].get("image").cloned().unwrap_or_default();
        assert_eq!((found, written["efi"].clone()), (image, efi), "{boot:?}");
    }
}

#[test]
fn a_loader_for_uefi_needs_an_architecture_with_uefi() {
    let mut fixture = fixture("network_installer", json!({}));
    fixture.arch = Arch::S390x;
    fixture.image_type.iso_config.boot = Some(IsoBoot::Uefi);
    assert!(refused(fixture.installer()).contains("no medium for s390x boots by UEFI"));
}

#[test]
fn what_a_medium_cannot_have_is_refused() {
    let cases = [
        (
            "live_installer",
            json!({"user": [{"name": "ada"}]}),
            "a live medium has no kickstart",
        ),
        (
            "live_installer",
            json!({"installer": {"modules": {"enable": ["a.b"]}}}),
            "a live medium has no kickstart",
        ),
        (
            "image_installer",
            json!({"user": [{"name": "ada", "expiredate": 7}]}),
            "cannot set expiredate",
        ),
        (
            "image_installer",
            json!({"installer": {"sudo-nopasswd": ["a\" ; reboot"]}}),
            "is no name of a user",
        ),
        (
            "image_installer",
            json!({"installer": {"sudo-nopasswd": ["../shadow"]}}),
            "is no name of a user",
        ),
        (
            "image_installer",
            json!({"installer": {"sudo-nopasswd": ["%"]}}),
            "is no name of a user",
        ),
    ];
    for (kind, customizations, expected) in cases {
        let error = refused(fixture(kind, customizations.clone()).installer());
        assert!(error.contains(expected), "{customizations}: {error}");
    }
}

#[test]
fn a_medium_that_writes_a_disk_is_told_what_to_write_where() {
    let customizations = json!({
        "installation_device": "/dev/vda",
        "fdo": {"manufacturing_server_url": "https://fdo.test", "diun_pub_key_root_certs": "PEM"},
        "ignition": {"firstboot": {"url": "https://ignition.test"}},
    });
    let mut fixture = fixture("ostree_simplified_installer", customizations);
    fixture.image_type.iso_config.boot = Some(IsoBoot::Isolinux);
    let stages = fixture.simplified().expect("stages");
    let expected = json!([
        "rd.neednet=1",
        "coreos.inst.crypt_root=1",
        "coreos.inst.isoroot=OS-1",
        "coreos.inst.install_dev=/dev/vda",
        "coreos.inst.image_file=/run/media/iso/disk.xz",
        "coreos.inst.insecure",
        "fdo.manufacturing_server_url=https://fdo.test",
        "fdo.diun_pub_key_root_certs=/fdo_diun_pub_key_root_certs.pem",
        "coreos.inst.append=ignition.config.url=https://ignition.test",
    ]);
    assert_eq!(kernel_options(&stages), &expected);
    assert_eq!(options(&stages, "isolinux")["kernel"]["opts"], expected);
    let installed = &options(&stages, "dracut")["install"];
    assert_eq!(
        installed,
        &json!(["/.buildstamp", "/fdo_diun_pub_key_root_certs.pem"])
    );
}

#[test]
fn a_medium_that_writes_a_disk_needs_a_device() {
    let error = refused(fixture("ostree_simplified_installer", json!({})).simplified());
    assert_eq!(error, "customizations.installation_device: required");
}

/// A medium of this kind with a bootable container.
fn bootc(kind: &str, iso: Value, payload: &str) -> Fixture {
    let mut fixture = fixture(kind, json!({}));
    fixture.image_type.installer_config.kernel_options = Some(vec!["quiet".into()]);
    fixture.options = read(json!({"bootc": {"installer_payload_ref": payload}}));
    fixture.info = Some(read(json!({
        "Imgref": "registry.test/os:1", "Arch": "x86_64", "DefaultRootFs": "xfs",
        "OSInfo": {"OSRelease": {"ID": "os", "VersionID": "1", "Name": "OS"}, "UEFIVendor": "os",
            "KernelInfo": {"Version": "6.6"}, "ISOInfo": iso},
    })));
    fixture
}

#[test]
fn a_live_container_says_what_its_medium_is_like() {
    let entry = json!({"Name": "Try", "Linux": "/vmlinuz try", "Initrd": "/initrd.img"});
    let iso = json!({"Label": "LIVE", "KernelArgs": ["splash"], "Grub2": {"Default": 2, "Timeout": 9, "Entries": [entry]}});
    let stages = bootc("bootc_live", iso, "").bootc().expect("stages");
    let menu = options(&stages, "grub2.iso");
    assert_eq!(
        menu["kernel"]["opts"],
        json!(["root=live:CDLABEL=LIVE", "rd.live.image", "splash"])
    );
    assert_eq!(menu["config"], json!({"default": 2, "timeout": 9}));
    assert_eq!(
        menu["custom"],
        json!([{"name": "Try", "linux": "/vmlinuz try", "initrd": "/initrd.img"}])
    );
    assert_eq!(menu["vendor"], "os");
    let plain = bootc("bootc_live", json!({}), "").bootc().expect("stages");
    let expected = json!(["root=live:CDLABEL=OS-1", "rd.live.image", "quiet"]);
    assert_eq!(kernel_options(&plain), &expected);
}

#[test]
fn an_installed_container_is_what_the_blueprint_says_and_its_disk_is_divided_once() {
    let mut fixture = bootc("bootc_package_installer", json!({}), "");
    let customizations = json!({
        "locale": {"languages": ["cs_CZ.UTF-8"], "keyboard": "cz"},
        "installer": {"unattended": true},
    });
    fixture.blueprint = read(json!({"customizations": customizations}));
    let stages = fixture.bootc().expect("stages");
    let kickstart = options(&stages, "kickstart");
    let answers = ["lang", "keyboard", "timezone", "display_mode", "autopart"];
    assert_eq!(
        answers.map(|name| kickstart[name].clone()),
        [
            json!("cs_CZ.UTF-8"),
            json!("cz"),
            json!("UTC"),
            json!("text"),
            Value::Null
        ]
    );
}

#[test]
fn a_container_without_a_kernel_makes_no_medium() {
    let mut fixture = bootc("bootc_live", json!({}), "");
    fixture.info.as_mut().expect("a container").os.kernel_info = None;
    assert!(refused(fixture.bootc()).contains("has no kernel"));
}

#[test]
fn an_installing_container_has_another_to_install() {
    let error = refused(bootc("bootc_installer", json!({}), "").bootc());
    assert!(error.contains("installer_payload_ref: required"), "{error}");
    let stages = bootc("bootc_installer", json!({}), "registry.test/other:2")
        .bootc()
        .expect("stages");
    let commands = options(&stages, "kickstart")["%post"][0]["commands"].to_string();
    assert!(
        commands.contains("--transport registry registry.test/other:2"),
        "{commands}"
    );
    let error = refused(bootc("bootc_installer", json!({}), "other; reboot").bootc());
    assert!(error.contains("cannot be named in a kickstart"), "{error}");
}
