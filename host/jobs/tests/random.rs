//! Random sequences of calls against a small model, the same for both databases.
#![cfg(test)]

mod support;

use jiff::{SignedDuration, Timestamp};
use osbuild_wasm_jobs::{Channels, Claim, JobId, Lease, NewJob, State, Store, Token};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KINDS: [&str; 2] = ["depsolve", "osbuild"];
const CHANNELS: [&str; 2] = ["", "org-1"];
const SILENCE: i64 = 120;
const LIMIT: u32 = 2;

/// The queue as a person would write it down.
#[derive(Default)]
struct Model {
    order: Vec<JobId>,
    jobs: BTreeMap<JobId, Entry>,
}

struct Entry {
    kind: &'static str,
    channel: &'static str,
    state: State,
    needs: Vec<JobId>,
    result: Option<Value>,
    token: Option<Token>,
    heartbeat: i64,
    requeues: u32,
}

impl Model {
    fn is_over(&self, id: JobId) -> bool {
        self.jobs[&id].state.is_final()
    }

    fn next(&self, kind: &str, channel: &str) -> Option<JobId> {
        self.order.iter().copied().find(|id| {
            let job = &self.jobs[id];
            let ready = job.needs.iter().all(|&needs| self.is_over(needs));
            job.state == State::Pending && job.kind == kind && job.channel == channel && ready
        })
    }

    fn lease(&self, token: Token) -> Lease {
        match self.jobs.iter().find(|(_, job)| job.token == Some(token)) {
            Some((
                &id,
                Entry {
                    state: State::Running,
                    ..
                },
            )) => Lease::Held(id),
            Some((
                &id,
                Entry {
                    state: State::Canceled,
                    ..
                },
            )) => Lease::Canceled(id),
            _ => Lease::Lost,
        }
    }

    fn cancel(&mut self, id: JobId) -> Vec<JobId> {
        let mut reached = vec![id];
        let mut at = 0;
        while at < reached.len() {
            let above = self
                .jobs
                .iter()
                .filter(|(_, job)| job.needs.contains(&reached[at]))
                .map(|(&id, _)| id);
            let above: Vec<JobId> = above.filter(|id| !reached.contains(id)).collect();
            reached.extend(above);
            at += 1;
        }
        let mut canceled: Vec<JobId> = reached
            .into_iter()
            .filter(|&id| !self.is_over(id))
            .collect();
        for id in &canceled {
            self.jobs.get_mut(id).unwrap().state = State::Canceled;
        }
        let mut at = 0;
        while at < canceled.len() {
            for needs in self.jobs[&canceled[at]].needs.clone() {
                let wanted = self
                    .jobs
                    .values()
                    .any(|job| job.needs.contains(&needs) && !job.state.is_final());
                if !wanted && !self.is_over(needs) {
                    self.jobs.get_mut(&needs).unwrap().state = State::Canceled;
                    canceled.push(needs);
                }
            }
            at += 1;
        }
        canceled.sort();
        canceled
    }

    fn expire(&mut self, now: i64) -> (usize, usize) {
        let (mut requeued, mut failed) = (0, 0);
        for job in self
            .jobs
            .values_mut()
            .filter(|job| job.state == State::Running && job.heartbeat < now - SILENCE)
        {
            job.token = None;
            if job.requeues < LIMIT {
                (job.state, job.result, job.requeues) = (State::Pending, None, job.requeues + 1);
                requeued += 1;
            } else {
                (job.state, job.result) = (State::Finished, Some(json!("silent")));
                failed += 1;
            }
        }
        (requeued, failed)
    }
}

/// Numbers that depend on the seed only (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())])
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

