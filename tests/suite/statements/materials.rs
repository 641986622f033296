//! `run --sbom`.
use super::{document, run, sha256sum};
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const SPEC: &str = "\
Name: sample
Version: 1
Release: 2
Epoch: 3
Summary: sample
License: MIT AND (GPL-2.0-only OR Apache-2.0)
Vendor: Sample <vendor>
BuildArch: noarch
%description
sample
%package -n old-words
Summary: old words
License: GPLv2+ and BSD
%description -n old-words
old words
%files
%files -n old-words
";
const DATABASE: &str = "/usr/lib/sysimage/rpm";
const OS_RELEASE: &str = "ID=demo\nVERSION_ID=\"7\"\nPRETTY_NAME='Demo 7'\n";

/// Builds two packages; the URL of each by its digest.
fn packages(scratch: &Scratch) -> Value {
    built(scratch, SPEC, &["sample", "old-words"])
}

/// Builds packages of version 1-2; the URL of each by its digest.
fn built(scratch: &Scratch, spec: &str, names: &[&str]) -> Value {
    let spec = scratch.write("sample.spec", spec);
    let directory = scratch.root().display();
    Program::of("rpmbuild", "-bb --quiet")
        .args(["--define", &format!("_topdir {directory}")])
        .args(["--define", &format!("_rpmdir {directory}")])
        .arg(spec)
        .run()
        .expect(0);
    let item = |name: &str| {
        let path = scratch.path(&format!("noarch/{name}-1-2.noarch.rpm"));
        let url = format!("file://{}", path.display());
        (
            format!("sha256:{}", sha256sum(&path)),
            json!({ "url": url }),
        )
    };
    names.iter().map(|name| item(name)).collect()
}

/// A tree with packages in `os`, and an archive of it.
fn with_packages(scratch: &Scratch) -> Value {
    with(scratch, packages(scratch))
}

/// The same with these packages.
fn with(scratch: &Scratch, items: Value) -> Value {
    let names: Vec<_> = items.as_object().unwrap().keys().collect();
    let directories = [
        "/tmp",
        "/usr",
        "/usr/lib",
        "/usr/lib/sysimage",
        DATABASE,
        "/var",
        "/var/tmp",
    ];
    let directories: Vec<_> = directories
        .iter()
        .map(|path| json!({ "path": path }))
        .collect();
    let release = scratch.write("os-release", OS_RELEASE);
    let digest = format!("sha256:{}", sha256sum(&release));
    let stages = vec![
        manifest::stage("org.osbuild.mkdir", json!({ "paths": directories })),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": format!("input://release/{digest}"), "to": "tree:///usr/lib/os-release" }] },
            "inputs": { "release": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [&digest] } },
        }),
        json!({
            "type": "org.osbuild.rpm",
            "options": { "dbpath": DATABASE, "nodeps": true },
            "inputs": { "packages": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": names } },
        }),
    ];
    let mut all = manifest::of(json!([
        { "name": "os", "stages": stages },
        { "name": "archive", "stages": [{
            "type": "org.osbuild.tar",
            "options": { "filename": "os.tar" },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:os"] } },
        }] },
    ]));
    all["sources"] = json!({ "org.osbuild.curl": { "items": items } });
    let url = format!("file://{}", release.display());
    all["sources"]["org.osbuild.curl"]["items"][digest] = json!({ "url": url });
    all
}

fn tools() -> bool {
    machine::offers(&["rpm", "rpmbuild"])
}

