//! Composes whose builds are pretended, and workers to which something happens.
use crate::Machine;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_blueprint::model::File;
use osbuild_wasm_composer::service::{Caller, ComposeEntry, ComposeState, Report};
use serde_json::{Value, json};
use std::fs;
use tokio::io::AsyncReadExt;

const TINY: &str = "name = \"tiny\"\n";

/// A blueprint of which a pretended build does what the name of a directory says.
fn odd(what: &str) -> String {
    format!("name = \"tiny\"\n[[customizations.directories]]\npath = \"/etc/is-{what}\"\n")
}

/// The error of a compose that failed.
fn error(entry: &ComposeEntry) -> Value {
    let result = entry.job.result.clone().unwrap_or_default();
    assert_eq!(entry.state, ComposeState::Failed, "{result:#}");
    assert_eq!(result["success"], false);
    result["job_error"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_looked_up_and_built_by_a_worker() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let id = machine.ask(TINY).await.unwrap();
    let entry = machine.over(id).await;
    let result = entry.job.result.clone().unwrap_or_default();
    assert_eq!(entry.state, ComposeState::Finished, "{result:#}");
    let content = machine.service.content(&entry).await.unwrap();
    let packages = content.packages.iter();
    let names: Vec<_> = packages.map(|package| &*package.name).collect();
    assert_eq!(names, ["tiny"]);
    let sboms = content.sboms.iter();
    let pipelines: Vec<_> = sboms.map(|sbom| &*sbom.pipeline).collect();
    assert_eq!(pipelines, ["build", "os"]);
    assert!(content.sboms[0].is_build_root);
    assert_eq!(content.sboms[1].document["spdxVersion"], "SPDX-2.3");
    for report in Report::ALL {
        let mut file = machine.service.report(&entry, report).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
    }
    machine.check_image(&entry);
    let names = json!({ "build": ["build"], "payload": ["os", "archive"] });
    assert_eq!(result["pipeline_names"], names);
    assert_eq!(result["arch"], "x86_64");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_does_not_exist_fails_the_compose_with_the_errors_on_the_way() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let blueprint = format!("{TINY}[[packages]]\nname = \"nothing\"\n");
    let entry = machine.over(machine.ask(&blueprint).await.unwrap()).await;
    let error = error(&entry);
    let (manifest, packages) = (&error["details"][0], &error["details"][0]["details"][0]);
    let ids = [&error["id"], &manifest["id"], &packages["id"]];
    assert_eq!(ids, [9, 5, 21], "{error}");
    assert_eq!(error["reason"], "Manifest dependency failed");
    assert!(packages["reason"].as_str().unwrap().contains("nothing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_url_is_part_of_the_manifest() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let url = crate::network::web_server("/etc/x", "from elsewhere");
    // Blueprints that people write name files of their machine only; the cloud API's name others.
    let blueprint = |path: &str| {
        let mut blueprint = Blueprint::from_toml(TINY).unwrap().blueprint;
        blueprint.customizations.files = vec![File {
            path: "/etc/x".into(),
            uri: Some(format!("{url}{path}")),
            ..File::default()
        }];
        blueprint
    };
    let id = machine.ask_for(blueprint("/etc/x")).await.unwrap();
    let entry = machine.over(id).await;
    assert_eq!(
        entry.state,
        ComposeState::Finished,
        "{:?}",
        entry.job.result
    );
    let content = machine.service.content(&entry).await.unwrap();
    let sources = &content.manifest["sources"]["org.osbuild.inline"]["items"];
    // "from elsewhere" in base64.
    assert!(
        sources.to_string().contains("ZnJvbSBlbHNld2hlcmU="),
        "{sources}"
    );

    let id = machine.ask_for(blueprint("/nothing")).await.unwrap();
    let error = error(&machine.over(id).await);
    assert_eq!(error["details"][0]["id"], 36, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_killed_fails_with_the_signal() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let entry = machine
        .over(machine.ask(&odd("killed")).await.unwrap())
        .await;
    let error = error(&entry);
    assert_eq!(error["id"], 10, "{error}");
    let details = error["details"].as_str().unwrap();
    assert!(details.contains("killed by signal 9"), "{details}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_without_end_fails_after_its_time() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&["--time-limit", "2"]));
    let entry = machine.over(machine.ask(&odd("slow")).await.unwrap()).await;
    let error = error(&entry);
    let details = error["details"].as_str().unwrap();
    assert!(details.contains("longer than the 2 seconds"), "{details}");
    assert!(machine.nothing_is_left().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_too_large_is_left_out() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let entry = machine
        .over(machine.ask(&odd("large")).await.unwrap())
        .await;
    // The program ended well but has made no image.
    let error = error(&entry);
    assert_eq!(
        (&error["id"], &error["details"][0]["id"]),
        (&json!(28), &json!(11))
    );
    assert_eq!(entry.job.result.unwrap()["osbuild_output"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canceled_build_ends_and_the_worker_goes_on() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let id = machine.ask(&odd("slow")).await.unwrap();
    machine.begun("osbuild", id).await;
    let caller = Caller::local();
    machine.service.cancel_compose(&caller, id).await.unwrap();
    let line = format!("job {id}: given up: it was canceled");
    let given_up = async || machine.log("worker.log").contains(&line).then_some(());
    machine.wait_for("the job is not given up", given_up).await;
    assert!(machine.nothing_is_left().await);
    let next = machine.over(machine.ask(TINY).await.unwrap()).await;
    assert_eq!(next.state, ComposeState::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_can_be_deleted_between_builds_and_during_one() {
    let machine = Machine::new(None).await;
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let cache = machine.at("worker/cache");
    let first = machine.over(machine.ask(TINY).await.unwrap()).await;
    assert_eq!(first.state, ComposeState::Finished);
    fs::remove_dir_all(&cache).unwrap();
    let id = machine.ask(TINY).await.unwrap();
    machine.begun("osbuild", id).await;
    // A program may write there while it is deleted.
    while fs::remove_dir_all(&cache).is_err() {}
    let entry = machine.over(id).await;
    assert_eq!(
        entry.state,
        ComposeState::Finished,
        "{:?}",
        entry.job.result
    );
    machine.check_image(&entry);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_leaves_nothing_that_the_next_one_does_not_remove() {
    let machine = Machine::new(None).await;
    let _composer = machine.composer();
    for _ in 0..3 {
        let worker = machine.worker(&[]);
        let id = machine.ask(&odd("slow")).await.unwrap();
        machine.begun("osbuild", id).await;
        drop(worker);
        assert!(
            machine.no_builder_runs().await,
            "programs end with their worker"
        );
        machine
            .service
            .cancel_compose(&Caller::local(), id)
            .await
            .unwrap();
    }
    let _worker = machine.worker(&[]);
    let entry = machine.over(machine.ask(TINY).await.unwrap()).await;
    assert_eq!(entry.state, ComposeState::Finished);
    assert!(machine.nothing_is_left().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_compose_and_not_the_worker() {
    let machine = Machine::new(None).await;
    let Some(disk) = Disk::new(&machine.at("worker"), "3m") else {
        return;
    };
    let (_composer, _worker) = (machine.composer(), machine.worker(&[]));
    let error = error(&machine.over(machine.ask(TINY).await.unwrap()).await);
    assert_eq!(error["id"], 10, "{error}");
    let details = error["details"].as_str().unwrap();
    assert!(details.contains("No space left on device"), "{details}");
    disk.grow("300m");
    let entry = machine.over(machine.ask(TINY).await.unwrap()).await;
    assert_eq!(
        entry.state,
        ComposeState::Finished,
        "{:?}",
        entry.job.result
    );
}

/// A small file system; none for who may not mount one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn new(place: &std::path::Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=700");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]);
        let is_mounted = mount.arg(place).status().unwrap().success();
        if !is_mounted {
            eprintln!("skipped: nothing can be mounted");
        }
        is_mounted.then(|| Self(place.to_owned()))
    }

    fn grow(&self, size: &str) {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}")]);
        assert!(mount.arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status();
    }
}

/// Where nobody delegates one to the worker, a test may make one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_has_a_control_group_which_goes_with_it() {
    let Some(group) = ControlGroup::new() else {
        return;
    };
    let machine = Machine::new(None).await;
    let option = ["--cgroup", group.0.to_str().unwrap()];
    let _composer = machine.composer();
    let worker = machine.worker(&option);
    let id = machine.ask(&odd("slow")).await.unwrap();
    machine.begun("osbuild", id).await;
    // A group is there before its first process is.
    let in_group = async || {
        let processes = group.0.join(group.jobs().pop()?).join("cgroup.procs");
        let processes = fs::read_to_string(processes).unwrap_or_default();
        (!processes.is_empty()).then_some(())
    };
    machine.wait_for("nothing is in a group", in_group).await;
    // The next worker ends what a killed one left.
    drop(worker);
    machine
        .service
        .cancel_compose(&Caller::local(), id)
        .await
        .unwrap();
    let _worker = machine.worker(&option);
    let entry = machine.over(machine.ask(TINY).await.unwrap()).await;
    assert_eq!(entry.state, ComposeState::Finished);
    let none = async || group.jobs().is_empty().then_some(());
    machine.wait_for("a group is left", none).await;
}

#[tokio::test]
async fn limits_that_nothing_keeps_are_refused() {
    let machine = Machine::new(None).await;
    let mut worker = machine.worker(&["--cgroup", "/proc", "--memory-limit", "1000000000"]);
    assert_eq!(worker.0.wait().unwrap().code(), Some(1));
    let log = machine.log("worker.log");
    assert!(
        log.contains("cannot use the control group /proc for jobs"),
        "{log}"
    );
}

/// A control group of a test; none where this process cannot make one.
struct ControlGroup(std::path::PathBuf);

impl ControlGroup {
    fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            kind.starts_with("cgroup2 ")
                .then(|| place.split(' ').nth(4))?
        });
        let made = mount.map(|mount| {
            let name = format!("osbuild-wasm-test-{}", std::process::id());
            std::path::Path::new(mount).join(name)
        });
        let made = made.filter(|path| fs::create_dir(path).is_ok());
        if made.is_none() {
            eprintln!("skipped: no control group can be made");
        }
        made.map(Self)
    }

    fn jobs(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.starts_with("job-")).collect()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        for job in self.jobs() {
            let _ = fs::write(self.0.join(&job).join("cgroup.kill"), "1");
            std::thread::sleep(std::time::Duration::from_millis(200));
            let _ = fs::remove_dir(self.0.join(job));
        }
        let _ = fs::remove_dir(&self.0);
    }
}
