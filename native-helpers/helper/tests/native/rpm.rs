//! RPM.

use std::fs;
use std::os::fd::AsFd;

use osbuild_wasm_protocol::{
    Bytes, Database, ErrorCode, ImportKey, Install, Interface, PackageFile, Query, Verify,
};
use rustix::fs::OFlags;

use crate::support::{Bench, Shown, TREE, can_run, host};

const SPEC: &str = "Name: sample\nVersion: 1\nRelease: 2\nSummary: sample\nLicense: none\nBuildArch: noarch\n%description\nsample\n\
    %post -p /bin/sh\nid -u > /uid; ls /dev | wc -l > /devices; cut -d: -f1 -s /proc/net/dev > /network\n%files\n";

fn database() -> Database {
    Database {
        root: TREE.into(),
        path: Some("/usr/lib/sysimage/rpm".into()),
        keys_program: None,
    }
}

/// Where the packages of tests are.
const NOARCH: &str = "/run/osbuild/inputs/packages/noarch";

/// The file of the only package.
fn sample() -> PackageFile {
    PackageFile {
        directory: 0,
        name: "sample-1-2.noarch.rpm".into(),
    }
}

fn verification(package: &str) -> Verify {
    Verify {
        database: database(),
        package: package.to_owned(),
        file: sample(),
    }
}

/// Builds a package without a signature into the tree's inputs.
fn package(bench: &mut Bench) -> String {
    let directory = bench.top().join("packages");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("sample.spec"), SPEC).unwrap();
    let define = |name: &str| format!("{name} {}", directory.display());
    let spec = directory.join("sample.spec");
    host(
        "/usr/bin/rpmbuild",
        &[
            "-bb",
            "--quiet",
            "--define",
            &define("_topdir"),
            "--define",
            &define("_rpmdir"),
            spec.to_str().unwrap(),
        ],
    );
    bench.directories.push(Shown {
        contract: "/run/osbuild/inputs/packages".into(),
        host: directory,
        writable: false,
    });
    "/run/osbuild/inputs/packages/noarch/sample-1-2.noarch.rpm".into()
}

