//! What the service tells of itself: ids of requests, numbers, readiness, the log.
use crate::composes::{build, job, ready, started, token_of};
use crate::support::{Composer, ask, send};
use axum::Router;
use axum::http::Request;
use osbuild_wasm_composer::{telemetry, weldr};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Command;

/// The Weldr API as a listener has it, and the numbers.
fn observed(composer: &Composer) -> (Router, Router) {
    let service = composer.service.clone();
    let metrics = service.metrics().clone();
    (
        telemetry::observed(weldr::router(service.clone(), Default::default()), metrics),
        telemetry::router(service),
    )
}

async fn metrics(router: &Router) -> String {
    let answer = ask(router, "GET", "/metrics", None, String::new()).await;
    assert_eq!(
        answer.kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    answer.text
}

/// The value of a sample with all its labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let name = format!("osbuild_wasm_composer_{name} ");
    let line = text.lines().find(|line| line.starts_with(&name))?;
    line[name.len()..].parse().ok()
}

#[tokio::test]
async fn a_request_has_the_id_that_its_client_gave_or_a_new_one() {
    let composer = Composer::start().await;
    let (router, _) = observed(&composer);
    let long = "x".repeat(65);
    for (given, kept) in [
        (Some("abc-1._Z"), true),
        (Some("a b"), false),
        (Some("a\"b"), false),
        (Some(""), false),
        (Some(&*long), false),
        (None, false),
    ] {
        let mut request = Request::get("/api/status");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let response = send(&router, request.body(String::new()).unwrap()).await;
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(Some(id) == given, kept, "{given:?}: {id}");
        assert!(kept || id.len() == 36, "{given:?}: {id}");
    }
}

#[tokio::test]
async fn numbers_are_in_the_text_format_and_name_no_tenant_path_or_compose() {
    let composer = ready().await;
    let (router, numbers) = observed(&composer);
    let id = started(&composer).await;
    for path in [
        format!("/api/v1/compose/info/{id}"),
        "/api/v1/blueprints/info/web".into(),
        "/etc/secret".into(),
    ] {
        ask(&router, "GET", &path, None, String::new()).await;
    }
    ask(&router, "BREW", "/api/status", None, String::new()).await;
    let text = metrics(&numbers).await;
    assert!(text.ends_with("# EOF\n"));
    let (mut types, mut helps) = (BTreeMap::new(), BTreeSet::new());
    let known = BTreeSet::from(["method", "route", "status", "type", "arch", "outcome", "le"]);
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "TYPE", name, kind] => drop(types.insert(name, kind)),
            ["#", "HELP", name, help] => {
                assert!(help.ends_with('.') && helps.insert(name), "{line}");
            }
            ["#", "UNIT", name, unit] => assert!(name.ends_with(unit), "{line}"),
            _ => {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                let family = types.keys().find(|family| {
                    let suffixes: &[&str] = match types[*family] {
                        "counter" => &["_total"],
                        "histogram" => &["_bucket", "_sum", "_count"],
                        "gauge" => &[""],
                        kind => panic!("{kind}"),
                    };
                    suffixes
                        .iter()
                        .any(|suffix| name == format!("{family}{suffix}"))
                });
                let family = *family.unwrap_or_else(|| panic!("{line}: no type"));
                assert!(helps.contains(family), "{line}");
                assert!(
                    name.bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                    "{line}"
                );
                let labels = labels.trim_end_matches('}').split("\",");
                for label in labels.filter(|label| !label.is_empty()) {
                    let (label, _) = label.split_once("=\"").unwrap();
                    assert!(known.contains(label), "{line}");
                }
            }
        }
    }
    for secret in [&*id, "info/web", "secret", "BREW"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let route = "requests_total{method=\"GET\",route=\"/api/v1/compose/info/{id}\",status=\"200\"}";
    assert_eq!(sample(&text, route), Some(1.0), "{text}");
    let none = "requests_total{method=\"GET\",route=\"none\",status=\"404\"}";
    assert_eq!(sample(&text, none), Some(1.0));
    let other = "requests_total{method=\"other\",route=\"/api/status\",status=\"405\"}";
    assert_eq!(sample(&text, other), Some(1.0));
}

