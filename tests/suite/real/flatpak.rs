//! An application in a container image becomes a flatpak of a repository.
use super::{script, stage};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::{Value, json};
use std::fs;

/// Makes `image`, an application as a container image in the form of skopeo's `dir:`.
const IMAGE: &str = r#"mkdir -p app/files/bin app/export images
    echo text >app/files/bin/demo
    printf '[Application]\nname=org.demo.App\nruntime=org.demo.Platform/x86_64/1\nsdk=org.demo.Sdk/x86_64/1\ncommand=demo\n' >app/metadata
    flatpak build-export repository app stable >/dev/null
    flatpak build-bundle --oci repository layout org.demo.App stable
    skopeo copy --quiet oci:layout dir:image
    ostree init --repo=tree/repo --mode=archive"#;

#[test]
fn flatpak_reads_the_application_that_was_imported_from_a_container_image() {
    if !machine::offers(&["flatpak", "skopeo", "ostree"]) {
        return;
    }
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    script(&scratch, IMAGE, &[]);
    let manifest: Value = serde_json::from_str(&scratch.read("image/manifest.json")).unwrap();
    let id = manifest["config"]["digest"].as_str().unwrap();
    fs::rename(scratch.path("image"), scratch.path("images").join(id)).unwrap();
    let archives = json!({ "archives": { id: { "format": "dir", "name": "demo" } } });
    let arguments = json!({
        "options": { "repository": "tree:////repo" },
        "inputs": { "containers": { "path": scratch.path("images"), "data": archives } },
    });
    let import = "org.osbuild.flatpak.build-import-bundle.oci";
    stage(&scratch, import, &tree, &arguments).run().expect(0);
    let read = r#"ostree refs --repo=tree/repo
        ostree cat --repo=tree/repo app/org.demo.App/x86_64/stable /files/bin/demo
        ls -A tree"#;
    let said = script(&scratch, read, &[]).stdout;
    assert_eq!(said, "app/org.demo.App/x86_64/stable\ntext\nrepo\n");
}
