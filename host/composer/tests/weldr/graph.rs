//! Composes whose content workers look up: the jobs, what each is told, and how one that fails ends those after it.
use crate::composes::{result, token_of};
use crate::support::{Composer, packages_result, tmux};
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_composer::service::{
    Caller, ComposeEntry, ComposeRequest, ComposeState, Error, ImageWish, Report, Target,
};
use osbuild_wasm_jobs::JobId;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

/// A compose that is queued, with a composer that makes manifests.
struct Queued {
    composer: Composer,
    id: JobId,
    manifests: AbortHandle,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.manifests.abort();
    }
}

fn wish(toml: &str) -> ImageWish {
    let blueprint = Blueprint::from_toml(toml).unwrap().blueprint;
    let target = Target {
        distro: "fedora-43".into(),
        arch: "x86_64".into(),
    };
    ImageWish {
        image_type: "qcow2".into(),
        ..ImageWish::new(target, blueprint, "test")
    }
}

const TMUX: &str = "name = \"web\"\n[[packages]]\nname = \"tmux\"\n";
const CONTAINER: &str = "name = \"web\"\n[[containers]]\nsource = \"localhost/x\"\n";

async fn queued(wish: ImageWish) -> Queued {
    let composer = Composer::start().await;
    let document = Value::Null;
    let request = ComposeRequest { wish, document };
    let id = composer
        .service
        .start_compose(&Caller::local(), request)
        .await
        .unwrap();
    let manifests = tokio::spawn(composer.service.clone().make_manifests()).abort_handle();
    Queued {
        composer,
        id,
        manifests,
    }
}

impl Queued {
    /// The next job of a kind, which has to come.
    async fn job(&self, kind: &str) -> Value {
        let asked = json!({ "types": [kind], "arch": "x86_64" });
        loop {
            let answer = self.composer.worker("POST", "/jobs", &asked).await;
            match answer.status.as_u16() {
                201 => return answer.json(),
                // The composer is making the manifest.
                _ => assert_eq!(answer.status.as_u16(), 204, "{}", answer.text),
            }
        }
    }

    async fn finish(&self, job: &Value, result: Value) {
        let path = format!("/jobs/{}", token_of(job));
        let answer = self
            .composer
            .worker("PATCH", &path, &json!({ "result": result }))
            .await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    }

    async fn entry(&self) -> ComposeEntry {
        let service = &self.composer.service;
        service.compose(&Caller::local(), self.id).await.unwrap()
    }
}

