//! Registries that want memory or logins.
use crate::install::Place;
use osbuild_wasm_tests::Ended;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// No server sends more before its reader has to have gone.
const ENOUGH: usize = 256 << 20;

/// Answers every request with the head that `answer` gives for its path, and with zeros without end where that head says so. Gives back
/// how many bytes of zeros were taken, and all heads of requests.
fn serve(requests: usize, answer: fn(&str, u16) -> String) -> (u16, JoinHandle<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (mut sent, mut heads) = (0, String::new());
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            stream
                .set_write_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let head = read_head(&mut stream);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let head_of_answer = answer(&path, port);
            heads += &head;
            if stream.write_all(head_of_answer.as_bytes()).is_err()
                || !head_of_answer.contains("999999999999")
            {
                continue;
            }
            let zeros = [b' '; 64 << 10];
            while sent < ENOUGH && stream.write_all(&zeros).is_ok() {
                sent += zeros.len();
            }
        }
        (sent, heads)
    });
    (port, served)
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

const ENDLESS: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 999999999999\r\n\r\n";

fn challenge(realm: &str) -> String {
    format!(
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"x\"\r\n\r\n"
    )
}

fn install(place: &Place, port: u16) -> Ended {
    // A login, so that there is something to steal.
    let login =
        format!("{{\"auths\": {{\"127.0.0.1:{port}\": {{\"auth\": \"dXNlcjpzZWNyZXQ=\"}}}}}}");
    place
        .program("plugin install")
        .arg(format!(
            "oci://127.0.0.1:{port}/a/b@sha256:{}",
            "0".repeat(64)
        ))
        .env(
            "REGISTRY_AUTH_FILE",
            place.scratch.write("auth.json", login),
        )
        .run()
}

#[test]
fn a_registry_cannot_fill_the_memory_by_a_manifest() {
    let place = Place::new();
    let (port, served) = serve(1, |_, _| ENDLESS.to_owned());
    install(&place, port)
        .expect(1)
        .says("it is larger than 4194304 bytes");
    let (sent, _) = served.join().unwrap();
    assert!(sent < ENOUGH / 2, "{sent} bytes were taken");
}

#[test]
fn a_registry_cannot_fill_the_memory_by_a_token() {
    let place = Place::new();
    let (port, served) = serve(2, |path, port| match path.starts_with("/token") {
        true => ENDLESS.to_owned(),
        false => challenge(&format!("http://127.0.0.1:{port}/token")),
    });
    install(&place, port)
        .expect(1)
        .says("it is larger than 65536 bytes");
    let (sent, _) = served.join().unwrap();
    assert!(sent < ENOUGH / 2, "{sent} bytes were taken");
}

#[test]
fn a_login_goes_to_no_token_server_of_another_owner_and_never_in_clear() {
    for (realm, says) in [
        (
            "http://registry.example/token",
            "its connection is not secured",
        ),
        (
            "https://evil.example/token",
            "does not go to another owner's server",
        ),
    ] {
        let place = Place::new();
        let (port, served) = match realm.starts_with("https") {
            true => serve(1, |_, _| challenge("https://evil.example/token")),
            false => serve(1, |_, _| challenge("http://registry.example/token")),
        };
        install(&place, port).expect(1).says(says);
        let (_, heads) = served.join().unwrap();
        assert!(!heads.contains("dXNlcjpzZWNyZXQ="), "{heads}");
    }
}
