//! Composes and documents, and what deleting takes.
use crate::{START, after, job, queue, take};
use osbuild_wasm_jobs::{
    Compose, Document, Error, Expectation, JobId, Part, State, Store, Usage, Write,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn compose(channel: &str, roots: &[JobId]) -> Compose {
    let body = json!({ "image_type": "qcow2", "size": 10_737_418_240_u64 });
    Compose {
        id: JobId::random(),
        channel: channel.into(),
        created: after(5),
        body,
        roots: roots.to_vec(),
    }
}

pub(crate) async fn a_compose_and_its_jobs_come_and_go_together(store: Arc<dyn Store>) {
    let (depsolve, lone) = (job("depsolve", &[]), job("osbuild", &[]));
    let image = job("osbuild", &[depsolve.id]);
    let wanted = compose("", &[image.id, lone.id]);
    store
        .add_compose(&wanted, &[depsolve, image.clone(), lone])
        .await
        .unwrap();
    let kept = store.compose("", wanted.id).await.unwrap().unwrap();
    assert_eq!(
        (kept.body, kept.roots.clone(), kept.created),
        (wanted.body, wanted.roots, wanted.created)
    );
    assert!(matches!(
        store.delete_compose("", wanted.id).await,
        Err(Error::NotFinished(_))
    ));
    assert!(
        store.compose("", wanted.id).await.unwrap().is_some(),
        "nothing of it was deleted"
    );
    for root in kept.roots {
        store.cancel(root, START).await.unwrap();
        assert!(
            matches!(store.delete(root).await, Err(Error::Needed(_))),
            "the compose needs it"
        );
    }
    assert_eq!(
        store
            .delete_compose("", wanted.id)
            .await
            .unwrap()
            .map(|jobs| jobs.len()),
        Some(3)
    );
    assert_eq!(store.delete_compose("", wanted.id).await.unwrap(), None);
    assert!(store.job(image.id).await.unwrap().is_none());
    let broken = compose("", &[]);
    let bad = job("osbuild", &[JobId::random()]);
    assert!(store.add_compose(&broken, &[bad]).await.is_err());
    assert!(store.compose("", broken.id).await.unwrap().is_none());
}

pub(crate) async fn a_compose_of_another_channel_is_not_there(store: Arc<dyn Store>) {
    let mut of_first: Vec<Compose> = (0..3).map(|_| compose("org-1", &[])).collect();
    for compose in &of_first {
        store.add_compose(compose, &[]).await.unwrap();
    }
    let id = of_first[0].id;
    assert!(store.compose("org-2", id).await.unwrap().is_none());
    assert_eq!(store.delete_compose("org-2", id).await.unwrap(), None);
    assert!(store.composes("org-2").await.unwrap().is_empty());
    of_first.sort_by_key(|compose| compose.id.to_string());
    let listed: Vec<JobId> = store
        .composes("org-1")
        .await
        .unwrap()
        .iter()
        .map(|compose| compose.id)
        .collect();
    assert_eq!(
        listed,
        of_first
            .iter()
            .map(|compose| compose.id)
            .collect::<Vec<_>>()
    );
}

fn put(name: &str, body: Value, expect: Expectation) -> Write {
    Write::Put {
        kind: "blueprint".into(),
        name: name.into(),
        body,
        expect,
    }
}

pub(crate) async fn documents_keep_their_order_and_count_their_revisions(store: Arc<dyn Store>) {
    for name in ["web", "db", "it's %odd_"] {
        store
            .write("", &[put(name, json!({ "name": name }), Expectation::Any)])
            .await
            .unwrap();
    }
    store
        .write(
            "",
            &[put("web", json!({ "version": "0.0.2" }), Expectation::Any)],
        )
        .await
        .unwrap();
    store
        .write("org-1", &[put("web", json!(null), Expectation::Any)])
        .await
        .unwrap();
    let web = Document {
        name: "web".into(),
        revision: 2,
        body: json!({ "version": "0.0.2" }),
    };
    assert_eq!(
        store.document("", "blueprint", "web").await.unwrap(),
        Some(web)
    );
    assert_eq!(store.document("", "source", "web").await.unwrap(), None);
    let names: Vec<String> = store
        .documents("", "blueprint")
        .await
        .unwrap()
        .into_iter()
        .map(|d| d.name)
        .collect();
    assert_eq!(names, ["web", "db", "it's %odd_"]);
}

pub(crate) async fn a_document_that_changed_meanwhile_is_not_overwritten(store: Arc<dyn Store>) {
    store
        .write("", &[put("web", json!(1), Expectation::Absent)])
        .await
        .unwrap();
    store
        .write("", &[put("web", json!(2), Expectation::Revision(1))])
        .await
        .unwrap();
    for expect in [
        Expectation::Absent,
        Expectation::Revision(1),
        Expectation::Revision(3),
    ] {
        let error = store
            .write("", &[put("web", json!(3), expect)])
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Changed { name, .. } if name == "web"),
            "{error}"
        );
    }
    assert!(
        store
            .write("", &[put("new", json!(3), Expectation::Revision(1))])
            .await
            .is_err()
    );
    assert_eq!(
        store
            .document("", "blueprint", "web")
            .await
            .unwrap()
            .unwrap()
            .body,
        json!(2)
    );
}