fn by_name<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut all = list.as_array().unwrap().iter();
    all.find(|entry| entry["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

fn package_file(scratch: &Scratch, name: &str) -> String {
    sha256sum(Path::new(
        &scratch.path(&format!("noarch/{name}-1-2.noarch.rpm")),
    ))
}

#[test]
fn spdx_lists_the_packages_that_went_into_an_image() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    run(&scratch, &with_packages(&scratch), &["archive"])
        .option("--sbom", scratch.path("s.spdx.json"))
        .run()
        .expect(0);
    let document = document(&scratch, "s.spdx.json");
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    let packages = &document["packages"];
    assert_eq!(
        packages.as_array().unwrap().len(),
        3,
        "the archive and two packages: {packages:#}"
    );
    let archive = by_name(packages, "archive");
    assert_eq!(
        archive["checksums"][0]["checksumValue"],
        sha256sum(&scratch.path("out/archive/os.tar"))
    );
    let sample = by_name(packages, "sample");
    assert_eq!(sample["versionInfo"], "3:1-2");
    assert_eq!(
        sample["licenseDeclared"],
        "MIT AND (GPL-2.0-only OR Apache-2.0)"
    );
    assert_eq!(sample["supplier"], "Organization: Sample <vendor>");
    assert_eq!(
        sample["checksums"][0]["checksumValue"],
        package_file(&scratch, "sample")
    );
    assert_eq!(
        sample["externalRefs"][0]["referenceLocator"],
        "pkg:rpm/demo/sample@1-2?arch=noarch&distro=demo-7&epoch=3&upstream=sample-1-2.src.rpm"
    );
    let reference = &by_name(packages, "old-words")["licenseDeclared"];
    let texts = &document["hasExtractedLicensingInfos"];
    assert_eq!(
        (&texts[0]["licenseId"], &texts[0]["extractedText"]),
        (reference, &json!("GPLv2+ and BSD"))
    );
    let related = document["relationships"].as_array().unwrap().iter();
    let contained: BTreeSet<_> = related
        .filter(|related| {
            related["relationshipType"] == "CONTAINS"
                && related["spdxElementId"] == archive["SPDXID"]
        })
        .map(|related| related["relatedSpdxElement"].as_str().unwrap())
        .collect();
    let all =
        [sample, by_name(packages, "old-words")].map(|package| package["SPDXID"].as_str().unwrap());
    assert_eq!(contained, BTreeSet::from(all));
}

#[test]
fn cyclonedx_lists_the_same_packages_and_the_distribution() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    run(&scratch, &with_packages(&scratch), &["os"])
        .option("--sbom", scratch.path("s.cdx.json"))
        .run()
        .expect(0);
    let document = document(&scratch, "s.cdx.json");
    assert_eq!(
        (&document["bomFormat"], &document["specVersion"]),
        (&json!("CycloneDX"), &json!("1.6"))
    );
    let components = &document["components"];
    let system = by_name(components, "demo");
    assert_eq!(
        (&system["type"], &system["version"]),
        (&json!("operating-system"), &json!("7"))
    );
    let sample = by_name(components, "sample");
    assert_eq!(
        sample["licenses"][0]["expression"],
        "MIT AND (GPL-2.0-only OR Apache-2.0)"
    );
    assert_eq!(
        sample["hashes"][0]["content"],
        package_file(&scratch, "sample")
    );
    assert_eq!(
        by_name(components, "old-words")["licenses"][0]["license"]["name"],
        "GPLv2+ and BSD"
    );
    assert!(
        by_name(&sample["properties"], "osbuild-wasm:rpm:sigmd5")["value"]
            .as_str()
            .unwrap()
            .len()
            == 32
    );
}

#[test]
fn packages_are_listed_when_the_export_comes_from_the_store() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let manifest = with_packages(&scratch);
    for name in ["first.spdx.json", "second.spdx.json"] {
        run(&scratch, &manifest, &["archive"])
            .option("--checkpoint", "archive")
            .option("--sbom", scratch.path(name))
            .run()
            .expect(0);
        by_name(&document(&scratch, name)["packages"], "sample");
    }
}

#[test]
fn a_tree_without_packages_has_an_empty_list() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    run(&scratch, &super::small(), &["tree"])
        .option("--sbom", scratch.path("s.spdx.json"))
        .run()
        .expect(0);
    let packages = &document(&scratch, "s.spdx.json")["packages"];
    assert_eq!(packages.as_array().unwrap().len(), 1, "{packages:#}");
}

