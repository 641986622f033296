//! What a store promises, tried on SQLite and on PostgreSQL alike.
#![cfg(test)]

mod given;
mod kept;
#[path = "../support/mod.rs"]
mod support;

use given::{
    a_job_of_any_channel_is_for_who_serves_all,
    a_job_that_was_done_already_is_read_and_given_to_nobody,
    a_worker_gets_what_it_asks_for_and_of_its_channels_only,
};
use jiff::{SignedDuration, Timestamp};
use kept::{
    a_compose_and_its_jobs_come_and_go_together, a_compose_of_another_channel_is_not_there,
    a_document_that_changed_meanwhile_is_not_overwritten,
    a_list_of_composes_has_parts_and_tells_where_each_stands,
    changes_happen_together_or_not_at_all, deleting_takes_the_tree_but_not_what_others_need,
    documents_keep_their_order_and_count_their_revisions, what_is_not_over_is_not_deleted,
};
use osbuild_wasm_jobs::{
    Channels, Claim, Clock, Dequeue, Error, JobId, JobQueue, Lease, Limits, ManualClock, NewJob,
    State, Store, Token, WorkerId,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Each case as a test of both databases.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod sqlite { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            let database = super::support::sqlite().await.unwrap();
            super::$name(database.store.clone()).await;
        } )* }
        mod postgres { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            if let Some(database) = super::support::postgres().await {
                super::$name(database.store.clone()).await;
            }
        } )* }
    };
}

cases!(
    jobs_come_in_the_order_in_which_they_were_queued,
    a_job_waits_for_what_it_needs_and_reads_the_results,
    a_failed_dependency_makes_a_job_ready_too,
    a_worker_gets_what_it_asks_for_and_of_its_channels_only,
    a_job_of_any_channel_is_for_who_serves_all,
    a_job_that_was_done_already_is_read_and_given_to_nobody,
    a_job_is_given_to_one_of_many_who_ask_at_once,
    a_waiting_worker_is_woken_by_a_new_job,
    a_wait_without_a_job_ends,
    a_job_that_became_ready_wakes,
    a_silent_worker_loses_its_job_and_a_late_result_is_refused,
    a_job_that_no_worker_finishes_fails_after_its_last_chance,
    a_sign_of_life_keeps_a_job,
    progress_is_shown_and_forgotten_when_the_job_goes_back,
    cancel_takes_what_hangs_on_a_job_and_what_only_it_needed,
    a_canceled_worker_learns_of_it_and_its_result_is_refused,
    a_job_that_is_over_cannot_be_canceled,
    a_dependency_that_is_not_there_is_refused_and_nothing_is_queued,
    deleting_takes_the_tree_but_not_what_others_need,
    what_is_not_over_is_not_deleted,
    workers_are_forgotten_after_their_silence,
    a_compose_and_its_jobs_come_and_go_together,
    a_compose_of_another_channel_is_not_there,
    a_list_of_composes_has_parts_and_tells_where_each_stands,
    documents_keep_their_order_and_count_their_revisions,
    a_document_that_changed_meanwhile_is_not_overwritten,
    changes_happen_together_or_not_at_all,
    jobs_are_counted_by_kind_and_state,
);

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn after(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn job(kind: &str, needs: &[JobId]) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind: kind.into(),
        channel: String::new(),
        args: json!({ "of": kind }),
        needs: needs.to_vec(),
        result: None,
    }
}

fn asks(kinds: &[&str]) -> Claim {
    Claim {
        kinds: kinds.iter().map(ToString::to_string).collect(),
        channels: Channels::These(vec![String::new()]),
        worker: None,
    }
}

