//! The composer in this process, over SQLite, with packages that a test invents.
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use osbuild_wasm_composer::door::{Gate, Peer};
use osbuild_wasm_composer::service::{
    Artefacts, DeniedTypes, Error, Image, ImageWish, Images, PackageInfo, PipelineNames, Result,
    Service, Solved, Target, Wish, matches,
};
use osbuild_wasm_composer::{weldr, workers};
use osbuild_wasm_generator::content::{Repository, Transaction};
use osbuild_wasm_jobs::{JobQueue, Limits, ManualClock};
use osbuild_wasm_resolve::jobs::{Containers, Depsolve, JobPackage, Question};
use osbuild_wasm_tasks::{Failure, JobError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

/// A composer and its clock.
pub struct Composer {
    router: Router,
    workers: Router,
    pub service: Service,
    pub queue: JobQueue,
    pub directory: TempDir,
    pub clock: Arc<ManualClock>,
}

/// What a request was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub kind: String,
    pub disposition: String,
    pub bytes: Vec<u8>,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Id and text of the only error.
    pub fn error(&self) -> (u16, String, String) {
        let body = self.json();
        assert_eq!(body["status"], false, "{body}");
        assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
        let text = |key: &str| body["errors"][0][key].as_str().unwrap().to_owned();
        (self.status.as_u16(), text("id"), text("msg"))
    }
}

impl Composer {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("composer.db").display());
        let store = osbuild_wasm_jobs::open(&url, 1).await.unwrap();
        let clock = Arc::new(ManualClock::at("2026-05-04T03:02:01Z".parse().unwrap()));
        let queue = JobQueue::new(store, clock.clone(), Limits::default());
        let artefacts = Artefacts::open(directory.path().join("artefacts"))
            .await
            .unwrap();
        let service = Service::new(queue.clone(), Arc::new(Invented), artefacts, clock.clone());
        let patient = workers::Options {
            patience: Some(Duration::from_millis(1)),
            ..workers::Options::default()
        };
        let workers = workers::router(service.clone(), patient, Gate::Local);
        Self {
            router: weldr::router(service.clone(), denied()),
            workers,
            service,
            queue,
            directory,
            clock,
        }
    }

    /// Sends a request to the worker API.
    pub async fn worker(&self, method: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/api/worker/v1{path}");
        ask(
            &self.workers,
            method,
            &path,
            Some("application/json"),
            body.to_string(),
        )
        .await
    }

    /// Sends a request to the worker API as it is.
    pub async fn worker_raw(
        &self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: &str,
    ) -> Answer {
        ask(&self.workers, method, path, kind, body.to_owned()).await
    }

    /// Sends a body to the worker API piece by piece.
    pub async fn worker_streams(&self, method: &str, path: &str, body: Body) -> Answer {
        ask(&self.workers, method, path, None, body).await
    }

    /// Sends a request with a body of a type; no type: no header.
    pub async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: &str) -> Answer {
        ask(&self.router, method, path, kind, body.to_owned()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, "").await
    }

    /// Pushes a blueprint that has to be taken.
    pub async fn push(&self, toml: &str) {
        let answer = self
            .send("POST", "/api/v1/blueprints/new", Some("text/x-toml"), toml)
            .await;
        assert_eq!(answer.text, "{\"status\":true}\n");
    }
}

/// Sends a request as it is.
pub async fn send(router: &Router, request: Request<impl Into<Body>>) -> axum::response::Response {
    let mut request = request.map(Into::into);
    request.extensions_mut().insert(Peer::Socket);
    router.clone().oneshot(request).await.unwrap()
}

/// Sends a request and reads its answer.
pub async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    kind: Option<&str>,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let response = send(router, request.body(body).unwrap()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned()
    };
    let (kind, disposition) = (
        text(header::CONTENT_TYPE),
        text(header::CONTENT_DISPOSITION),
    );
    let bytes = response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer {
        status,
        kind,
        disposition,
        bytes,
        text,
    }
}

/// An administrator who wants no images for one cloud.
fn denied() -> DeniedTypes {
    DeniedTypes::new(vec![("fedora-*".into(), vec!["vmdk".into()])])
}

/// Two distributions with a handful of packages.
struct Invented;

const PACKAGES: [(&str, u64, &str, &str); 4] = [
    ("kernel", 0, "6.1.0", "1.fc43"),
    ("tmux", 0, "3.5", "2.fc43"),
    ("vim", 2, "9.1", "7.fc43"),
    ("vim-data", 2, "9.1", "7.fc43"),
];

