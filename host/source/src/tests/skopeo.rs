use super::registry::Registry;
use super::tools::run;
use super::{World, sha256, source};
use osbuild_wasm_events::SourceOutcome;
use std::process::{Command, Stdio};

fn fetch(world: &World, kind: &str, items: &str) -> SourceOutcome {
    let outcome = world.fetch(&source(&format!("org.osbuild.{kind}"), items));
    assert!(world.scratch().is_empty());
    outcome
}

pub(super) fn error(world: &World, kind: &str, items: &str) -> String {
    let outcome = fetch(world, kind, items);
    assert!(!outcome.output.contains('\n'), "{}", outcome.output);
    outcome.items[0].error.clone().unwrap()
}

#[test]
fn an_image_comes_from_a_registry_once_and_only_if_it_has_the_id() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    for cached in [false, true] {
        let outcome = fetch(&world, "skopeo", &registry.item(&registry.id, ""));
        assert!(outcome.success, "{}", outcome.output);
        assert_eq!(outcome.items[0].cached, Some(cached));
    }
    let image = world
        .store
        .sources("org.osbuild.containers.verified")
        .unwrap()
        .join(format!("{}-{}", &registry.id[7..], &registry.digest[7..]))
        .join("image");
    assert_eq!(
        sha256(&std::fs::read(image.join("manifest.json")).unwrap()),
        registry.digest
    );
    assert!(image.join(&registry.id[7..]).exists() && image.join("version").exists());

    let other = sha256(b"other");
    let expected = format!(
        "Downloaded image {}/image@{} has an id of {}, but expected {other}",
        registry.host, registry.digest, registry.id
    );
    let error = error(&world, "skopeo", &registry.item(&other, ""));
    assert!(error.ends_with(&expected), "{error}");
    assert!(!image.parent().unwrap().with_file_name(&other).exists());
}

fn stored(world: &World, registry: &Registry) -> std::path::PathBuf {
    let sources = world
        .store
        .sources("org.osbuild.containers.verified")
        .unwrap();
    sources.join(format!("{}-{}", &registry.id[7..], &registry.digest[7..]))
}

#[test]
fn an_image_with_other_layers_than_its_configuration_says_is_not_kept() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (world, poison) = (World::new(), registry.poison());
    let good = registry.item(&registry.id, "");
    let evil = good.replace(&registry.digest, &poison);
    let problem = error(&world, "skopeo", &evil);
    assert!(
        problem.contains("has other content than the image"),
        "{problem}"
    );
    let entries = std::fs::read_dir(stored(&world, &registry).parent().unwrap());
    assert_eq!(entries.unwrap().count(), 0);
    let outcome = fetch(&world, "skopeo", &good);
    assert_eq!(
        (outcome.success, outcome.items[0].cached),
        (true, Some(false))
    );
    // It is another image than the good one, also where the store has that.
    error(&world, "skopeo", &evil);
}

#[test]
fn an_image_of_an_older_store_is_not_used() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    let old = world.store.sources("org.osbuild.containers").unwrap();
    std::fs::create_dir_all(old.join(&registry.id).join("image")).unwrap();
    let outcome = fetch(&world, "skopeo", &registry.item(&registry.id, ""));
    assert_eq!(
        (outcome.success, outcome.items[0].cached),
        (true, Some(false))
    );
}

#[test]
fn an_image_that_was_changed_in_the_store_is_fetched_again() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let (world, items) = (World::new(), registry.item(&registry.id, ""));
    assert!(fetch(&world, "skopeo", &items).success);
    let entry = stored(&world, &registry);
    let item = osbuild_wasm_manifest::json::parse(items.as_bytes()).unwrap();
    let item = item.get(&registry.id).unwrap().clone();
    let given = || crate::stored_image(&world.store, &registry.id, &item);
    assert_eq!(given().unwrap(), entry.join("image"));
    let layer = sha256(&[0; 1024]);
    std::fs::write(entry.join("image").join(&layer[7..]), [1; 1024]).unwrap();
    let problem = given().unwrap_err();
    assert!(problem.contains("was changed in the store"), "{problem}");
    for cached in [false, true] {
        let outcome = fetch(&world, "skopeo", &items);
        assert_eq!(
            (outcome.success, outcome.items[0].cached),
            (true, Some(cached))
        );
    }
    assert_eq!(given().unwrap(), entry.join("image"));
}

#[test]
fn an_image_larger_than_the_limit_of_its_source_is_not_kept() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    let allowance = crate::Allowance {
        bytes: 1023,
        ..crate::Allowance::EVERYTHING
    };
    let items = source("org.osbuild.skopeo", &registry.item(&registry.id, ""));
    let outcome = crate::fetch(&items, &world.context_with(allowance));
    assert!(
        outcome.output.contains("limit of 1023 bytes"),
        "{}",
        outcome.output
    );
}

/// What skopeo mounts over a storage stays in the mount namespace, which is that of the tests.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        _ = Command::new("umount")
            .arg(&self.0)
            .stderr(Stdio::null())
            .status();
    }
}

