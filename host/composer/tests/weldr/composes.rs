//! Composes over the Weldr API, with a worker that pretends to build.
use crate::support::{Answer, Composer};
use osbuild_wasm_jobs::JobId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;

pub(crate) const JSON: Option<&str> = Some("application/json");

/// A composer with a blueprint and a worker.
pub(crate) async fn ready() -> Composer {
    let composer = Composer::start().await;
    composer.push("name = \"web\"\nversion = \"0.1.0\"\n[[packages]]\nname = \"vim\"\n[[packages]]\nname = \"tmux\"\n").await;
    let registered = composer
        .worker("POST", "/workers", &json!({ "arch": "x86_64" }))
        .await;
    assert_eq!(registered.status.as_u16(), 201);
    composer
}

async fn start(composer: &Composer, request: &Value) -> Answer {
    composer
        .send("POST", "/api/v1/compose", JSON, &request.to_string())
        .await
}

/// Starts a compose that has to be taken.
pub(crate) async fn started(composer: &Composer) -> String {
    let request = json!({ "blueprint_name": "web", "compose_type": "qcow2", "branch": "master", "size": 4_294_967_296_u64 });
    let answer = start(composer, &request).await.json();
    assert_eq!(
        (&answer["status"], &answer["warnings"]),
        (&json!(true), &Value::Null)
    );
    answer["build_id"].as_str().unwrap().to_owned()
}

/// A job for a worker, which has to be there.
pub(crate) async fn job(composer: &Composer) -> Value {
    let asked = json!({ "types": ["osbuild", "depsolve"], "arch": "x86_64" });
    let answer = composer.worker("POST", "/jobs", &asked).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    answer.json()
}

pub(crate) fn token_of(job: &Value) -> String {
    job["location"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned()
}

pub(crate) fn result() -> Value {
    let log = json!({ "os": [{ "type": "org.osbuild.rpm", "output": "installed\n" }] });
    json!({ "success": true, "osbuild_output": { "success": true, "log": log } })
}

/// Builds what is queued.
pub(crate) async fn build(composer: &Composer, image: &str) {
    let token = token_of(&job(composer).await);
    let path = format!("/api/worker/v1/jobs/{token}/artifacts/disk.qcow2");
    let sent = composer
        .worker_raw("PUT", &path, Some("application/octet-stream"), image)
        .await;
    assert_eq!(sent.status.as_u16(), 200, "{}", sent.text);
    let done = composer
        .worker(
            "PATCH",
            &format!("/jobs/{token}"),
            &json!({ "result": result() }),
        )
        .await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text);
}

pub(crate) async fn status(composer: &Composer, id: &str) -> String {
    let body = composer
        .get(&format!("/api/v1/compose/status/{id}"))
        .await
        .json();
    body["uuids"][0]["queue_status"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The members of an archive with their modes.
fn members(answer: &Answer) -> BTreeMap<String, (u32, String)> {
    assert_eq!(answer.kind, "application/x-tar");
    let mut archive = tar::Archive::new(&answer.bytes[..]);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mode = entry.header().mode().unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, (mode, text))
    };
    archive.entries().unwrap().map(member).collect()
}

