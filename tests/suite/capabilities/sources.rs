//! What sources may reach: a plan shows it, a policy judges it, and the download follows nothing else.
use osbuild_wasm_tests::{Ended, Program, Scratch, machine, manifest};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) const CURL: &str = "org.osbuild.curl";

/// The checksum of `hello`.
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A rule for a source, and one that leaves the stages alone.
pub(super) fn policy(module: &str, lines: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nmodules = ['{module}']\n{lines}\n[[rule]]\nmodules = ['org.osbuild.*']\ntier = 'elevated'\n"
    )
}

/// A manifest that writes the file of a source into its tree.
pub(super) fn download(url: &str) -> Value {
    let copy = json!({
        "type": "org.osbuild.copy",
        "inputs": { "file": {
            "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [HELLO],
        }},
        "options": { "paths": [{ "from": format!("input://file/{HELLO}"), "to": "tree:///copied" }] },
    });
    let mut manifest = manifest::tree(json!([copy]));
    manifest["sources"] = json!({ CURL: { "items": { HELLO: { "url": url } } } });
    manifest
}

fn plan(scratch: &Scratch, manifest: &Value, policy: Option<&str>) -> Ended {
    let mut program = Program::new("plan --format json");
    if let Some(policy) = policy {
        program = program.option("--policy", scratch.write("policy.toml", policy));
    }
    program.arg(scratch.json("manifest.json", manifest)).run()
}

fn run(scratch: &Scratch, manifest: &Value, policy: Option<&str>) -> Ended {
    let mut program = Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"));
    if let Some(policy) = policy {
        program = program.option("--policy", scratch.write("policy.toml", policy));
    }
    program.arg(scratch.json("manifest.json", manifest)).run()
}

/// A server on this machine that answers everything in the same way, and how many have asked it.
pub(super) fn server(answer: impl Into<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answer, asked) = (answer.into(), Arc::new(AtomicUsize::new(0)));
    let counter = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

pub(super) const GOOD: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_policy_judges_the_host_that_is_contacted_however_it_is_written() {
    let scratch = Scratch::new();
    let (address, asked) = server(GOOD);
    let mirror = policy(CURL, "hosts = ['mirror.example.org']");
    for url in [
        format!("HTTP://{address}/x"),
        format!("http:{address}/x"),
        format!("http:/{address}/x"),
        format!("http:\\\\{address}\\x"),
        format!("http://{address}\\@mirror.example.org/x"),
        format!("http://mirror.example.org@{address}/x"),
        format!("http://mirror.example.org:80@{address}/x"),
        format!("ht\ttp://{address}/x"),
        format!(" http://{address}/x"),
        format!("http://{address}#@mirror.example.org/"),
        format!("http://{address}?@mirror.example.org/"),
        format!("http://{}/x", address.replace("127.0.0.1", "0x7f.1")),
        format!(
            "http://{}/x",
            address.replace("127.0.0.1", "%31%32%37.0.0.1")
        ),
        format!("http://{}/x", address.replace("127.0.0.1", "127.0.0.1.")),
    ] {
        let ended = run(&scratch, &download(&url), Some(&mirror)).expect(1);
        assert!(!ended.all().contains("copied"), "{url}");
        assert_eq!(asked.load(Ordering::Relaxed), 0, "{url}");
    }
    // A source that is denied is told with the host that it would reach.
    run(
        &scratch,
        &download(&format!("HTTP://{address}/x")),
        Some(&mirror),
    )
    .expect(1)
    .says(&format!("host {address}"));
    let listed = policy(CURL, &format!("hosts = ['{address}']"));
    run(
        &scratch,
        &download(&format!("HTTP://{address}/x")),
        Some(&listed),
    )
    .expect(0);
}

