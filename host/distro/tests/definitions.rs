//! Definitions that the program carries, and those that a user adds.
use osbuild_wasm_distro::{
    Arch, BootMode, DefinitionError, Definitions, Distro, ImageType, Kind, PartitionTable, Payload,
    definitions_schema,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn distro(name: &str) -> Distro {
    let found = Definitions::embedded().distro(name);
    found.expect("a distribution")
}

fn image_type(distribution: &str, arch: Arch, name: &str) -> ImageType {
    let definitions = Definitions::embedded();
    let found = definitions.image_type(&distro(distribution), arch, name);
    found.expect("an image type")
}

#[test]
fn names_have_several_spellings() {
    for (spelling, name) in [
        ("rhel-9.4", "rhel-9.4"),
        ("rhel-94", "rhel-9.4"),
        ("rhel-810", "rhel-8.10"),
        ("rhel-88", "rhel-8.8"),
        ("rhel-100", "rhel-10.0"),
        ("rhel-79", "rhel-7.9"),
        ("centos-9", "centos-9"),
        ("fedora-44", "fedora-44"),
        ("almalinux-9.6", "almalinux-9.6"),
        ("rocky-10", "rocky-10"),
        ("ol-9.6", "ol-9.6"),
        ("eln-11", "eln-11"),
    ] {
        assert_eq!(distro(spelling).name, name, "{spelling}");
    }
    let definitions = Definitions::embedded();
    for wrong in [
        "fedora",
        "fedora-",
        "fedora-4x",
        "fedora-043",
        "rhel-9.04",
        "centos-9.1",
        "rhel-11",
        "-43",
        "",
    ] {
        assert!(definitions.distro(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_does_not_exist_is_said_with_what_was_meant() {
    let definitions = Definitions::embedded();
    let error = definitions.distro("fedroa-43").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no distribution fedroa-43; did you mean fedora-43?"
    );
    let fedora = distro("fedora-43");
    let unknown = |arch, name| {
        let error = definitions.image_type(&fedora, arch, name).unwrap_err();
        assert!(matches!(error, DefinitionError::UnknownType { .. }));
        error.to_string()
    };
    assert_eq!(
        unknown(Arch::X86_64, "qcow"),
        "fedora-43 has no image type qcow for x86_64; did you mean qcow2?"
    );
    assert_eq!(
        unknown(Arch::S390x, "minimal-raw-xz"),
        "fedora-43 has no image type minimal-raw-xz for s390x; did you mean --arch aarch64?"
    );
}

#[test]
fn aliases_name_types_where_the_type_exists() {
    assert_eq!(
        image_type("fedora-43", Arch::X86_64, "qcow2").name,
        "generic-qcow2"
    );
    assert_eq!(
        image_type("rhel-9.4", Arch::Aarch64, "rhel-edge-commit").name,
        "edge-commit"
    );
    let definitions = Definitions::embedded();
    for distribution in definitions.distributions().unwrap() {
        let distro = definitions.distro(&distribution).unwrap();
        for arch in Arch::ALL {
            let mut seen = BTreeSet::new();
            for (name, aliases) in definitions.names(&distro, arch).unwrap() {
                for name in aliases.into_iter().chain([name]) {
                    assert!(
                        seen.insert(name.clone()),
                        "{distribution} {arch}: {name} twice"
                    );
                }
            }
        }
    }
}

#[test]
fn every_listed_type_resolves() {
    let definitions = Definitions::embedded();
    let listed = definitions.list().unwrap();
    assert!(listed.len() > 1000, "{}", listed.len());
    for entry in listed {
        let distro = definitions.distro(&entry.distribution).unwrap();
        let found = definitions
            .image_type(&distro, entry.arch, &entry.image_type)
            .unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        assert!(
            !found.filename.is_empty() && !found.exports.is_empty(),
            "{entry:?}"
        );
        assert!(!found.supported_options.is_empty(), "{entry:?}");
        let repositories = definitions.repositories(&distro, entry.arch);
        repositories.unwrap_or_else(|error| panic!("{entry:?}: {error}"));
    }
}

#[test]
fn conditions_on_versions_and_architectures_decide() {
    let boot = |name| image_type(name, Arch::X86_64, "ami").platform.boot_mode();
    assert_eq!(boot("rhel-9.2"), BootMode::Legacy);
    assert_eq!(boot("rhel-9.4"), BootMode::Hybrid);
    // A distribution without minor version is the latest.
    assert_eq!(boot("centos-9"), BootMode::Hybrid);
    assert!(distro("fedora-45").preview && !distro("fedora-44").preview);
    let exists = |name, arch| {
        Definitions::embedded()
            .image_type(&distro("rhel-9.4"), arch, name)
            .is_ok()
    };
    assert!(exists("ec2-sap", Arch::X86_64) && !exists("ec2-sap", Arch::Aarch64));
    let sap = image_type("rhel-9.4", Arch::X86_64, "ec2-sap");
    assert!(
        sap.package_sets["os"]
            .include
            .contains(&"rhel-system-roles-sap".into())
    );
    assert!(sap.package_sets["os"].include.is_sorted());
    assert_eq!(sap.image_config.dnf_set_releasever, Some(true));
}

#[test]
fn texts_have_their_variables_filled() {
    let installer = image_type("rhel-9.4", Arch::Aarch64, "edge-installer");
    assert_eq!(installer.iso_label, "RHEL-9-4-0-BaseOS-aarch64");
    assert_eq!(installer.ostree.unwrap().reference, "rhel/9/aarch64/edge");
    assert_eq!(installer.platform.uefi_vendor, "redhat");
    let without_minor = image_type("rhel-9", Arch::Aarch64, "edge-installer");
    assert_eq!(without_minor.iso_label, "RHEL-9-BaseOS-aarch64");
    let centos = image_type("centos-9", Arch::X86_64, "qcow2");
    assert_eq!(centos.platform.uefi_vendor, "centos");
    assert_eq!(distro("rhel-8.10").runner.name, "org.osbuild.rhel810");
}

#[test]
fn a_clone_is_an_entry_of_its_family() {
    for (name, vendor) in [
        ("almalinux-9", "almalinux"),
        ("rocky-10", "rocky"),
        ("almalinux-10.1", "almalinux"),
    ] {
        let clone = image_type(name, Arch::X86_64, "qcow2");
        assert_eq!(clone.platform.uefi_vendor, vendor);
        assert!(
            !clone.package_sets["os"]
                .include
                .iter()
                .any(|package| package.contains("insights"))
        );
        let definitions = Definitions::embedded();
        let repositories = definitions
            .repositories(&distro(name), Arch::X86_64)
            .unwrap();
        assert!(
            repositories
                .iter()
                .all(|repository| !repository.rhsm && repository.check_gpg == Some(true))
        );
        assert!(
            repositories
                .iter()
                .all(|repository| repository.gpgkeys[0].starts_with("-----BEGIN PGP"))
        );
        assert!(
            definitions
                .image_type(&distro(name), Arch::X86_64, "azure-rhui")
                .is_err()
        );
    }
}

#[test]
fn a_bootable_container_is_a_distribution() {
    for (name, runner, label) in [
        (
            "bootc-fedora-42",
            "org.osbuild.fedora42",
            "Fedora-S-dvd-x86_64-42",
        ),
        (
            "bootc-rhel-10.1",
            "org.osbuild.rhel101",
            "RHEL-10-1-BaseOS-x86_64",
        ),
    ] {
        let found = distro(name);
        assert_eq!(
            (found.name.as_str(), found.runner.name.as_str()),
            (name, runner)
        );
        assert_eq!(
            image_type(name, Arch::X86_64, "anaconda-iso").iso_label,
            label
        );
    }
    let own = "bootc-my-own-os-3.1";
    assert_eq!(distro(own).os_version, "3.1");
    assert_eq!(image_type(own, Arch::S390x, "qcow2").kind, Kind::BootcDisk);
    let installer = Definitions::embedded().image_type(&distro(own), Arch::X86_64, "anaconda-iso");
    assert!(installer.is_err(), "there are no packages for it");
    assert!(Definitions::embedded().distro("bootc-3").is_err());
}

fn mounts(table: &PartitionTable) -> Vec<(String, u64)> {
    let mount = |payload: &Option<Payload>| match payload {
        Some(Payload::FileSystem(system)) => system.mountpoint.clone(),
        _ => String::new(),
    };
    table
        .partitions
        .iter()
        .map(|partition| (mount(&partition.payload), partition.size))
        .collect()
}

const OWN: &str = r#"
include: [rhel-9]
distributions:
  - name: own
    versions: ["1"]
    like: rhel-9
    os_version: "{{version}}"
    release_version: "1"
    module_platform_id: platform:own1
    product: Own Linux
    vendor: own
    runner: {name: org.osbuild.linux, build_packages: [systemd]}
    default_fs_type: ext4
    iso_label: Own-{{version}}-{{label}}-{{arch}}
repositories:
  - {name: own, baseurls: ["https://example.com/{{name}}/{{version}}/{{arch}}/"], gpgkeys: [own], check_gpg: true}
partition_tables:
  small:
    type: gpt
    partitions:
      - {size: 100 MiB, type: C12A7328-F81F-11D2-BA4B-00A0C93EC93B, payload: {payload_type: filesystem, type: vfat, mountpoint: /boot/efi}}
      - {size: 1.5 GiB, payload: {payload_type: filesystem, mountpoint: /}}
image_types:
  edge-ami: {available: [], kind: disk}
  small:
    base: qcow2
    aliases: [tiny]
    default_size: 3 GiB
    partition_table: {x86_64: small}
    packages: {os: {include: [own-release]}}
    image_config: {timezone: null, locale: de_DE.UTF-8}
"#;

fn with_own(files: &[(&str, &str)]) -> Result<Definitions, DefinitionError> {
    let mut definitions = Definitions::embedded();
    definitions.extend(files.iter().copied())?;
    Ok(definitions)
}

#[test]
fn a_directory_adds_a_family_that_is_like_another() {
    let definitions = with_own(&[("own/own.yaml", OWN), ("keys/own.asc", "the key")]).unwrap();
    let own = definitions.distro("own-1").unwrap();
    let small = definitions.image_type(&own, Arch::X86_64, "tiny").unwrap();
    assert_eq!(
        (small.kind, small.default_size, small.filename.as_str()),
        (Kind::Disk, 3 << 30, "disk.qcow2")
    );
    assert_eq!(small.platform.uefi_vendor, "own");
    let table = small.partition_table.unwrap();
    assert_eq!(
        mounts(&table),
        [("/boot/efi".into(), 100 << 20), ("/".into(), 3 << 29)]
    );
    assert_eq!(small.image_config.timezone, None);
    assert_eq!(small.image_config.locale.as_deref(), Some("de_DE.UTF-8"));
    let include = &small.package_sets["os"].include;
    assert!(include.contains(&"own-release".into()) && include.contains(&"cloud-init".into()));
    assert!(
        definitions
            .image_type(&own, Arch::X86_64, "edge-ami")
            .is_err()
    );
    let repositories = definitions.repositories(&own, Arch::X86_64).unwrap();
    assert_eq!(
        repositories[0].baseurls,
        ["https://example.com/own/1/x86_64/"]
    );
    assert_eq!(repositories[0].gpgkeys, ["the key"]);
    // The program's own are still there.
    assert!(definitions.distro("fedora-43").is_ok());
}

#[test]
fn a_family_of_the_same_name_takes_the_place_of_the_programs() {
    let eln = OWN.replace("include: [rhel-9]", "include: [rhel-10]");
    let definitions = with_own(&[("eln/all.yaml", &eln), ("keys/own.asc", "the key")]).unwrap();
    assert!(definitions.distro("own-1").is_ok());
    assert!(definitions.distro("eln-11").is_err());
}

#[test]
fn definitions_that_cannot_be_say_where() {
    let start = OWN.split("repositories:").next().unwrap();
    let deep = "[".repeat(10_000);
    for (text, expected) in [
        ("image_types: [", "own/own.yaml: line 1"),
        (&deep, "recursion limit"),
        ("a: 1\na: 2\n", "duplicate mapping key"),
        ("distributions: {}\n", "definitions of own: distributions"),
        ("platform: {}\n", "unknown field `platform`"),
    ] {
        let error = with_own(&[("own/own.yaml", text)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (part, expected) in [
        ("image_types: {a: {base: b}}", "there is no type b"),
        ("image_types: {a: {base: a}}", "do they go in a circle?"),
        (
            "image_types: {a: {platforms: {x86_64: p}}}",
            "there is no platform p",
        ),
        (
            "image_types: {a: {base: qcow2, image_config: {locle: C}}}",
            "unknown field `locle`",
        ),
        (
            "image_types: {a: {base: qcow2, fileame: a}}",
            "unknown field `fileame`",
        ),
        (
            "image_types: {a: {base: qcow2, iso_label: a, image_config: {locale: '{{x}}'}}}",
            "there is no x",
        ),
        (
            "image_types: {a: {base: qcow2, default_size: 3 GB5}}",
            "\"3 GB5\" is no size",
        ),
        (
            "image_types: {a: {base: qcow2, partition_table: {x86_64: t}}}",
            "there is no partition table",
        ),
        (
            "image_types: {a: {base: qcow2, supported_options: o}}",
            "there is no option list o",
        ),
    ] {
        let text = format!("{start}{part}\n");
        let definitions = with_own(&[("own/own.yaml", &text)]).unwrap();
        let own = definitions.distro("own-1").unwrap();
        let error = definitions
            .image_type(&own, Arch::X86_64, "a")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("definitions of own: a"),
            "{error}"
        );
    }
    let circle = [
        ("own/own.yaml", start.replace("rhel-9]", "other]")),
        ("other/o.yaml", "include: [own]\n".into()),
    ];
    let circle: Vec<(&str, &str)> = circle
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let definitions = with_own(&circle).unwrap();
    let own = definitions.distro("own-1").unwrap();
    let error = definitions
        .image_type(&own, Arch::X86_64, "a")
        .unwrap_err()
        .to_string();
    assert!(error.contains("own includes itself"), "{error}");
}

/// YAML files of the program's definitions.
fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions");
    let families = std::fs::read_dir(directory)
        .expect("files of definitions")
        .map(|family| family.expect("files of definitions").path());
    let files =
        families.flat_map(|family| std::fs::read_dir(family).expect("files of definitions"));
    let files = files.map(|file| file.expect("files of definitions").path());
    files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn every_file_of_definitions_fits_the_schema() {
    let schema = definitions_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let files = files();
    assert!(files.len() > 30);
    for file in files {
        let document: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            problems.is_empty(),
            "{}: {}",
            file.display(),
            problems.join("\n")
        );
    }
    let own: Value = serde_saphyr::from_str(OWN).unwrap();
    assert!(validator.is_valid(&own));
    for wrong in [
        "image_types: {a: {fileame: b}}",
        "platforms: {a: {uefi: b}}",
        "image_types: {a: {image_config: {locle: C}}}",
    ] {
        let document: Value = serde_saphyr::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&document), "{wrong}");
    }
}

#[test]
fn the_schema_of_the_repository_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/definitions.schema.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        kept == definitions_schema(),
        "cargo run -p osbuild-wasm-distro --example schema > schemas/definitions.schema.json"
    );
}
