//! cp -a, ln, mkdir, and checksums by openssl and sha256sum.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NAMES: [&str; 8] = ["a", "b", "c d", "-e", "f:g", "ü", "h", "i"];

/// A path of the tree, a new one, one that is not there, or one that has to be a directory.
fn path(random: &mut Random, paths: &[String]) -> String {
    if paths.is_empty() || random.chance(3) {
        return "/missing/x".into();
    }
    let path = random.value(paths);
    match random.below(20) {
        0 => format!("{path}/"),
        1..=3 => format!("{path}/{}", random.of(&["new", "a", "n w"])),
        4..=9 => format!("/{}", random.of(&["new", "n w", "n-3", "a"])),
        _ => path,
    }
}

/// What a location is for the program: one that ends in a slash means the directory itself.
fn place(path: &str) -> String {
    match path.ends_with('/') {
        true => format!("{path}."),
        false => path.to_owned(),
    }
}

/// Makes the files of a directory new ones, without other names and set-id bits, and its directories changed of late: a copy takes the
/// place of a file, into which cp writes (docs/differences.md).
fn renew(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            renew(&path);
        } else if metadata.is_file() {
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    fs::write(directory.join("changed"), "").unwrap();
}

fn copy(random: &mut Random, tree: &Path) -> Trial {
    let mut fill = |name: &str| {
        let directory = tree.join(name);
        fs::create_dir(&directory).unwrap();
        let paths = trees::fill(random, &directory, &NAMES, 14);
        let paths = paths.iter().map(|path| format!("/{name}{path}"));
        paths.collect::<Vec<_>>()
    };
    let (from, to) = (fill("from"), fill("to"));
    renew(&tree.join("to"));
    let mut trial = Trial {
        inside: true,
        ..Trial::default()
    };
    let mut copies = Vec::new();
    for _ in 0..=random.below(2) {
        let (from, to) = (path(random, &from), path(random, &to));
        let remove = random.maybe(40, &[true, false]);
        let mut item = json!({ "from": format!("tree://{from}"), "to": format!("tree://{to}") });
        if let Some(remove) = remove {
            item["remove_destination"] = json!(remove);
        }
        copies.push(item);
        let flag = remove.unwrap_or(false).then_some("--remove-destination");
        let words = ["cp", "-a", "--reflink=auto"].into_iter().chain(flag);
        trial.command(words.chain(["--", &place(&from), &place(&to)]));
    }
    trial.options = json!({ "paths": copies });
    trial
}

fn symbolic_links(random: &mut Random, tree: &Path) -> Trial {
    let paths = trees::fill(random, tree, &NAMES, 12);
    let mut trial = Trial {
        inside: true,
        ..Trial::default()
    };
    let mut links = Vec::new();
    for _ in 0..=random.below(2) {
        let texts = ["a", "../b", "/etc", "-x", " ", "ü", "/", "a//b/.", "%s\\n"];
        let (text, new) = (random.of(&texts), random.of(&["/new", "/n w", "/-n"]));
        let name = random.chance(50).then(|| path(random, &paths));
        let name = name.unwrap_or(new.into());
        links.push(
            json!({ "target": text, "link_name": format!("tree://{name}"), "symbolic": true }),
        );
        trial.command(["ln", "-s", "-T", "--", text, &place(&name)]);
    }
    trial.options = json!({ "paths": links });
    trial
}

/// Targets of hard links are paths of the sandbox.
fn hard_links(random: &mut Random, tree: &Path) -> Trial {
    let mut paths = trees::fill(random, tree, &NAMES, 14);
    if random.chance(80) {
        paths.retain(|path| !tree.join(&path[1..]).is_dir());
    }
    // Another name of a file that belongs to somebody, or has a label, takes rights that this stage does not ask for.
    for name in ["plain", "p 2"] {
        trees::write(tree, name, "x");
        paths.extend((0..5).map(|_| format!("/{name}")));
    }
    let mut trial = Trial::new(json!({}));
    let mut links = Vec::new();
    for at in 0..=random.below(2) {
        let target = match paths.is_empty() || random.chance(5) {
            true => "/missing".to_owned(),
            false => random.value(&paths),
        };
        let name = match random.chance(15) && !paths.is_empty() {
            true => random.value(&paths),
            false => format!("/link {at}"),
        };
        links.push(
            json!({ "target": format!("/run/osbuild/tree{target}"), "link_name": format!("tree://{name}") }),
        );
        trial.command([
            "ln",
            "-P",
            "-T",
            "--",
            &format!("TREE{target}"),
            &format!("TREE{name}"),
        ]);
    }
    trial.options = json!({ "paths": links });
    trial
}

/// What osbuild does with each directory.
const MAKE: &str = "
import os, sys
os.umask(0o022)
path, mode, parents, exist_ok = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'True', sys.argv[4] == 'True'
if parents:
    os.makedirs(path, mode, exist_ok)
else:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not exist_ok:
            raise
";

