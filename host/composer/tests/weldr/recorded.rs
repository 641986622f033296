//! The requests that composer-cli and cockpit send, command by command, and the shape of what they are answered.
//!
//! `recorded.txt` has them: `#` a command, which finds a composer of its own; `>` method, path and content type of a request, `|` the
//! lines of its body; `<` status and reply, as JSON or as `TYPE: beginning of the text`; `=` the header for the name of a download.
//! `{waiting}`, `{running}`, `{finished}` and `{failed}` are composes, `{commit}` is the first commit of `tmux-image`.
use crate::composes::{JSON, build, job, token_of};
use crate::support::{Answer, Composer};
use osbuild_wasm_jobs::JobId;
use serde_json::{Value, json};
use std::str::FromStr;

const RECORDED: &str = include_str!("recorded.txt");

const REFUSED: &str = include_str!("refused.txt");

const NOT_UNDERSTOOD: &str = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand: ";

const BLUEPRINT: &str = "name = \"tmux-image\"\ndescription = \"d\"\nversion = \"0.0.1\"\n\n[[packages]]\nname = \"tmux\"\nversion = \"*\"\n";

const SOURCE: &str =
    "id = \"k8s\"\nname = \"Kubernetes\"\ntype = \"yum-baseurl\"\nurl = \"http://x/\"\n";

/// What a word in angle brackets stands for: an object with exactly these keys.
const OBJECTS: [(&str, &[&str]); 3] = [
    (
        "<package>",
        &[
            "arch",
            "check_gpg",
            "checksum",
            "epoch",
            "name",
            "release",
            "remote_location",
            "repo_id",
            "version",
        ],
    ),
    (
        "<project>",
        &[
            "builds",
            "description",
            "homepage",
            "name",
            "summary",
            "upstream_vcs",
        ],
    ),
    (
        "<module>",
        &[
            "builds",
            "dependencies",
            "description",
            "homepage",
            "name",
            "summary",
            "upstream_vcs",
        ],
    ),
];

