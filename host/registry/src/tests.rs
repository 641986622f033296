use crate::{Access, Login, Scope, access};
use osbuild_wasm_manifest::location::Location;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A server that answers everything in the same way, and the heads of the requests.
fn server(answer: impl Into<String>) -> (Location, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (answer, seen) = (answer.into(), Arc::new(Mutex::new(Vec::new())));
    let heads = seen.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            heads
                .lock()
                .unwrap()
                .push(lines.collect::<Vec<_>>().join("\n"));
            _ = stream.write_all(answer.as_bytes());
        }
    });
    (Location::parse(&url).unwrap(), seen)
}

fn head(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn wants(challenge: &str) -> String {
    head(
        "401 Unauthorized",
        &format!("WWW-Authenticate: {challenge}\r\n"),
        "",
    )
}

fn asked(registry: &Location) -> Result<Access, String> {
    asked_by(
        registry,
        Login::Password {
            user: "user".into(),
            password: "secret".into(),
        },
    )
}

fn asked_by(registry: &Location, login: Login) -> Result<Access, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .unwrap()
        .block_on(access(registry, "a/b", Scope::Pull, login))
}

#[test]
fn a_login_is_given_for_a_token_at_a_server_of_the_same_name() {
    let (realm, seen) = server(head("200 OK", "", r#"{"token": "t"}"#));
    let challenge = format!(r#"Bearer realm="{}auth",service="s""#, realm.url());
    let (registry, heads) = server(wants(&challenge));
    assert!(asked(&registry).unwrap() == Access::Token("t".into()));
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].starts_with("GET /auth?scope=repository%3Aa%2Fb%3Apull&service=s "),
        "{seen:?}"
    );
    assert!(seen[0].contains("Basic dXNlcjpzZWNyZXQ="), "{seen:?}");
    let heads = heads.lock().unwrap();
    assert!(
        heads[0].starts_with("GET /v2/ ") && !heads[0].contains("Basic"),
        "{heads:?}"
    );
}

#[test]
fn a_login_is_not_told_to_a_server_of_another_name_nor_along_a_redirect() {
    let (other, seen) = server(head("200 OK", "", r#"{"token": "t"}"#));
    let elsewhere = other.url().as_str().replace("127.0.0.1", "localhost");
    for realm in [
        elsewhere.clone(),
        elsewhere.replace("http:", "HTTP:"),
        "https://registry.example/auth".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let (registry, _) = server(wants(&format!(r#"Bearer realm="{realm}""#)));
        assert!(asked(&registry).is_err(), "{realm}");
    }
    let (realm, _) = server(head("302 Found", &format!("Location: {elsewhere}\r\n"), ""));
    let (registry, _) = server(wants(&format!(r#"Bearer realm="{}""#, realm.url())));
    let error = asked(&registry).unwrap_err();
    assert!(error.contains("gives no token"), "{error}");
    let (registry, _) = server(head("307 Moved", &format!("Location: {elsewhere}\r\n"), ""));
    assert!(asked(&registry).unwrap() == Access::Anonymous);
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn nobody_gets_a_token_anywhere_but_in_clear_from_other_machines() {
    let (realm, seen) = server(head("200 OK", "", r#"{"access_token": "t"}"#));
    let elsewhere = realm.url().as_str().replace("127.0.0.1", "localhost");
    let (registry, _) = server(wants(&format!(r#"Bearer realm="{elsewhere}""#)));
    assert!(asked_by(&registry, Login::None).unwrap() == Access::Token("t".into()));
    assert!(!seen.lock().unwrap()[0].contains("Basic"));
    let (registry, _) = server(wants(r#"Bearer realm="http://registry.example/auth""#));
    let error = asked_by(&registry, Login::None).unwrap_err();
    assert!(error.contains("its connection is not secured"), "{error}");
    let (registry, _) = server(wants(r#"Basic realm="x""#));
    assert!(asked_by(&registry, Login::None).unwrap() == Access::Anonymous);
}

#[test]
fn a_registry_that_wants_the_login_itself_gets_it_and_others_nothing() {
    let (registry, _) = server(wants(r#"Basic realm="x""#));
    assert!(matches!(asked(&registry).unwrap(), Access::Login { .. }));
    let (registry, _) = server(head("200 OK", "", ""));
    assert!(asked(&registry).unwrap() == Access::Anonymous);
}
