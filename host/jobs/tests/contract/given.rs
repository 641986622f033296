//! To whom jobs are given.
use crate::{START, asks, job, queue, state};
use osbuild_wasm_jobs::{Channels, Claim, NewJob, State, Store, Token};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn a_worker_gets_what_it_asks_for_and_of_its_channels_only(store: Arc<dyn Store>) {
    let mut foreign = job("osbuild:x86_64", &[]);
    foreign.channel = "org-1".into();
    queue(&*store, vec![foreign.clone(), job("osbuild:aarch64", &[])]).await;
    assert!(
        store
            .claim(&asks(&["osbuild:x86_64"]), START)
            .await
            .unwrap()
            .is_none()
    );
    let claim = Claim {
        channels: Channels::These(vec!["org-2".into(), "org-1".into()]),
        ..asks(&["osbuild:x86_64", "it's \"odd\""])
    };
    let claimed = store.claim(&claim, START).await.unwrap().unwrap();
    let whose = store.channel(claimed.token).await.unwrap();
    assert_eq!((claimed.id, whose), (foreign.id, Some(foreign.channel)));
    assert!(store.channel(Token::random()).await.unwrap().is_none());
    assert!(store.claim(&claim, START).await.unwrap().is_none());
}

pub(crate) async fn a_job_of_any_channel_is_for_who_serves_all(store: Arc<dyn Store>) {
    let (mut foreign, own) = (job("manifest", &[]), job("manifest", &[]));
    foreign.channel = "org-1".into();
    let ids = queue(&*store, vec![foreign, own]).await;
    let claim = Claim {
        channels: Channels::All,
        ..asks(&["manifest"])
    };
    for id in ids {
        assert_eq!(store.claim(&claim, START).await.unwrap().unwrap().id, id);
    }
    let nobody = Claim {
        channels: Channels::These(vec![]),
        ..asks(&["manifest"])
    };
    queue(&*store, vec![job("manifest", &[])]).await;
    assert!(store.claim(&nobody, START).await.unwrap().is_none());
}

pub(crate) async fn a_job_that_was_done_already_is_read_and_given_to_nobody(store: Arc<dyn Store>) {
    let done = NewJob {
        result: Some(json!({ "found": 1 })),
        ..job("depsolve", &[])
    };
    let build = job("osbuild", &[done.id]);
    let ids = queue(&*store, vec![done, build]).await;
    assert_eq!(state(&*store, ids[0]).await, State::Finished);
    assert!(
        store
            .claim(&asks(&["depsolve"]), START)
            .await
            .unwrap()
            .is_none()
    );
    let claimed = store.claim(&asks(&["osbuild"]), START).await.unwrap();
    assert_eq!(claimed.unwrap().results, [json!({ "found": 1 })]);
    assert_eq!(
        store.job(ids[0]).await.unwrap().unwrap().finished,
        Some(START)
    );
}
