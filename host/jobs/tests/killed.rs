//! Processes that are killed, and databases of other versions.
#![cfg(test)]

mod support;

use jiff::Timestamp;
use osbuild_wasm_jobs::{Channels, Claim, JobId, Lease, NewJob, State};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const URL: &str = "OSBUILD_WASM_JOBS_URL";

/// Not a test of its own: the process that is killed. It says what was accepted, after it was.
#[tokio::test]
async fn a_process_that_queues_and_finishes() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = osbuild_wasm_jobs::open(&url, 2).await.unwrap();
    loop {
        let needed = NewJob {
            id: JobId::random(),
            kind: "a".into(),
            channel: String::new(),
            args: json!({ "padding": "x".repeat(2000) }),
            needs: vec![],
            result: None,
        };
        let needing = NewJob {
            id: JobId::random(),
            kind: "b".into(),
            needs: vec![needed.id],
            ..needed.clone()
        };
        store
            .enqueue(&[needed, needing.clone()], Timestamp::now())
            .await
            .unwrap();
        println!("queued {}", needing.id);
        let claim = Claim {
            kinds: vec!["a".into()],
            channels: Channels::These(vec![String::new()]),
            worker: None,
        };
        let claimed = store
            .claim(&claim, Timestamp::now())
            .await
            .unwrap()
            .unwrap();
        println!("claimed {}", claimed.token);
        assert!(matches!(
            store
                .finish(claimed.token, &json!({}), Timestamp::now())
                .await
                .unwrap(),
            Lease::Held(_)
        ));
        println!("finished {}", claimed.id);
    }
}

async fn what_was_accepted_survives(url: &str) {
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_process_that_queues_and_finishes",
                "--nocapture",
            ])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader =
            std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let store = osbuild_wasm_jobs::open(url, 2).await.unwrap();
        for line in reader.join().unwrap() {
            let Some((word, id)) = line.split_once(' ') else {
                continue;
            };
            match word {
                "queued" => {
                    let job = store
                        .job(id.parse().unwrap())
                        .await
                        .unwrap()
                        .expect("an accepted job is there");
                    assert!(
                        store.job(job.needs[0]).await.unwrap().is_some(),
                        "with what it needs"
                    );
                }
                "finished" => assert_eq!(
                    store.job(id.parse().unwrap()).await.unwrap().unwrap().state,
                    State::Finished
                ),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn what_was_accepted_on_sqlite_survives_a_killed_process() {
    let database = support::sqlite().await.unwrap();
    what_was_accepted_survives(&database.url).await;
}

#[tokio::test]
async fn what_was_accepted_on_postgres_survives_a_killed_process() {
    if let Some(database) = support::postgres().await {
        what_was_accepted_survives(&database.url).await;
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    for database in [support::sqlite().await, support::postgres().await]
        .into_iter()
        .flatten()
    {
        let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            VALUES (99, 'later', TRUE, CAST('x' AS TYPE), 0)";
        if let Some(path) = database.url.strip_prefix("sqlite:") {
            let pool = sqlx::SqlitePool::connect(path).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(later.replace("TYPE", "BLOB")))
                .execute(&pool)
                .await
                .unwrap();
        } else {
            let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(later.replace("TYPE", "BYTEA")))
                .execute(&pool)
                .await
                .unwrap();
        }
        let error = osbuild_wasm_jobs::open(&database.url, 1)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database was used by a newer version of osbuild-wasm-composer: use that version"
        );
    }
}

#[tokio::test]
async fn a_database_file_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let database = support::sqlite().await.unwrap();
    let path = database.url.strip_prefix("sqlite:").unwrap();
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_told_without_its_password() {
    for (url, word) in [
        (
            "mysql://x",
            "a database is sqlite:PATH or postgresql://USER@HOST/DATABASE",
        ),
        (
            "sqlite:/dev/null/x",
            "cannot open the database: /dev/null/x",
        ),
        (
            "postgresql://me:hush@127.0.0.1:1/x",
            "cannot open the database",
        ),
    ] {
        let error = osbuild_wasm_jobs::open(url, 1)
            .await
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(word), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}
