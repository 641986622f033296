//! Publishing to and installing from a container registry that runs here.
use crate::install::Place;
use osbuild_wasm_tests::{Program, machine};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Debian's docker-registry.
struct Registry {
    process: Child,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A login that the registry may ask for.
const USER: &str = "user";
const PASSWORD: &str = "secret";
/// The same as htpasswd(1) writes it.
const HTPASSWD: &str = "user:$2b$04$FRHEBLj81D4qAdwWKbXrlOTiISA2tF/0rbpbGZj/HzBtZsASel8s6\n";

impl Registry {
    fn start(place: &Place) -> Self {
        Self::configured(place, "")
    }

    /// A registry that wants a login.
    fn private(place: &Place) -> Self {
        let users = place.scratch.write("htpasswd", HTPASSWD);
        let auth = format!("auth: {{htpasswd: {{realm: tests, path: {users:?}}}}}\n");
        Self::configured(place, &auth)
    }

    fn configured(place: &Place, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let storage = place.scratch.directory("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n{more}"
        );
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(place.scratch.write("config.yml", text))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the registry does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let host = format!("localhost:{port}");
        Self { process, host }
    }
}

#[test]
fn a_plugin_goes_into_a_registry_and_comes_back_with_its_signature_and_is_used_offline() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(&place);
    let file = place.plugin("com.example.a");
    place
        .program("plugin keygen")
        .arg(place.scratch.path("key"))
        .run()
        .expect(0);
    place
        .program("plugin sign")
        .arg(&file)
        .option("--key", place.scratch.path("key"))
        .run()
        .expect(0);
    let target = format!("oci://{}/stages/a:1", registry.host);
    let pushed = place
        .program("plugin push")
        .arg(&file)
        .arg(&target)
        .run()
        .expect(0);
    let reference = pushed.stdout.trim().to_owned();
    assert!(
        reference.starts_with(&format!("oci://{}/stages/a@sha256:", registry.host)),
        "{reference}"
    );
    // Another tool sees the same artifact.
    let docker = format!("docker://{}/stages/a:1", registry.host);
    Program::of("skopeo", "inspect --raw --tls-verify=false")
        .arg(docker)
        .run()
        .expect(0)
        .says("application/wasm");

    place
        .program("plugin install")
        .arg(&reference)
        .option("--signer", place.scratch.path("key.pub"))
        .run()
        .expect(0);
    let origin = &place.program("plugin list --json").run().json()[0]["origin"];
    assert_eq!(origin.as_str(), Some(reference.as_str()));
    let unknown = reference.split_once('@').unwrap().0.to_owned() + "@sha256:" + &"0".repeat(64);
    place.program("plugin install").arg(unknown).run().expect(1);
    place
        .program("plugin install")
        .arg(&target)
        .run()
        .expect(2)
        .says("rather than a tag");

    // A layer that is changed in the registry is not taken.
    let blob = format!("registry/docker/registry/v2/blobs/sha256/{}", {
        let digest = crate::install::digest(&file)[7..].to_owned();
        format!("{}/{digest}/data", &digest[..2])
    });
    let mut bytes = std::fs::read(place.scratch.path(&blob)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.scratch.write(&blob, bytes);
    place
        .program("plugin install")
        .arg(&reference)
        .run()
        .expect(1)
        .says("digest");

    drop(registry);
    place.program("stage show com.example.a").run().expect(0);
    place
        .program("plugin install")
        .arg(&reference)
        .run()
        .expect(1)
        .says(&reference);
    place.program("stage show com.example.a").run().expect(0);
}

#[test]
fn a_private_registry_is_used_with_the_login_that_other_tools_have_stored() {
    if !machine::offers(&["docker-registry", "skopeo"]) {
        return;
    }
    let place = Place::new();
    let registry = Registry::private(&place);
    let file = place.plugin("com.example.a");
    let target = format!("oci://{}/stages/a:1", registry.host);
    let logins = place.scratch.path("auth.json");
    let program = |arguments: &str| place.program(arguments).env("REGISTRY_AUTH_FILE", &logins);
    let push = || program("plugin push").arg(&file).arg(&target).run();
    push()
        .expect(1)
        .says("run `skopeo login` or `podman login` first");

    let login = |password| {
        Program::of("skopeo", "login --tls-verify=false")
            .option("--authfile", &logins)
            .option("--username", USER)
            .option("--password", password)
            .arg(&registry.host)
            .run()
    };
    login(PASSWORD).expect(0);
    let reference = push().expect(0).stdout.trim().to_owned();
    program("plugin install").arg(reference).run().expect(0);

    place.scratch.write("auth.json", "{");
    push().expect(1).says("auth.json");
}

/// A server that answers everything in the same way, and the heads of the requests.
fn answering(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = heads.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines = lines.map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            seen.lock().unwrap().push(head.join("\n").to_lowercase());
            _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, heads)
}

#[test]
fn a_login_is_not_told_to_a_realm_of_another_name() {
    let place = Place::new();
    let end = "Connection: close\r\nContent-Length: 14\r\n\r\n{\"token\": \"t\"}";
    let (realm, told) = answering(format!("HTTP/1.1 200 OK\r\n{end}"));
    let port = realm.rsplit(':').next().unwrap();
    for url in [
        format!("http://localhost:{port}/token"),
        format!("HTTP://localhost:{port}/token"),
        format!("http://127.0.0.1@localhost:{port}/token"),
        format!("http://127.0.0.1.:{port}\\@localhost/token"),
    ] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{url}\",service=\"x\"\r\n");
        let (registry, _) = answering(format!("HTTP/1.1 401 Unauthorized\r\n{challenge}{end}"));
        let login = format!(r#"{{"auths": {{"{registry}": {{"auth": "dXNlcjpzZWNyZXQ="}}}}}}"#);
        let digest = "0".repeat(64);
        place
            .program("plugin install")
            .arg(format!("oci://{registry}/stages/a@sha256:{digest}"))
            .env(
                "REGISTRY_AUTH_FILE",
                place.scratch.write("auth.json", login),
            )
            .run()
            .expect(1);
    }
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
}
