//! A session's own network: nothing, or one way to the runtime's proxy.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use osbuild_wasm_protocol::Failure;

use crate::access::{Access, descriptor_path};
use crate::failure::About;

/// Where a tool finds the proxy, in the network of its session.
const PORT: u16 = 3128;

/// Relays connections of the session's network to the proxy's socket until it is dropped.
#[derive(Debug)]
pub struct Forwarder {
    listener: Arc<TcpListener>,
}

/// Moves the calling thread, and with it all tools of its session, into a network without any way out; if the grant names a proxy,
/// what connects to 127.0.0.1:3128 there reaches it.
pub fn isolate(access: &Access) -> Result<Option<Forwarder>, Failure> {
    osbuild_wasm_sys::namespace::private_network()
        .about("", "make a network of its own for the session")?;
    let Some(proxy) = &access.grant.network else {
        return Ok(None);
    };
    let socket = access.file(proxy.socket)?.try_clone();
    let socket = socket.about("", "copy a descriptor")?;
    // The listener belongs to this thread's network for good; the threads that serve it may be anywhere.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
        .about("proxy", "listen for the proxy's clients")?;
    let listener = Arc::new(listener);
    let accepting = Arc::clone(&listener);
    let thread = std::thread::Builder::new().name("proxy".into());
    thread
        .spawn(move || accept(&accepting, &socket))
        .about("proxy", "start the way to the proxy")?;
    Ok(Some(Forwarder { listener }))
}

impl Forwarder {
    /// What programs need to know.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        let address = format!("http://127.0.0.1:{PORT}");
        ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]
            .map(|name| (name, address.clone()))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // Makes accept() fail, which ends the thread.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, socket: &OwnedFd) {
    while let Ok((client, _)) = listener.accept() {
        // A proxy that is gone is seen by the client as a closed connection.
        if let Ok(proxy) = UnixStream::connect(descriptor_path(socket)) {
            relay(client, proxy);
        }
    }
}

/// Copies both directions, each in a thread that ends with its side.
fn relay(client: TcpStream, proxy: UnixStream) {
    let (Ok(client_too), Ok(proxy_too)) = (client.try_clone(), proxy.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        let _ = io::copy(&mut &client_too, &mut &proxy_too);
        let _ = proxy_too.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = io::copy(&mut &proxy, &mut &client);
        let _ = client.shutdown(Shutdown::Write);
    });
}
