//! What is kept of composes, and how many there may be.
use crate::composes::{JSON, build, job, ready, started, token_of};
use crate::support::Composer;
use jiff::SignedDuration;
use osbuild_wasm_composer::service::{Quota, Reason, Retention};
use osbuild_wasm_composer::weldr;
use serde_json::json;

/// A composer with three finished composes, an hour and ten bytes of image each, and one that waits.
async fn full() -> (Composer, Vec<String>) {
    let composer = ready().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(started(&composer).await);
        build(&composer, "0123456789").await;
        composer.clock.advance(3600);
    }
    ids.push(started(&composer).await);
    (composer, ids)
}

async fn left(composer: &Composer) -> Vec<String> {
    let body = composer.get("/api/v1/compose/status/*").await.json();
    let entries = body["uuids"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn old_numerous_and_large_composes_go_and_unfinished_ones_stay() {
    let none = Retention::default();
    let hours = |hours: i64| Some(SignedDuration::from_mins(hours * 60 + 1));
    #[rustfmt::skip]
    let cases = [
        (none, vec![]),
        (Retention { age: hours(2), ..none }, vec![(0, Reason::Age)]),
        (Retention { age: Some(SignedDuration::ZERO), ..none }, vec![(0, Reason::Age), (1, Reason::Age), (2, Reason::Age)]),
        (Retention { composes: Some(1), ..none }, vec![(0, Reason::Number), (1, Reason::Number)]),
        (Retention { composes: Some(3), ..none }, vec![]),
        (Retention { bytes: Some(29), ..none }, vec![(0, Reason::Bytes)]),
        (Retention { bytes: Some(30), ..none }, vec![]),
        (Retention { bytes: Some(0), ..none }, vec![(0, Reason::Bytes), (1, Reason::Bytes), (2, Reason::Bytes)]),
        (Retention { age: hours(2), composes: Some(1), bytes: Some(30) }, vec![(0, Reason::Age), (1, Reason::Number)]),
    ];
    for (retention, expected) in cases {
        let (composer, ids) = full().await;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(at, reason)| (ids[at].clone(), 10, reason))
            .collect();
        for rehearsal in [true, false] {
            let gone = composer
                .service
                .retire(&retention, rehearsal)
                .await
                .unwrap();
            let gone = gone
                .iter()
                .map(|gone| (gone.id.to_string(), gone.bytes, gone.reason));
            assert_eq!(gone.collect::<Vec<_>>(), expected, "{retention:?}");
            let gone = if rehearsal { 0 } else { expected.len() };
            assert_eq!(left(&composer).await.len(), 4 - gone, "{retention:?}");
        }
        assert!(left(&composer).await.contains(&ids[3]), "{retention:?}");
        let directories = std::fs::read_dir(composer.directory.path().join("artefacts")).unwrap();
        assert_eq!(
            directories.count() - 1,
            3 - expected.len(),
            "the files go with them"
        );
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told() {
    let none = Quota::default();
    let window = SignedDuration::from_hours(2);
    #[rustfmt::skip]
    let cases = [
        (none, None),
        (Quota { queued: Some(1), ..none }, Some("1 composes wait or run, which is the most")),
        (Quota { queued: Some(2), ..none }, None),
        (Quota { queued: Some(0), ..none }, Some("0 composes wait or run")),
        (Quota { composes: Some(3), window, ..none }, Some("3 composes were started in the last 2h")),
        (Quota { composes: Some(4), window, ..none }, None),
        (Quota { bytes: Some(30), ..none }, Some("the files of composes have 30 bytes")),
        (Quota { bytes: Some(31), ..none }, None),
    ];
    let (composer, _) = full().await;
    for (quota, refused) in cases {
        let router = weldr::router(
            composer.service.clone().with_quota(quota),
            Default::default(),
        );
        let request = json!({ "blueprint_name": "web", "compose_type": "qcow2" }).to_string();
        let answer = crate::support::ask(&router, "POST", "/api/v1/compose", JSON, request).await;
        match refused {
            Some(text) => {
                let (status, id, message) = answer.error();
                assert_eq!(
                    (status, &*id),
                    (400, "ComposeError"),
                    "{quota:?}: {message}"
                );
                assert!(message.starts_with(text), "{quota:?}: {message}");
            }
            None => {
                let id = answer.json()["build_id"].as_str().unwrap().to_owned();
                composer
                    .delete(&format!("/api/v1/compose/cancel/{id}"))
                    .await;
                composer
                    .delete(&format!("/api/v1/compose/delete/{id}"))
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn calls_that_come_together_do_not_exceed_a_quota() {
    let composer = ready().await;
    let quota = Quota {
        queued: Some(3),
        ..Quota::default()
    };
    let router = weldr::router(
        composer.service.clone().with_quota(quota),
        Default::default(),
    );
    let request = json!({ "blueprint_name": "web", "compose_type": "qcow2" }).to_string();
    let calls = (0..12)
        .map(|_| crate::support::ask(&router, "POST", "/api/v1/compose", JSON, request.clone()));
    let answers = futures_util::future::join_all(calls).await;
    let accepted = answers
        .iter()
        .filter(|answer| answer.status.as_u16() == 200);
    assert_eq!(accepted.count(), 3);
    token_of(&job(&composer).await);
    assert_eq!(left(&composer).await.len(), 3);
}
