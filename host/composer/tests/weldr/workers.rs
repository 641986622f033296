//! The worker API.
use crate::composes::{JSON, build, job, ready, result, started, status, token_of};
use osbuild_wasm_jobs::{JobId, Token};
use serde_json::json;

#[tokio::test]
async fn a_silent_worker_loses_its_job_with_what_it_had_sent() {
    let composer = ready().await;
    let id = started(&composer).await;
    let late = token_of(&job(&composer).await);
    let path = format!("/api/worker/v1/jobs/{late}/artifacts/disk.qcow2");
    composer.worker_raw("PUT", &path, None, "half").await;
    composer.clock.advance(121);
    assert_eq!(
        composer.service.reconcile().await.unwrap().requeued.len(),
        1
    );
    assert!(
        !composer
            .directory
            .path()
            .join("artefacts/tmp")
            .join(&late)
            .exists()
    );
    assert_eq!(status(&composer, &id).await, "WAITING");
    build(&composer, "whole").await;
    #[rustfmt::skip]
    let cases = [
        ("PATCH", format!("/jobs/{late}"), json!({ "result": result() })),
        ("PATCH", format!("/jobs/{late}"), json!({ "partial": {} })),
        ("GET", format!("/jobs/{late}"), json!({})),
        ("PUT", format!("/jobs/{late}/artifacts/disk.qcow2"), json!({})),
    ];
    for (method, path, body) in cases {
        let answer = composer.worker(method, &path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["id"]),
            (404, &json!("5")),
            "{method} {path}"
        );
    }
    assert_eq!(
        composer
            .get(&format!("/api/v1/compose/image/{id}"))
            .await
            .text,
        "whole"
    );
}

#[tokio::test]
async fn a_file_whose_sender_breaks_off_never_was() {
    let composer = ready().await;
    let id = started(&composer).await;
    let token = token_of(&job(&composer).await);
    let path = format!("/api/worker/v1/jobs/{token}/artifacts/disk.qcow2");
    composer.worker_raw("PUT", &path, None, "whole").await;
    let broken = [Ok("half"), Err(std::io::Error::other("the line is cut"))];
    let body = axum::body::Body::from_stream(futures_util::stream::iter(broken));
    let answer = composer.worker_streams("PUT", &path, body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["id"]),
        (500, &json!("1002"))
    );
    let done = json!({ "result": result() });
    composer
        .worker("PATCH", &format!("/jobs/{token}"), &done)
        .await;
    let path = format!("/api/v1/compose/image/{id}");
    assert_eq!(composer.get(&path).await.text, "whole");
    let directory = composer.directory.path().join("artefacts").join(&id);
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);
}

#[tokio::test]
async fn files_of_a_canceled_run_are_swept_while_the_service_runs() {
    let composer = ready().await;
    let id = started(&composer).await;
    let token = token_of(&job(&composer).await);
    let path = format!("/api/worker/v1/jobs/{token}/artifacts/disk.qcow2");
    composer.worker_raw("PUT", &path, None, "half").await;
    let run = composer.directory.path().join("artefacts/tmp").join(token);
    assert!(run.exists());
    let canceled = composer
        .delete(&format!("/api/v1/compose/cancel/{id}"))
        .await;
    assert_eq!(canceled.status.as_u16(), 200, "{}", canceled.text);
    composer.service.reconcile().await.unwrap();
    assert!(!run.exists());
}

#[tokio::test]
async fn files_that_a_killed_process_left_are_swept() {
    let composer = ready().await;
    let id = started(&composer).await;
    build(&composer, "the image").await;
    started(&composer).await;
    let token = token_of(&job(&composer).await);
    let path = format!("/api/worker/v1/jobs/{token}/artifacts/disk.qcow2");
    composer.worker_raw("PUT", &path, None, "half").await;
    let artefacts = composer.directory.path().join("artefacts");
    let left = [
        artefacts.join(JobId::random().to_string()),
        artefacts.join("tmp").join(Token::random().to_string()),
    ];
    left.iter()
        .for_each(|left| std::fs::create_dir(left).unwrap());
    composer.service.sweep().await.unwrap();
    assert!(left.iter().all(|left| !left.exists()));
    assert!(
        artefacts.join("tmp").join(token).exists(),
        "a worker still has this job"
    );
    assert_eq!(
        composer
            .get(&format!("/api/v1/compose/image/{id}"))
            .await
            .text,
        "the image"
    );
}