async fn one_step(store: &dyn Store, model: &mut Model, numbers: &mut Numbers, now: i64) {
    let tokens: Vec<Token> = model.jobs.values().filter_map(|job| job.token).collect();
    let (kind, channel) = (KINDS[numbers.below(2)], CHANNELS[numbers.below(2)]);
    match numbers.below(12) {
        0..=3 => {
            let needs = (0..numbers.below(3))
                .filter_map(|_| numbers.pick(&model.order))
                .collect::<Vec<_>>();
            let id = JobId::random();
            let new = NewJob {
                id,
                kind: kind.into(),
                channel: channel.into(),
                args: json!({}),
                needs: needs.clone(),
                result: None,
            };
            store.enqueue(&[new], at(now)).await.unwrap();
            model.order.push(id);
            let state = State::Pending;
            let entry = Entry {
                kind,
                channel,
                state,
                needs,
                result: None,
                token: None,
                heartbeat: 0,
                requeues: 0,
            };
            model.jobs.insert(id, entry);
        }
        4..=6 => {
            let claim = Claim {
                kinds: vec![kind.into()],
                channels: Channels::These(vec![channel.into()]),
                worker: None,
            };
            let claimed = store.claim(&claim, at(now)).await.unwrap();
            let expected = model.next(kind, channel);
            assert_eq!(claimed.as_ref().map(|claimed| claimed.id), expected);
            if let Some(claimed) = claimed {
                let needs = model.jobs[&claimed.id].needs.iter();
                let results: Vec<Value> = needs
                    .map(|id| model.jobs[id].result.clone().unwrap_or(Value::Null))
                    .collect();
                assert_eq!(claimed.results, results);
                let job = model.jobs.get_mut(&claimed.id).unwrap();
                (job.state, job.token, job.heartbeat, job.result) =
                    (State::Running, Some(claimed.token), now, None);
            }
        }
        7 | 8 => {
            let Some(token) = numbers.pick(&tokens) else {
                return;
            };
            let lease = model.lease(token);
            assert_eq!(
                store
                    .finish(token, &json!({ "at": now }), at(now))
                    .await
                    .unwrap(),
                lease
            );
            if let Lease::Held(id) = lease {
                let job = model.jobs.get_mut(&id).unwrap();
                (job.state, job.result, job.token) =
                    (State::Finished, Some(json!({ "at": now })), None);
            }
        }
        9 => {
            let token = numbers.pick(&tokens).unwrap_or_else(Token::random);
            let lease = model.lease(token);
            assert_eq!(store.heartbeat(token, at(now)).await.unwrap(), lease);
            if let Lease::Held(id) = lease {
                model.jobs.get_mut(&id).unwrap().heartbeat = now;
            }
        }
        10 => {
            let Some(id) = numbers.pick(&model.order) else {
                return;
            };
            let mut canceled = store.cancel(id, at(now)).await.unwrap();
            canceled.sort();
            assert_eq!(canceled, model.cancel(id));
        }
        _ => {
            let expired = store
                .expire(at(now - SILENCE), LIMIT, &json!("silent"), at(now))
                .await
                .unwrap();
            assert_eq!(
                (expired.requeued.len(), expired.failed.len()),
                model.expire(now)
            );
        }
    }
}

async fn agrees_with_the_model(store: &dyn Store) {
    let (mut model, mut numbers, mut now) = (Model::default(), Numbers(0x5eed_0b01_1d5e_ed01), 0);
    for _ in 0..1500 {
        now += i64::try_from(numbers.below(40)).unwrap();
        one_step(store, &mut model, &mut numbers, now).await;
    }
    for (&id, expected) in &model.jobs {
        let job = store.job(id).await.unwrap().unwrap();
        assert_eq!(
            (job.state, job.result, job.requeues),
            (expected.state, expected.result.clone(), expected.requeues)
        );
        assert_eq!(job.needs, expected.needs);
    }
    let states: Vec<State> = model.jobs.values().map(|job| job.state).collect();
    for state in [
        State::Pending,
        State::Running,
        State::Finished,
        State::Canceled,
    ] {
        assert!(states.contains(&state), "the sequence tries every state");
    }
}

#[tokio::test]
async fn random_calls_on_sqlite_agree_with_the_model() {
    agrees_with_the_model(&*support::sqlite().await.unwrap().store).await;
}

#[tokio::test]
async fn random_calls_on_postgres_agree_with_the_model() {
    if let Some(database) = support::postgres().await {
        agrees_with_the_model(&*database.store).await;
    }
}
