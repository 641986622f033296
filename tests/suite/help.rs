//! What the program says of itself.
use osbuild_wasm_tests::paths::workspace;
use osbuild_wasm_tests::text::{shape, steady};
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, user};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// All command lines that have a help of their own: there is no list to extend by hand.
fn commands(prefix: &str) -> Vec<(String, String)> {
    let help = Program::new(&format!("{prefix} --help"))
        .run()
        .expect(0)
        .stdout;
    let below = subcommands(&help)
        .into_iter()
        .flat_map(|name| commands(format!("{prefix} {name}").trim()));
    let below: Vec<_> = below.collect();
    std::iter::once((prefix.to_owned(), help))
        .chain(below)
        .collect()
}

#[test]
fn help_of_every_subcommand() {
    let texts = commands("").into_iter().map(|(command, help)| {
        format!(
            "$ {} --help\n{help}",
            format!("osbuild-wasm {command}").trim()
        )
    });
    insta::assert_snapshot!(steady(&texts.collect::<Vec<_>>().join("\n"), None));
}

#[test]
fn every_option_is_explained() {
    for (command, help) in commands("") {
        // What follows are examples, wrapped as it happens.
        let options = help.lines().take_while(|line| !line.starts_with("Example"));
        let lines: Vec<_> = options.collect();
        for (index, line) in lines.iter().enumerate() {
            let text = line.trim_start();
            let words: Vec<_> = text.split("  ").filter(|part| !part.is_empty()).collect();
            let explained = words.len() > 1
                || lines
                    .get(index + 1)
                    .is_some_and(|next| next.starts_with("          "));
            // A value of an option stands behind a dash and a blank.
            let is_option = text.starts_with('-') && !text.starts_with("- ");
            assert!(!is_option || explained, "{command}: {text}");
        }
    }
}

/// Module names of the sources of components.
fn sources(kind: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(workspace().join(format!("stages-wasm/{kind}/src/bin")))
        .expect("sources")
        .flatten();
    let stem = |path: std::path::PathBuf| {
        path.file_stem()
            .expect("a name")
            .to_string_lossy()
            .replace('_', ".")
    };
    entries
        .map(|entry| format!("org.osbuild.{}", stem(entry.path())))
        .collect()
}

#[test]
fn every_stage_and_assembler_is_listed_with_its_summary() {
    let listed = Program::new("stage list").run().expect(0).stdout;
    let rows: Vec<Vec<_>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for (folder, kind) in [("stages", "stage"), ("assemblers", "assembler")] {
        let names: BTreeSet<_> = rows
            .iter()
            .filter(|row| row[1] == kind)
            .map(|row| row[0].to_owned())
            .collect();
        assert_eq!(
            names,
            sources(folder),
            "the program was built from other components"
        );
    }
    assert!(
        rows.iter().all(|row| row.len() > 2),
        "each has a summary:\n{listed}"
    );
    insta::assert_snapshot!(rows.iter().find(|row| row[0] == "org.osbuild.mkdir").expect("mkdir").join(" "), @"org.osbuild.mkdir stage Create directories in the tree or on mounts.");
}

#[test]
fn a_stage_is_shown_with_what_it_may_ask_for() {
    insta::assert_snapshot!(steady(
        &Program::new("stage show org.osbuild.mkfs.ext4")
            .run()
            .expect(0)
            .stdout,
        None
    ));
    insta::assert_snapshot!(steady(
        &Program::new("stage show org.osbuild.tar --kind assembler")
            .run()
            .expect(0)
            .stdout,
        None
    ));
}