pub(crate) async fn changes_happen_together_or_not_at_all(store: Arc<dyn Store>) {
    store
        .write("", &[put("old", json!(1), Expectation::Any)])
        .await
        .unwrap();
    let delete = Write::Delete {
        kind: "blueprint".into(),
        name: "old".into(),
    };
    let refused = put("absent", json!(1), Expectation::Revision(1));
    assert!(
        store
            .write(
                "",
                &[
                    put("new", json!(1), Expectation::Any),
                    delete.clone(),
                    refused
                ]
            )
            .await
            .is_err()
    );
    assert!(
        store
            .document("", "blueprint", "new")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .document("", "blueprint", "old")
            .await
            .unwrap()
            .is_some()
    );
    store
        .write(
            "",
            &[
                put("new", json!(1), Expectation::Any),
                delete.clone(),
                delete,
            ],
        )
        .await
        .unwrap();
    assert!(
        store
            .document("", "blueprint", "new")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .document("", "blueprint", "old")
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn deleting_takes_the_tree_but_not_what_others_need(store: Arc<dyn Store>) {
    let (shared, own) = (job("a", &[]), job("a", &[]));
    let (root, other) = (
        job("b", &[shared.id, own.id, own.id]),
        job("b", &[shared.id]),
    );
    queue(
        &*store,
        vec![shared.clone(), own.clone(), root.clone(), other.clone()],
    )
    .await;
    for kind in ["a", "a", "b", "b"] {
        let (_, token) = take(&*store, kind).await;
        store.finish(token, &json!({}), START).await.unwrap();
    }
    assert!(matches!(store.delete(own.id).await, Err(Error::Needed(id)) if id == own.id));
    let mut deleted = store.delete(root.id).await.unwrap();
    deleted.sort();
    let mut expected = vec![root.id, own.id];
    expected.sort();
    assert_eq!(deleted, expected);
    assert_eq!(
        store.job(shared.id).await.unwrap().unwrap().needed_by,
        [other.id]
    );
    assert_eq!(store.delete(root.id).await.unwrap(), []);
}

pub(crate) async fn what_is_not_over_is_not_deleted(store: Arc<dyn Store>) {
    let ids = queue(&*store, vec![job("a", &[])]).await;
    assert!(matches!(store.delete(ids[0]).await, Err(Error::NotFinished(id)) if id == ids[0]));
    store.cancel(ids[0], START).await.unwrap();
    assert_eq!(store.delete(ids[0]).await.unwrap(), ids);
}

pub(crate) async fn a_list_of_composes_has_parts_and_tells_where_each_stands(
    store: Arc<dyn Store>,
) {
    let mut ids = Vec::new();
    for second in 0..5 {
        let image = job("osbuild", &[]);
        let kept = Compose {
            created: after(second),
            ..compose("", &[image.id])
        };
        store.add_compose(&kept, &[image]).await.unwrap();
        ids.insert(0, kept.id);
    }
    let other = job("osbuild", &[]);
    let of_other = compose("org-1", &[other.id]);
    store.add_compose(&of_other, &[other]).await.unwrap();
    for result in [
        json!({ "success": true, "log": "\u{0}" }),
        json!({ "success": false }),
    ] {
        let (_, token) = take(&*store, "osbuild").await;
        store.finish(token, &result, after(9)).await.unwrap();
    }
    take(&*store, "osbuild").await;
    let list = async |unfinished, offset, limit| {
        let part = Part {
            unfinished,
            offset,
            limit,
        };
        let (listed, total) = store.list_composes("", part).await.unwrap();
        let entries = listed.into_iter();
        let entries = entries.map(|listed| (listed.compose.id, listed.state, listed.success));
        (entries.collect::<Vec<_>>(), total)
    };
    let all = [
        (ids[0], State::Pending, false),
        (ids[1], State::Pending, false),
        (ids[2], State::Running, false),
        (ids[3], State::Finished, false),
        (ids[4], State::Finished, true),
    ];
    assert_eq!(list(false, 0, 9).await, (all.to_vec(), 5));
    assert_eq!(list(false, 3, 1).await, (all[3..4].to_vec(), 5));
    assert_eq!(list(true, 1, 9).await, (all[1..3].to_vec(), 3));
    assert_eq!(list(false, 9, 9).await, (Vec::new(), 5));
    assert_eq!(store.channels().await.unwrap(), ["", "org-1"]);
    let over = store.finished_composes("").await.unwrap();
    let over: Vec<_> = over
        .iter()
        .map(|over| (over.id, over.roots.len(), over.finished))
        .collect();
    assert_eq!(over.len(), 2);
    assert!(
        [ids[3], ids[4]]
            .iter()
            .all(|&id| over.contains(&(id, 1, after(9)))),
        "{over:?}"
    );
    let usage = store.usage("", after(1)).await.unwrap();
    assert_eq!((usage.unfinished, usage.recent), (3, 4));
    assert_eq!(
        store.usage("org-2", after(0)).await.unwrap(),
        Usage::default()
    );
}
