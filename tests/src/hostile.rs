//! The components of `tests/hostile`: built, packed with a module document, and run on a tree.
use crate::program::{Ended, Program};
use crate::{Scratch, paths};
use osbuild_wasm_capability::embed;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Programs that the module document of every hostile component names.
pub const PROGRAMS: [&str; 3] = ["true", "cat", "sleep"];

/// The bytes of a hostile component as the compiler made it, without a module document.
pub fn component(name: &str) -> Vec<u8> {
    let path = built().join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The module document of hostile component `name`, which is module `test.NAME`.
pub fn document(name: &str) -> Value {
    json!({
        "name": format!("test.{name}"),
        "kind": "stage",
        "summary": "Tries what it was not granted.",
        "programs": PROGRAMS,
        "schema_2": { "options": { "type": "object" }, "inputs": { "type": "object" }, "devices": { "type": "object" } },
    })
}

/// A directory for `--libdir` with all hostile components.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = paths::kept("hostile");
        for name in ["files", "resources", "programs", "devices", "sockets"] {
            let packed = embed(&component(name), document(name).to_string().as_bytes());
            // Another test program may read or write it at this moment.
            let new = library.join(format!("{name}.{}", std::process::id()));
            fs::write(&new, packed).expect("the target directory can be written");
            fs::rename(&new, library.join(format!("{name}.wasm"))).expect("same directory");
        }
        library
    })
}

/// Builds the components, once, and returns their directory.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args([
                "build",
                "--profile",
                "component",
                "--target",
                "wasm32-wasip2",
            ])
            .args(["-p", "osbuild-hostile", "--message-format", "json"])
            .current_dir(paths::workspace())
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo can be started");
        assert!(
            output.status.success(),
            "the hostile components do not build"
        );
        let messages = String::from_utf8_lossy(&output.stdout);
        let mut executables = messages.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        });
        let last = executables.next_back().expect("cargo names what it built");
        last.parent().expect("a file is in a directory").to_owned()
    })
}

/// `stage run` of hostile component `name` with these options on directory `tree` of the scratch directory.
pub fn stage(scratch: &Scratch, name: &str, options: Value) -> Program {
    with_arguments(scratch, name, &json!({ "options": options }))
}

/// The same with a whole arguments document.
pub fn with_arguments(scratch: &Scratch, name: &str, arguments: &Value) -> Program {
    let tree = scratch.directory("tree");
    let arguments = scratch.json(&format!("{name}.arguments"), arguments);
    Program::new("stage run")
        .arg(format!("test.{name}"))
        .option("--libdir", library())
        .option("--tree", tree)
        .option("--args", arguments)
}

/// Runs the component `files` with steps `DOOR VERB PATH [TO]`.
pub fn files(scratch: &Scratch, steps: &[&str]) -> Ended {
    stage(
        scratch,
        "files",
        json!({ "steps": steps.iter().map(|text| step(text)).collect::<Vec<_>>() }),
    )
    .run()
}

/// Runs the component `files` as module `test.narrow`, whose document has these rights.
pub fn narrow(scratch: &Scratch, rights: &Value, steps: &[&str]) -> Ended {
    let steps: Vec<_> = steps.iter().map(|text| step(text)).collect();
    let options = json!({ "steps": steps });
    let library = with_rights(scratch, "files", rights);
    Program::new("stage run test.narrow")
        .option("--libdir", library)
        .option("--tree", scratch.directory("tree"))
        .option(
            "--args",
            scratch.json("arguments", &json!({ "options": options })),
        )
        .run()
}

/// A directory for `--libdir` with hostile component `name` as module `test.narrow`, whose document has these rights.
pub fn with_rights(scratch: &Scratch, name: &str, rights: &Value) -> PathBuf {
    with_document(scratch, name, &json!({ "rights": rights }))
}

/// The same with these members of its document.
pub fn with_document(scratch: &Scratch, name: &str, members: &Value) -> PathBuf {
    let mut document = document(name);
    document["name"] = "test.narrow".into();
    let own = document.as_object_mut().expect("an object");
    own.extend(members.as_object().expect("an object").clone());
    let library = scratch.directory("library");
    let packed = embed(&component(name), document.to_string().as_bytes());
    scratch.write("library/narrow.wasm", packed);
    library
}

/// One step of the component `files`.
pub fn step(text: &str) -> Value {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    json!({ "door": word(), "do": word(), "path": word(), "to": word() })
}