/// A composer with a blueprint, a source and a compose in each state, and what stands for the words in braces.
pub(crate) async fn busy() -> (Composer, Vec<(&'static str, String)>) {
    let composer = Composer::start().await;
    composer.push(BLUEPRINT).await;
    let source = "/api/v1/projects/source/new";
    composer
        .send("POST", source, Some("text/x-toml"), SOURCE)
        .await;
    composer
        .worker("POST", "/workers", &json!({ "arch": "x86_64" }))
        .await;
    let mut words = Vec::new();
    for state in ["{finished}", "{failed}", "{running}", "{waiting}"] {
        let request = json!({ "blueprint_name": "tmux-image", "compose_type": "qcow2" });
        let started = composer
            .send("POST", "/api/v1/compose", JSON, &request.to_string())
            .await
            .json();
        words.push((state, started["build_id"].as_str().unwrap().to_owned()));
    }
    build(&composer, "the image").await;
    let token = token_of(&job(&composer).await);
    let failure =
        json!({ "success": false, "job_error": { "id": 10, "reason": "the stage failed" } });
    let path = format!("/jobs/{token}");
    composer
        .worker("PATCH", &path, &json!({ "result": failure }))
        .await;
    job(&composer).await;
    let changes = composer
        .get("/api/v1/blueprints/changes/tmux-image")
        .await
        .json();
    let commit = &changes["blueprints"][0]["changes"][0]["commit"];
    words.push(("{commit}", commit.as_str().unwrap().to_owned()));
    (composer, words)
}

/// Whether a value has the shape of another one. It says where it has not.
fn fits(wanted: &Value, got: &Value, at: &str) -> Result<(), String> {
    let wrong = || Err(format!("{at}: {got} instead of {wanted}"));
    let keys = |value: &Value| -> Vec<String> {
        let object = value.as_object();
        let mut keys: Vec<String> =
            object.map_or_else(Vec::new, |object| object.keys().cloned().collect());
        keys.sort();
        keys
    };
    if let Some(word) = wanted.as_str().filter(|word| word.starts_with('<')) {
        let text = got.as_str().unwrap_or_default();
        let fits = match word {
            "<text>" => !text.is_empty(),
            "<uuid>" => JobId::from_str(text).is_ok(),
            "<commit>" => text.len() == 40,
            "<seconds>" => got.is_f64(),
            "<object>" => got.is_object(),
            "<not understood>" => text.starts_with(NOT_UNDERSTOOD),
            "<invalid query string>" => text.starts_with("invalid query string: "),
            "<BadRequest>" => text.starts_with("BadRequest: "),
            word => {
                let (_, keys_of) = OBJECTS.iter().find(|(name, _)| *name == word).unwrap();
                keys(got) == *keys_of
            }
        };
        return if fits { Ok(()) } else { wrong() };
    }
    match (wanted, got) {
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => wanted
            .iter()
            .zip(got)
            .enumerate()
            .try_for_each(|(index, (wanted, got))| fits(wanted, got, &format!("{at}[{index}]"))),
        (Value::Object(members), Value::Object(_)) if keys(wanted) == keys(got) => members
            .iter()
            .try_for_each(|(key, wanted)| fits(wanted, &got[key], &format!("{at}.{key}"))),
        (Value::Array(_) | Value::Object(_), _) => wrong(),
        (wanted, got) if wanted == got => Ok(()),
        _ => wrong(),
    }
}

/// Sends what a line asks for.
async fn ask(composer: &Composer, line: &str, body: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    composer
        .send(words[0], words[1], words.get(2).copied(), body)
        .await
}

/// Checks an answer against a line.
fn check(line: &str, answer: &Answer, command: &str) {
    let (status, reply) = line.split_once(' ').unwrap();
    let place = format!("{command}: {line}");
    assert_eq!(answer.status.as_str(), status, "{place}: {}", answer.text);
    if reply.starts_with('{') {
        assert_eq!(answer.kind, "application/json; charset=utf-8", "{place}");
        assert!(
            answer.text.ends_with('\n'),
            "{place}: one document and a line end"
        );
        let wanted: Value = serde_json::from_str(reply).unwrap();
        fits(&wanted, &answer.json(), "").unwrap_or_else(|error| panic!("{place}: {error}"));
    } else {
        let (kind, beginning) = reply.split_once(':').unwrap();
        let beginning = beginning.trim_start();
        assert_eq!(answer.kind, kind, "{place}");
        assert!(
            answer.text.starts_with(beginning),
            "{place}: {}",
            answer.text
        );
    }
}

/// Plays a file.
async fn play(text: &str) {
    for block in text.split("\n\n") {
        let (command, lines) = block.split_once('\n').unwrap();
        let (composer, words) = busy().await;
        let filled = |line: &str| {
            words.iter().fold(line.to_owned(), |line, (word, text)| {
                line.replace(word, text)
            })
        };
        let (mut request, mut body, mut answer) = (String::new(), String::new(), None);
        for line in lines.lines().map(filled) {
            let (mark, rest) = line.split_at(1);
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            match mark {
                ">" => (request, body) = (rest.to_owned(), String::new()),
                "|" => body.push_str(&format!("{rest}\n")),
                "<" => {
                    let got = ask(&composer, &request, &body).await;
                    check(rest, &got, command);
                    answer = Some(got);
                }
                "=" => assert_eq!(answer.as_ref().unwrap().disposition, rest, "{command}"),
                mark => panic!("{command}: {mark:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_the_real_clients_send_is_answered_in_the_shape_they_expect() {
    play(RECORDED).await;
}

#[tokio::test]
async fn each_error_of_the_api_is_said_in_its_words() {
    play(REFUSED).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_a_status_that_clients_take_for_an_error() {
    let (composer, _) = busy().await;
    let body = format!("name = \"a\"\ndescription = \"{}\"", "x".repeat(17 << 20));
    for path in [
        "blueprints/new",
        "blueprints/workspace",
        "projects/source/new",
    ] {
        let path = format!("/api/v1/{path}");
        let answer = composer.send("POST", &path, Some("text/x-toml"), &body);
        let (status, id, message) = answer.await.error();
        assert_eq!((status, &*id), (400, "HTTPError"), "{path}");
        assert!(
            message.starts_with("BadRequest: the body cannot be read: "),
            "{message}"
        );
    }
    let (status, ..) = composer
        .send("POST", "/api/v1/compose", JSON, &body)
        .await
        .error();
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_image_whose_file_is_gone_is_told_of() {
    let (composer, words) = busy().await;
    let (_, finished) = &words[0];
    for entry in std::fs::read_dir(composer.directory.path().join("artefacts")).unwrap() {
        let _ = std::fs::remove_file(entry.unwrap().path().join("disk.qcow2"));
    }
    let image = composer
        .get(&format!("/api/v1/compose/image/{finished}"))
        .await;
    let (status, id, message) = image.error();
    let beginning = format!("Error accessing image file for compose {finished}: ");
    assert_eq!((status, &*id), (400, "InternalServerError"));
    assert!(message.starts_with(&beginning), "{message}");
    let results = composer
        .get(&format!("/api/v1/compose/results/{finished}"))
        .await;
    assert_eq!(results.status.as_u16(), 200, "the image is left out");
}
