//! Blueprints whose customizations are looked at from inside of the booted system; they, and what looks, are in the directory of this name.
use crate::blueprint::{build_command, run};
use crate::boot::console;
use crate::repository::TOOLS;
use crate::virtual_machine;
use osbuild_wasm_tests::{Scratch, machine, paths};
use std::fs;

/// Builds the blueprint `NAME.toml` with more `options` after `before`, boots it, and reads what `NAME.sh` says inside.
fn every_look_is_good(name: &str, image_type: &str, before: &str, options: &str) {
    let scratch = Scratch::new();
    let directory = paths::workspace().join("tests/image/customizations");
    let read = |file: String| fs::read_to_string(directory.join(file)).expect("a file");
    let blueprint = read(format!("{name}.toml")).replace("/HERE", &directory.to_string_lossy());
    scratch.write("blueprint.toml", blueprint);
    let options = format!(r#"--blueprint "$SCRATCH/blueprint.toml" {options}"#);
    run(
        &scratch,
        &format!("{before} {}", build_command(image_type, &options)),
    );
    machine::assert_nothing_left(scratch.root());
    let said = console(&scratch.path("out/image.qcow2"));
    // systemd's own lines, which have colours, may begin where one of these does.
    let told = |word: &str| {
        let lines = said
            .lines()
            .filter_map(|line| Some(&line[line.find(word)?..]));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let bad = told("customization not: ");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let script = read(format!("{name}.sh"));
    let looks = script.lines().filter(|line| line.starts_with("is "));
    assert_eq!(told("customization ok: ").len(), looks.count(), "{said}");
}

#[test]
fn every_customization_of_a_large_blueprint_is_seen_from_inside_of_the_system() {
    if machine::offers(&TOOLS) {
        every_look_is_good("everything", "server", "", "");
    }
}

#[test]
fn volumes_of_a_blueprint_are_made_in_a_virtual_machine_and_boot() {
    if !machine::offers(&TOOLS) || !virtual_machine::can_run() {
        return;
    }
    let kernel = virtual_machine::kernel().display();
    let before = format!("OSBUILD_WASM_KERNEL='{kernel}'");
    every_look_is_good("volumes", "qcow2", &before, "--in-vm image");
}
