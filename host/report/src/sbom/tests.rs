use super::license::License;
use super::*;

fn listed(name: &str) -> Listed {
    Listed {
        package: Package {
            name: name.into(),
            version: "5.2.37".into(),
            release: "1.fc42".into(),
            epoch: Some("1".into()),
            arch: Some("x86_64".into()),
            source_rpm: Some("bash-5.2.37-1.fc42.src.rpm".into()),
            ..Package::default()
        },
        system: Some(Distribution {
            id: "fedora".into(),
            version: Some("42".into()),
            pretty_name: None,
        }),
        file: None,
    }
}

#[test]
fn a_package_url_has_all_that_scanners_look_for() {
    assert_eq!(
        listed("bash").purl().as_deref(),
        Some(
            "pkg:rpm/fedora/bash@5.2.37-1.fc42?arch=x86_64&distro=fedora-42&epoch=1&upstream=bash-5.2.37-1.fc42.src.rpm"
        )
    );
    // A hostile name cannot add qualifiers.
    let purl = listed("a?arch=no#x/..").purl().expect("a URL");
    assert!(purl.starts_with("pkg:rpm/fedora/a%3Farch"), "{purl}");
}

#[test]
fn licences_in_other_words_are_told_from_expressions() {
    for (tag, expected) in [
        (Some("GPL-3.0-or-later AND MIT"), "expression"),
        (
            Some("(MIT OR Apache-2.0) AND LGPL-2.1-only WITH Classpath-exception-2.0"),
            "expression",
        ),
        (Some("GPLv3+ and MIT"), "words"),
        (Some("LicenseRef-Fedora-Public-Domain"), "words"),
        (Some("MIT AND"), "words"),
        (Some("  "), "unknown"),
        (None, "unknown"),
    ] {
        let found = match License::of(tag) {
            License::Unknown => "unknown",
            License::Expression(_) => "expression",
            License::Words(_) => "words",
        };
        assert_eq!(found, expected, "{tag:?}");
    }
}

#[test]
fn the_name_of_a_file_tells_its_format() {
    assert_eq!(Format::of_name("out/a.spdx.json"), Some(Format::Spdx));
    assert_eq!(Format::of_name("a.cdx.json"), Some(Format::CycloneDx));
    assert_eq!(Format::of_name("a.json"), None);
}

#[test]
fn text_of_packages_stays_on_its_line() {
    assert_eq!(one_line("a\nSPDXID: b\u{1b}[2J\t"), "a SPDXID: b [2J");
}
