//! systemctl and systemd-firstboot.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const UNITS: [&str; 12] = [
    "a.service",
    "b.service",
    "c-d.service",
    "t@.service",
    "t@x.service",
    "u@.service",
    "s.socket",
    "w.timer",
    "m.target",
    "multi.target",
    "default.target",
    "e.mount",
];
/// Where units are, the strongest first.
const PLACES: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];

/// One or two lines of an [Install] section of this unit.
fn setting(random: &mut Random, unit: &str) -> String {
    let kind = unit.rsplit('.').next().unwrap();
    // Without a default instance, only other templates can want a template.
    let targets: &[&str] = match unit.contains("@.") {
        true => &["u@.service", "wanted@.target"],
        false => &[
            "multi.target",
            "m.target",
            "other.target",
            "u@y.service",
            "%p.target",
            "%u.target",
        ],
    };
    let names = match unit.contains('@') {
        true => ["al@", "am@", "al@%i", "am@"],
        false => ["alias", "%p-x", "a", "z"],
    };
    let aliases = names.map(|name| format!("{name}.{kind}"));
    let aliases = aliases.each_ref().map(String::as_str);
    let units = [
        &UNITS[..],
        &["missing.service", "t@z.service", "%p.socket", "n.path"],
    ]
    .concat();
    let words = |random: &mut Random, of: &[&str]| {
        random.some(2, of).join(random.of(&[" ", "  ", " \\\n  "]))
    };
    match random.below(12) {
        0..=4 => format!("WantedBy={}", words(random, targets)),
        5 => format!("RequiredBy = {}", words(random, targets)),
        6 => format!("Alias={}", words(random, &aliases)),
        7 | 8 => format!("Also={}", words(random, &units)),
        9 => format!("DefaultInstance={}", random.of(&["x", "", "i-%p", "y"])),
        10 => {
            let lines = [
                "# WantedBy=no.target",
                "WantedBy=",
                "Unknown=1",
                "[Unit]\nWantedBy=no.target\n[Install]",
                "; note",
                "",
            ];
            random.of(&lines).into()
        }
        _ => format!("WantedBy={}\nWantedBy={}", targets[0], targets[1]),
    }
}

fn text(random: &mut Random, unit: &str) -> String {
    let mut lines = vec!["[Unit]\nDescription=x".to_owned()];
    if random.chance(90) {
        lines.push("[Install]".into());
        lines.extend((0..=random.below(3)).map(|_| setting(random, unit)));
    }
    lines.join("\n") + random.of(&["\n", "\n", "", "\n\n"])
}

fn units(random: &mut Random, tree: &Path) -> Trial {
    for place in PLACES {
        fs::create_dir_all(tree.join(place)).unwrap();
    }
    symlink("usr/lib", tree.join("lib")).unwrap();
    for unit in UNITS {
        if random.chance(85) {
            let place = random.of(&[
                "usr/lib/systemd/system",
                "usr/lib/systemd/system",
                "etc/systemd/system",
                "usr/local/lib/systemd/system",
            ]);
            let path = format!("{place}/{unit}");
            match random.below(40) {
                0 => symlink("/dev/null", tree.join(path)).unwrap(),
                1 => trees::write(tree, &path, ""),
                2 if place.starts_with("usr")
                    && unit.ends_with(".service")
                    && !unit.contains('@') =>
                {
                    symlink("a.service", tree.join(path)).unwrap()
                }
                _ => trees::write(tree, &path, text(random, unit)),
            }
        }
        if random.chance(10) {
            let place = random.of(&PLACES);
            trees::write(
                tree,
                &format!("{place}/{unit}.d/{}.conf", random.of(&["10-x", "20-y"])),
                text(random, unit),
            );
        }
    }
    existing_links(random, tree);
    orders(random)
}

/// Links that an earlier enabling left.
fn existing_links(random: &mut Random, tree: &Path) {
    for _ in 0..random.below(4) {
        let unit = random.of(&UNITS);
        let place = random.of(&[
            "multi.target.wants",
            "m.target.wants",
            "m.target.requires",
            "x.target.wants",
        ]);
        let (link, unit) = match random.below(6) {
            0 => (
                "default.target".to_owned(),
                random.of(&["multi.target", "m.target"]),
            ),
            1 => (
                "alias.service".to_owned(),
                random.of(&["a.service", "b.service"]),
            ),
            _ => (format!("{place}/{unit}"), unit),
        };
        let text = match random.below(4) {
            0 => format!("{}{unit}", if link.contains('/') { "../" } else { "" }),
            1 => format!("/etc/systemd/system/{unit}"),
            _ => format!("/usr/lib/systemd/system/{unit}"),
        };
        let link = tree.join("etc/systemd/system").join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        // There may be one already.
        _ = symlink(text, link);
    }
}