fn directories(random: &mut Random, tree: &Path) -> Trial {
    let paths = trees::fill(random, tree, &NAMES, 12);
    let mut trial = Trial {
        inside: true,
        ..Trial::default()
    };
    let mut made = Vec::new();
    for _ in 0..=random.below(2) {
        let more = random.of(&["", "", "/n", "/n/m", "/n/../o"]);
        let path = format!("{}{more}", path(random, &paths));
        let mode = random.maybe(
            50,
            &[0o755, 0o700, 0o777, 0o1777, 0o2775, 0o7777, 0, 0o10_755],
        );
        let (parents, exists) = (random.chance(50), random.chance(50));
        let mut item = json!({ "path": path, "parents": parents, "exist_ok": exists });
        if let Some(mode) = mode {
            item["mode"] = json!(mode);
        }
        made.push(item);
        let real = place(&lexical(&path));
        match (mode, parents, exists) {
            (None, true, true) => trial.command(["mkdir", "-p", "--", &real]),
            (None, false, false) => trial.command(["mkdir", "--", &real]),
            _ => {
                let word = |value| String::from(if value { "True" } else { "False" });
                let mode = mode.unwrap_or(0o777).to_string();
                let words = [
                    "python3".into(),
                    "-c".into(),
                    MAKE.into(),
                    real,
                    mode,
                    word(parents),
                    word(exists),
                ];
                trial.command(words);
            }
        }
    }
    trial.options = json!({ "paths": made });
    trial
}

/// Locations are resolved by their letters.
fn lexical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// The key of fipscheck and libkcapi, whose programs osbuild runs.
const SIGN: &str = r#"cd "$1" && code=$(openssl dgst "-$0" -hmac orboDeJITITejsirpADONivirpUkvarP -r -- "$2") &&
    printf '%s  %s\n' "${code%% *}" "$2" > ".$2.hmac""#;

fn codes(random: &mut Random, tree: &Path) -> Trial {
    let paths = trees::fill(random, tree, &NAMES, 12);
    let algorithm = random.of(&["sha1", "sha224", "sha256", "sha384", "sha512"]);
    let mut chosen = random.some(3, &paths);
    chosen.push(
        random
            .maybe(90, &["/file"])
            .map_or("/missing".into(), Into::into),
    );
    trees::write(tree, "file", vec![b'x'; random.value(&[0, 1, 3_000_000])]);
    let mut trial = Trial {
        inside: true,
        ..Trial::new(json!({ "algorithm": algorithm, "paths": chosen }))
    };
    for path in &chosen {
        let (directory, name) = path.rsplit_once('/').unwrap();
        trial.command(["sh", "-c", SIGN, algorithm, &format!("/{directory}"), name]);
    }
    trial
}

const SUMS: &str = r#"umask 077; { echo "[checksums]"; for path; do sum=$(sha256sum < "$path") && echo "$path=sha256:${sum%% *}" || exit; done
    printf '\n[header]\nversion=1.0\n\n'; } > /.treeinfo"#;

fn sums(random: &mut Random, tree: &Path) -> Trial {
    trees::fill(random, tree, &NAMES, 4);
    let mut files: Vec<Value> = Vec::new();
    for at in 0..=random.below(3) {
        let path = format!("file-{at}");
        let length = random.value(&[0, 1, 63, 64, 1 << 20, 3_000_000]);
        trees::write(tree, &path, vec![b'a' + random.below(26) as u8; length]);
        files.push(json!(format!("/{path}")));
    }
    files.extend(random.chance(10).then(|| json!("/missing")));
    let mut trial = Trial {
        inside: true,
        ..Trial::new(json!({ "path": "/.treeinfo", "treeinfo": { "checksums": files } }))
    };
    let names = files.iter().filter_map(Value::as_str);
    trial.command(["sh", "-c", SUMS, "sh"].into_iter().chain(names));
    trial
}

#[test]
fn files_are_copied_as_cp_does() {
    compare(&Family {
        stage: "org.osbuild.copy",
        programs: &["cp"],
        base: trees::stage_for_programs,
        make: copy,
        trials: 80,
        exact: true,
        ..FAMILY
    });
}

#[test]
fn symbolic_links_are_those_of_ln() {
    compare(&Family {
        stage: "org.osbuild.ln",
        programs: &["ln"],
        base: trees::stage_for_programs,
        make: symbolic_links,
        ..FAMILY
    });
}

#[test]
fn hard_links_are_those_of_ln() {
    compare(&Family {
        stage: "org.osbuild.ln",
        programs: &["ln"],
        make: hard_links,
        exact: true,
        ..FAMILY
    });
}

#[test]
fn directories_are_those_of_mkdir() {
    compare(&Family {
        stage: "org.osbuild.mkdir",
        programs: &["mkdir", "python3"],
        base: trees::stage_for_programs,
        make: directories,
        trials: 80,
        ..FAMILY
    });
}

#[test]
fn keyed_checksums_are_those_of_openssl() {
    compare(&Family {
        stage: "org.osbuild.hmac",
        programs: &["openssl"],
        base: trees::stage_for_programs,
        make: codes,
        ..FAMILY
    });
}

#[test]
fn checksums_are_those_of_sha256sum() {
    compare(&Family {
        stage: "org.osbuild.treeinfo",
        programs: &["sha256sum"],
        base: trees::stage_for_programs,
        make: sums,
        trials: 20,
        ..FAMILY
    });
}
