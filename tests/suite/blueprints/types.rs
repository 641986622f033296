//! Blueprints for an image type: what it does not take is told with its place.
use osbuild_wasm_tests::{Ended, Program, Scratch};

/// Takes effect in no commit, or cannot be in one.
const COMMIT: &str = r#"name = "edge"
[customizations]
hostname = "edge"

[customizations.kernel]
name = "kernel-debug"

[[customizations.filesystem]]
mountpoint = "/data"
minsize = "1 GiB"

[[customizations.files]]
path = "/etc/good"
data = "good"

[[customizations.files]]
path = "/opt/bad"
data = "bad"

[[customizations.files]]
path = "/etc/absent"
uri = "file:///nowhere/absent"
"#;

/// Two devices of one name.
const VOLUMES: &str = r#"{ "name": "volumes", "customizations": { "disk": { "partitions": [
  { "type": "lvm", "name": "device", "minsize": "3 GiB", "logical_volumes": [
    { "name": "root", "mountpoint": "/", "fs_type": "ext4", "minsize": "2 GiB" } ] } ] } } }
"#;

fn with(name: &str, blueprint: &str, command: &str) -> Ended {
    let scratch = Scratch::new();
    scratch.write(name, blueprint);
    Program::new(command).directory(scratch.root()).run()
}

#[test]
fn a_check_for_a_type_tells_what_it_does_not_take_with_the_lines() {
    let command = "blueprint check edge.toml --type iot-commit --distro fedora-43 --arch x86_64";
    let ended = with("edge.toml", COMMIT, command).expect(2);
    insta::assert_snapshot!(format!("{}{}", ended.stderr, ended.stdout));
    let ended = with("edge.toml", COMMIT, &format!("{command} --json")).expect(2);
    let report = ended.json();
    let problems = report["documents"][0]["problems"].as_array();
    let told = |key: &str| -> Vec<String> {
        let problems = problems.expect("problems").iter();
        problems.map(|problem| problem[key].to_string()).collect()
    };
    assert_eq!(told("line"), ["8", "17", "22"]);
    assert_eq!(told("severity"), ["\"warning\"", "\"error\"", "\"error\""]);
    // Without a type nothing of it is wrong.
    with("edge.toml", COMMIT, "blueprint check edge.toml").expect(0);
}

#[test]
fn a_check_for_a_type_tells_what_cannot_be_made() {
    let command = "blueprint check volumes.json --type qcow2 --distro centos-10 --arch x86_64";
    let ended = with("volumes.json", VOLUMES, command).expect(2);
    let told = [
        "--> volumes.json:1:42\n",
        "called \"device\"",
        "cannot be made",
    ];
    told.into_iter().fold(ended, Ended::says);
    // Where its commit comes from is said when an image is made.
    let command =
        "blueprint check a.toml --type edge-simplified-installer --distro rhel-9.8 --arch x86_64";
    let ended = with("a.toml", "[customizations]\nhostname = \"a\"", command).expect(2);
    let told = ["--> a.toml:1:2\n", "installation_device: required"];
    told.into_iter().fold(ended, Ended::says);
}

#[test]
fn a_user_whose_group_would_be_made_twice_is_told_before_anything_is_built() {
    let blueprint =
        "[[customizations.group]]\nname = \"ops\"\n[[customizations.user]]\nname = \"ops\"\n";
    let command = "build qcow2 --blueprint a.toml --distro fedora-43 --arch x86_64";
    let ended = with("a.toml", blueprint, command).expect(2);
    let told = ["--> a.toml:4:8\n", "the same `gid`"];
    told.into_iter().fold(ended, Ended::says);
    let blueprint = blueprint.replace("\"ops\"\n", "\"ops\"\ngid = 1500\n");
    let command = "blueprint check a.toml --type qcow2 --distro fedora-43 --arch x86_64";
    with("a.toml", &blueprint, command).expect(0);
}

#[test]
fn commands_about_images_show_the_same_lines() {
    for command in ["manifest", "build", "blueprint explain"] {
        let files = match command {
            "blueprint explain" => "edge.toml iot-commit",
            _ => "iot-commit --blueprint edge.toml",
        };
        let command = format!("{command} {files} --distro fedora-43 --arch x86_64");
        let ended = with("edge.toml", COMMIT, &command).expect(2);
        let told = [
            "--> edge.toml:8:18\n",
            "^^^^^^^^^^ may have no effect",
            "--> edge.toml:17:8\n",
            "^^^^^^^^^^ not allowed",
            "--> edge.toml:22:7\n",
            "error: blueprint validation failed for image type \"iot-commit\"\n",
        ];
        told.into_iter().fold(ended, Ended::says);
    }
}

#[test]
fn a_blueprint_says_what_it_is_for_where_the_command_line_does_not() {
    let blueprint = "distro = \"centos-10\"\narchitecture = \"aarch64\"\n";
    let check = |options: &str| {
        with(
            "a.toml",
            blueprint,
            &format!("blueprint check a.toml --type qcow2 {options}"),
        )
    };
    check("")
        .expect(0)
        .says("for qcow2 of centos-10 on aarch64");
    let ended = check("--distro centos-9 --arch x86_64").expect(0);
    let told = [
        "for qcow2 of centos-9 on x86_64",
        "warning: the blueprint is for centos-10, and centos-9 is taken\n --> a.toml:1:1\n",
        "warning: the blueprint is for aarch64, and x86_64 is taken\n --> a.toml:2:1\n",
    ];
    told.into_iter().fold(ended, Ended::says);
    let explained = with("a.toml", blueprint, "blueprint explain a.toml qcow2").expect(0);
    assert_eq!(explained.stderr, "");
    with(
        "a.toml",
        "distro = \"centos-11\"",
        "blueprint explain a.toml qcow2",
    )
    .expect(2)
    .says("there is no distribution centos-11")
    .says("the blueprint is for it");
    // A system without a type is about nothing.
    with(
        "a.toml",
        blueprint,
        "blueprint check a.toml --distro centos-10",
    )
    .expect(2)
    .says("add --type");
}

#[test]
fn only_a_check_tells_what_services_ask_for() {
    let blueprint = "version = \"1.2\"\n[[packages]]\nname = \"tmux\"\n";
    let ended = with("a.toml", blueprint, "blueprint check a.toml").expect(0);
    ended.says("has no `name`").says("services refuse it");
    let explained = "blueprint explain a.toml qcow2 --distro centos-10 --arch x86_64";
    assert_eq!(with("a.toml", blueprint, explained).expect(0).stderr, "");
}

#[test]
fn modules_without_packages_are_warned_about() {
    let module = "[[enabled_modules]]\nname = \"nodejs\"\nstream = \"20\"\n";
    let check = |blueprint: &str| {
        let ended = with("a.toml", blueprint, "blueprint check a.toml").expect(0);
        ended.stderr.contains("modules are enabled for packages")
    };
    assert!(check(module));
    assert!(!check(&format!(
        "{module}[[packages]]\nname = \"nodejs\"\n"
    )));
}
