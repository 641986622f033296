//! Proxies of the caller's environment: a plan shows them, a policy judges them, a record tells them, and secrets stay where they were.
use super::sources::{CURL, GOOD, download, policy, server};
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// A command with the proxy of a variable, and a policy that lists these hosts.
fn with(command: &str, variable: (&str, &str), policy: &std::path::Path) -> Program {
    Program::new(command)
        .env(variable.0, variable.1)
        .option("--policy", policy)
}

fn into(program: Program, scratch: &Scratch, name: &str) -> Program {
    program
        .option("--store", scratch.path(&format!("store-{name}")))
        .option("--output-directory", scratch.path(&format!("out-{name}")))
}

fn hosts(hosts: &[&str]) -> String {
    policy(CURL, &format!("hosts = {}", json!(hosts)))
}

#[test]
fn a_proxy_of_the_environment_is_planned_judged_and_recorded_without_its_password() {
    for variable in [
        "http_proxy",
        "all_proxy",
        "ALL_PROXY",
        "OSBUILD_SOURCES_CURL_PROXY",
    ] {
        let (scratch, (address, asked)) = (Scratch::new(), server(GOOD));
        let manifest = scratch.json("manifest.json", &download("http://files.invalid/x"));
        let proxy = format!("http://anna:geheim@{address}");
        let variable = (variable, &*proxy);
        let strict = scratch.write("strict.toml", hosts(&["files.invalid"]));
        let wide = scratch.write("wide.toml", hosts(&["files.invalid", &address]));

        let plan = with("plan --format json", variable, &wide);
        let plan = plan.arg(&manifest).run().expect(0);
        assert_eq!(plan.json()["sources"][0]["proxies"], json!([address]));
        let shown = with("plan", variable, &wide).arg(&manifest).run().expect(0);
        let line = format!("{address} (proxy)");
        assert!(shown.stdout.contains(&line), "{}", shown.stdout);

        let denied = with("plan", variable, &strict).arg(&manifest).run();
        let denied = denied.expect(1);
        let refused = with("run --export tree", variable, &strict);
        let refused = into(refused, &scratch, "strict").arg(&manifest).run();
        let refused = refused.expect(1);
        let named = format!("{address}, the proxy of the environment");
        assert!(refused.stderr.contains(&named), "{}", refused.stderr);
        assert_eq!(asked.load(Ordering::Relaxed), 0);

        let record = scratch.path("record.json");
        let built = with("run --export tree", variable, &wide).option("--record", &record);
        let built = into(built, &scratch, "wide").arg(&manifest).run().expect(0);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let record = std::fs::read_to_string(record).unwrap();
        let recorded: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(recorded["sources"][0]["proxies"], json!([address]));
        for text in [
            &plan.stdout,
            &shown.stdout,
            &denied.stdout,
            &denied.stderr,
            &refused.stderr,
            &built.stdout,
            &built.stderr,
            &record,
        ] {
            assert!(!text.contains("geheim"), "{text}");
        }
    }
}

#[test]
fn a_host_that_is_exempt_is_asked_straight() {
    let (scratch, (address, asked)) = (Scratch::new(), server(GOOD));
    let (proxy, asked_proxy) = server(GOOD);
    let manifest = scratch.json("manifest.json", &download(&format!("http://{address}/x")));
    let strict = scratch.write("strict.toml", hosts(&[&address]));
    for exempt in ["127.0.0.1", "127.0.0.0/8", "*"] {
        let variable = ("all_proxy", &*proxy);
        let built = with("run --export tree", variable, &strict).env("no_proxy", exempt);
        let name = exempt.replace(['/', '*'], "x");
        into(built, &scratch, &name).arg(&manifest).run().expect(0);
    }
    let counts = [asked, asked_proxy].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [3, 0]);
}

#[test]
fn a_proxy_that_only_a_redirect_leads_through_is_judged_too() {
    let (scratch, (proxy, asked)) = (Scratch::new(), server(GOOD));
    let leads = "HTTP/1.1 302 Found\r\nLocation: https://files.invalid/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (address, _) = server(leads);
    let manifest = scratch.json("manifest.json", &download(&format!("http://{address}/x")));
    let policy = scratch.write("policy.toml", hosts(&[&address, "files.invalid"]));
    let refused = with("run --export tree", ("https_proxy", &proxy), &policy);
    let refused = into(refused, &scratch, "x").arg(&manifest).run().expect(1);
    let named = format!("is behind the proxy {proxy} of the environment");
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_variable_without_proxy_is_refused_before_the_run_and_its_value_not_shown() {
    let scratch = Scratch::new();
    let manifest = scratch.json("manifest.json", &download("http://files.invalid/x"));
    for command in ["plan", "run --export tree"] {
        let refused = Program::new(command).env("http_proxy", "geheim@@:x");
        let refused = match command {
            "plan" => refused,
            _ => into(refused, &scratch, "x"),
        };
        let refused = refused.arg(&manifest).run().expect(1);
        let expected = "the variable http_proxy does not hold the URL of a proxy";
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert!(!refused.stderr.contains("geheim"), "{}", refused.stderr);
    }
}