#[test]
fn a_package_is_installed_with_its_scriptlet_and_listed() {
    if !can_run(&["rpm", "rpmbuild", "busybox"]) {
        return;
    }
    let mut bench = Bench::granting(&["rpm", "rpmkeys"]);
    let package = package(&mut bench);
    for directory in ["bin", "usr/lib/sysimage/rpm", "tmp", "var/tmp"] {
        fs::create_dir_all(bench.tree().join(directory)).unwrap();
    }
    for applet in ["sh", "id", "ls", "wc", "cut"] {
        fs::copy("/usr/bin/busybox", bench.tree().join("bin").join(applet)).unwrap();
    }
    bench.grant.environment = vec!["BOOT_ROOT".into()];
    let client = bench.client(Interface::Rpm);
    let session = bench.begin(&client);
    let packages = session.open(NOARCH, OFlags::PATH);
    let install = Install {
        database: database(),
        packages: vec![sample()],
        exclude_docs: true,
        no_dependencies: true,
        ignore_architecture: true,
        install_langs: vec!["en".into()],
        environment: vec![("BOOT_ROOT".into(), "/boot".into())],
    };
    session
        .call(install, &[packages.as_fd()])
        .unwrap_or_else(|failure| panic!("{failure}\n{}", bench.log()));
    let read = |name: &str| {
        fs::read_to_string(bench.tree().join(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(
        (read("uid").as_str(), read("network").as_str()),
        ("0", "lo")
    );
    assert!(read("devices").parse::<u32>().unwrap() > 5);
    assert!(
        fs::read_dir(bench.tree().join("dev"))
            .unwrap()
            .next()
            .is_none(),
        "devices are in the sandbox only"
    );
    let directory = packages;
    let packages = session
        .call(
            Query {
                database: database(),
            },
            &[],
        )
        .unwrap();
    let [sample] = packages.as_slice() else {
        panic!("{packages:?}")
    };
    assert_eq!(
        (
            sample.name.as_str(),
            sample.version.as_str(),
            sample.release.as_str()
        ),
        ("sample", "1", "2")
    );
    assert_eq!(
        (
            sample.arch.as_deref(),
            sample.epoch.as_deref(),
            sample.sigpgp.as_deref()
        ),
        (Some("noarch"), None, None)
    );
    assert_eq!(sample.sha256header.as_deref().map(str::len), Some(64));
    let failure = session
        .call(verification(&package), &[directory.as_fd()])
        .unwrap_err();
    assert!(
        failure.code == ErrorCode::Io && failure.detail.contains("signature"),
        "an unsigned package fails: {failure}"
    );
    let failure = session
        .call(
            ImportKey {
                database: database(),
                key: Bytes(b"no key".to_vec()),
            },
            &[],
        )
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::Io, "{failure}");
}

/// A key without a passphrase in a GnuPG home of its own; returns the armoured public key.
fn sign(bench: &Bench) -> Vec<u8> {
    let home = bench.top().join("gnupg");
    fs::create_dir(&home).unwrap();
    let home = home.to_str().unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = std::process::Command::new("/usr/bin/gpg");
        let output = command
            .args([
                "--homedir",
                home,
                "--batch",
                "--quiet",
                "--no-permission-warning",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    gpg(&[
        "--passphrase",
        "",
        "--quick-generate-key",
        "sample@example.org",
        "rsa2048",
        "sign",
        "never",
    ]);
    let file = bench.top().join("packages/noarch/sample-1-2.noarch.rpm");
    let path = format!("_gpg_path {home}");
    let macros = ["_gpg_name sample@example.org", "__gpg /usr/bin/gpg", &path];
    let mut arguments: Vec<&str> = macros
        .iter()
        .flat_map(|value| ["--define", value])
        .collect();
    arguments.extend(["--addsign", file.to_str().unwrap()]);
    host("/usr/bin/rpmsign", &arguments);
    let key = gpg(&["--armor", "--export", "sample@example.org"]);
    host("/usr/bin/gpgconf", &["--homedir", home, "--kill", "all"]);
    key
}

#[test]
fn a_package_is_verified_against_imported_keys_only() {
    if !can_run(&["rpm", "rpmkeys", "rpmbuild", "rpmsign", "gpg"]) {
        return;
    }
    let mut bench = Bench::granting(&["rpm", "rpmkeys"]);
    let package = package(&mut bench);
    let client = bench.client(Interface::Rpm);
    let session = bench.begin(&client);
    let directory = session.open(NOARCH, OFlags::PATH);
    let verify = || {
        session
            .call(verification(&package), &[directory.as_fd()])
            .map_err(|failure| failure.detail)
    };
    let unsigned = verify().unwrap_err();
    assert!(unsigned.contains("NOT OK"), "{unsigned}");
    let key = sign(&bench);
    assert!(verify().is_err(), "signed by a key that is not imported");
    session
        .call(
            ImportKey {
                database: database(),
                key: Bytes(key),
            },
            &[],
        )
        .unwrap_or_else(|failure| panic!("{failure} {}", bench.log()));
    verify().unwrap();
    let file = bench.top().join("packages/noarch/sample-1-2.noarch.rpm");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(verify().is_err(), "a changed package");
}

#[test]
fn a_database_whose_path_rpm_would_expand_is_refused_and_so_is_rpm_without_grant() {
    if !can_run(&["rpm"]) {
        return;
    }
    let mut bench = Bench::granting(&["rpm", "rpmkeys"]);
    let client = bench.client(Interface::Rpm);
    let session = bench.begin(&client);
    for path in [
        "%(touch /run/osbuild/tree/evil)",
        "/a%{lua:os.exit()}",
        "relative",
        "/a b",
    ] {
        let database = Database {
            path: Some(path.into()),
            ..database()
        };
        let failure = session.call(Query { database }, &[]).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Invalid, "{path}");
    }
    assert!(!bench.tree().join("evil").exists());
    bench.grant.programs.clear();
    let failure = bench
        .begin(&client)
        .call(
            Query {
                database: database(),
            },
            &[],
        )
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.path.as_str()),
        (ErrorCode::Denied, "rpm")
    );
}
