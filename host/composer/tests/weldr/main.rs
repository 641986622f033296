//! The Weldr API and the worker API: each route for what it answers and for what it refuses.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the directory is the test's own")]
mod administration;
mod blueprints;
mod composes;
mod graph;
mod hostile;
mod packages;
mod recorded;
mod retention;
mod sources;
mod support;
mod telemetry;
mod units;
mod workers;

use serde_json::json;
use support::Composer;

#[tokio::test]
async fn the_status_says_which_api_is_spoken() {
    let answer = Composer::start().await.get("/api/status").await;
    let status = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &status["api"], &status["backend"]),
        (200, &json!("1"), &json!("osbuild-composer"))
    );
    assert_eq!(
        (&status["msgs"], &status["db_supported"]),
        (&json!([]), &json!(true))
    );
    assert!(answer.text.ends_with("}\n"));
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let composer = Composer::start().await;
    for path in [
        "/",
        "/api/v2/blueprints/list",
        "/api/v1/blueprints/list/",
        "/api/v1/blueprints/info/",
        "/api/v0/distros/list",
    ] {
        let answer = composer.get(path).await;
        let body = json!({ "status": false, "errors": [{ "code": 404, "id": "HTTPError", "msg": "Not Found" }] });
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (404, body),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", "/api/v1/blueprints/list"),
        ("GET", "/api/v1/blueprints/new"),
        ("HEAD", "/api/status"),
    ] {
        let answer = composer.send(method, path, None, "").await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (405, ""), "{path}");
    }
    for (method, path) in [
        ("GET", "upload/providers"),
        ("POST", "upload/reset/x"),
        ("DELETE", "upload/cancel/x"),
    ] {
        let answer = composer
            .send(method, &format!("/api/v1/{path}"), None, "")
            .await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (501, ""), "{path}");
        assert_eq!(
            composer
                .send(method, &format!("/api/v0/{path}"), None, "")
                .await
                .status
                .as_u16(),
            404
        );
    }
}
