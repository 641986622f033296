//! What the commands do beside finding errors.
use super::directory;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch};
use std::process::{Command, Stdio};

#[test]
fn several_files_are_checked_at_once() {
    let ended = Program::new(
        "blueprint check right/lvm.toml wrong/shape/string_for_a_list.toml right/edge.toml",
    )
    .directory(directory(""))
    .run()
    .expect(2);
    insta::assert_snapshot!(ended.stdout, @r"
    valid: right/lvm.toml
    invalid: 1 problem in wrong/shape/string_for_a_list.toml
    valid: right/edge.toml
    ");
}

#[test]
fn standard_input_may_be_of_either_language() {
    for (text, code) in [
        ("name = \"web\"\n", 0),
        ("{\"name\": \"web\"}", 0),
        ("{\"name\": 1}", 2),
        ("name = 1", 2),
    ] {
        let script = format!("printf '%s' '{text}' | \"$0\" blueprint check -");
        let ended = Program::shell(&script).run().expect(code);
        assert!(ended.stdout.contains("standard input"), "{}", ended.all());
    }
}

#[test]
fn a_lenient_check_warns_of_unknown_keys() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "web.toml",
        "name = \"web\"\nflavour = 1\n\n[customizations]\nhostnam = \"web1\"\n",
    );
    Program::new("blueprint check").arg(&file).run().expect(2);
    let ended = Program::new("blueprint check --lenient")
        .arg(&file)
        .run()
        .expect(0);
    assert!(
        ended.stdout.ends_with("web.toml, with warnings\n"),
        "{}",
        ended.stdout
    );
    insta::assert_snapshot!(steady(&ended.stderr, Some(&scratch)), @r#"
    warning: `flavour` is not known here
     --> [DIR]/web.toml:2:1
      |
    2 | flavour = 1
      | ^^^^^^^ not known here
      |
      = note: at .flavour
      = help: known here: `name`, `description`, `version`, `packages`, `modules`, `enabled_modules`, `groups`, `containers`, `customizations`, `distro`, `architecture`

    warning: `hostnam` is not known in `customizations`
     --> [DIR]/web.toml:5:1
      |
    5 | hostnam = "web1"
      | ^^^^^^^ not known here
      |
      = note: at .customizations.hostnam
      = help: did you mean `hostname`?
    "#);
    let ended = Program::new("blueprint convert --lenient --to toml")
        .arg(&file)
        .run()
        .expect(0);
    assert!(!ended.stdout.contains("flavour"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_read_is_one_error() {
    let scratch = Scratch::new();
    scratch.write("latin.toml", b"name = \"caf\xe9\"\n");
    for name in ["missing.toml", ".", "latin.toml", "/dev/zero"] {
        let ended = Program::new("blueprint check")
            .arg(name)
            .directory(scratch.root())
            .run()
            .expect(2);
        assert!(
            ended
                .stderr
                .starts_with(&format!("error: cannot read {name}\n  cause: ")),
            "{}",
            ended.all()
        );
        let ended = Program::new("blueprint check --json")
            .arg(name)
            .directory(scratch.root())
            .run()
            .expect(2);
        assert_eq!(ended.json()["success"], false);
    }
}

#[test]
fn documents_that_nest_without_end_are_refused() {
    let scratch = Scratch::new();
    let many = 100_000;
    let documents = [
        ("lists.toml", format!("a = {}", "[".repeat(many))),
        ("tables.toml", format!("a = {}", "{a=".repeat(many))),
        ("keys.toml", format!("{}b = 1", "a.".repeat(many))),
        ("headers.toml", format!("[{}b]", "a.".repeat(many))),
        ("lists.json", "[".repeat(many)),
        ("objects.json", "{\"a\":".repeat(many)),
    ];
    for (name, text) in documents {
        let file = scratch.write(name, text);
        let ended = Program::new("blueprint check").arg(file).run().expect(2);
        assert!(
            ended.stdout.starts_with("invalid: "),
            "{name}: {}",
            ended.all()
        );
    }
}

#[test]
fn of_very_many_problems_the_first_are_told() {
    let scratch = Scratch::new();
    let users = "[[customizations.user]]\nname = \"a b\"\n".repeat(20_000);
    let file = scratch.write("web.toml", format!("name = \"web\"\n{users}"));
    let ended = Program::new("blueprint check --json")
        .arg(file)
        .run()
        .expect(2);
    let report = ended.json();
    let problems = report["documents"][0]["problems"]
        .as_array()
        .expect("problems");
    assert_eq!(problems.len(), 100);
}

/// Each of these took minutes or megabytes when the time grew with the square of the size.
#[test]
fn the_largest_wrong_blueprints_are_told_of_in_short() {
    let scratch = Scratch::new();
    let most = 15 << 20;
    let many = |each: fn(usize) -> String, count: usize| {
        let all: Vec<String> = (0..count).map(each).collect();
        all.join(",")
    };
    let users = many(|_| "{\"name\":1}".to_owned(), 700_000);
    let files = many(
        |file| format!("{{\"path\":\"/etc/{}\"}}", file % 9),
        200_000,
    );
    let documents = [
        (
            "users.json",
            format!("{{\"customizations\":{{\"user\":[{users}]}}}}"),
        ),
        (
            "keys.json",
            format!("{{{}}}", many(|key| format!("\"k{key}\":1"), 500_000)),
        ),
        (
            "files.json",
            format!("{{\"customizations\":{{\"files\":[{files}]}}}}"),
        ),
        (
            "path.json",
            format!(
                "{{\"customizations\":{{\"files\":[{{\"path\":\"{}\"}}]}}}}",
                "/a".repeat(most / 2)
            ),
        ),
        ("key.toml", format!("{}=1", "x".repeat(most))),
    ];
    for (name, text) in documents {
        let file = scratch.write(name, text);
        let ended = Program::new("blueprint check").arg(file).run().expect(2);
        assert!(
            ended.stdout.starts_with("invalid: "),
            "{name}: {}",
            ended.stdout
        );
        assert!(
            ended.stderr.len() < 64 << 10,
            "{name}: {}",
            ended.stderr.len()
        );
    }
}

#[test]
fn what_new_prints_can_be_used_also_with_what_is_commented_out() {
    let scratch = Scratch::new();
    let example = Program::new("blueprint new").run().expect(0).stdout;
    let file = scratch.write("new.toml", &example);
    let ended = Program::new("blueprint check").arg(file).run().expect(0);
    assert_eq!(ended.stderr, "");
    // A comment has a blank after its sign, a line that is commented out has none.
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let all: String = example.lines().map(line).collect();
    let file = scratch.write("all.toml", all);
    Program::new("blueprint check").arg(file).run().expect(0);
}

#[test]
fn a_reader_that_is_gone_ends_a_conversion() {
    let mut child = Command::new(osbuild_wasm_tests::paths::program())
        .args(["blueprint", "convert", "--to", "json"])
        .arg(directory("right/everything.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("an end");
    assert!(
        ended.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
fn a_request_to_the_cloud_api_becomes_a_blueprint() {
    let convert = |text: &str, code: i32| {
        let scratch = Scratch::new();
        scratch.write("request.json", text);
        let command = "blueprint convert request.json --from cloud --to toml";
        Program::new(command)
            .directory(scratch.root())
            .run()
            .expect(code)
    };
    let ended = convert(r#"{"packages": ["tmux"], "users": [{"name": "ada"}]}"#, 0);
    assert_eq!(ended.stderr, "");
    let blueprint = "[[packages]]\nname = \"tmux\"\n\n[[customizations.user]]\nname = \"ada\"\n";
    assert!(ended.stdout.ends_with(blueprint), "{}", ended.stdout);
    let ended = convert(r#"{"users": [{"name": "ada"}, {"name": "ada"}]}"#, 2);
    assert!(
        ended.stderr.contains("first by `users[0].name`")
            && ended.stderr.contains("--> request.json:1:38\n"),
        "{}",
        ended.stderr
    );
}