#[test]
fn a_redirect_to_a_host_that_the_policy_does_not_list_is_not_followed() {
    let scratch = Scratch::new();
    let (target, asked) = server(GOOD);
    let (address, _) = server(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{target}/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let one = policy(CURL, &format!("hosts = ['{address}']"));
    run(
        &scratch,
        &download(&format!("http://{address}/x")),
        Some(&one),
    )
    .expect(1)
    .says("which the policy does not list in `hosts`");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let both = policy(CURL, &format!("hosts = ['{address}', '{target}']"));
    run(
        &scratch,
        &download(&format!("http://{address}/x")),
        Some(&both),
    )
    .expect(0);
}

#[test]
fn a_learned_policy_has_the_hosts_that_servers_led_to() {
    let scratch = Scratch::new();
    let (target, _) = server(GOOD);
    let (address, _) = server(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{target}/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let manifest = download(&format!("http://{address}/x"));
    let run = |option: &str| {
        Program::new("run --export tree")
            .option(option, scratch.path("learned.toml"))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(scratch.json("manifest.json", &manifest))
            .run()
            .expect(0)
    };
    run("--learn");
    std::fs::remove_dir_all(scratch.path("store")).unwrap();
    let learned = std::fs::read_to_string(scratch.path("learned.toml")).unwrap();
    assert!(
        learned.contains(&target) && learned.contains(&address),
        "{learned}"
    );
    run("--policy");
}

#[test]
fn files_of_this_machine_are_planned_by_path_and_a_policy_names_them() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("file"), "hello").unwrap();
    let path = scratch.path("file").display().to_string();
    let directory = scratch.root().display();
    for url in [
        format!("file://{path}"),
        format!("FILE:///{path}"),
        format!("file:{path}"),
        format!("file://localhost{path}"),
        format!("file://{directory}/x/%2e%2e/file"),
    ] {
        let manifest = download(&url);
        let shown = plan(&scratch, &manifest, None).expect(0).json();
        assert_eq!(shown["sources"][0]["files"], json!([path]), "{url}");
        let hosts = policy(CURL, "hosts = ['*']");
        plan(&scratch, &manifest, Some(&hosts))
            .expect(1)
            .says(&format!("file {path} of this machine"));
        run(&scratch, &manifest, Some(&hosts)).expect(1);
        for files in [path.clone(), format!("{directory}/**")] {
            let named = policy(CURL, &format!("files = ['{files}']"));
            run(&scratch, &manifest, Some(&named)).expect(0);
        }
        let elsewhere = policy(CURL, "files = ['/srv/**']");
        plan(&scratch, &manifest, Some(&elsewhere)).expect(1);
        std::fs::remove_dir_all(scratch.path("store")).unwrap();
        run(&scratch, &manifest, None).expect(0);
        std::fs::remove_dir_all(scratch.path("store")).unwrap();
    }
}

#[test]
fn the_lines_that_a_denial_of_a_file_names_allow_it() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("a*b"), "hello").unwrap();
    let manifest = download(&format!("file://{}/a*b", scratch.root().display()));
    let denied = run(&scratch, &manifest, Some(&policy(CURL, ""))).expect(1);
    let text = denied.all();
    let lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[[rule]]");
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let widened = format!("{}\n{}\n", policy(CURL, ""), lines.join("\n"));
    assert!(widened.contains("files = "), "{text}");
    run(&scratch, &manifest, Some(&widened)).expect(0);
}

