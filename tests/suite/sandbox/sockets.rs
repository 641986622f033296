//! The network.
use osbuild_wasm_tests::{Scratch, hostile};
use serde_json::json;
use std::net::TcpListener;

#[test]
fn every_use_of_the_network_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("bound").to_string();
    let ended = hostile::stage(&Scratch::new(), "sockets", json!({ "address": address }))
        .run()
        .expect(1);
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        4,
        "{}",
        ended.all()
    );
    assert!(listener.accept().is_err(), "nobody connected");
}