fn solved((name, epoch, version, release): (&str, u64, &str, &str)) -> Solved {
    Solved {
        name: name.into(),
        epoch,
        version: version.into(),
        release: release.into(),
        arch: "x86_64".into(),
        checksum: format!("sha256:{name}"),
        location: format!("http://mirror/{name}.rpm"),
        repository: "fedora".into(),
        check_gpg: true,
        files: Vec::new(),
    }
}

impl Images for Invented {
    fn host_arch(&self) -> &str {
        "x86_64"
    }

    fn host_distro(&self) -> Option<&str> {
        Some("fedora-43")
    }

    fn distro(&self, name: &str) -> Option<String> {
        let full = if name == "rhel-84" { "rhel-8.4" } else { name };
        ["fedora-43", "rhel-8.4"]
            .contains(&full)
            .then(|| full.to_owned())
    }

    fn distros(&self, arch: &str) -> Vec<String> {
        let distros: &[&str] = match arch {
            "x86_64" => &["fedora-43", "rhel-8.4"],
            "aarch64" => &["fedora-43"],
            _ => &[],
        };
        distros.iter().map(ToString::to_string).collect()
    }

    fn image_types(&self, target: &Target) -> Vec<String> {
        let types: &[&str] = if target.distro == "fedora-43" {
            &["ami", "qcow2", "vmdk"]
        } else {
            &[]
        };
        types.iter().map(ToString::to_string).collect()
    }

    fn image_type(&self, target: &Target, name: &str) -> Option<String> {
        let name = match name {
            "server-qcow2" => "qcow2",
            "esx" => "vmdk",
            name => name,
        };
        self.image_types(target)
            .into_iter()
            .find(|known| known == name)
    }

    fn repositories_for(&self, target: &Target, _: &str) -> Result<Vec<Repository>> {
        self.repositories(target)
    }

    fn repositories(&self, _: &Target) -> Result<Vec<Repository>> {
        let repository = |name: &str| Repository {
            name: name.into(),
            baseurls: vec![format!("http://mirror/{name}/")],
            gpgkeys: vec!["KEY".into()],
            check_gpg: Some(true),
            ..Repository::default()
        };
        Ok(vec![repository("fedora"), repository("a-updates")])
    }

    fn depsolve(
        &self,
        _: &Target,
        repositories: &[Repository],
        wish: &Wish,
        _: &AtomicBool,
    ) -> Result<Vec<Solved>> {
        if repositories
            .iter()
            .any(|repository| repository.id == "broken")
        {
            return Err(Error::Packages("broken: the server does not answer".into()));
        }
        if repositories
            .iter()
            .any(|repository| repository.id == "torn")
        {
            return Err(Error::Unsolvable("nothing provides it".into()));
        }
        let known = |word: &String| PACKAGES.iter().any(|package| matches(word, package.0));
        if let Some(unknown) = wish
            .packages
            .iter()
            .find(|word| !word.contains('*') && !known(word))
        {
            return Err(Error::Unsolvable(format!("no package {unknown}")));
        }
        let chosen = PACKAGES
            .into_iter()
            .filter(|package| wish.packages.iter().any(|word| matches(word, package.0)));
        Ok(chosen.map(solved).collect())
    }