fn orders(random: &mut Random) -> Trial {
    let mut names = UNITS.to_vec();
    // A link of the administrator is no unit that systemctl enables.
    names.retain(|name| *name != "default.target" && *name != "a.service");
    names.extend(["b", "t@y.service", "t@x", "c-d", "u@1.service"]);
    let odd = ["missing.service", "@.service", "a.unknown"];
    let list = |random: &mut Random, most: usize| {
        let mut list = random.some(most, &names);
        list.extend(random.chance(5).then(|| random.of(&odd)));
        list
    };
    let (enabled, disabled, masked) = (list(random, 3), list(random, 2), list(random, 2));
    let target = random.maybe(
        25,
        &[
            "multi.target",
            "m.target",
            "a.service",
            "m",
            "default.target",
        ],
    );
    let mut trial = Trial::new(
        json!({ "enabled_services": enabled, "disabled_services": disabled, "masked_services": masked }),
    );
    for (verb, units) in [("enable", enabled), ("disable", disabled), ("mask", masked)] {
        for unit in units {
            trial.command(["systemctl", "--root", "TREE", verb, "--", unit]);
        }
    }
    if let Some(target) = target {
        trial.options["default_target"] = json!(target);
        trial.command(["systemctl", "--root", "TREE", "set-default", target]);
    }
    trial
}

fn first_boot(random: &mut Random, tree: &Path) -> Trial {
    trees::write(tree, "usr/lib/os-release", "ID=debian\n");
    for zone in [
        "Europe/Berlin",
        "UTC",
        "Etc/GMT+1",
        "America/Argentina/Ushuaia",
    ] {
        trees::write(tree, &format!("usr/share/zoneinfo/{zone}"), "TZif2");
    }
    trees::write(tree, "usr/share/zoneinfo/Europe/Text", "no zone");
    for (path, text) in [
        ("etc/hostname", "old\n"),
        ("etc/vconsole.conf", "KEYMAP=us\nFONT=x\n"),
        ("etc/other", ""),
    ] {
        if random.chance(30) {
            trees::write(tree, path, text);
        }
    }
    if random.chance(30) {
        fs::create_dir_all(tree.join("etc")).unwrap();
        symlink("../usr/share/zoneinfo/UTC", tree.join("etc/localtime")).unwrap();
    }
    let (stage, option, flag, file, value) = match random.below(4) {
        0 => {
            let names = [
                "host",
                "a.b.c",
                "A-1",
                "-a",
                "a-",
                "a..b",
                "a_b",
                "a b",
                "ü",
                "",
                "1",
                "a.",
                "localhost",
                "x%y",
            ];
            (
                "hostname",
                "hostname",
                "--hostname",
                "etc/hostname",
                random.of(&names).to_owned() + random.of(&["", "", "", "x", "."]),
            )
        }
        1 => {
            let zones = [
                "Europe/Berlin",
                "UTC",
                "Etc/GMT+1",
                "Europe/Text",
                "Europe",
                "../x",
                "/UTC",
                "",
                "Missing",
                "America/Argentina/Ushuaia",
                "a b",
            ];
            (
                "timezone",
                "zone",
                "--timezone",
                "etc/localtime",
                random.of(&zones).to_owned(),
            )
        }
        2 => {
            let names = [
                "de_DE.UTF-8",
                "C",
                "en_US",
                "POSIX",
                "de_DE@euro",
                "a/b",
                "",
                "x y",
                "a\"b",
                "a$b",
                "C.UTF-8",
                "..",
            ];
            (
                "locale",
                "language",
                "--locale",
                "etc/locale.conf",
                random.of(&names).to_owned(),
            )
        }
        _ => {
            let names = [
                "de",
                "us-acentos",
                "de-latin1",
                "",
                "a/b",
                "a b",
                "a;b",
                "x'y",
                "fr-latin9",
                ".",
            ];
            (
                "keymap",
                "keymap",
                "--keymap",
                "etc/vconsole.conf",
                random.of(&names).to_owned(),
            )
        }
    };
    let mut trial = Trial::new(json!({ option: value }));
    trial.stage = Some(format!("org.osbuild.{stage}"));
    trial.command(["rm", "-f", &format!("TREE/{file}")]);
    trial.command([
        "systemd-firstboot",
        "--root=TREE",
        &format!("{flag}={value}"),
    ]);
    trial
}

#[test]
fn units_are_enabled_disabled_and_masked_as_systemctl_does() {
    compare(&Family {
        stage: "org.osbuild.systemd",
        programs: &["systemctl"],
        normal: |text| text.replace("(\"/lib/systemd", "(\"/usr/lib/systemd"),
        make: units,
        trials: 60,
        ..FAMILY
    });
}

#[test]
fn settings_of_a_first_boot_are_those_of_systemd_firstboot() {
    compare(&Family {
        stage: "systemd-firstboot",
        programs: &["systemd-firstboot"],
        make: first_boot,
        trials: 60,
        ..FAMILY
    });
}
