//! The way to the proxy.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use osbuild_wasm_protocol::Interface;

use crate::support::{Bench, can_run, run};

#[test]
fn the_proxy_is_the_only_way_out() {
    if !can_run(&["curl"]) {
        return;
    }
    let mut bench = Bench::granting(&["curl"]);
    let socket = bench.top().join("proxy");
    let listener = UnixListener::bind(&socket).unwrap();
    bench.proxy = Some(socket);
    let proxy = std::thread::spawn(move || {
        let mut request = [0; 4096];
        let (mut client, _) = listener.accept().unwrap();
        let count = client.read(&mut request).unwrap();
        client
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            .unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let outcome = session
        .run(run("curl", &["-s", "http://packages.example/repodata"]))
        .unwrap();
    assert_eq!(
        (outcome.status, outcome.output.0.as_slice()),
        (0, &b"hello"[..]),
        "{}",
        bench.log()
    );
    assert!(
        proxy
            .join()
            .unwrap()
            .starts_with("GET http://packages.example/repodata HTTP/1.1")
    );
    let direct = session
        .run(run("curl", &["-s", "--noproxy", "*", "http://192.0.2.1/"]))
        .unwrap();
    assert_eq!(direct.status, 7, "a direct connection must fail");
}