    fn search(
        &self,
        _: &Target,
        repositories: &[Repository],
        patterns: &[String],
        cancel: &AtomicBool,
    ) -> Result<Vec<PackageInfo>> {
        // A server that does not answer, as long as anybody waits for it.
        let is_silent = |repository: &Repository| repository.id == "silent";
        while repositories.iter().any(is_silent) && !cancel.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if repositories
            .iter()
            .any(|repository| repository.id == "broken")
        {
            return Err(Error::Packages("broken: the server does not answer".into()));
        }
        let fits = |name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
        };
        let older = ("tmux", 0, "3.4", "1.fc43");
        let found = PACKAGES
            .into_iter()
            .chain([older])
            .filter(|package| fits(package.0));
        let info = |package: (&str, u64, &str, &str)| PackageInfo {
            summary: format!("{} in one line", package.0),
            description: format!("{} at length", package.0),
            homepage: format!("http://{}/", package.0),
            license: "MIT".into(),
            build_time: 1_700_000_000,
            package: solved(package),
        };
        Ok(found.map(info).collect())
    }

    fn image(&self, wish: &ImageWish) -> Result<Image> {
        match &*wish.image_type {
            "qcow2" | "edge-installer" | "vmdk" | "esx" => {}
            "no-container" => return Err(Error::Container("the registry does not answer".into())),
            "no-commit" => return Err(Error::Commit("there is no such ref".into())),
            "tar" => return Err(Error::Manifest("blueprint validation failed".into())),
            other => return Err(Error::ImageType(format!("invalid image type: {other}"))),
        }
        let transaction = Transaction {
            include: wish.blueprint.package_specs(),
            repositories: wish.payload_repositories.clone(),
            ..Transaction::default()
        };
        let mut questions = vec![Question::Depsolve(Depsolve {
            grouped_package_sets: [("os".to_owned(), vec![transaction])].into(),
            arch: wish.target.arch.clone(),
            sbom_type: Some("spdx".into()),
            ..Depsolve::default()
        })];
        if !wish.blueprint.containers.is_empty() {
            questions.push(Question::Containers(Containers::default()));
        }
        Ok(Image {
            image_type: "qcow2".into(),
            export: "qcow2".into(),
            file: "disk.qcow2".into(),
            mime: "application/x-qemu-disk".into(),
            boot_mode: "hybrid".into(),
            pipelines: PipelineNames {
                build: vec!["build".into()],
                payload: vec!["os".into()],
            },
            questions,
        })
    }

    fn answer(&self, question: &Question, cancel: &AtomicBool) -> Value {
        let Question::Depsolve(asked) = question else {
            return json!({ "specs": [] });
        };
        let set = &asked.grouped_package_sets["os"][0];
        let wish = Wish {
            packages: set.include.clone(),
            modules: Vec::new(),
        };
        let target = Target {
            distro: "fedora-43".into(),
            arch: asked.arch.clone(),
        };
        match self.depsolve(&target, &set.repositories, &wish, cancel) {
            Ok(packages) => packages_result(packages),
            Err(Error::Packages(reason)) => {
                json!({ "job_error": { "id": 25, "reason": reason, "details": null } })
            }
            Err(error) => {
                json!({ "job_error": { "id": 21, "reason": error.to_string(), "details": null } })
            }
        }
    }

    fn manifest(
        &self,
        wish: &ImageWish,
        answers: &[(String, Value)],
    ) -> std::result::Result<Value, JobError> {
        assert_eq!(answers[0].0, "depsolve");
        if wish.size == 13 {
            let reason = "no manifest has 13 bytes";
            return Err(JobError::new(Failure::ManifestGeneration, reason));
        }
        let stage = json!({ "type": "org.osbuild.rpm", "options": { "size": wish.size } });
        Ok(json!({ "version": "2", "pipelines": [{ "name": "os", "stages": [stage] }] }))
    }
}

/// The result of a job that chose packages for the system.
pub(crate) fn packages_result(packages: Vec<Solved>) -> Value {
    let package = |package: Solved| JobPackage {
        name: package.name,
        epoch: package.epoch,
        version: package.version,
        release: package.release,
        arch: package.arch,
        checksum: package.checksum,
        remote_location: package.location,
        repo_id: package.repository,
        check_gpg: package.check_gpg,
        ..JobPackage::default()
    };
    let packages: Vec<_> = packages.into_iter().map(package).collect();
    let sbom = json!({ "type": "spdx", "document": { "spdxVersion": "SPDX-2.3" } });
    json!({ "transactions": { "os": [packages] }, "sbom_docs": { "os": sbom } })
}

/// A package of the invented distribution.
pub(crate) fn tmux() -> Solved {
    solved(PACKAGES[1])
}

/// A request, and status, id and text of its refusal.
pub type Refused<'a> = (
    &'a str,
    &'a str,
    Option<&'a str>,
    &'a str,
    u16,
    &'a str,
    &'a str,
);

pub async fn refused(composer: &Composer, cases: &[Refused<'_>]) {
    for &(method, path, kind, body, status, id, text) in cases {
        let answer = composer.send(method, path, kind, body).await;
        let (got, error, message) = answer.error();
        assert_eq!((got, &*error), (status, id), "{method} {path}: {message}");
        assert!(message.starts_with(text), "{method} {path}: {message}");
        assert_eq!(answer.kind, "application/json; charset=utf-8", "{path}");
    }
}