#[test]
fn an_image_of_a_storage_location_is_verified_like_others() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let directory = registry.directory.path();
    let storage = directory.join("overlay");
    let _mounted = Mounted(storage.join("overlay"));
    let specifier = format!("[overlay@{}]localhost/image", storage.display());
    let from = format!("oci:{}:image", directory.join("layout").display());
    let to = format!("containers-storage:{specifier}:tag");
    let copied = Command::new("skopeo").args(["copy", &from, &to]).output();
    // Not every file system can be below an overlay.
    if !copied.unwrap().status.success() {
        return;
    }
    let item = |digest: &str| {
        format!(
            r#"{{"{}": {{"image": {{"name": "localhost/image", "digest": "{digest}",
                "containers-transport": "containers-storage", "storage-location": {storage:?}}}}}}}"#,
            registry.id
        )
    };
    let world = World::new();
    for cached in [false, true] {
        let outcome = fetch(&world, "skopeo", &item(&registry.digest));
        assert!(outcome.success, "{}", outcome.output);
        assert_eq!(outcome.items[0].cached, Some(cached));
    }
    error(&world, "skopeo", &item(&sha256(b"other")));
}

#[test]
fn a_registry_that_the_policy_does_not_list_is_not_asked() {
    let digest = sha256(b"x");
    let items =
        format!(r#"{{"{digest}": {{"image": {{"name": "h.example/n", "digest": "{digest}"}}}}}}"#);
    let world = World::with([("PATH", "/nonexistent")]);
    let allowance = crate::Allowance {
        host: &|_| false,
        ..crate::Allowance::EVERYTHING
    };
    for kind in ["org.osbuild.skopeo", "org.osbuild.skopeo-index"] {
        let outcome = crate::fetch(&source(kind, &items), &world.context_with(allowance));
        assert!(
            outcome
                .output
                .contains("h.example:443, which the policy does not list"),
            "{}",
            outcome.output
        );
    }
}

#[test]
fn a_failed_copy_is_told_with_the_words_of_skopeo_and_not_repeated_in_vain() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    let item = registry.item(&registry.id, "");
    let cases = [
        (
            item.replace(&registry.digest, &sha256(b"other")),
            "manifest unknown",
        ),
        (
            item.replace("\"tls-verify\": false", "\"tls-verify\": true"),
            "StatusCode: 403",
        ),
    ];
    for (item, expected) in cases {
        let error = error(&world, "skopeo", &item);
        assert!(
            error.contains("unable to copy image: ") && error.contains(expected),
            "{error}"
        );
        assert!(world.logs().is_empty(), "{}", world.logs());
    }
}

#[test]
fn a_manifest_list_comes_from_a_registry_as_one_file() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    for cached in [false, true] {
        let outcome = fetch(
            &world,
            "skopeo-index",
            &registry.index(&registry.list, "list"),
        );
        assert!(outcome.success, "{}", outcome.output);
        assert_eq!(outcome.items[0].cached, Some(cached));
    }
    assert_eq!(
        sha256(&std::fs::read(world.file(&registry.list)).unwrap()),
        registry.list
    );
    let error = error(
        &world,
        "skopeo-index",
        &registry.index(&registry.digest, "image"),
    );
    assert!(
        error.ends_with(&format!(
            "{}/image@{} is not a manifest-list",
            registry.host, registry.digest
        )),
        "{error}"
    );
}

#[test]
fn images_of_the_containers_storage_are_found_by_their_ids() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let world = World::new();
    let (id, missing) = (&registry.id, sha256(b"other"));
    let items = format!(r#"{{"{id}": {{}}, "{missing}": {{}}}}"#);
    let problem = error(
        &world,
        "containers-storage",
        &format!(r#"{{"{id}": {{}}}}"#),
    );
    assert!(
        problem.contains("this host has neither /etc/containers/storage.conf nor"),
        "{problem}"
    );

    let directory = registry.directory.path();
    let (root, run_root) = (directory.join("storage"), directory.join("run"));
    let conf = world.dir.path().join("usr/share/containers/storage.conf");
    std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
    std::fs::write(
        &conf,
        format!("[storage]\ndriver = 'vfs'\ngraphroot = {root:?}\nrunroot = {run_root:?}\n"),
    )
    .unwrap();
    let from = format!("oci:{}/layout:image", directory.display());
    let storage = format!("vfs@{}+{}", root.display(), run_root.display());
    run(
        "skopeo",
        &[
            "copy",
            &from,
            &format!("containers-storage:[{storage}]localhost/image:tag"),
        ],
    );
    let outcome = fetch(&world, "containers-storage", &items);
    assert_eq!(outcome.items[0].cached, Some(true));
    let expected = format!("image {missing} does not exist in local container storage");
    assert_eq!(outcome.items[1].error.as_ref(), Some(&expected));

    // What the storage notes when a registry gives it another layer.
    let layers = root.join("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&layers).unwrap();
    let layer = sha256(&[0; 1024]);
    assert!(text.contains(&layer), "{text}");
    std::fs::write(&layers, text.replace(&layer, &sha256(b"evil"))).unwrap();
    let problem = error(
        &world,
        "containers-storage",
        &format!(r#"{{"{id}": {{}}}}"#),
    );
    assert!(
        problem.contains("has other content than its configuration says"),
        "{problem}"
    );
}
