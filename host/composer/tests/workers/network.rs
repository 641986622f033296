//! A network between two programs that can be cut: a socket whose connections go on to another one.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    is_cut: bool,
    connections: Vec<UnixStream>,
}

/// The network.
pub struct Network {
    state: Arc<Mutex<State>>,
}

impl Network {
    /// A network from one socket to another.
    pub fn new(from: PathBuf, to: PathBuf) -> Self {
        let listener = UnixListener::bind(from).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.lock().unwrap().connect(stream, &to);
            }
        });
        Self { state }
    }

    /// Ends all connections, and lets nobody through until it is mended.
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_cut = true;
        for stream in state.connections.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().is_cut = false;
    }
}

impl State {
    fn connect(&mut self, client: UnixStream, to: &Path) {
        if self.is_cut {
            return;
        }
        let Ok(server) = UnixStream::connect(to) else {
            return;
        };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || carry(from, to));
        }
        self.connections.extend([client, server]);
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream) {
    let mut piece = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A web server with one document, until the process ends; its URL.
pub fn web_server(path: &str, document: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (wanted, document) = (format!("GET {path} "), document.to_owned());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let is_there = request[..length].starts_with(wanted.as_bytes());
            let (status, body) = match is_there {
                true => ("200 OK", document.as_str()),
                false => ("404 Not Found", ""),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}
