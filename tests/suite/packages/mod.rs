//! Packages of repositories: found, explained, and their metadata fetched, kept and trusted.
mod asked;
mod broken;
mod images;
mod logins;
pub(crate) mod repository;
mod trust;

use osbuild_wasm_tests::{Ended, Program, Scratch, machine, program};
use repository::{Package, Server, write};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

fn tmux() -> Vec<Package> {
    let tmux = Package::new("tmux", "3")
        .requires("libevent")
        .requires("/opt/thing");
    let thing = Package::new("thing", "1").file("/opt/thing");
    vec![tmux, Package::new("libevent", "2"), thing]
}

fn depsolve(scratch: &Scratch, repo: impl AsRef<Path>, words: &str) -> Program {
    Program::new("depsolve")
        .option("--repo", repo.as_ref())
        .option("--cache", scratch.path("cache"))
        .args(words.split_whitespace())
}

/// One line of error, about this.
#[track_caller]
fn fails(ended: Ended, code: i32, expected: &str) {
    let ended = ended.expect(code);
    let errors: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert!(
        errors.len() == 1 && errors[0].contains(expected),
        "{expected}: {}",
        ended.stderr
    );
}

/// A file of dnf about one repository.
fn repo_file(scratch: &Scratch, options: &str) -> std::path::PathBuf {
    scratch.write("test.repo", format!("[test]\n{options}\n"))
}

#[test]
fn what_would_be_installed_is_shown_with_why_from_where_and_how_large() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let ended = depsolve(&scratch, scratch.path("repo"), "tmux")
        .run()
        .expect(0);
    let lines: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["package", "why", "repository", "download", "installed"]
    );
    assert_eq!(
        lines[1][..4],
        ["libevent-2-1.noarch", "needed", "by", "tmux"]
    );
    // A file that only the list of all files has is found as well.
    assert_eq!(lines[2][..4], ["thing-1-1.noarch", "needed", "by", "tmux"]);
    assert_eq!(lines[3][..3], ["tmux-3-1.noarch", "asked", "for"]);
    assert!(lines[3][3].starts_with("repo-") && lines[3][4..] == ["1.0", "KiB", "2.0", "KiB"]);
    assert_eq!(
        lines[5].join(" "),
        "3 packages: 3.0 KiB to download, 6.0 KiB installed"
    );
}

#[test]
fn packages_are_found_by_a_pattern() {
    let scratch = Scratch::new();
    write(
        &scratch.path("repo"),
        &[
            Package::new("tmux", "1"),
            Package::new("tmux", "2"),
            Package::new("vim", "1"),
        ],
    );
    let search = |words: &str| {
        let program = Program::new("search").option("--repo", scratch.path("repo"));
        program
            .option("--cache", scratch.path("cache"))
            .args(words.split_whitespace())
            .run()
    };
    let found = search("tm*").expect(0).stdout;
    assert!(
        found.contains("tmux-2-1.noarch")
            && !found.contains("tmux-1-1")
            && found.contains("About tmux"),
        "{found}"
    );
    assert!(
        search("--all-versions tmux")
            .expect(0)
            .stdout
            .contains("tmux-1-1.noarch")
    );
    fails(search("emacs"), 1, "no package is called emacs");
}

#[test]
fn packages_of_a_distribution_come_from_its_repositories() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let definitions = format!(
        "distributions:\n  - name: tester\n    versions: [\"1\"]\n    like: fedora\n    os_version: \"1\"\n    release_version: \"1\"\n    \
         module_platform_id: platform:t1\n    product: Tester\n    runner: {{name: org.osbuild.linux, build_packages: []}}\n\
         repositories:\n  - {{name: base, baseurls: [\"file://{}\"]}}\n",
        scratch.path("repo").display()
    );
    scratch.write("definitions/tester/distributions.yaml", definitions);
    let run = |distro: &str| {
        Program::new("depsolve tmux --distro")
            .arg(distro)
            .option("--definitions", scratch.path("definitions"))
            .option("--cache", scratch.path("cache"))
            .run()
    };
    let ended = run("tester-1").expect(0).says("3 packages");
    assert!(ended.stdout.contains(" base "), "{}", ended.stdout);
    fails(run("testr-1"), 2, "did you mean tester-1?");
}

#[test]
fn a_package_that_is_not_there_is_told_with_near_names_and_a_conflict_in_a_sentence() {
    let scratch = Scratch::new();
    write(
        &scratch.path("repo"),
        &[
            Package::new("tmux", "1"),
            Package::new("a", "1").requires("b"),
        ],
    );
    fails(
        depsolve(&scratch, scratch.path("repo"), "tmuxx").run(),
        2,
        "missing packages: tmuxx (did you mean tmux?)",
    );
    let expected = "a cannot be installed: a-1-1.noarch requires b, which nothing provides";
    fails(
        depsolve(&scratch, scratch.path("repo"), "a").run(),
        1,
        expected,
    );
}

