//! The databases under test: a file of SQLite, and a server of PostgreSQL that this process starts once, in a directory of its own.
#![allow(dead_code, reason = "each test uses a part")]
use osbuild_wasm_jobs::Store;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// What directories of servers begin with; the id of the process follows.
const PREFIX: &str = "osbuild-wasm-postgres-";

/// A store with what has to live as long as it.
pub struct Database {
    pub store: Arc<dyn Store>,
    pub url: String,
    _directory: Option<TempDir>,
}

/// An empty database in a file.
pub async fn sqlite() -> Option<Database> {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("composer.db").display());
    let store = osbuild_wasm_jobs::open(&url, 1).await.unwrap();
    Some(Database {
        store,
        url,
        _directory: Some(directory),
    })
}

/// An empty database of the server; `None` where PostgreSQL is not installed, which CI takes for a failure.
pub async fn postgres() -> Option<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = server() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PostgreSQL is not installed"
        );
        eprintln!("skipped: PostgreSQL is not installed");
        return None;
    };
    let url = server.database(&format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let store = osbuild_wasm_jobs::open(&url, 4).await.unwrap();
    Some(Database {
        store,
        url,
        _directory: None,
    })
}

/// A server of PostgreSQL.
pub struct Server {
    programs: PathBuf,
    directory: TempDir,
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref()
}

impl Server {
    /// Starts a server; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .max()?;
        sweep();
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in("/tmp")
            .unwrap();
        // The server refuses to run as root: it is the user of Debian's package then, who has to reach the directory.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let server = Self {
            programs,
            directory,
        };
        server.run(&[
            "initdb",
            "-D",
            &server.data(),
            "-U",
            "osbuild",
            "-A",
            "trust",
            "--no-sync",
        ]);
        server.serve();
        Some(server)
    }

    /// Makes a database; its URL.
    pub fn database(&self, name: &str) -> String {
        self.run(&["createdb", "-h", self.socket(), "-U", "osbuild", name]);
        format!(
            "postgresql://osbuild@localhost/{name}?host={}",
            self.socket()
        )
    }

    /// Kills the server at once.
    pub fn kill(&self) {
        let file = std::fs::read_to_string(format!("{}/postmaster.pid", self.data())).unwrap();
        let status = Command::new("kill")
            .args(["-9", file.lines().next().unwrap()])
            .status();
        assert!(status.unwrap().success());
    }

    /// The directory of its socket.
    pub fn socket(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    fn data(&self) -> String {
        format!("{}/data", self.socket())
    }

    /// A program of PostgreSQL, which ends with this process at the latest.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "SIGQUIT"])
            .stdin(Stdio::null())
            .current_dir("/");
        if is_root() {
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--clear-groups",
            ]);
        }
        command.arg(program);
        command
    }

    fn run(&self, words: &[&str]) {
        let output = self.command(words[0]).args(&words[1..]).output().unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts the server, if need be again after it was killed. It gets its death signal when the thread that started it ends, so that thread stays.
    pub fn serve(&self) {
        // Processes of the killed one end by themselves, and hold the directory until then.
        let started = (0..100).any(|_| {
            self.try_to_serve() || {
                std::thread::sleep(Duration::from_millis(100));
                false
            }
        });
        assert!(started, "PostgreSQL did not start");
    }

    fn try_to_serve(&self) -> bool {
        let mut command = self.command("postgres");
        command.args([
            "-D",
            &self.data(),
            "-k",
            self.socket(),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]);
        command
            .args(["-c", "max_connections=400"])
            .stderr(Stdio::piped());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            let mut stderr = child.stderr.take().unwrap();
            let (mut log, mut piece) = (String::new(), [0; 4096]);
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                log.push_str(&String::from_utf8_lossy(&piece[..length]));
                if log.contains("ready to accept connections") {
                    let _ = sender.send(());
                    log.clear();
                }
            }
            child.wait().unwrap();
        });
        // One that does not start closes the channel.
        receiver.recv_timeout(Duration::from_secs(60)).is_ok()
    }
}

/// Removes the directories of processes that are gone: nothing of a process runs at its end that could.
fn sweep() {
    for entry in std::fs::read_dir("/tmp").unwrap().filter_map(Result::ok) {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
