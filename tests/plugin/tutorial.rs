//! The tutorial, as a reader runs it.
use osbuild_wasm_tests::{Program, Scratch, paths};
use std::time::Duration;

/// The blocks of shell commands of a document, in order.
fn commands(document: &str) -> String {
    let mut blocks = document.split("```");
    let mut script = String::new();
    // Text and blocks take turns.
    while let (Some(_), Some(block)) = (blocks.next(), blocks.next()) {
        script += block.strip_prefix("sh\n").unwrap_or_default();
    }
    script
}

#[test]
fn every_command_of_the_tutorial_works() {
    let path = paths::workspace().join("docs/plugin-tutorial.md");
    let script = commands(&std::fs::read_to_string(path).unwrap());
    assert!(script.lines().count() > 20, "{script}");
    let scratch = Scratch::new();
    let program = paths::program();
    let directory = program.parent().unwrap().display().to_string();
    let ended = Program::of("bash", "-euc")
        // A command that shall fail is written `! COMMAND`, which -e passes over: each such line is turned into one that it does not.
        .arg(script.replace("\n! ", "\nfails ").replacen(
            "",
            "fails() { if \"$@\"; then return 1; fi; }\n",
            1,
        ))
        .directory(scratch.root())
        .env(
            "PATH",
            format!("{directory}:{}", std::env::var("PATH").unwrap()),
        )
        .env("OSBUILD_WASM_PLUGINS", scratch.path("plugins"))
        .env("OSBUILD_WASM_KEYS", scratch.path("keys"))
        // What has been compiled for another project is not compiled again.
        .env("CARGO_TARGET_DIR", paths::kept("plugin-rust"))
        .limit(Duration::from_secs(600))
        .run()
        .expect(0);
    ended
        .says("interfaces:          types, tree, report")
        .says("touches what its rights declare")
        .says("signed by ed25519:");
}
