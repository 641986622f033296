//! `ostree rev-parse`: the commit of a branch. The stage fstab writes into the deployment of that commit.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use osbuild_wasm_tests::Program;
use serde_json::json;
use std::fs;
use std::path::Path;

const DEPLOYMENTS: &str = "ostree/deploy/os/deploy";
const REPOSITORY: &str = "ostree/repo";
const BRANCHES: [&str; 9] = [
    "main",
    "fedora/x86_64/iot",
    "a-b",
    "a/b",
    "1.2_3",
    "abc",
    "x/main",
    "dead/beef",
    "ünder",
];
const REMOTES: [&str; 3] = ["x", "origin", "org.example-1"];
/// What is no name of a branch, or hardly one.
const ODD: [&str; 20] = [
    "",
    "^",
    ":",
    "x:",
    ":main",
    "main ",
    "../heads/main",
    "main/",
    "/main",
    "a//b",
    ".",
    "..",
    "a..b",
    "-main",
    "main^^",
    "main@x",
    "refs/heads/main",
    "heads/main",
    "missing",
    "a b",
];

/// A repository with three commits of which each is the parent of the next.
fn base(tree: &Path) {
    let repository = format!("--repo={}", tree.join(REPOSITORY).display());
    fs::create_dir_all(tree.join("ostree/deploy/os/deploy")).unwrap();
    let ostree = |words: &str| {
        let ended = Program::of("ostree", &format!("{repository} {words}")).run();
        ended.expect(0).stdout.trim().to_owned()
    };
    ostree("init --mode=bare");
    ostree("config set core.fsync false");
    let mut parent = String::new();
    // The larger a commit, the larger are the offsets in it.
    for size in [1, 300, 70_000] {
        trees::write(tree, "content/file", size.to_string());
        let content = format!("--tree=dir={}", tree.join("content").display());
        let subject = "x".repeat(size);
        let commit = ostree(&format!(
            "commit --orphan {parent} --timestamp=@{size} --subject={subject} {content}"
        ));
        fs::create_dir_all(tree.join(format!("{DEPLOYMENTS}/{commit}.0/etc"))).unwrap();
        parent = format!("--parent={commit}");
    }
}

fn commits(tree: &Path) -> Vec<String> {
    let entries = fs::read_dir(tree.join(DEPLOYMENTS)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut commits: Vec<_> = names.map(|name| name[..64].to_owned()).collect();
    commits.sort();
    commits
}

fn make(random: &mut Random, tree: &Path) -> Trial {
    let commits = commits(tree);
    let mut known = Vec::new();
    for _ in 0..6 {
        let branch = random.of(&BRANCHES);
        let remote = random.of(&REMOTES);
        let (place, name) = match random.below(4) {
            0 => ("heads".into(), branch.to_owned()),
            1 => ("mirrors/org.example.Collection".into(), branch.to_owned()),
            // In one remote only: of several, ostree takes the one that the file system happens to list first.
            _ if known
                .iter()
                .any(|name: &String| name.ends_with(&format!(":{branch}"))) =>
            {
                continue;
            }
            _ => (format!("remotes/{remote}"), format!("{remote}:{branch}")),
        };
        let path = format!("{REPOSITORY}/refs/{place}/{branch}");
        if tree.join(&path).exists() || tree.join(&path).parent().is_some_and(Path::is_file) {
            continue;
        }
        let commit = random.value(&commits);
        let text = match random.below(20) {
            0 => "no checksum\n".into(),
            1 => format!(" {commit}"),
            2 => format!("{commit} \n\n"),
            3 => commit,
            _ => format!("{commit}\n"),
        };
        trees::write(tree, &path, text);
        known.push(name);
    }
    let reference = reference(random, &known, &commits);
    let deployment = json!({ "osname": "os", "ref": reference, "serial": 0 });
    let mut trial =
        Trial::new(json!({ "ostree": { "deployment": deployment }, "filesystems": [] }));
    let script = "commit=$(ostree rev-parse --repo=TREE/ostree/repo -- \"$1\") && touch TREE/ostree/deploy/os/deploy/$commit.0/etc/fstab";
    trial.command(["sh", "-c", script, "sh", &reference]);
    trial
}

fn reference(random: &mut Random, known: &[String], commits: &[String]) -> String {
    let commit = random.value(commits);
    let mut name = match random.below(8) {
        0 => random.of(&ODD).to_owned(),
        1 => commit[..random.below(65)].to_owned(),
        2 => format!("{}:{commit}", random.of(&REMOTES)),
        3 => random.of(&BRANCHES).to_owned(),
        4 => format!("{}:{}", random.of(&REMOTES), random.of(&BRANCHES)),
        _ if known.is_empty() => "none".into(),
        5 => random.value(known),
        _ => random
            .value(known)
            .split(':')
            .next_back()
            .unwrap()
            .to_owned(),
    };
    name += random.of(&["", "", "", "^", "^^"]);
    name
}

#[test]
fn a_branch_is_the_commit_that_ostree_finds() {
    compare(&Family {
        stage: "org.osbuild.fstab",
        programs: &["ostree"],
        base,
        make,
        trials: 60,
        ..FAMILY
    });
}
