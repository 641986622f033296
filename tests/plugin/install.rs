//! Installing, listing, using, verifying, removing.
use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch, hostile, manifest};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

/// A machine on which plugins can be installed.
pub(crate) struct Place {
    pub(crate) scratch: Scratch,
}

impl Place {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new();
        Self { scratch }
    }

    /// The program with the place's directories.
    pub(crate) fn program(&self, arguments: &str) -> Program {
        Program::new(arguments)
            .env("OSBUILD_WASM_PLUGINS", self.scratch.path("plugins"))
            .env("OSBUILD_WASM_KEYS", self.scratch.path("keys"))
    }

    /// The file of a plugin with this module name.
    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        let mut document = hostile::document("files");
        document["name"] = name.into();
        let bytes = embed(
            &hostile::component("files"),
            document.to_string().as_bytes(),
        );
        self.scratch.write(&format!("{name}.wasm"), bytes)
    }

    /// The installed file of that name.
    fn installed(&self, name: &str) -> PathBuf {
        self.scratch.path(&format!("plugins/stages/{name}.wasm"))
    }
}

pub(crate) fn digest(path: &std::path::Path) -> String {
    let hash = Sha256::digest(std::fs::read(path).unwrap());
    let hex: Vec<_> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

#[test]
fn an_installed_plugin_is_known_to_every_command_until_it_is_removed() {
    let place = Place::new();
    let file = place.plugin("com.example.a");
    place
        .program("plugin install")
        .arg(&file)
        .run()
        .expect(0)
        .says("installed stage com.example.a");
    std::fs::remove_file(&file).unwrap();
    place
        .program("stage list")
        .run()
        .expect(0)
        .says("com.example.a");
    let stages = json!([{ "type": "com.example.a", "options": { "steps": [hostile::step("tree write /run/osbuild/tree/made")] } }]);
    let document = place.scratch.json("manifest", &manifest::tree(stages));
    place.program("validate").arg(&document).run().expect(0);
    place
        .program("run --export tree --quiet")
        .option("--store", place.scratch.path("store"))
        .option("--output-directory", place.scratch.path("out"))
        .arg(&document)
        .run()
        .expect(0);
    assert_eq!(place.scratch.read("out/tree/made"), "HOSTILE");
    place.program("plugin remove com.example.a").run().expect(0);
    place.program("validate").arg(&document).run().expect(2);
    place
        .program("plugin remove com.example.a")
        .run()
        .expect(2)
        .says("is not installed");
    assert!(!place.installed("com.example.a").exists());
}

#[test]
fn the_index_says_where_a_plugin_is_from_and_when_it_came() {
    let place = Place::new();
    let file = place.plugin("com.example.a");
    place.program("plugin install").arg(&file).run().expect(0);
    let list = place.program("plugin list --json").run().expect(0).json();
    let plugin = &list[0];
    assert_eq!(plugin["digest"], digest(&file));
    assert_eq!(plugin["origin"], file.to_str().unwrap());
    assert_eq!(plugin["signer"], json!(null));
    let time = plugin["installed"].as_str().unwrap();
    assert!(
        time.starts_with("20") && time.ends_with('Z') && time.len() == 20,
        "{time}"
    );
    place
        .program("plugin list")
        .run()
        .expect(0)
        .says(time)
        .says("not signed by anybody trusted");
}

#[test]
fn a_file_that_was_changed_after_installing_is_refused_by_every_use() {
    let place = Place::new();
    place
        .program("plugin install")
        .arg(place.plugin("com.example.a"))
        .run()
        .expect(0);
    let installed = place.installed("com.example.a");
    let mut bytes = std::fs::read(&installed).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&installed, bytes).unwrap();
    let ended = place.program("stage list").run().expect(1);
    assert_eq!(ended.stdout, "");
    let origin = place
        .scratch
        .path("com.example.a.wasm")
        .display()
        .to_string();
    insta::assert_snapshot!(steady(&ended.stderr.replace(&origin, "[ORIGIN]"), Some(&place.scratch)), @"error: [DIR]/plugins/stages/com.example.a.wasm has digest sha256:[ID], not sha256:[ID]: it is not what was installed: `osbuild-wasm plugin install [ORIGIN]` again, or `osbuild-wasm plugin remove com.example.a`");
    place
        .program("plugin verify")
        .run()
        .expect(1)
        .says("is not what was installed");
    place.program("plugin remove com.example.a").run().expect(0);
    place.program("stage list").run().expect(0);
}