#[test]
fn an_unknown_stage_gets_a_near_name() {
    let short = Program::new("stage show mkdri").run().expect(2);
    short.says("hint: did you mean org.osbuild.mkdir?");
    let ended = Program::new("stage show org.osbuild.mkdri").run().expect(2);
    insta::assert_snapshot!(ended.stderr, @r#"
    error: there is no stage org.osbuild.mkdri
    hint: did you mean org.osbuild.mkdir?
    "#);
}

#[test]
fn an_unknown_subcommand_or_option_is_a_usage_error() {
    for line in [
        "bild",
        "run",
        "run --no-such-option x",
        "stage",
        "stage run",
        "run x --monitor Foo",
    ] {
        let ended = Program::new(line).run().expect(2);
        assert!(
            ended.stdout.is_empty() && ended.stderr.starts_with("error: ") || line == "stage",
            "{line}: {}",
            ended.all()
        );
    }
}

#[test]
fn the_version_is_that_of_the_workspace() {
    let ended = Program::new("--version").run().expect(0);
    assert_eq!(
        ended.stdout.trim(),
        concat!("osbuild-wasm ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn doctor_lists_what_this_machine_has() {
    let ended = Program::new("doctor --json").run();
    let checks = ended.json();
    insta::assert_snapshot!(format!("{:#}", shape(&checks)), @r#"
    [
      {
        "group": "string",
        "what": "string",
        "found": "boolean",
        "detail": "string",
        "needed_by": "string",
        "essential": "boolean"
      }
    ]
    "#);
    let checks = checks.as_array().expect("a list");
    let groups: BTreeSet<_> = checks
        .iter()
        .filter_map(|check| check["group"].as_str())
        .collect();
    assert_eq!(
        groups,
        BTreeSet::from(["cache", "kernel", "program", "right", "tool"])
    );
    // The exit code says whether something essential is missing.
    let essential = checks
        .iter()
        .all(|check| check["found"] == true || check["essential"] == false);
    assert_eq!(ended.code(), i32::from(!essential), "{}", ended.all());
    let table = Program::new("doctor").run().expect(ended.code()).stdout;
    for check in checks {
        assert!(
            table.contains(check["what"].as_str().expect("text")),
            "{check}"
        );
    }
}

#[test]
fn color_is_not_used_where_no_terminal_is() {
    let ended = Program::new("run /nonexistent")
        .env("NO_COLOR", "")
        .run()
        .expect(2);
    ended.never_says("\u{1b}[");
}

#[test]
fn doctor_does_not_promise_an_ordinary_user_the_devices_of_root() {
    if !machine::offers(&user::PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let checks = user::machine(&scratch).run("doctor --json").run().json();
    for what in ["loop devices", "device mapper"] {
        let mut checks = checks.as_array().expect("a list").iter();
        let check = checks.find(|check| check["what"] == what).expect(what);
        assert_eq!(check["found"], false, "{check}");
        let detail = check["detail"].as_str().expect("text");
        assert!(detail.starts_with("only root of the machine"), "{check}");
    }
}

#[test]
fn one_of_a_kind_is_counted_in_the_singular() {
    let scratch = Scratch::new();
    let stages = serde_json::json!([manifest::stage("org.osbuild.noop", serde_json::json!({}))]);
    let file = scratch.json("manifest.json", &manifest::tree(stages));
    let said = Program::new("validate").arg(&file).run().expect(0);
    said.says("valid: 1 pipeline, 1 stage, 0 sources");
    let policy = "version = 1\n[[rule]]\nmodules = ['*']\nlimits = { created-inodes = 1, written-bytes = 1 }\n";
    Program::new("plan")
        .option("--policy", scratch.write("policy.toml", policy))
        .arg(&file)
        .run()
        .expect(0)
        .says("1 byte and 1 inode written");
}

#[test]
fn a_directory_of_plugins_that_is_none_is_a_mistake_of_the_command_line() {
    let scratch = Scratch::new();
    let file = scratch.write("file", "");
    let manifest = scratch.json("manifest.json", &manifest::two_modules("a"));
    for directory in [file, scratch.path("missing")] {
        for command in ["plan", "run", "validate"] {
            let program = Program::new(command).option("--libdir", &directory);
            program
                .arg(&manifest)
                .run()
                .expect(2)
                .says("error: component ");
        }
    }
}

#[test]
fn a_directory_of_plugins_that_cannot_be_read_is_named() {
    if !machine::offers(&user::PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let manifest = scratch.json("manifest.json", &manifest::two_modules("a"));
    let closed = scratch.directory("closed");
    scratch.directory("closed/plugins");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    let plugins = closed.join("plugins");
    let plan = || user::machine(&scratch).run("plan");
    for program in [
        plan().env("OSBUILD_WASM_PLUGINS", &plugins),
        plan().option("--libdir", &plugins),
    ] {
        let ended = program.arg(&manifest).run();
        ended.says(&format!("{}: Permission denied", plugins.display()));
    }
}