/// Queues jobs and gives their ids back.
async fn queue(store: &dyn Store, jobs: Vec<NewJob>) -> Vec<JobId> {
    store.enqueue(&jobs, START).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// Takes a job that has to be there.
async fn take(store: &dyn Store, kind: &str) -> (JobId, Token) {
    let claimed = store
        .claim(&asks(&[kind]), START)
        .await
        .unwrap()
        .expect("there is a job");
    (claimed.id, claimed.token)
}

async fn state(store: &dyn Store, job: JobId) -> State {
    store
        .job(job)
        .await
        .unwrap()
        .expect("the job is there")
        .state
}

async fn jobs_come_in_the_order_in_which_they_were_queued(store: Arc<dyn Store>) {
    let first = queue(&*store, vec![job("a", &[]), job("b", &[])]).await;
    let second = queue(&*store, vec![job("a", &[])]).await;
    let mut got = Vec::new();
    while let Some(claimed) = store.claim(&asks(&["a", "b"]), START).await.unwrap() {
        got.push(claimed.id);
    }
    assert_eq!(got, [first, second].concat());
}

async fn a_job_waits_for_what_it_needs_and_reads_the_results(store: Arc<dyn Store>) {
    let (packages, containers) = (job("depsolve", &[]), job("containers", &[]));
    let manifest = job("manifest", &[containers.id, packages.id]);
    queue(&*store, vec![packages, containers, manifest.clone()]).await;
    assert!(
        store
            .claim(&asks(&["manifest"]), START)
            .await
            .unwrap()
            .is_none()
    );
    let (_, token) = take(&*store, "depsolve").await;
    store
        .finish(token, &json!({ "packages": 3 }), START)
        .await
        .unwrap();
    assert!(
        store
            .claim(&asks(&["manifest"]), START)
            .await
            .unwrap()
            .is_none()
    );
    let (_, token) = take(&*store, "containers").await;
    store
        .finish(token, &json!({ "specs": 1.50 }), START)
        .await
        .unwrap();
    let claimed = store
        .claim(&asks(&["manifest"]), START)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((claimed.id, claimed.args), (manifest.id, manifest.args));
    assert_eq!(
        claimed.results,
        [json!({ "specs": 1.50 }), json!({ "packages": 3 })]
    );
}

async fn a_failed_dependency_makes_a_job_ready_too(store: Arc<dyn Store>) {
    let bad = job("depsolve", &[]);
    queue(&*store, vec![bad.clone(), job("manifest", &[bad.id])]).await;
    let (_, token) = take(&*store, "depsolve").await;
    let failure = json!({ "job_error": { "id": 20 } });
    store.finish(token, &failure, START).await.unwrap();
    let claimed = store
        .claim(&asks(&["manifest"]), START)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claimed.results, [failure]);
}

async fn a_job_is_given_to_one_of_many_who_ask_at_once(store: Arc<dyn Store>) {
    let queued = queue(&*store, (0..40).map(|_| job("a", &[])).collect()).await;
    let askers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut got = Vec::new();
            while let Some(claimed) = store.claim(&asks(&["a"]), START).await.unwrap() {
                got.push(claimed.id);
            }
            got
        })
    });
    let mut got = Vec::new();
    for asker in askers.collect::<Vec<_>>() {
        got.extend(asker.await.unwrap());
    }
    got.sort();
    let mut queued = queued;
    queued.sort();
    assert_eq!(got, queued);
}

fn with_clock(store: &Arc<dyn Store>) -> (JobQueue, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START));
    (
        JobQueue::new(store.clone(), clock.clone(), Limits::default()),
        clock,
    )
}