#[test]
fn a_built_in_name_is_taken_only_by_a_user_who_says_so() {
    let place = Place::new();
    let file = place.plugin("org.osbuild.hostname");
    place
        .program("plugin install")
        .arg(&file)
        .run()
        .expect(2)
        .says("which is built in")
        .says("--allow-shadow");
    assert!(!place.installed("org.osbuild.hostname").exists());
    place
        .program("plugin install --allow-shadow")
        .arg(&file)
        .run()
        .expect(0)
        .says("instead of the built-in one");
    place
        .program("plugin list")
        .run()
        .expect(0)
        .says("instead of the built-in one");
    place
        .program("stage show org.osbuild.hostname")
        .run()
        .expect(0)
        .says("Tries what it was not granted");
    place
        .program("plugin remove org.osbuild.hostname")
        .run()
        .expect(0);
    place
        .program("stage show org.osbuild.hostname")
        .run()
        .expect(0)
        .says("built in");
}

#[test]
fn what_is_no_plugin_is_not_installed() {
    let place = Place::new();
    for (content, says) in [
        (&b"\x7fELF"[..], "is not a WebAssembly component"),
        (
            &hostile::component("files"),
            "has no section `osbuild:module`",
        ),
    ] {
        let file = place.scratch.write("bad.wasm", content);
        place
            .program("plugin install")
            .arg(file)
            .run()
            .expect(1)
            .says(says);
    }
    let mut document = hostile::document("files");
    document["name"] = "../../escape".into();
    let file = place.scratch.write(
        "bad.wasm",
        embed(
            &hostile::component("files"),
            document.to_string().as_bytes(),
        ),
    );
    place
        .program("plugin install")
        .arg(file)
        .run()
        .expect(1)
        .says("is not a module name");
    place
        .program("plugin list --json")
        .run()
        .expect(0)
        .says("[]");
}

#[test]
fn what_comes_from_elsewhere_must_be_pinned() {
    let place = Place::new();
    for origin in [
        "https://example.invalid/x.wasm",
        "oci://example.invalid/x:latest",
        "http://example.invalid/x.wasm#sha256:00",
    ] {
        place
            .program("plugin install")
            .arg(origin)
            .run()
            .expect(2)
            .says("error: ");
    }
}

/// A web server that answers each request with the file of that name, or 404.
fn serve(files: Vec<(String, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let found = files.iter().find(|(name, _)| name == path);
            let (status, body) =
                found.map_or(("404 Not Found", &[][..]), |(_, body)| ("200 OK", body));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body));
        }
    });
    format!("http://{address}")
}

#[test]
fn a_url_with_its_digest_is_installed_and_another_content_is_not() {
    let place = Place::new();
    let file = place.plugin("com.example.a");
    let bytes = std::fs::read(&file).unwrap();
    let server = serve(vec![("/a.wasm".into(), bytes)]);
    let good = format!("{server}/a.wasm#{}", digest(&file));
    let other = format!("sha256:{}", "0".repeat(64));
    place
        .program("plugin install")
        .arg(format!("{server}/a.wasm"))
        .option("--digest", &other)
        .run()
        .expect(1)
        .says("it is not what was asked for");
    place
        .program("plugin list --json")
        .run()
        .expect(0)
        .says("[]");
    place.program("plugin install").arg(&good).run().expect(0);
    assert_eq!(
        place.program("plugin list --json").run().json()[0]["origin"],
        good
    );
    place
        .program("plugin install")
        .arg(format!("{server}/b.wasm#{other}"))
        .run()
        .expect(1)
        .says("there is no such file");
    // The signature of another place and an unknown port: one line each.
    place
        .program("plugin install")
        .arg(format!("http://127.0.0.1:1/a.wasm#{other}"))
        .run()
        .expect(1)
        .says("error: http://127.0.0.1:1/a.wasm");
}

#[test]
fn packing_makes_a_plugin_of_any_component_and_refuses_what_is_none() {
    let place = Place::new();
    let component = place
        .scratch
        .write("bare.wasm", hostile::component("files"));
    let document = place
        .scratch
        .json("module.json", &hostile::document("files"));
    let pack = |component: &PathBuf| {
        place
            .program("plugin pack")
            .arg(component)
            .option("--metadata", &document)
            .option("-o", place.scratch.path("packed.wasm"))
            .run()
    };
    pack(&component).expect(0).says("packed.wasm: test.files, ");
    place
        .program("plugin install")
        .arg(place.scratch.path("packed.wasm"))
        .run()
        .expect(0);
    pack(&place.scratch.path("packed.wasm"))
        .expect(1)
        .says("two sections `osbuild:module`");
    pack(&place.scratch.write("elf", b"\x7fELF"))
        .expect(1)
        .says("is not a WebAssembly component");
    // A core module that is no command of WASI.
    pack(&place.scratch.write("core.wasm", b"\0asm\x01\0\0\0"))
        .expect(1)
        .says("core.wasm cannot be packed");
    for (member, value) in [
        ("schema_2", json!({ "options": { "type": "objekt" } })),
        ("rights", json!([{ "verbs": ["read"], "paths": ["/../x"] }])),
    ] {
        let mut bad = hostile::document("files");
        bad[member] = value;
        let bad = place.scratch.json("module.json", &bad);
        pack(&component)
            .expect(1)
            .says(&format!("error: {}: ", bad.display()));
    }
}