#[tokio::test]
async fn jobs_and_workers_are_counted_as_they_stand() {
    let composer = ready().await;
    let (_, numbers) = observed(&composer);
    for _ in 0..4 {
        started(&composer).await;
    }
    composer.clock.advance(90);
    let text = metrics(&numbers).await;
    let kind = "{type=\"osbuild\",arch=\"x86_64\"}";
    assert_eq!(sample(&text, &format!("jobs_pending{kind}")), Some(4.0));
    let age = format!("oldest_pending_job_age_seconds{kind}");
    assert_eq!(sample(&text, &age), Some(90.0));
    assert_eq!(sample(&text, "workers{arch=\"x86_64\"}"), Some(1.0));
    let silence = "longest_worker_silence_seconds{arch=\"x86_64\"}";
    assert_eq!(sample(&text, silence), Some(90.0));

    build(&composer, "the image").await;
    for id in [20, 10] {
        let token = token_of(&job(&composer).await);
        let result = json!({ "success": false, "job_error": { "id": id, "reason": "r" } });
        let path = format!("/jobs/{token}");
        composer
            .worker("PATCH", &path, &json!({ "result": result }))
            .await;
    }
    job(&composer).await;
    composer.clock.advance(121);
    composer.service.reconcile().await.unwrap();
    job(&composer).await;
    let text = metrics(&numbers).await;
    for outcome in ["success", "user_error", "service_error"] {
        let ended =
            format!("jobs_ended_total{{type=\"osbuild\",arch=\"x86_64\",outcome=\"{outcome}\"}}");
        assert_eq!(sample(&text, &ended), Some(1.0), "{text}");
    }
    assert_eq!(sample(&text, "jobs_requeued_total"), Some(1.0));
    assert_eq!(sample(&text, &format!("jobs_running{kind}")), Some(1.0));
    assert_eq!(sample(&text, &format!("jobs_pending{kind}")), None);
}

#[tokio::test]
async fn a_service_is_ready_when_its_database_and_its_directory_can_be_used() {
    let composer = Composer::start().await;
    let (_, numbers) = observed(&composer);
    let get = async |path: &str| {
        let answer = ask(&numbers, "GET", path, None, String::new()).await;
        (answer.status.as_u16(), answer.json())
    };
    let ready = json!({ "status": "ready", "database": "ok", "artefacts": "ok" });
    assert_eq!(get("/readyz").await, (200, ready));
    assert_eq!(get("/healthz").await, (200, json!({ "status": "ok" })));
    std::fs::remove_dir_all(composer.directory.path().join("artefacts")).unwrap();
    let not = json!({ "status": "not ready", "database": "ok", "artefacts": "failed" });
    assert_eq!(get("/readyz").await, (503, not));
    assert_eq!(get("/healthz").await, (200, json!({ "status": "ok" })));
}

/// The beginning of the log of a composer that is started in a directory of its own.
fn log(format: &str, is_journal: bool) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("toml"), format!("log_format = \"{format}\"\n")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let stat = rustix::fs::fstat(&writer).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    if is_journal {
        command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino));
    }
    for name in ["config", "state", "cache", "weldr-socket", "worker-socket"] {
        let file = if name == "config" { "toml" } else { name };
        command.arg(format!("--{name}")).arg(path(file));
    }
    let mut child = command.arg("--no-worker").stderr(writer).spawn().unwrap();
    drop(command);
    let mut lines = Vec::new();
    for line in BufReader::new(reader).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().contains("workers:") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

#[test]
fn the_log_has_the_form_that_is_asked_for() {
    let json = log("json", false);
    for line in &json {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(event["level"], "INFO", "{line}");
        assert!(
            event["timestamp"].is_string() && event["message"].is_string(),
            "{line}"
        );
    }
    let journal = log("journal", true);
    let text = [log("text", true), log("journal", false)].concat();
    for log in [&json, &journal, &text] {
        assert!(log.iter().any(|line| line.contains("clients: ")), "{log:?}");
    }
    assert!(
        journal.iter().all(|line| line.starts_with("<6>")),
        "{journal:?}"
    );
    let is_timed = |line: &String| {
        let time = line.split(' ').next().unwrap_or_default();
        time.len() == "2026-05-04T03:02:01Z".len() && time.ends_with('Z')
    };
    assert!(text.iter().all(is_timed), "{text:?}");
}