#[test]
fn what_did_not_change_is_not_fetched_again() {
    let scratch = Scratch::new();
    let mut packages = vec![Package::new("a", "1")];
    write(&scratch.path("repo"), &packages);
    let server = Server::new(&scratch.path("repo"));
    let run = || depsolve(&scratch, server.url(), "a").run().expect(0).stdout;
    let first = run();
    assert_eq!(
        server.asked(),
        ["200 /repodata/repomd.xml", "200 /repodata/primary.xml"]
    );
    assert_eq!(
        (run(), server.asked()),
        (first, vec!["304 /repodata/repomd.xml".to_owned()])
    );
    packages.push(Package::new("a", "2"));
    write(&scratch.path("repo"), &packages);
    assert!(run().contains("a-2-1.noarch"));
    assert_eq!(
        server.asked(),
        ["200 /repodata/repomd.xml", "200 /repodata/primary.xml"]
    );
    // As long as a file says that metadata is current, no server is asked.
    let file = repo_file(
        &scratch,
        &format!("baseurl={}\nmetadata_expire=6h", server.url()),
    );
    depsolve(&scratch, &file, "a").run().expect(0);
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[test]
fn a_server_that_fails_is_told_in_one_line_and_the_cache_stays_what_it_was() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let server = Server::new(&scratch.path("repo"));
    let run = || depsolve(&scratch, server.url(), "a").run();
    run().expect(0);
    let good = scratch.path("cache").join("repositories");
    let snapshot = || {
        Command::new("sh")
            .arg("-c")
            .arg("find . -type f ! -name lock | sort | xargs sha256sum")
            .current_dir(&good)
            .output()
            .unwrap()
            .stdout
    };
    let before = snapshot();
    let primary = scratch.path("repo/repodata/primary.xml");
    write(&scratch.path("repo"), &[Package::new("a", "2")]);
    let whole = fs::read(&primary).unwrap();
    fs::write(&primary, &whole[..whole.len() / 2]).unwrap();
    fails(run(), 1, "checksum mismatch");
    assert_eq!(before, snapshot());
    fs::remove_file(&primary).unwrap();
    fails(run(), 1, "404");
    assert_eq!(before, snapshot());
    fs::write(
        scratch.path("repo/repodata/repomd.xml"),
        "<html>Sorry</html>",
    )
    .unwrap();
    fails(
        run(),
        1,
        "repodata/repomd.xml is not the index of a repository",
    );
    assert_eq!(before, snapshot());
    write(&scratch.path("repo"), &[Package::new("a", "3")]);
    assert!(run().expect(0).stdout.contains("a-3-1.noarch"));
}

/// A blueprint may name the server of the distribution once more.
#[test]
fn two_repositories_of_one_server_do_not_wait_for_each_other() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let url = format!("file://{}", scratch.path("repo").display());
    let file = scratch.write(
        "test.repo",
        format!("[one]\nbaseurl={url}\n[other]\nbaseurl={url}\n"),
    );
    depsolve(&scratch, file, "a")
        .run()
        .expect(0)
        .says("a-1-1.noarch");
}

#[test]
fn who_waits_for_the_cache_can_be_interrupted() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let solve = || depsolve(&scratch, scratch.path("repo"), "a");
    solve().run().expect(0);
    let mut places = fs::read_dir(scratch.path("cache/repositories")).unwrap();
    let lock = places.next().unwrap().unwrap().path().join("lock");
    let lock = fs::File::open(lock).unwrap();
    lock.lock().unwrap();
    let mut run = solve().start();
    while !waits_for_the_cache(run.pid()) {
        assert!(!run.has_ended());
        thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::INT);
    run.wait().expect(130);
}

/// Whether a process has the lock file of a repository open, which it does right before it waits.
fn waits_for_the_cache(process: Pid) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).into_iter();
    open.flatten().flatten().any(|entry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        target.ends_with("lock") && target.iter().any(|part| part == "repositories")
    })
}

#[test]
fn a_mirror_that_nobody_answers_for_is_told_with_its_repository() {
    let scratch = Scratch::new();
    fails(
        depsolve(&scratch, "http://127.0.0.1:1/os", "a").run(),
        1,
        "http://127.0.0.1:1/os/repodata/repomd.xml: cannot connect",
    );
    let file = repo_file(
        &scratch,
        "baseurl=http://127.0.0.1:1/os\nskip_if_unavailable=1",
    );
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let both = depsolve(&scratch, &file, "a").option("--repo", scratch.path("repo"));
    both.run()
        .expect(0)
        .says("going on without it")
        .says("a-1-1.noarch");
    fails(
        depsolve(&scratch, scratch.path("nothing"), "a").run(),
        2,
        "No such file or directory",
    );
    fails(
        depsolve(&scratch, scratch.directory("empty"), "a").run(),
        2,
        "neither repodata/repomd.xml nor files that end in .repo",
    );
    fails(
        depsolve(&scratch, repo_file(&scratch, "proxy=me"), "a").run(),
        2,
        "the option proxy is not supported",
    );
}