/// Waits for a job in a task, and lets it begin to wait.
async fn waiting(queue: &JobQueue, kind: &'static str) -> tokio::task::JoinHandle<JobId> {
    let queue = queue.clone();
    let task = tokio::spawn(async move {
        match queue.dequeue(&asks(&[kind]), None).await.unwrap() {
            Dequeue::Job(claimed) => claimed.id,
            Dequeue::TimedOut => panic!("the wait has no end"),
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    task
}

async fn a_waiting_worker_is_woken_by_a_new_job(store: Arc<dyn Store>) {
    let (queue, _) = with_clock(&store);
    let task = waiting(&queue, "a").await;
    let new = job("a", &[]);
    queue.enqueue(std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(task.await.unwrap(), new.id);
}

async fn a_wait_without_a_job_ends(store: Arc<dyn Store>) {
    let (queue, _) = with_clock(&store);
    queue.enqueue(&[job("b", &[])]).await.unwrap();
    let answer = queue
        .dequeue(&asks(&["a"]), Some(Duration::from_millis(20)))
        .await
        .unwrap();
    assert!(matches!(answer, Dequeue::TimedOut));
}

async fn a_job_that_became_ready_wakes(store: Arc<dyn Store>) {
    let (queue, _) = with_clock(&store);
    let first = job("a", &[]);
    let second = job("b", &[first.id]);
    queue.enqueue(&[first, second.clone()]).await.unwrap();
    let task = waiting(&queue, "b").await;
    let (_, token) = take(&*store, "a").await;
    queue.finish(token, &json!({})).await.unwrap();
    assert_eq!(task.await.unwrap(), second.id);
}

async fn a_silent_worker_loses_its_job_and_a_late_result_is_refused(store: Arc<dyn Store>) {
    let (queue, clock) = with_clock(&store);
    let ids = self::queue(&*store, vec![job("a", &[])]).await;
    let (id, late) = take(&*store, "a").await;
    clock.advance(120);
    assert_eq!(queue.reconcile().await.unwrap().requeued, []);
    clock.advance(1);
    assert_eq!(queue.reconcile().await.unwrap().requeued, [(id, late)]);
    assert_eq!(state(&*store, ids[0]).await, State::Pending);
    let (_, token) = take(&*store, "a").await;
    assert_eq!(
        queue.finish(late, &json!({ "late": true })).await.unwrap(),
        Lease::Lost
    );
    assert_eq!(queue.heartbeat(late).await.unwrap(), Lease::Lost);
    assert_eq!(
        queue
            .finish(token, &json!({ "late": false }))
            .await
            .unwrap(),
        Lease::Held(id)
    );
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!(
        (job.result, job.requeues),
        (Some(json!({ "late": false })), 1)
    );
}

async fn a_job_that_no_worker_finishes_fails_after_its_last_chance(store: Arc<dyn Store>) {
    let (queue, clock) = with_clock(&store);
    let ids = self::queue(&*store, vec![job("a", &[])]).await;
    for _ in 0..2 {
        assert!(
            store
                .claim(&asks(&["a"]), clock.now())
                .await
                .unwrap()
                .is_some()
        );
        clock.advance(200);
        assert_eq!(queue.reconcile().await.unwrap().requeued.len(), 1);
    }
    let last = store
        .claim(&asks(&["a"]), clock.now())
        .await
        .unwrap()
        .unwrap();
    clock.advance(200);
    assert_eq!(
        queue.reconcile().await.unwrap().failed,
        [(ids[0], last.token)]
    );
    let job = store.job(ids[0]).await.unwrap().unwrap();
    assert_eq!(job.state, State::Finished);
    let error = &job.result.unwrap()["job_error"];
    assert_eq!(error["id"], json!(27));
    assert_eq!(
        error["reason"],
        "Workers running this job stopped responding more than 2 times."
    );
}

async fn a_sign_of_life_keeps_a_job(store: Arc<dyn Store>) {
    let (queue, clock) = with_clock(&store);
    self::queue(&*store, vec![job("a", &[])]).await;
    let (id, token) = take(&*store, "a").await;
    clock.advance(100);
    assert_eq!(queue.heartbeat(token).await.unwrap(), Lease::Held(id));
    clock.advance(100);
    assert_eq!(queue.reconcile().await.unwrap().requeued, []);
    assert_eq!(
        queue.progress(token, &json!({})).await.unwrap(),
        Lease::Held(id)
    );
    clock.advance(100);
    assert_eq!(queue.reconcile().await.unwrap().requeued, []);
}

async fn progress_is_shown_and_forgotten_when_the_job_goes_back(store: Arc<dyn Store>) {
    let (queue, clock) = with_clock(&store);
    self::queue(&*store, vec![job("a", &[])]).await;
    let (id, token) = take(&*store, "a").await;
    let partial = json!({ "progress": { "done": 1, "total": 3 } });
    queue.progress(token, &partial).await.unwrap();
    assert_eq!(store.job(id).await.unwrap().unwrap().result, Some(partial));
    clock.advance(500);
    queue.reconcile().await.unwrap();
    assert_eq!(store.job(id).await.unwrap().unwrap().result, None);
}

async fn cancel_takes_what_hangs_on_a_job_and_what_only_it_needed(store: Arc<dyn Store>) {
    let (shared, own) = (job("depsolve", &[]), job("containers", &[]));
    let manifest = job("manifest", &[shared.id, own.id]);
    let (image, other) = (
        job("osbuild", &[manifest.id]),
        job("manifest", &[shared.id]),
    );
    let final_one = job("finalize", &[image.id]);
    let ids = queue(
        &*store,
        vec![
            shared.clone(),
            own.clone(),
            manifest.clone(),
            image.clone(),
            other.clone(),
            final_one.clone(),
        ],
    )
    .await;
    let mut canceled = store.cancel(manifest.id, START).await.unwrap();
    canceled.sort();
    let mut expected = vec![own.id, manifest.id, image.id, final_one.id];
    expected.sort();
    assert_eq!(canceled, expected);
    assert_eq!(
        state(&*store, ids[0]).await,
        State::Pending,
        "another job needs it"
    );
    assert_eq!(state(&*store, other.id).await, State::Pending);
    assert!(
        store
            .claim(&asks(&["containers", "osbuild", "finalize"]), START)
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_canceled_worker_learns_of_it_and_its_result_is_refused(store: Arc<dyn Store>) {
    queue(&*store, vec![job("a", &[])]).await;
    let (id, token) = take(&*store, "a").await;
    assert_eq!(store.cancel(id, after(1)).await.unwrap(), [id]);
    assert_eq!(
        store.heartbeat(token, after(2)).await.unwrap(),
        Lease::Canceled(id)
    );
    assert_eq!(
        store.progress(token, &json!({}), after(2)).await.unwrap(),
        Lease::Canceled(id)
    );
    assert_eq!(
        store
            .finish(token, &json!({ "success": true }), after(3))
            .await
            .unwrap(),
        Lease::Canceled(id)
    );
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.result, job.finished),
        (State::Canceled, None, Some(after(1)))
    );
}

async fn a_job_that_is_over_cannot_be_canceled(store: Arc<dyn Store>) {
    queue(&*store, vec![job("a", &[])]).await;
    let (id, token) = take(&*store, "a").await;
    store.finish(token, &json!({}), START).await.unwrap();
    assert_eq!(store.cancel(id, START).await.unwrap(), []);
    assert_eq!(store.cancel(JobId::random(), START).await.unwrap(), []);
    assert_eq!(state(&*store, id).await, State::Finished);
}

async fn a_dependency_that_is_not_there_is_refused_and_nothing_is_queued(store: Arc<dyn Store>) {
    let (good, unknown) = (job("a", &[]), JobId::random());
    let bad = job("b", &[good.id, unknown]);
    let error = store
        .enqueue(&[good.clone(), bad.clone()], START)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::NoDependency { job, needs } if job == bad.id && needs == unknown),
        "{error}"
    );
    let mut circle = job("c", &[]);
    circle.needs = vec![circle.id];
    assert!(matches!(
        store.enqueue(&[circle], START).await,
        Err(Error::NoDependency { .. })
    ));
    assert!(store.job(good.id).await.unwrap().is_none());
}

async fn workers_are_forgotten_after_their_silence(store: Arc<dyn Store>) {
    let (queue, clock) = with_clock(&store);
    let silent = queue.register("", "x86_64").await.unwrap();
    let lively = queue.register("org-1", "aarch64").await.unwrap();
    clock.advance(3000);
    assert!(queue.seen("org-1", lively).await.unwrap());
    assert!(!queue.seen("", lively).await.unwrap());
    clock.advance(700);
    queue.reconcile().await.unwrap();
    assert!(!queue.seen("", silent).await.unwrap());
    let workers = store.workers().await.unwrap();
    assert_eq!(workers.len(), 1);
    assert_eq!(
        (workers[0].id, &*workers[0].channel, &*workers[0].arch),
        (lively, "org-1", "aarch64")
    );
    assert_eq!(workers[0].seen, after(3000));
    assert!(!queue.seen("", WorkerId::random()).await.unwrap());
}

async fn jobs_are_counted_by_kind_and_state(store: Arc<dyn Store>) {
    queue(&*store, vec![job("a", &[]), job("a", &[]), job("b", &[])]).await;
    let taken = take(&*store, "a").await;
    assert_eq!(store.kind(taken.0).await.unwrap().as_deref(), Some("a"));
    assert_eq!(store.kind(JobId::random()).await.unwrap(), None);
    let counts = store.counts().await.unwrap();
    let short: Vec<_> = counts
        .iter()
        .map(|count| (&*count.kind, count.state, count.number))
        .collect();
    assert_eq!(
        short,
        [
            ("a", State::Pending, 1),
            ("a", State::Running, 1),
            ("b", State::Pending, 1)
        ]
    );
    assert!(counts.iter().all(|count| count.oldest == START));
}
