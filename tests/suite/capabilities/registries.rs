//! Where a registry leads: to other servers for its contents and for tokens. A policy judges each of them, and skopeo asks none itself.
use super::sources::policy;
use osbuild_wasm_tests::{Ended, Program, Scratch, machine, manifest};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const SKOPEO: &str = "org.osbuild.skopeo";

/// An answer: its head without length, and its content.
type Answer = (String, Vec<u8>);

/// A server on this machine.
pub(crate) struct Server {
    pub(crate) address: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    /// The heads of the requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let (answers, asked) = (server.answers.clone(), server.asked.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let lines = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty());
                let head = lines.collect::<Vec<_>>().join("\n");
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let path = path.split('?').next().unwrap_or_default();
                let missing = ("404 Not Found".to_owned(), Vec::new());
                let (mut status, body) = answers
                    .lock()
                    .unwrap()
                    .get(path)
                    .cloned()
                    .unwrap_or(missing);
                if status.starts_with("401")
                    && head.to_lowercase().contains("authorization: bearer good")
                {
                    let kind = status
                        .find("\r\nContent-Type")
                        .map_or("", |at| &status[at..]);
                    status = format!("200 OK{kind}");
                }
                asked.lock().unwrap().push(head);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                );
                _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        server
    }

    pub(crate) fn answer(&self, path: &str, status: &str, body: &[u8]) {
        let answer = (status.to_owned(), body.to_vec());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// A registry and another server, to which it leads as `how` says, and a manifest with an image of it.
fn registry(how: &str) -> (Server, Server, Value) {
    let (registry, other) = (Server::new(), Server::new());
    let layer = [0; 1024];
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] } });
    let config = config.to_string().into_bytes();
    let kind = "application/vnd.oci.image";
    let index = json!({ "schemaVersion": 2, "mediaType": format!("{kind}.manifest.v1+json"),
        "config": { "mediaType": format!("{kind}.config.v1+json"), "digest": digest(&config), "size": config.len() },
        "layers": [{ "mediaType": format!("{kind}.layer.v1.tar"), "digest": digest(&layer), "size": layer.len() }] });
    let index = index.to_string().into_bytes();
    let elsewhere = &other.address;
    let typed = format!("200 OK\r\nContent-Type: {kind}.manifest.v1+json");
    let challenge = format!(
        "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{elsewhere}/token\",service=\"s\""
    );
    for (path, status, body) in [
        (
            format!("/v2/n/manifests/{}", digest(&index)),
            &*typed,
            &index[..],
        ),
        (
            format!("/v2/n/blobs/{}", digest(&config)),
            "200 OK",
            &config,
        ),
        (format!("/v2/n/blobs/{}", digest(&layer)), "200 OK", &layer),
    ] {
        let led = match how {
            "blobs" => path.contains("/blobs/"),
            "manifests" => path.contains("/manifests/"),
            _ => false,
        };
        if led {
            let status_there =
                format!("307 Temporary Redirect\r\nLocation: http://{elsewhere}{path}");
            registry.answer(&path, &status_there, b"");
            other.answer(&path, status, body);
        } else if how == "token" {
            let status = status.replace("200 OK", &challenge);
            registry.answer(&path, &status, body);
        } else {
            registry.answer(&path, status, body);
        }
    }
    other.answer("/token", "200 OK", br#"{"token": "good"}"#);
    let image = json!({ "name": format!("{}/n", registry.address), "digest": digest(&index), "tls-verify": false });
    let mut document = manifest::tree(json!([manifest::hostname("x")]));
    document["sources"] = json!({ SKOPEO: { "items": { digest(&config): { "image": image } } } });
    let input = json!({ "type": "org.osbuild.containers", "origin": "org.osbuild.source",
        "references": { digest(&config): { "name": "localhost/n" } } });
    let stage = json!({ "type": "org.osbuild.skopeo", "inputs": { "images": input },
        "options": { "destination": { "type": "oci", "path": "/image" } } });
    document["pipelines"][0]["stages"] = json!([stage]);
    (registry, other, document)
}