#[tokio::test]
async fn an_image_is_looked_up_then_described_then_built() {
    let queued = queued(wish(TMUX)).await;
    let lookup = queued.job("depsolve").await;
    let sets = &lookup["args"]["grouped_package_sets"]["os"];
    assert_eq!(sets[0]["include"], json!(["tmux"]));
    assert_eq!(
        (&lookup["args"]["arch"], &lookup["args"]["sbom_type"]),
        (&json!("x86_64"), &json!("spdx"))
    );
    assert_eq!(queued.entry().await.state, ComposeState::Waiting);
    queued.finish(&lookup, packages_result(vec![tmux()])).await;

    let build = queued.job("osbuild").await;
    let args = &build["args"];
    assert_eq!(
        (
            &args["manifest_dyn_args_idx"],
            &args["depsolve_dyn_args_idx"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        args["pipeline_names"],
        json!({ "build": ["build"], "payload": ["os"] })
    );
    let made = &build["dynamic_args"][0];
    assert_eq!(made["data"]["pipelines"][0]["name"], "os");
    assert_eq!(made["info"]["pipeline_names"], args["pipeline_names"]);
    let chosen = &build["dynamic_args"][1]["transactions"]["os"][0][0];
    assert_eq!(chosen["name"], "tmux");
    assert_eq!(build["id"], queued.id.to_string());
    let path = format!("{}plan.json", build["artifact_location"].as_str().unwrap());
    let composer = &queued.composer;
    composer.worker_raw("PUT", &path, None, "{}").await;
    queued.finish(&build, result()).await;

    let entry = queued.entry().await;
    assert_eq!(entry.state, ComposeState::Finished);
    let content = composer.service.content(&entry).await.unwrap();
    assert_eq!(content.manifest["version"], "2");
    assert_eq!(content.packages[0].name, "tmux");
    let sbom = &content.sboms[0];
    assert_eq!(
        (&*sbom.pipeline, sbom.is_build_root, &*sbom.kind),
        ("os", false, "spdx")
    );
    assert_eq!(sbom.document["spdxVersion"], "SPDX-2.3");
    assert!(composer.service.report(&entry, Report::Plan).await.is_ok());
    let none = composer.service.report(&entry, Report::Record).await;
    assert!(matches!(none, Err(Error::Artefact { .. })));
}

#[tokio::test]
async fn a_lookup_that_failed_ends_the_manifest_with_its_error() {
    let error = |id: u32| json!({ "id": id, "reason": "no", "details": null });
    let cases = [
        (TMUX, "depsolve", 20, 5),
        (CONTAINER, "container-resolve", 30, 31),
    ];
    for (toml, kind, cause, id) in cases {
        let queued = queued(wish(toml)).await;
        if kind != "depsolve" {
            let packages = queued.job("depsolve").await;
            queued
                .finish(&packages, packages_result(vec![tmux()]))
                .await;
        }
        let lookup = queued.job(kind).await;
        queued
            .finish(&lookup, json!({ "job_error": error(cause) }))
            .await;
        let build = queued.job("osbuild").await;
        let made = &build["dynamic_args"][0];
        assert_eq!(made["job_error"]["id"], id, "{made}");
        assert_eq!(made["job_error"]["details"], json!([error(cause)]));
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_made_says_why() {
    let queued = queued(ImageWish {
        size: 13,
        ..wish(TMUX)
    })
    .await;
    let lookup = queued.job("depsolve").await;
    queued.finish(&lookup, packages_result(vec![tmux()])).await;
    let build = queued.job("osbuild").await;
    let error = &build["dynamic_args"][0]["job_error"];
    assert_eq!(
        (&error["id"], &error["reason"]),
        (&json!(8), &json!("no manifest has 13 bytes"))
    );
}

#[tokio::test]
async fn what_needs_no_content_is_refused_at_once() {
    let composer = Composer::start().await;
    let unknown = ImageWish {
        image_type: "disc".into(),
        ..wish(TMUX)
    };
    let document = Value::Null;
    let request = ComposeRequest {
        wish: unknown,
        document,
    };
    let refused = composer
        .service
        .start_compose(&Caller::local(), request)
        .await;
    assert!(matches!(refused, Err(Error::ImageType(_))), "{refused:?}");
}

#[tokio::test]
async fn a_canceled_compose_takes_its_lookups_along() {
    let queued = queued(wish(TMUX)).await;
    let lookup = queued.job("depsolve").await;
    let service = &queued.composer.service;
    service
        .cancel_compose(&Caller::local(), queued.id)
        .await
        .unwrap();
    let path = format!("/jobs/{}", token_of(&lookup));
    let status = queued.composer.worker("GET", &path, &json!({})).await;
    assert_eq!(status.json()["canceled"], true);
    assert_eq!(queued.entry().await.state, ComposeState::Failed);
}

/// The composer died while it made the manifest: its claim is void after two minutes, and another one makes it.
#[tokio::test]
async fn a_manifest_of_a_killed_composer_is_made_by_another() {
    let queued = queued(wish(TMUX)).await;
    queued.manifests.abort();
    let lookup = queued.job("depsolve").await;
    queued.finish(&lookup, packages_result(vec![tmux()])).await;
    let service = &queued.composer.service;
    let killed = osbuild_wasm_jobs::Claim {
        kinds: vec!["manifest-id-only".into()],
        channels: osbuild_wasm_jobs::Channels::All,
        worker: None,
    };
    let claimed = queued.composer.queue.dequeue(&killed, None).await.unwrap();
    let osbuild_wasm_jobs::Dequeue::Job(claimed) = claimed else {
        panic!("there is a job")
    };
    queued.composer.clock.advance(121);
    assert_eq!(service.reconcile().await.unwrap().requeued.len(), 1);
    let other = tokio::spawn(service.clone().make_manifests());
    let build = queued.job("osbuild").await;
    assert_eq!(build["dynamic_args"][0]["data"]["version"], "2");
    // The first one comes back: its result is refused.
    let late = queued
        .composer
        .queue
        .finish(claimed.token, &json!({}))
        .await;
    assert_eq!(late.unwrap(), osbuild_wasm_jobs::Lease::Lost);
    other.abort();
}
