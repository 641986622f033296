//! A project in each language: what `plugin new` makes builds, passes the conformance kit, and runs; so do the samples.
use osbuild_wasm_tests::{Ended, Program, Scratch, machine, manifest, paths};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Compilers, and interpreters packed into components, take their time on two processors.
const LIMIT: Duration = Duration::from_secs(600);

fn build(project: &Path, output: &Path) -> Ended {
    Program::new("plugin build")
        .arg(project)
        .option("--output", output)
        .env("CARGO_TARGET_DIR", paths::kept("plugin-rust"))
        .limit(LIMIT)
        .run()
}

/// Builds the project and runs the conformance kit with its cases.
fn conforms(scratch: &Scratch, project: &Path) {
    let plugin = scratch.path("library/plugin.wasm");
    build(project, &plugin).expect(0);
    Program::new("plugin test")
        .arg(&plugin)
        .option("--cases", project.join("cases"))
        .limit(LIMIT)
        .run()
        .expect(0)
        .says(" 0 failed");
}

/// The stage of a new project does its work in a manifest.
fn greets(scratch: &Scratch) {
    let stages =
        json!([{ "type": "com.example.greeting", "options": { "text": "h\u{e9}llo \"you\"\n" } }]);
    Program::new("run --export tree --quiet")
        .option("--libdir", scratch.path("library"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest::tree(stages)))
        .limit(LIMIT)
        .run()
        .expect(0);
    assert_eq!(scratch.read("out/tree/etc/motd"), "h\u{e9}llo \"you\"\n");
}

/// Makes a project; `prepare` installs what the language's tool needs.
fn new_project(lang: &str, prepare: impl Fn(&Path)) {
    let scratch = Scratch::new();
    let project = scratch.path("project");
    Program::new("plugin new com.example.greeting")
        .option("--lang", lang)
        .option("--directory", &project)
        .run()
        .expect(0);
    prepare(&project);
    conforms(&scratch, &project);
    greets(&scratch);
}

fn sample(lang: &str, prepare: impl Fn(&Path)) {
    let project = paths::sample("plugins").join(lang);
    prepare(&project);
    conforms(&Scratch::new(), &project);
}

fn nothing(_: &Path) {}

#[test]
fn rust() {
    new_project("rust", nothing);
    sample("rust", nothing);
}

#[test]
fn rust_project_tests_itself_by_cargo() {
    let scratch = Scratch::new();
    Program::new("plugin new com.example.greeting --lang rust")
        .option("--directory", scratch.path("project"))
        .run()
        .expect(0);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Program::of(cargo, "test --quiet")
        .directory(scratch.path("project"))
        .env("CARGO_TARGET_DIR", paths::kept("plugin-rust"))
        .env("OSBUILD_WASM", paths::program())
        .limit(LIMIT)
        .run()
        .expect(0);
}

#[test]
fn c() {
    if machine::offers(&["make", "clang", "wasm-ld"]) {
        new_project("c", nothing);
        sample("c", nothing);
    }
}

/// A directory with what the packages of a project need, installed once for all projects.
fn installed(cell: &'static OnceLock<()>, name: &str, script: &str) -> std::path::PathBuf {
    let directory = paths::kept(name);
    cell.get_or_init(|| {
        let ended = Command::new("sh")
            .arg("-euc")
            .arg(script)
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    });
    directory
}

fn link(target: &Path, link: &Path) {
    if std::fs::symlink_metadata(link).is_ok() {
        std::fs::remove_file(link).unwrap();
    }
    std::os::unix::fs::symlink(target, link).unwrap();
}

#[test]
fn python() {
    static ONCE: OnceLock<()> = OnceLock::new();
    if !machine::offers(&["python3"]) {
        return;
    }
    let prepare = |project: &Path| {
        std::fs::copy(
            project.join("requirements.txt"),
            paths::kept("plugin-python").join("requirements.txt"),
        )
        .unwrap();
        let script = "cmp -s requirements.txt done || { python3 -m venv .venv; .venv/bin/pip install --quiet -r requirements.txt; cp requirements.txt done; }";
        let kept = installed(&ONCE, "plugin-python", script);
        link(&kept.join(".venv"), &project.join(".venv"));
    };
    new_project("python", prepare);
    sample("python", prepare);
}

#[test]
fn javascript() {
    static ONCE: OnceLock<()> = OnceLock::new();
    if !machine::offers(&["node", "npm"]) {
        return;
    }
    let prepare = |project: &Path| {
        let kept = paths::kept("plugin-js");
        std::fs::copy(project.join("package.json"), kept.join("package.json")).unwrap();
        // A second installation over the first one loses packages that others bring (npm 10).
        let script = "cmp -s package.json done || { rm -rf node_modules package-lock.json; npm install --silent --no-audit --no-fund; cp package.json done; }";
        installed(&ONCE, "plugin-js", script);
        link(&kept.join("node_modules"), &project.join("node_modules"));
    };
    new_project("js", prepare);
    sample("js", prepare);
}

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    let scratch = Scratch::new();
    for (lang, says) in [
        ("rust", "cargo: it is not there: install Rust by rustup"),
        ("c", "make: it is not there: install make, clang"),
        (
            "python",
            "componentize-py: it is not there: install it: `python3 -m venv",
        ),
        ("js", "has no node_modules: run `npm install` there first"),
    ] {
        let project = scratch.path(lang);
        Program::new("plugin new com.example.x")
            .option("--lang", lang)
            .option("--directory", &project)
            .run()
            .expect(0);
        let ended = Program::new("plugin build")
            .arg(&project)
            .env("PATH", "/nonexistent")
            .env("CARGO", "/nonexistent/cargo")
            .run()
            .expect(1)
            .says(says);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn the_message_of_a_compiler_reaches_the_user() {
    if !machine::offers(&["make", "clang", "wasm-ld"]) {
        return;
    }
    let scratch = Scratch::new();
    let project = scratch.path("project");
    Program::new("plugin new com.example.x --lang c")
        .option("--directory", &project)
        .run()
        .expect(0);
    scratch.write("project/main.c", "int main(void) { return x; }\n");
    Program::new("plugin build")
        .arg(&project)
        .run()
        .expect(1)
        .says("use of undeclared identifier 'x'")
        .says("error: make: it failed");
}

#[test]
fn a_name_that_cannot_be_one_and_a_full_directory_are_usage_errors() {
    let scratch = Scratch::new();
    scratch.write("full/file", "");
    for (name, directory, says) in [
        ("../x", "new", "no module name"),
        ("org.osbuild.mine", "new", "use a domain of your own"),
        ("com.example.x", "full", "not empty"),
    ] {
        Program::new("plugin new --lang c")
            .arg(name)
            .option("--directory", scratch.path(directory))
            .run()
            .expect(2)
            .says(says);
    }
    Program::new("plugin build")
        .arg(scratch.path("full"))
        .run()
        .expect(2)
        .says("is no project of a plugin");
}