#[test]
fn what_sources_read_of_this_machine_is_planned() {
    let scratch = Scratch::new();
    let digest = "sha256:".to_owned() + &"0".repeat(64);
    let image = |rest: Value| {
        let mut image =
            json!({ "name": "x", "digest": digest, "containers-transport": "containers-storage" });
        image
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({ "items": { digest.clone(): { "image": image } } })
    };
    let mirror = |kind: &str| {
        json!({
            "items": { HELLO: { "path": "x", "mirror": "m" } },
            "options": { "mirrors": { "m": { "url": "file:///srv/os", "type": kind } } },
        })
    };
    let commit = |url: &str| json!({ "items": { "0".repeat(64): { "remote": { "url": url } } } });
    let cases = [
        (
            "org.osbuild.skopeo",
            image(json!({})),
            json!(["containers-storage"]),
            Value::Null,
        ),
        (
            "org.osbuild.skopeo",
            image(json!({ "storage-location": "/srv/s" })),
            json!(["/srv/s/**"]),
            Value::Null,
        ),
        (
            "org.osbuild.containers-storage",
            json!({ "items": { digest.clone(): {} } }),
            json!(["containers-storage"]),
            Value::Null,
        ),
        (
            "org.osbuild.librepo",
            mirror("baseurl"),
            json!(["/srv/os/**"]),
            Value::Null,
        ),
        (
            "org.osbuild.librepo",
            mirror("mirrorlist"),
            json!(["/srv/os"]),
            json!(["*"]),
        ),
        (
            "org.osbuild.ostree",
            commit("FILE:/srv/repo"),
            json!(["/srv/repo/**"]),
            Value::Null,
        ),
        (
            "org.osbuild.ostree",
            commit("metalink=http://h.example/m"),
            Value::Null,
            json!(["*", "h.example:80"]),
        ),
        (
            "org.osbuild.ostree",
            commit("mirrorlist=http://h.example/m"),
            Value::Null,
            json!(["*", "h.example:80"]),
        ),
    ];
    for (module, source, files, hosts) in cases {
        let mut manifest = manifest::tree(json!([]));
        manifest["sources"] = json!({ module: source });
        let shown = plan(&scratch, &manifest, None).expect(0).json();
        assert_eq!(shown["sources"][0]["files"], files, "{manifest}");
        assert_eq!(shown["sources"][0]["hosts"], hosts, "{manifest}");
        plan(&scratch, &manifest, Some(&policy(module, ""))).expect(1);
    }
}

#[test]
fn the_digest_of_a_file_of_this_machine_is_never_told() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("secret"), "secret").unwrap();
    let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let url = format!("file://{}", scratch.path("secret").display());
    let ended = run(&scratch, &download(&url), None).expect(1);
    assert!(!ended.all().contains(digest), "{}", ended.all());
    // No server has sent it.
    ended
        .says("checksum mismatch")
        .says("hint: the file of this machine is not what the manifest was made for")
        .never_says("the server");
    let json = Program::new("run --json --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", scratch.path("record"))
        .arg(scratch.json("manifest.json", &download(&url)))
        .run()
        .expect(1);
    let record = std::fs::read_to_string(scratch.path("record")).unwrap();
    assert!(!format!("{}{record}", json.all()).contains(digest));
}