#[tokio::test]
async fn wrong_requests_of_workers_are_refused_by_number() {
    let composer = ready().await;
    let (api, token) = ("/api/worker/v1", Token::random().to_string());
    let unknown = format!("{api}/workers/{}/status", JobId::random());
    let job = format!("{api}/jobs/{token}");
    #[rustfmt::skip]
    let cases = [
        ("POST", format!("{api}/workers"), None, "{}", 415, "3"),
        ("POST", format!("{api}/workers"), Some("application/json; charset=utf-8"), "{}", 415, "3"),
        ("POST", format!("{api}/workers"), JSON, "{", 400, "10"),
        ("POST", format!("{api}/workers"), JSON, "{}", 400, "10"),
        ("POST", format!("{api}/workers/x/status"), JSON, "{}", 400, "17"),
        ("POST", unknown, JSON, "{}", 400, "18"),
        ("POST", format!("{api}/jobs"), JSON, "{\"types\":[\"manifest-id-only\"],\"arch\":\"x86_64\"}", 400, "15"),
        ("GET", format!("{api}/jobs/x"), None, "", 400, "7"),
        ("GET", job.clone(), None, "", 404, "5"),
        ("PATCH", job, JSON, "{}", 400, "10"),
        ("GET", format!("{api}/errors/x"), None, "", 400, "9"),
        ("GET", format!("{api}/errors/4"), None, "", 404, "14"),
        ("GET", "/nope".into(), None, "", 404, "11"),
        ("DELETE", format!("{api}/status"), None, "", 405, "12"),
    ];
    for (method, path, kind, body, status, id) in cases {
        let answer = composer.worker_raw(method, &path, kind, body).await;
        let error = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &error["id"]),
            (status, &json!(id)),
            "{method} {path}: {error}"
        );
        assert_eq!(error["code"], format!("IMAGE-BUILDER-WORKER-{id}"));
        assert_eq!(
            (&error["kind"], &error["message"]),
            (&json!("Error"), &error["reason"])
        );
    }
    let found = composer
        .worker_raw("GET", "/api/worker/v1/errors/5", None, "")
        .await
        .json();
    assert_eq!(
        (&found["reason"], &found["href"]),
        (&json!("Token not found"), &json!("/api/worker/v1/errors/5"))
    );
    let status = composer
        .worker_raw("GET", "/api/worker/v1/status", None, "")
        .await
        .json();
    assert_eq!(
        status,
        json!({ "href": "/api/worker/v1/status", "id": "status", "kind": "Status", "status": "OK" })
    );
    let none = composer
        .worker(
            "POST",
            "/jobs",
            &json!({ "types": ["osbuild"], "arch": "s390x" }),
        )
        .await;
    assert_eq!((none.status.as_u16(), &*none.text), (204, ""));
}

#[tokio::test]
async fn names_of_artefacts_lead_nowhere_else() {
    let composer = ready().await;
    started(&composer).await;
    let token = token_of(&job(&composer).await);
    for name in ["..", ".", "..%2Fx", "%2Fetc%2Fx", "a%2Fb", "%00", ".parts"] {
        let path = format!("/api/worker/v1/jobs/{token}/artifacts/{name}");
        let answer = composer.worker_raw("PUT", &path, None, "x").await;
        assert!(
            answer.status.is_client_error() || answer.status.is_server_error(),
            "{name}: {}",
            answer.status
        );
    }
    assert!(!composer.directory.path().join("artefacts/tmp/x").exists());
    assert!(!composer.directory.path().join("artefacts/x").exists());
}
