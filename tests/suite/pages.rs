//! Pages of the repository that have to be current.
use osbuild_wasm_tests::Program;
use osbuild_wasm_tests::paths::workspace;
use std::fs;

#[test]
fn every_sample_has_its_line() {
    let readme =
        fs::read_to_string(workspace().join("samples/README.md")).expect("samples/README.md");
    for entry in fs::read_dir(workspace().join("samples"))
        .expect("samples")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "README.md" || name.starts_with("__") {
            continue;
        }
        let listed = readme
            .lines()
            .any(|line| line.starts_with(&format!("| `{name}")));
        assert!(listed, "samples/README.md has no line for {name}");
    }
}

#[test]
fn the_manual_of_modules_is_what_their_documents_say() {
    let printed = Program::new("stage manual").run().expect(0);
    let kept = fs::read_to_string(workspace().join("docs/modules.md")).unwrap();
    assert!(
        printed.stdout == kept,
        "docs/modules.md is not current: osbuild-wasm stage manual > docs/modules.md"
    );
}