#[test]
fn limits_of_a_rule_for_a_source_hold_or_are_refused() {
    let scratch = Scratch::new();
    let (address, asked) = server(GOOD);
    let manifest = download(&format!("http://{address}/x"));
    let hosts = format!("hosts = ['{address}']");
    for word in ["memory = '1 GiB'", "created-inodes = 5", "log-bytes = 5"] {
        let lines = format!("{hosts}\nlimits = {{ {word} }}");
        run(&scratch, &manifest, Some(&policy(CURL, &lines)))
            .expect(2)
            .says("limits no source");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let lines = format!("{hosts}\nlimits = {{ written-bytes = 4 }}");
    run(&scratch, &manifest, Some(&policy(CURL, &lines)))
        .expect(1)
        .says("the limit of 4 bytes for this source is reached");
    let lines = format!("{hosts}\nlimits = {{ written-bytes = 5, time = '1h' }}");
    run(&scratch, &manifest, Some(&policy(CURL, &lines))).expect(0);
}

#[test]
fn a_source_that_takes_too_long_ends() {
    let scratch = Scratch::new();
    // It accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lines = format!("hosts = ['{address}']\nlimits = {{ time = 1 }}");
    run(
        &scratch,
        &download(&format!("http://{address}/x")),
        Some(&policy(CURL, &lines)),
    )
    .expect(1)
    .says("the policy gives this source 1 s");
}

#[test]
fn a_length_that_no_disk_has_is_not_fetched_again() {
    let scratch = Scratch::new();
    let (address, asked) =
        server("HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\nhello");
    run(&scratch, &download(&format!("http://{address}/x")), None)
        .expect(1)
        .says("the limit of 68719476736 bytes for this source is reached");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_lock_file_pins_the_files_that_sources_read() {
    let scratch = Scratch::new();
    let lock = |url: &str, name: &str| {
        let output = scratch.path(name);
        Program::new("lock")
            .option("--output", &output)
            .arg(scratch.json("manifest.json", &download(url)))
            .run()
            .expect(0);
        output
    };
    let old = lock("https://mirror.example.org/x", "old.lock");
    let new = lock("file:///etc/shadow", "new.lock");
    Program::new("audit diff")
        .arg(old)
        .arg(new)
        .run()
        .expect(1)
        .says("file /etc/shadow of this machine");
}

#[test]
fn what_was_changed_in_the_store_is_fetched_again() {
    let scratch = Scratch::new();
    let (address, asked) = server(GOOD);
    let manifest = download(&format!("http://{address}/x"));
    run(&scratch, &manifest, None).expect(0);
    let stored = scratch.path("store/sources/org.osbuild.files").join(HELLO);
    std::fs::write(&stored, "evil!").unwrap();
    // So that the copy is made once more.
    std::fs::remove_dir_all(scratch.path("store/objects")).unwrap();
    run(&scratch, &manifest, None).expect(0);
    let copied = std::fs::read_to_string(scratch.path("out/tree/copied")).unwrap();
    assert_eq!(
        (copied.as_str(), asked.load(Ordering::Relaxed)),
        ("hello", 2)
    );
}

/// A manifest with an image of a registry that no name server knows.
fn image() -> Value {
    let digest = format!("sha256:{}", "1".repeat(64));
    let image = json!({ "name": "registry.invalid/x", "digest": digest.as_str() });
    let mut document = manifest::tree(json!([manifest::hostname("x")]));
    document["sources"] =
        json!({ "org.osbuild.skopeo": { "items": { digest.as_str(): { "image": image } } } });
    document
}

/// A configuration that has another server for that registry.
fn elsewhere(address: &str) -> String {
    format!(
        "[[registry]]\nprefix = \"registry.invalid\"\nlocation = \"{address}\"\ninsecure = true\n"
    )
}

#[test]
fn registries_conf_leads_an_image_nowhere_else_unless_the_plan_says_so() {
    if !machine::offers(&["skopeo"]) {
        return;
    }
    let (own, dropped) = (
        "home/.config/containers/registries.conf",
        "home/.config/containers/registries.conf.d/x.conf",
    );
    // Of the user, one that skopeo cannot do without, and one that is named.
    for (file, variable, is_asked) in [
        (own, false, false),
        (dropped, false, true),
        ("named.conf", true, true),
    ] {
        let (address, asked) =
            server("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let scratch = Scratch::new();
        let file = scratch.write(file, elsewhere(&address));
        let digest = format!("sha256:{}", "1".repeat(64));
        let references = json!({ digest: { "name": "x" } });
        let input = json!({ "type": "org.osbuild.containers", "origin": "org.osbuild.source", "references": references });
        let mut document = image();
        document["pipelines"][0]["stages"] = json!([{
            "type": "org.osbuild.container-deploy", "inputs": { "images": input },
        }]);
        let document = scratch.json("m", &document);
        let with = |command: &str| {
            let program = Program::new(command).env("HOME", scratch.path("home"));
            match variable {
                true => program.env("CONTAINERS_REGISTRIES_CONF", &file),
                false => program,
            }
        };
        let plan = with("plan --format json")
            .arg(&document)
            .run()
            .expect(0)
            .json();
        let files = plan["sources"][0]["files"].to_string();
        assert_eq!(
            files.contains(&*file.to_string_lossy()),
            is_asked,
            "{files}"
        );
        let settings = plan["sources"][0]["settings"].to_string();
        assert!(
            settings.contains("policy.json") && settings.contains("login"),
            "{settings}"
        );
        let rules = "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'elevated'\nhosts = ['registry.invalid']\nprograms = ['*']\n";
        let policy = scratch.write("policy.toml", rules);
        let denied = with("plan").option("--policy", policy).arg(&document).run();
        denied.expect(i32::from(is_asked));
        with("run --export tree")
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(&document)
            .run()
            .expect(1);
        let was_asked = asked.load(Ordering::Relaxed) > 0;
        assert_eq!(was_asked, is_asked, "{}", file.display());
    }
}