/// A policy for the source and the stage, which have one name.
fn rules(hosts: &[&str]) -> String {
    let stage = "tier = 'elevated'\nprograms = ['skopeo']\nlinux-capabilities = ['CAP_SYS_ADMIN']";
    policy(SKOPEO, &format!("{stage}\nhosts = {}", json!(hosts)))
}

fn run(scratch: &Scratch, name: &str, document: &Value, hosts: Option<&[&str]>) -> Ended {
    let mut program = Program::new("run --export tree")
        .option("--store", scratch.path(&format!("store-{name}")))
        .option("--output-directory", scratch.path(&format!("out-{name}")));
    if let Some(hosts) = hosts {
        program = program.option(
            "--policy",
            scratch.write(&format!("{name}.toml"), rules(hosts)),
        );
    }
    program.arg(scratch.json("manifest.json", document)).run()
}

#[test]
fn where_a_registry_leads_is_judged_and_skopeo_asks_nobody_else() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    for how in ["blobs", "manifests", "token"] {
        let scratch = Scratch::new();
        let (registry, other, document) = registry(how);
        let refused = run(&scratch, "strict", &document, Some(&[&registry.address]));
        let refused = refused.expect(1);
        let named = format!("is on {}, which the policy does not list", other.address);
        assert!(refused.stderr.contains(&named), "{how}: {}", refused.stderr);
        assert_eq!(other.count(), 0, "{how}");
        assert!(registry.count() > 0, "{how}");
        // Once is enough for what is refused for good.
        assert!(
            !refused.stderr.contains("trying again"),
            "{}",
            refused.stderr
        );
        let both = [&*registry.address, &*other.address];
        run(&scratch, "wide", &document, Some(&both)).expect(0);
        run(&scratch, "none", &document, None).expect(0);
        assert!(other.count() > 0, "{how}");
        assert!(scratch.path("out-wide/tree/image").exists());
    }
}

#[test]
fn a_token_is_for_its_registry_alone() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let (registry, other, document) = registry("blobs");
    let (_, tokens, _) = self::registry("token");
    let challenge = format!(
        "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{}/token\"",
        tokens.address
    );
    let led: Vec<_> = registry
        .answers
        .lock()
        .unwrap()
        .clone()
        .into_iter()
        .collect();
    for (path, (status, body)) in led
        .into_iter()
        .filter(|(path, _)| path.contains("/manifests/"))
    {
        registry.answer(&path, &status.replace("200 OK", &challenge), &body);
    }
    run(&scratch, "none", &document, None).expect(0);
    let shown = |server: &Server| {
        let heads = server.asked.lock().unwrap().join("\n").to_lowercase();
        heads.contains("authorization:")
    };
    assert!(shown(&registry));
    assert!(!shown(&other), "{:?}", other.asked.lock().unwrap());
}

#[test]
fn the_proxy_of_the_environment_stands_before_registries_too() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    let scratch = Scratch::new();
    let (registry, proxy, document) = registry("");
    // As a proxy it is asked for whole URLs.
    let answers = registry.answers.lock().unwrap().clone();
    for (path, (status, body)) in answers {
        proxy.answer(
            &format!("http://{}{path}", registry.address),
            &status,
            &body,
        );
    }
    let rules = rules(&[&registry.address, &proxy.address]);
    let run = Program::new("run --export tree")
        .env("http_proxy", &proxy.address)
        .env("no_proxy", "files.invalid")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--policy", scratch.write("policy.toml", rules));
    run.arg(scratch.json("manifest.json", &document))
        .run()
        .expect(0);
    assert!(proxy.count() > 0);
    // Whether it speaks TLS is not asked through a proxy for what has none.
    let heads = registry.asked.lock().unwrap().clone();
    assert!(
        !heads.iter().any(|head| head.starts_with("GET")),
        "{heads:?}"
    );
}