#[tokio::test]
async fn a_compose_goes_from_waiting_to_a_file() {
    let composer = ready().await;
    let id = started(&composer).await;
    let queue = composer.get("/api/v1/compose/queue").await.json();
    let entry = &queue["new"][0];
    assert_eq!(
        (&entry["id"], &entry["blueprint"], &entry["version"]),
        (&json!(id), &json!("web"), &json!("0.1.0"))
    );
    assert_eq!(
        (&entry["compose_type"], &entry["image_size"], &queue["run"]),
        (&json!("qcow2"), &json!(0), &json!([]))
    );
    assert_eq!(entry["job_created"].as_f64(), Some(1_777_863_721.0));
    assert_eq!(
        (entry.get("job_started"), entry.get("uploads")),
        (None, None)
    );
    let waiting = composer.get(&format!("/api/v1/compose/log/{id}")).await;
    assert_eq!(
        (waiting.status.as_u16(), waiting.error().1),
        (200, "BuildInWrongState".into())
    );

    composer.clock.advance(5);
    let job = job(&composer).await;
    assert_eq!(
        (&job["type"], &job["kind"]),
        (&json!("osbuild"), &json!("RequestJob"))
    );
    assert_eq!(
        job["dynamic_args"][0]["data"]["pipelines"][0]["stages"][0]["options"]["size"],
        4_294_967_296_u64
    );
    assert_eq!(
        job["args"]["targets"][0]["osbuild_artifact"],
        json!({ "export_filename": "disk.qcow2", "export_name": "qcow2" })
    );
    assert_eq!(status(&composer, &id).await, "RUNNING");
    let running = composer.get(&format!("/api/v1/compose/log/{id}")).await;
    assert_eq!(running.text, format!("Build {id} is still running.\n"));
    let image = composer
        .get(&format!("/api/v1/compose/image/{id}"))
        .await
        .error();
    assert_eq!(image.2, format!("Build {id} is in wrong state: RUNNING"));

    let token = token_of(&job);
    let path = format!("{}disk.qcow2", job["artifact_location"].as_str().unwrap());
    composer.worker_raw("PUT", &path, None, "the image").await;
    composer
        .worker(
            "PATCH",
            &format!("/jobs/{token}"),
            &json!({ "result": result() }),
        )
        .await;
    let finished = composer.get("/api/v1/compose/finished").await.json();
    let entry = &finished["finished"][0];
    assert_eq!(
        (&entry["queue_status"], &entry["image_size"]),
        (&json!("FINISHED"), &json!(9))
    );
    assert_eq!(entry["job_finished"].as_f64(), Some(1_777_863_726.0));

    let info = composer
        .get(&format!("/api/v1/compose/info/{id}"))
        .await
        .json();
    assert_eq!(
        (&info["config"], &info["commit"], &info["blueprint"]["name"]),
        (&json!(""), &json!(""), &json!("web"))
    );
    let names: Vec<&Value> = info["deps"]["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| &package["name"])
        .collect();
    assert_eq!(names, ["tmux", "vim"]);
    let image = composer.get(&format!("/api/v1/compose/image/{id}")).await;
    assert_eq!(
        (&*image.text, &*image.kind),
        ("the image", "application/x-qemu-disk")
    );
    assert_eq!(
        image.disposition,
        format!("attachment; filename={id}-disk.qcow2")
    );
}

#[tokio::test]
async fn results_metadata_and_logs_are_archives() {
    let composer = ready().await;
    let id = started(&composer).await;
    let refused = composer
        .get(&format!("/api/v1/compose/logs/{id}"))
        .await
        .error();
    assert_eq!(
        refused.2,
        format!("Build {id} not in FINISHED or FAILED state.")
    );
    build(&composer, "the image").await;
    let log = "Pipeline: os\nStage: org.osbuild.rpm {\"size\":4294967296}\ninstalled\n\n";
    assert_eq!(
        composer
            .get(&format!("/api/v1/compose/log/{id}?size=1024"))
            .await
            .text,
        log
    );

    let results = composer.get(&format!("/api/v1/compose/results/{id}")).await;
    assert_eq!(
        results.disposition,
        format!("attachment; filename={id}.tar")
    );
    let found = members(&results);
    assert_eq!(found["logs/osbuild.log"], (0o644, log.to_owned()));
    assert_eq!(
        found[&format!("{id}-disk.qcow2")],
        (0o644, "the image".to_owned())
    );
    assert_eq!(found[&format!("{id}.json")].0, 0o644);
    let metadata = members(
        &composer
            .get(&format!("/api/v1/compose/metadata/{id}"))
            .await,
    );
    let (mode, manifest) = &metadata[&format!("{id}.json")];
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    assert_eq!(
        (*mode, &manifest["version"], metadata.len()),
        (0o600, &json!("2"), 1)
    );
    let logs = members(&composer.get(&format!("/api/v1/compose/logs/{id}")).await);
    assert_eq!(
        logs,
        BTreeMap::from([("logs/osbuild.log".to_owned(), (0o644, log.to_owned()))])
    );
}

#[tokio::test]
async fn a_canceled_compose_has_failed_and_its_worker_learns_of_it() {
    let composer = ready().await;
    let id = started(&composer).await;
    let token = token_of(&job(&composer).await);
    let canceled = composer
        .delete(&format!("/api/v1/compose/cancel/{id}"))
        .await
        .json();
    assert_eq!(canceled, json!({ "uuid": id, "status": true }));
    assert_eq!(status(&composer, &id).await, "FAILED");
    let told = composer
        .worker("GET", &format!("/jobs/{token}"), &json!({}))
        .await
        .json();
    assert_eq!(
        (&told["canceled"], &told["kind"]),
        (&json!(true), &json!("JobStatus"))
    );
    let late = composer
        .worker(
            "PATCH",
            &format!("/jobs/{token}"),
            &json!({ "result": result() }),
        )
        .await;
    assert_eq!(
        (late.status.as_u16(), &late.json()["id"]),
        (400, &json!("6"))
    );
    let again = composer
        .delete(&format!("/api/v1/compose/cancel/{id}"))
        .await
        .error();
    assert_eq!(again.2, format!("Build {id} is not in WAITING or RUNNING."));
}

#[tokio::test]
async fn deleted_composes_are_gone_with_their_files() {
    let composer = ready().await;
    let (first, second) = (started(&composer).await, started(&composer).await);
    build(&composer, "the image").await;
    let (state, unknown) = (status(&composer, &first).await, JobId::random());
    assert_eq!(state, "FINISHED");
    let path = format!("/api/v1/compose/delete/{first},{second},{unknown},x");
    let body = composer.delete(&path).await.json();
    assert_eq!(body["uuids"], json!([{ "uuid": first, "status": true }]));
    let errors = json!([
        { "id": "BuildInWrongState", "msg": format!("Compose {second} is not in FINISHED or FAILED.") },
        { "id": "UnknownUUID", "msg": format!("compose {unknown} doesn't exist") },
        { "id": "UnknownUUID", "msg": "x is not a valid uuid" },
    ]);
    assert_eq!(body["errors"], errors);
    let left = std::fs::read_dir(composer.directory.path().join("artefacts")).unwrap();
    let left: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["tmp"]);
    assert_eq!(
        composer.get("/api/v1/compose/status/*").await.json()["uuids"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn composes_are_chosen_by_id_state_type_and_blueprint() {
    let composer = ready().await;
    composer.push("name = \"db\"").await;
    let web = started(&composer).await;
    start(
        &composer,
        &json!({ "blueprint_name": "db", "compose_type": "qcow2" }),
    )
    .await;
    build(&composer, "").await;
    let chosen = async |query: &str| {
        let body = composer
            .get(&format!("/api/v1/compose/status/{query}"))
            .await
            .json();
        body["uuids"].as_array().unwrap().len()
    };
    #[rustfmt::skip]
    let cases = [
        ("*", 2),
        ("*?status=FINISHED", 1),
        ("*?status=finished", 0),
        ("*?blueprint=db", 1),
        ("*?type=ami", 0),
        ("*?blueprint=web&status=FINISHED&type=qcow2", 1),
        (&*web, 1),
        ("00000000-0000-4000-8000-000000000000", 0),
    ];
    for (query, number) in cases {
        assert_eq!(chosen(query).await, number, "{query}");
    }
    let error = composer.get("/api/v1/compose/status/x").await.error();
    assert_eq!(
        (&*error.1, &*error.2),
        ("UnknownUUID", "x is not a valid build uuid")
    );
}

#[tokio::test]
async fn wrong_requests_for_composes_are_refused_in_the_words_of_the_api() {
    let composer = Composer::start().await;
    composer.push("name = \"web\"").await;
    composer
        .push("name = \"none\"\n[[packages]]\nname = \"nope\"")
        .await;
    composer
        .push("name = \"arm\"\narchitecture = \"aarch64\"")
        .await;
    let of = |blueprint: &str, kind: &str| {
        json!({ "blueprint_name": blueprint, "compose_type": kind }).to_string()
    };
    let uuid = JobId::random().to_string();
    let (image, info) = (
        format!("/api/v1/compose/image/{uuid}"),
        format!("/api/v1/compose/info/{uuid}"),
    );
    let post = "/api/v1/compose";
    #[rustfmt::skip]
    let cases = [
        ("POST", post, None, of("web", "qcow2"), 400, "MissingPost", "blueprint must be json"),
        ("POST", post, Some("text/plain"), of("web", "qcow2"), 400, "MissingPost", "blueprint must be json"),
        ("POST", post, JSON, "{".into(), 404, "HTTPError", "Not Found"),
        ("POST", post, JSON, of("a b", "qcow2"), 400, "InvalidChars", "Invalid characters in API path"),
        ("POST", post, JSON, of("zz", "qcow2"), 400, "UnknownBlueprint", "Unknown blueprint name: zz"),
        ("POST", post, JSON, of("web", "zip"), 400, "ComposeError", "Failed to get compose type \"zip\": invalid image type: zip"),
        ("POST", post, JSON, of("web", "tar"), 400, "ManifestCreationFailed", "failed to initialize osbuild manifest: "),
        ("POST", post, JSON, of("none", "qcow2"), 500, "DepsolveError", "no package nope"),
        ("POST", post, JSON, of("web", "qcow2"), 400, "ComposePushErrored", "No worker for arch 'x86_64'  available"),
        ("POST", post, JSON, of("arm", "qcow2"), 400, "ComposePushErrored", "No worker for arch 'aarch64'  available"),
        ("GET", "/api/v1/compose/info/x", None, String::new(), 400, "UnknownUUID", "x is not a valid build uuid"),
        ("GET", &*info, None, String::new(), 400, "UnknownUUID", &*format!("{uuid} is not a valid build uuid")),
        ("GET", &*image, None, String::new(), 400, "UnknownUUID", &*format!("Compose {uuid} doesn't exist")),
        ("DELETE", "/api/v1/compose/cancel/x", None, String::new(), 400, "UnknownUUID", "x is not a valid uuid"),
    ];
    for (method, path, kind, body, status, id, text) in cases {
        let (got, error, message) = composer.send(method, path, kind, &body).await.error();
        assert_eq!((got, &*error), (status, id), "{path} {body}: {message}");
        assert!(message.starts_with(text), "{path} {body}: {message}");
    }
    assert_eq!(
        composer.get("/api/v1/compose/status/*").await.json()["uuids"],
        json!([]),
        "no compose came of it"
    );
}