#[test]
fn a_cache_without_room_is_told_and_works_when_there_is_room() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    write(
        &scratch.path("repo"),
        &[Package::new("a", "1").requires(&format!("b{}", "x".repeat(300_000)))],
    );
    let arguments = format!(
        "depsolve --repo {} --cache {} a",
        scratch.path("repo").display(),
        scratch.directory("cache").display()
    );
    let mount = |size: &str| {
        format!(
            "mount -t tmpfs -o mode=700,size={size} tmpfs {}; exec \"$@\"",
            scratch.path("cache").display()
        )
    };
    let full = program::through_shell_in_namespace(&mount("64k"), &arguments).run();
    fails(full, 1, "No space left on device");
    fails(
        program::through_shell_in_namespace(&mount("64m"), &arguments).run(),
        1,
        "which nothing provides",
    );
}

#[test]
fn what_killed_processes_left_in_the_cache_goes_with_the_next_use() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    let run = || {
        depsolve(&scratch, scratch.path("repo"), "a")
            .run()
            .expect(0)
    };
    run();
    let repositories = fs::read_dir(scratch.path("cache/repositories")).unwrap();
    let version = repositories
        .last()
        .unwrap()
        .unwrap()
        .path()
        .join("new-aB3xYz");
    fs::create_dir_all(version.join("repodata")).unwrap();
    let unfinished = |name: &str| {
        let path = scratch.write(&format!("cache/solver/{name}"), "left");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let left = unfinished(".solv-aB3xYz");
    let used = unfinished(".solv-cD5wVu");
    let user = fs::File::open(&used).unwrap();
    user.lock().unwrap();
    run();
    assert!(!left.exists() && !version.exists());
    assert!(used.exists(), "somebody works on it");
    drop(user);
    run();
    assert!(!used.exists());
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &[Package::new("a", "1")]);
    fs::set_permissions(
        scratch.directory("cache"),
        fs::Permissions::from_mode(0o777),
    )
    .unwrap();
    fails(
        depsolve(&scratch, scratch.path("repo"), "a").run(),
        1,
        "others can write to it",
    );
}

#[test]
fn many_at_a_time_share_a_cache() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let server = Server::new(&scratch.path("repo"));
    let running: Vec<_> = (0..6)
        .map(|_| depsolve(&scratch, server.url(), "tmux").start())
        .collect();
    for run in running {
        run.wait().expect(0).says("3 packages");
    }
}

#[test]
fn ctrl_c_ends_a_download_that_hangs() {
    let scratch = Scratch::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let run = depsolve(&scratch, url, "a").start();
    // It has asked, and no answer comes.
    let _asked = silent.accept().unwrap();
    run.signal(Signal::INT);
    fails(run.wait(), 130, "interrupted");
}

#[test]
fn another_solver_gets_the_metadata_as_files_of_this_machine() {
    let scratch = Scratch::new();
    write(&scratch.path("repo"), &tmux());
    let server = Server::new(&scratch.path("repo"));
    let own = osbuild_wasm_tests::paths::program().with_file_name("osbuild-wasm-solver");
    let script = |name: &str, text: String| {
        let path = scratch.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let request = scratch.path("request");
    let other = script(
        "other",
        format!("#!/bin/sh\ntee {} | {}\n", request.display(), own.display()),
    );
    let run = |solver: &Path| {
        depsolve(&scratch, server.url(), "tmux")
            .option("--solver", solver)
            .run()
    };
    run(&other).expect(0).says("3 packages");
    let request: Value = serde_json::from_slice(&fs::read(request).unwrap()).unwrap();
    let url = request["arguments"]["repos"][0]["baseurl"][0]
        .as_str()
        .unwrap();
    assert!(
        url.starts_with("file:///") && request["arguments"]["optional-metadata"][0] == "filelists",
        "{request}"
    );
    fails(
        run(&script(
            "silent",
            "#!/bin/sh\necho broken >&2; exit 3\n".to_owned(),
        )),
        1,
        "silent does not work: broken",
    );
    fails(
        run(&scratch.path("absent")),
        1,
        "absent does not work: No such file or directory",
    );
    let failing = script(
        "failing",
        "#!/bin/sh\necho '{\"kind\": \"DepsolveError\", \"reason\": \"because\"}'; exit 1\n"
            .to_owned(),
    );
    fails(run(&failing), 1, "because");
}
