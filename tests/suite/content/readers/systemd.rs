//! Presets, machine ids, crypttab, units.
use super::{WRITER, Writer, check, printed, stage};
use osbuild_wasm_tests::{Program, Scratch, machine};
use serde_json::json;
use std::path::Path;

#[test]
fn systemctl_presets_the_units_that_were_given() {
    if !machine::offers(&["systemctl"]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write(
        "tree/usr/lib/systemd/system-preset/99-default.preset",
        "disable *\n",
    );
    let units = ["a.service", "b.service", "c-d.socket", "é.timer"];
    for unit in units {
        scratch.write(
            &format!("tree/usr/lib/systemd/system/{unit}"),
            "[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\n",
        );
    }
    let presets = json!({ "presets": [
        { "name": "b.service", "state": "disable" },
        { "name": "?.service", "state": "enable" },
        { "name": "c-d.socket", "state": "enable" },
    ] });
    stage(&scratch, "org.osbuild.systemd.preset", &presets).expect(0);
    let tree = scratch.path("tree");
    Program::of("systemctl", "preset-all --root")
        .arg(&tree)
        .run()
        .expect(0);
    let enabled = |unit: &str| {
        let link = format!("etc/systemd/system/multi-user.target.wants/{unit}");
        tree.join(link).symlink_metadata().is_ok()
    };
    assert_eq!(units.map(enabled), [true, false, true, false]);
}

#[test]
fn a_name_that_is_no_word_of_a_preset_is_refused() {
    for name in ["a b.service", "", "a.service b"] {
        let scratch = Scratch::new();
        scratch.directory("tree/usr/lib/systemd/system-preset");
        let presets = json!({ "presets": [{ "name": name, "state": "enable" }] });
        let ended = stage(&scratch, "org.osbuild.systemd.preset", &presets);
        ended.expect(1).says("options.presets.name: ");
    }
}

#[test]
fn systemd_makes_an_id_for_a_machine_without_one_and_keeps_another() {
    if !machine::offers(&["systemd-machine-id-setup"]) {
        return;
    }
    for (wanted, kept) in [("yes", false), ("no", false), ("preserve", true)] {
        let scratch = Scratch::new();
        let id = "0123456789abcdef0123456789abcdef";
        scratch.write("tree/etc/machine-id", format!("{id}\n"));
        stage(
            &scratch,
            "org.osbuild.machine-id",
            &json!({ "first-boot": wanted }),
        )
        .expect(0);
        let tree = format!("--root={}", scratch.path("tree").display());
        let printed = printed("systemd-machine-id-setup", &[&tree, "--print"]).unwrap();
        let printed = printed.trim();
        assert_eq!(printed.len(), 32, "{wanted}");
        assert_eq!(printed == id, kept, "{wanted}");
    }
}

/// A word of the command that the generator of units makes of a line of crypttab; words are in quotes.
fn volume(tree: &Path, at: usize) -> Option<String> {
    let units = tree.join("units");
    for name in ["units", "units/early", "units/late"] {
        std::fs::create_dir_all(tree.join(name)).unwrap();
    }
    let table = format!("SYSTEMD_CRYPTTAB={}", tree.join("etc/crypttab").display());
    let of = |name: &str| units.join(name).display().to_string();
    let generator = "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator";
    printed(
        "env",
        &[&table, generator, &of(""), &of("early"), &of("late")],
    )?;
    let script = "import glob, re
text = open(glob.glob(path + '/systemd-cryptsetup@*.service')[0], encoding='utf-8').read()
line = re.search(r'^ExecStart=(.*)$', text, re.M).group(1)
words = re.findall(r\"'([^']*)'\", line.replace('%%', '%'))
value = re.sub(r'\\\\x([0-9a-f]{2})', lambda found: chr(int(found.group(1), 16)), words[AT])";
    super::python(&script.replace("AT", &at.to_string()), &units)
}

#[test]
fn the_generator_of_systemd_reads_the_fields_of_crypttab() {
    const CRYPTTAB: Writer = Writer {
        stage: "org.osbuild.crypttab",
        programs: &["python3"],
        before: &[("etc/x", "")],
        ..WRITER
    };
    check(&[
        Writer {
            option: "options",
            options: |value| json!({ "volumes": [{ "volume": "v", "path": "/dev/sda", "options": value }] }),
            read: |tree| volume(tree, 3),
            meant: |value| {
                value.is_empty()
                    || value.ends_with(',')
                    || value.contains('\\')
                    || value.contains('\'')
            },
            ..CRYPTTAB
        },
        Writer {
            option: "volume",
            options: |value| json!({ "volumes": [{ "volume": value, "path": "/dev/sda" }] }),
            read: |tree| volume(tree, 0),
            meant: |value| value.contains('\\') || value.contains('\''),
            ..CRYPTTAB
        },
    ]);
}

/// What systemd has against a unit.
fn verified(unit: &Path) -> String {
    let ended = Program::of("systemd-analyze", "verify --man=no --generators=no")
        .arg(unit)
        .run();
    ended.all().trim().to_owned()
}

#[test]
fn systemd_takes_every_unit_that_a_stage_writes() {
    if !machine::offers(&["systemd-analyze"]) {
        return;
    }
    for value in super::values() {
        let scratch = Scratch::new();
        scratch.directory("tree/etc/systemd/system");
        let config = json!({
            "Unit": { "Description": value },
            "Service": { "Type": "oneshot", "ExecStart": ["/bin/true"], "Environment": [{ "key": "A", "value": value }] } });
        let options = json!({ "filename": "a.service", "unit-path": "etc", "config": config });
        let ended = stage(&scratch, "org.osbuild.systemd.unit.create", &options);
        // Specifiers are the unit's own.
        if ended.code() == 0 && !value.contains('%') {
            assert_eq!(
                verified(&scratch.path("tree/etc/systemd/system/a.service")),
                "",
                "{value:?}"
            );
        } else if ended.code() != 0 {
            ended.expect(1).says("Description");
        }
    }
}

/// The variable of a service, as systemd has it once it has read its unit.
fn variable(tree: &Path) -> Option<String> {
    let units = tree.join("etc/systemd/system");
    let path = format!("SYSTEMD_UNIT_PATH={}", units.display());
    let systemd = "/usr/lib/systemd/systemd";
    // It does not show its units to root.
    let words = [
        "--user",
        "env",
        &path,
        systemd,
        "--test",
        "--system",
        "--unit=a.service",
    ];
    let said = printed("unshare", &words)?;
    let mut lines = said.split('\n').map(str::trim_start);
    let variable = lines.find_map(|line| line.strip_prefix("Environment: A="))?;
    Some(variable.to_owned())
}

#[test]
fn systemd_gives_a_service_the_variables_that_its_unit_was_given() {
    check(&[Writer {
        stage: "org.osbuild.systemd.unit.create",
        option: "config",
        programs: &["systemctl", "unshare"],
        before: &[("etc/systemd/system/x", "")],
        options: |value| {
            let service = json!({ "Type": "oneshot", "ExecStart": ["/bin/true"], "Environment": [{ "key": "A", "value": value }] });
            let unit = json!({ "DefaultDependencies": false });
            json!({ "filename": "a.service", "unit-path": "etc", "config": { "Unit": unit, "Service": service, "Install": {} } })
        },
        read: variable,
        // Specifiers are the unit's own.
        meant: |value| value.contains('%'),
    }]);
}

#[test]
fn a_command_of_the_first_boot_takes_in_no_other_line() {
    for (name, options, option) in [
        (
            "first-boot",
            json!({ "commands": ["/bin/true \\", "/bin/false"] }),
            "options.commands",
        ),
        (
            "debug-shell",
            json!({ "tty": "/dev/tty1 \\" }),
            "options.tty",
        ),
        (
            "debug-shell",
            json!({ "tty": "/dev/tty1\nExecStartPre=/x" }),
            "options.tty",
        ),
    ] {
        let scratch = Scratch::new();
        scratch.directory("tree/etc/systemd/system/sysinit.target.wants");
        let ended = stage(&scratch, &format!("org.osbuild.{name}"), &options);
        ended.expect(1).says(option);
    }
}
