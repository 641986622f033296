//! The real programs: a composer, a worker and what builds, over a distribution of one package.
use crate::network::Network;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_composer::catalogue::{Catalogue, Places};
use osbuild_wasm_composer::service::{
    Artefacts, Caller, ComposeEntry, ComposeRequest, ImageWish, Service, Target,
};
use osbuild_wasm_jobs::{JobId, JobQueue, Limits, SystemClock};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

const DEFINITIONS: &str = include_str!("tiny.yaml");

const BUILDER: &str = include_str!("builder.sh");

/// The directory of a service, with what its programs are told.
pub struct Machine {
    pub directory: TempDir,
    database: String,
    builder: PathBuf,
    pub network: Network,
    pub service: Service,
}

/// A program, which is killed when the value goes.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of the workspace.
pub fn program(name: &str) -> PathBuf {
    let composer = Path::new(env!("CARGO_BIN_EXE_osbuild-wasm-composer"));
    composer.with_file_name(name)
}

impl Machine {
    /// A machine over a database; SQLite without one.
    pub async fn new(database: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["definitions/tiny", "repositories", "state", "worker"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["state", "worker"] {
            fs::set_permissions(at(name), PermissionsExt::from_mode(0o700)).unwrap();
        }
        fs::write(at("definitions/tiny/tiny.yaml"), DEFINITIONS).unwrap();
        repository(&at("rpm"));
        let repository = json!({ "name": "tiny", "baseurl": format!("file://{}", at("rpm").display()), "check_gpg": false });
        let repositories = json!({ "x86_64": [repository] }).to_string();
        fs::write(at("repositories/tiny-1.json"), repositories).unwrap();
        let builder = at("builder");
        let real = program("osbuild-wasm").display().to_string();
        fs::write(&builder, BUILDER.replace("REAL", &real)).unwrap();
        fs::set_permissions(&builder, PermissionsExt::from_mode(0o755)).unwrap();
        let file = || format!("sqlite:{}", at("state/composer.db").display());
        let database = database.map_or_else(file, str::to_owned);
        let network = Network::new(at("network.socket"), at("job.socket"));
        let service = service(&directory, &database).await;
        Self {
            directory,
            database,
            builder,
            network,
            service,
        }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Has the composer reach its database by another URL than this process.
    pub fn with_database(mut self, url: String) -> Self {
        self.database = url;
        self
    }

    /// Starts the composer of the workers.
    pub fn composer(&self) -> Running {
        self.composer_at("job.socket", "api.socket", "cache")
    }

    /// Starts another composer over the same database, to which no worker comes.
    pub fn other_composer(&self) -> Running {
        self.composer_at("other-job.socket", "other-api.socket", "other-cache")
    }

    /// Starts a composer, which takes jobs from workers that were silent for 4 seconds.
    fn composer_at(&self, workers: &str, clients: &str, cache: &str) -> Running {
        let settings = "[osbuild-wasm]\njob_timeout = \"4s\"\n";
        fs::write(self.at("composer.toml"), settings).unwrap();
        let mut command = Command::new(program("osbuild-wasm-composer"));
        let paths = [
            ("--config", "composer.toml"),
            ("--weldr-socket", clients),
            ("--worker-socket", workers),
            ("--state", "state"),
            ("--cache", cache),
            ("--definitions", "definitions"),
            ("--repositories", "repositories"),
        ];
        for (option, path) in paths {
            command.arg(option).arg(self.at(path));
        }
        command.arg("--database").arg(&self.database);
        command.args(["--distro", "tiny-1", "--no-worker"]);
        self.start(command, "composer.log")
    }

    /// Starts a worker, over the network, with more options.
    pub fn worker(&self, options: &[&str]) -> Running {
        let mut command = Command::new(program("osbuild-wasm-worker"));
        let socket = self.at("network.socket");
        command
            .arg("--server")
            .arg(format!("unix:{}", socket.display()));
        command.arg("--cache").arg(self.at("worker/cache"));
        command.arg("--program").arg(&self.builder);
        command.args(["--heartbeat", "1"]).args(options);
        self.start(command, "worker.log")
    }

    fn start(&self, mut command: Command, log: &str) -> Running {
        let mut options = fs::File::options();
        let log = options.create(true).append(true).open(self.at(log));
        command.stdin(Stdio::null()).stderr(log.unwrap());
        Running(command.spawn().unwrap())
    }

    /// What a program has told so far.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// Asks for an archive of a blueprint; none where the database did not take it.
    pub async fn ask(&self, blueprint: &str) -> Option<JobId> {
        let blueprint = Blueprint::from_toml(blueprint).unwrap().blueprint;
        self.ask_for(blueprint).await
    }

    /// The same of a blueprint that was read.
    pub async fn ask_for(&self, blueprint: Blueprint) -> Option<JobId> {
        let target = Target {
            distro: "tiny-1".into(),
            arch: "x86_64".into(),
        };
        let wish = ImageWish {
            image_type: "tar".into(),
            ..ImageWish::new(target, blueprint, "test")
        };
        let document = Value::Null;
        let request = ComposeRequest { wish, document };
        let asked = self.service.start_compose(&Caller::local(), request).await;
        asked.inspect_err(|error| eprintln!("{error:?}")).ok()
    }

    /// Waits for something to be told.
    pub async fn wait_for<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            let logs = [self.log("composer.log"), self.log("worker.log")].join("\n---\n");
            assert!(tokio::time::Instant::now() < end, "{what}:\n{logs}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A compose that is over.
    pub async fn over(&self, id: JobId) -> ComposeEntry {
        self.wait_for("the compose does not end", async || {
            // A database that was killed is not there at once.
            let entry = self.service.compose(&Caller::local(), id).await.ok()?;
            entry.state.is_final().then_some(entry)
        })
        .await
    }

    /// Waits until the worker has a job of that kind.
    pub async fn begun(&self, kind: &str, id: JobId) {
        let line = format!("job {id}: {kind}");
        self.wait_for("the job is not taken", async || {
            self.log("worker.log").contains(&line).then_some(())
        })
        .await;
    }
}

impl Machine {
    /// The image of a finished compose is whole: its checksum stands behind it.
    pub fn check_image(&self, entry: &ComposeEntry) {
        let directory = self.at("state/artifacts").join(entry.job.id.to_string());
        let image = fs::read(directory.join("root.tar")).unwrap();
        assert_eq!(image.len(), 4_194_304 + 64);
        let (bytes, sum) = image.split_at(4_194_304);
        let mut child = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout[..64], *sum);
    }

    /// Whether no directory of a job, no half-sent file and no program is there any longer.
    pub async fn nothing_is_left(&self) -> bool {
        let is_empty = |directory: &str, prefix: &str| {
            let entries = fs::read_dir(self.at(directory)).into_iter().flatten();
            let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            !names.any(|name| name.starts_with(prefix))
        };
        self.wait_for("something is left", async || {
            let is_clean = is_empty("worker/cache", "job-") && is_empty("state/artifacts/tmp", "");
            is_clean.then_some(())
        })
        .await;
        self.no_builder_runs().await
    }

    /// Waits until all that workers have started in directories of jobs has ended.
    pub async fn no_builder_runs(&self) -> bool {
        let directory = self.at("worker/cache");
        let runs = |entry: fs::DirEntry| {
            let place = fs::read_link(entry.path().join("cwd"));
            place.is_ok_and(|place| place.starts_with(&directory))
        };
        self.wait_for("a program is left", async || {
            let mut processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            (!processes.any(runs)).then_some(())
        })
        .await;
        true
    }
}

/// The service in this process, over the same database and directories.
async fn service(directory: &TempDir, database: &str) -> Service {
    let store = osbuild_wasm_jobs::open(database, 4).await.unwrap();
    let clock = Arc::new(SystemClock);
    let queue = JobQueue::new(store, clock.clone(), Limits::default());
    let at = |name: &str| directory.path().join(name);
    let places = Places {
        definitions: vec![at("definitions")],
        repositories: Some(at("repositories")),
        cache: at("own-cache"),
        distro: Some("tiny-1".into()),
        ..Places::default()
    };
    let catalogue = Catalogue::load(places).unwrap();
    let artefacts = Artefacts::open(at("state/artifacts")).await.unwrap();
    Service::new(queue, Arc::new(catalogue), artefacts, clock)
}

/// A repository with one package of one file.
fn repository(directory: &Path) {
    let spec = "Name: tiny\nVersion: 1\nRelease: 1\nSummary: Tiny\nLicense: MIT\nBuildArch: noarch\nProvides: coreutils, xz, rpm, tar\n%description\nTiny.\n%install\nmkdir -p %{buildroot}/usr/share\necho tiny > %{buildroot}/usr/share/tiny\n%files\n/usr/share/tiny\n";
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("tiny.spec"), spec).unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(words[0])
            .args(&words[1..])
            .current_dir(directory)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {told}");
    };
    let top = format!("_topdir {}/build", directory.display());
    let rpms = format!("_rpmdir {}", directory.display());
    run(&[
        "rpmbuild",
        "-bb",
        "--define",
        &top,
        "--define",
        &rpms,
        "tiny.spec",
    ]);
    run(&["createrepo_c", "--quiet", "."]);
}
