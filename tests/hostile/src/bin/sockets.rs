//! Talks to the network by its standard library.
#![forbid(unsafe_code)]
use osbuild_hostile::Attempts;
use osbuild_stage::Arguments;
use serde::Deserialize;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    /// Somebody listens there.
    address: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let address = arguments.options.address.as_str();
        let mut attempts = Attempts::default();
        attempts.note("connect", TcpStream::connect(address).map(|_| "connected"));
        attempts.note(
            "listen",
            TcpListener::bind("127.0.0.1:0").map(|_| "listening"),
        );
        let sent = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", address));
        attempts.note("send", sent);
        let found = ("localhost", 80).to_socket_addrs();
        attempts.note("look up", found.map(|mut found| found.next().is_some()));
        attempts.conclude()
    })
}
