//! The subcommands for administrators, as they are run beside the service.
use crate::composes::{build, job, ready, started};
use crate::support::Composer;
use osbuild_wasm_jobs::JobId;
use serde_json::Value;
use std::process::{Command, Output};

/// Runs the program over the database of a composer.
fn run(composer: &Composer, words: &[&str]) -> Output {
    let directory = composer.directory.path();
    let _ = std::os::unix::fs::symlink("artefacts", directory.join("artifacts"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    command.args(words).arg("--state").arg(directory);
    command.arg("--cache").arg(directory.join("cache"));
    command.output().unwrap()
}

/// What the program says, which has to succeed. Ids are numbered in the order in which they are given.
fn said(composer: &Composer, words: &[&str], ids: &[&str]) -> String {
    let output = run(composer, words);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && error.is_empty(),
        "{words:?}: {error}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let number = |text: String, (at, id): (usize, &&str)| text.replace(*id, &format!("ID{at}"));
    ids.iter().enumerate().fold(text, number)
}

fn json(composer: &Composer, words: &[&str]) -> Value {
    let words = [words, &["--json"]].concat();
    serde_json::from_str(&said(composer, &words, &[])).unwrap()
}

#[tokio::test]
async fn an_administrator_sees_and_ends_what_the_service_does() {
    let composer = ready().await;
    let (done, waiting) = (started(&composer).await, started(&composer).await);
    build(&composer, "the image").await;
    let running = started(&composer).await;
    let first = job(&composer).await["id"].as_str().unwrap().to_owned();
    let jobs = json(&composer, &["jobs"]);
    let second = jobs[1]["id"].as_str().unwrap();
    assert_eq!(
        (&*first, second),
        (&*waiting, &*running),
        "a compose is known by its last job"
    );
    let ids = [&*done, &*waiting, &*running];

    let jobs = " ID1  osbuild:x86_64  running  2026-05-04T03:02:01Z\n ID2  osbuild:x86_64  pending  2026-05-04T03:02:01Z\n";
    assert_eq!(said(&composer, &["jobs", "list"], &ids), jobs);
    let shown = said(&composer, &["jobs", "show", second], &ids);
    assert!(
        shown.contains(" kind      osbuild:x86_64\n") && !shown.contains("manifest"),
        "{shown}"
    );
    assert_eq!(
        said(&composer, &["jobs", "cancel", second], &ids),
        "canceled ID2\n"
    );
    assert_eq!(json(&composer, &["status"])["pending"], 0);
    let status = said(&composer, &["status"], &ids);
    assert!(
        status.starts_with(
            " service            down\n pending jobs       0\n running jobs       1\n"
        ),
        "{status}"
    );
    assert!(
        status.contains(" bytes of composes  9\n workers            1\n"),
        "{status}"
    );

    let composes = said(&composer, &["composes"], &ids);
    let line = " ID0  FINISHED  web  qcow2  2026-05-04T03:02:01Z\n";
    assert!(
        composes.contains(line) && composes.lines().count() == 3,
        "{composes}"
    );
    let compose = json(&composer, &["composes", "show", &done]);
    assert_eq!(
        (&compose["files"]["disk.qcow2"], &compose["arch"]),
        (&9.into(), &"x86_64".into())
    );
    assert_eq!(
        said(&composer, &["composes", "delete", &done], &ids),
        "deleted ID0\n"
    );
    let unknown = JobId::random().to_string();
    for (words, code, text) in [
        (
            vec!["composes", "show", &unknown],
            1,
            format!("error: there is no compose {unknown}\n"),
        ),
        (
            vec!["composes", "delete", &waiting],
            1,
            format!("error: the compose {waiting} is RUNNING\n"),
        ),
        (
            vec!["jobs", "show", &unknown],
            1,
            format!("error: there is no job {unknown}\n"),
        ),
        (
            vec!["jobs", "cancel", second],
            1,
            format!("error: the job {second} is over\n"),
        ),
        (vec!["jobs", "show", "x"], 2, String::new()),
        (vec!["nothing"], 2, String::new()),
    ] {
        let output = run(&composer, &words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
        assert!(error.starts_with(&text), "{words:?}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_kept_is_named_before_it_goes() {
    let composer = ready().await;
    let (old, new) = (started(&composer).await, started(&composer).await);
    build(&composer, "old").await;
    composer.clock.advance(60);
    build(&composer, "new!").await;
    let settings = composer.directory.path().join("toml");
    std::fs::write(&settings, "[osbuild-wasm.retention]\ncomposes = 1\n").unwrap();
    let config = ["--config", settings.to_str().unwrap()];
    let gc = |words: &[&str]| {
        said(
            &composer,
            &[&["gc"], words, &config].concat(),
            &[&old, &new],
        )
    };
    let line = " ID0  2026-05-04T03:02:01Z  3 bytes  number\n";
    assert_eq!(
        gc(&["--dry-run"]),
        format!("{line}1 composes with 3 bytes would be deleted\n")
    );
    assert_eq!(gc(&[]), format!("{line}1 composes with 3 bytes deleted\n"));
    assert_eq!(gc(&[]), "0 composes with 0 bytes deleted\n");
    let left = json(&composer, &["composes"]);
    assert_eq!(
        (left.as_array().unwrap().len(), &left[0]["id"]),
        (1, &new.into())
    );
}

#[tokio::test]
async fn a_database_is_brought_to_the_version_of_the_program() {
    let composer = Composer::start().await;
    let fresh = composer.directory.path().join("fresh.db");
    let url = format!("sqlite:{}", fresh.display());
    let migrate = |words: &[&str]| {
        said(
            &composer,
            &[&["migrate"], words, &["--database", &url]].concat(),
            &[],
        )
    };
    assert_eq!(
        migrate(&["--dry-run"]),
        "the database is at step 0 of 2: 2 to do\n"
    );
    assert!(!fresh.exists());
    assert_eq!(migrate(&[]), "the database went from step 0 to step 2\n");
    assert_eq!(migrate(&[]), "the database is at step 2, the last one\n");
}

#[test]
fn to_look_at_a_service_that_never_was_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for words in [
        &["status"][..],
        &["jobs"],
        &["composes"],
        &["gc", "--dry-run"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"))
            .args(words)
            .arg("--state")
            .arg(directory.path().join("state"))
            .arg("--cache")
            .arg(directory.path().join("cache"))
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {error}");
        assert!(error.contains("has not made its database yet"), "{error}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{words:?}");
    }
}
