//! Containers that a system has from the start.
use crate::content::{Container, ContainerRequest};
use crate::manifest::{Stage, source_containers};
use serde_json::json;

/// What a blueprint's container is fetched by.
pub fn request(container: &osbuild_wasm_blueprint::model::Container) -> ContainerRequest {
    ContainerRequest {
        source: container.source.clone(),
        name: container.name.clone().unwrap_or_default(),
        tls_verify: container.tls_verify,
        local: container.local_storage == Some(true),
    }
}

/// The stage that puts containers into the storage of the system, or into the one at this path.
pub fn storage_stage(containers: &[Container], storage: Option<&str>) -> Stage {
    let mut destination = json!({"type": "containers-storage"});
    if let Some(path) = storage {
        destination["storage-path"] = path.into();
    }
    let mut stage = Stage::new("skopeo", json!({"destination": destination}));
    for local in [false, true] {
        let mut found = containers
            .iter()
            .filter(|container| container.local == local)
            .peekable();
        if found.peek().is_some() {
            let name = if local { "images-local" } else { "images" };
            stage = stage.input(name, source_containers(local, found));
        }
    }
    let mut lists: Vec<&String> = containers
        .iter()
        .map(|container| &container.list_digest)
        .filter(|digest| !digest.is_empty())
        .collect();
    lists.sort();
    lists.dedup();
    if !lists.is_empty() {
        let input = json!({"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": lists});
        stage = stage.input("manifest-lists", input);
    }
    stage
}