#[test]
fn a_database_that_cannot_be_read_is_an_error_unless_the_stage_said_what_it_installed() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let directories: Vec<_> = ["/usr", "/usr/lib", "/usr/lib/sysimage", DATABASE]
        .iter()
        .map(|path| json!({ "path": path }))
        .collect();
    let garbage = scratch.write("garbage", "no database\n".repeat(1000));
    let digest = format!("sha256:{}", sha256sum(&garbage));
    let copy = json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": format!("input://f/{digest}"), "to": format!("tree://{DATABASE}/rpmdb.sqlite") }] },
        "inputs": { "f": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [&digest] } },
    });
    let mut broken = manifest::tree(json!([
        manifest::stage("org.osbuild.mkdir", json!({ "paths": directories })),
        copy,
    ]));
    let url = format!("file://{}", garbage.display());
    broken["sources"] = json!({ "org.osbuild.curl": { "items": { &digest: { "url": url } } } });
    run(&scratch, &broken, &["tree"])
        .option("--sbom", scratch.path("s.spdx.json"))
        .run()
        .expect(1)
        .says("the RPM database /usr/lib/sysimage/rpm of pipeline tree");
    assert!(!scratch.path("s.spdx.json").exists());
    let mut said = with_packages(&scratch);
    said["pipelines"][0]["stages"]
        .as_array_mut()
        .unwrap()
        .push(broken["pipelines"][0]["stages"][1].clone());
    said["sources"]["org.osbuild.curl"]["items"][&digest] =
        json!({ "url": format!("file://{}", garbage.display()) });
    run(&scratch, &said, &["os"])
        .option("--sbom", scratch.path("s.spdx.json"))
        .option("--monitor", "LogMonitor")
        .run()
        .expect(0)
        .says("what stage org.osbuild.rpm reported is taken instead");
    by_name(&document(&scratch, "s.spdx.json")["packages"], "sample");
}

/// The lists of packages in both formats, by their names.
fn names(scratch: &Scratch) -> [BTreeSet<String>; 2] {
    let of = |list: &Value| {
        let entries = list.as_array().unwrap().iter();
        entries
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    [
        of(&document(scratch, "s.spdx.json")["packages"]),
        of(&document(scratch, "s.cdx.json")["components"]),
    ]
}

fn with_both(scratch: &Scratch, manifest: &Value) -> Program {
    run(scratch, manifest, &["os"])
        .option("--sbom", scratch.path("s.spdx.json"))
        .option("--sbom", scratch.path("s.cdx.json"))
}

#[test]
fn a_package_writes_no_entries_of_a_bill_of_materials() {
    if !tools() {
        return;
    }
    // Quotes, blanks and what looks like fields stay within their tag.
    let scratch = Scratch::new();
    let tricky = "a'b ='forged' ='1' \\\" %{NAME}";
    let spec = SPEC.replace("Sample <vendor>", tricky);
    let items = built(&scratch, &spec.replace("%{NAME}", "%%{NAME}"), &["sample"]);
    with_both(&scratch, &with(&scratch, items)).run().expect(0);
    for names in names(&scratch) {
        assert!(
            names.contains("sample") && !names.contains("forged"),
            "{names:?}"
        );
    }
    let spdx = document(&scratch, "s.spdx.json");
    let supplier = by_name(&spdx["packages"], "sample")["supplier"].clone();
    assert_eq!(supplier, format!("Organization: {tricky}"));
    // What separated fields and packages, and what moves a cursor, is refused, naming package and tag.
    for (tag, value) in [
        ("Sample <vendor>", "a\u{1e}=forged\u{1f}=1\u{1f}=1"),
        ("Sample <vendor>", "a\u{1b}[2J"),
    ] {
        let scratch = Scratch::new();
        let items = built(&scratch, &SPEC.replace(tag, value), &["sample"]);
        with_both(&scratch, &with(&scratch, items))
            .run()
            .expect(1)
            .says("package \"sample\"")
            .says("VENDOR has a control character");
        assert!(!scratch.path("s.spdx.json").exists());
    }
}

#[test]
fn a_package_that_calls_itself_a_key_is_listed() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let spec = "Name: gpg-pubkey\nVersion: 1\nRelease: 2\nSummary: no key\nLicense: MIT\nBuildArch: noarch\n%description\nno key\n%install\nmkdir -p %{buildroot}/opt; echo > %{buildroot}/opt/payload\n%files\n/opt/payload\n";
    let items = built(&scratch, spec, &["gpg-pubkey"]);
    with_both(&scratch, &with(&scratch, items)).run().expect(0);
    for names in names(&scratch) {
        assert!(names.contains("gpg-pubkey"), "{names:?}");
    }
}
