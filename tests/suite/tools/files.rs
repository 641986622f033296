//! chmod, chown, truncate, dd, mkswap.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use serde_json::{Map, json};
use std::path::Path;

const NAMES: [&str; 8] = ["a", "b", "c d", "-e", "f:g", "ü", "h", "i"];

/// A path of the tree, now and then one that is not there, or with a slash or dots.
fn path(random: &mut Random, paths: &[String]) -> String {
    if paths.is_empty() || random.chance(2) {
        return "/missing".into();
    }
    let path = random.value(paths);
    match random.below(20) {
        0 => format!("{path}/"),
        1 => format!("{path}/."),
        2 => format!("/{path}"),
        _ => path,
    }
}

fn mode(random: &mut Random) -> String {
    if random.chance(30) {
        let digits = random.below(6) + 1;
        return (0..digits).map(|_| random.below(8).to_string()).collect();
    }
    let clauses = (0..=random.below(3)).map(|_| {
        let classes: String = random.some(3, &["u", "g", "o", "a"]).concat();
        let operators = (0..=random.below(2)).map(|_| {
            let operator = random.of(&["+", "-", "="]);
            let permissions = match random.below(10) {
                0 | 1 => random.of(&["u", "g", "o"]).to_owned(),
                2 if random.chance(30) => random
                    .of(&["7", "755", "4755", "0", "ug", "q", "rwu"])
                    .to_owned(),
                _ => random.some(4, &["r", "w", "x", "X", "s", "t"]).concat(),
            };
            format!("{operator}{permissions}")
        });
        format!("{classes}{}", operators.collect::<String>())
    });
    clauses.collect::<Vec<_>>().join(",")
}

fn chmod(random: &mut Random, tree: &Path) -> Trial {
    let paths = trees::fill(random, tree, &NAMES, 14);
    let mut items = Map::new();
    let mut trial = Trial {
        inside: true,
        ..Trial::default()
    };
    for _ in 0..=random.below(4) {
        let (path, mode, recursive) = (path(random, &paths), mode(random), random.chance(40));
        if items.contains_key(&path) {
            continue;
        }
        items.insert(
            path.clone(),
            json!({ "mode": mode, "recursive": recursive }),
        );
        let flag = recursive.then_some("--recursive");
        trial.command(
            ["chmod", &mode]
                .into_iter()
                .chain(flag)
                .chain(["--", &path]),
        );
    }
    trial.options = json!({ "items": items });
    trial
}

fn chown(random: &mut Random, tree: &Path) -> Trial {
    let paths = trees::fill(random, tree, &NAMES, 14);
    trees::write(
        tree,
        "etc/passwd",
        "root:x:0:0::/:\nann:x:1000:100::/:\n12:x:77:7::/:\ntwice:x:5:5::/:\ntwice:x:6:6::/:\n#c\nbad:x:y:z::/:\n a:x:1:1::/:\n",
    );
    trees::write(
        tree,
        "etc/group",
        "root:x:0:\nann:x:1001:\ntwice:x:3:\n12:x:78:\nusers:x:100:ann\nbroken\n",
    );
    let usual = [
        json!("root"),
        json!("ann"),
        json!("12"),
        json!("twice"),
        json!(0),
        json!(1000),
        json!("007"),
    ];
    let odd = [
        json!("bad"),
        json!("4294967295"),
        json!("4294967294"),
        json!(4_294_967_296_u64),
        json!("0x10"),
        json!("missing"),
        json!("users"),
    ];
    let ids = |random: &mut Random| match random.below(10) {
        0..=2 => None,
        3 => Some(random.value(&odd)),
        _ => Some(random.value(&usual)),
    };
    let text = |id: &serde_json::Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let mut items = Map::new();
    let mut trial = Trial {
        inside: true,
        ..Trial::default()
    };
    for _ in 0..=random.below(3) {
        let (path, recursive) = (path(random, &paths), random.chance(40));
        let (user, group) = match (ids(random), ids(random)) {
            (None, None) => (Some(json!("ann")), None),
            both => both,
        };
        if items.contains_key(&path) {
            continue;
        }
        let mut item = json!({ "recursive": recursive });
        let mut spec = String::new();
        if let Some(user) = user {
            spec += &text(&user);
            item["user"] = user;
        }
        if let Some(group) = group {
            spec += &format!(":{}", text(&group));
            item["group"] = group;
        }
        items.insert(path.clone(), item);
        let flag = recursive.then_some("--recursive");
        trial.command(
            ["chown", &spec]
                .into_iter()
                .chain(flag)
                .chain(["--", &path]),
        );
    }
    trial.options = json!({ "items": items });
    trial
}

fn truncate(random: &mut Random, tree: &Path) -> Trial {
    let sizes: [&[u8]; 4] = [b"", b"x", &[b'y'; 1000], &[b'z'; 70_000]];
    if random.chance(60) {
        trees::write(tree, "file", random.value(&sizes));
    }
    let number = random.of(&[
        "0",
        "1",
        "10",
        "100",
        "1000",
        "007",
        "",
        "x",
        "1.5",
        "-1",
        "99999999999999999999",
    ]);
    let suffix = random.of(&[
        "", "", "", "K", "k", "KB", "kB", "KiB", "M", "MB", "B", "b", "KK", " ", "iB",
    ]);
    let size = format!(
        "{}{number}{suffix}",
        random.of(&["", "", "", "+", "-", "<", ">", "/", "%", " ", "=", "+ "])
    );
    let mut trial = Trial::new(json!({ "filename": "/file", "size": size }));
    trial.command(["truncate", "--size", &size, "TREE/file"]);
    trial
}

fn dd(random: &mut Random, tree: &Path) -> Trial {
    for name in ["from", "to"] {
        let length = random.value(&[0, 1, 5000, 100_000]);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        if name == "from" || random.chance(60) {
            trees::write(tree, name, bytes);
        }
    }
    let count = random.value(&[1, 2, 4096, 5000, 100_001]);
    let offset = random.maybe(60, &[0, 1, 4095, 4096, 99_999, 200_000]);
    let mut trial = Trial::new(json!({ "src": "tree:///from", "dst": "/to", "count": count }));
    if let Some(offset) = offset {
        trial.options["src_offset"] = json!(offset);
    }
    let (skip, count) = (offset.unwrap_or(0), format!("count={count}"));
    let words = [
        "dd",
        "if=TREE/from",
        "of=TREE/to",
        "bs=4096",
        &format!("skip={skip}"),
        &count,
    ]
    .map(str::to_owned);
    trial.command(
        words
            .into_iter()
            .chain(["iflag=skip_bytes,count_bytes".into(), "conv=notrunc".into()]),
    );
    trial
}

fn mkswap(random: &mut Random, tree: &Path) -> Trial {
    let size = random.value(&[36_864, 40_960, 40_961, 65_536, 1 << 20]);
    trees::write(tree, "disk", vec![0; size]);
    let uuids = [
        "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8",
        "0194FDC2-FA2F-4CC0-81D3-FF12045B73C8",
        "00000000-0000-0000-0000-000000000000",
        "x",
    ];
    let number = random.value(&[3, 3, 3, 4]);
    let uuid = random.of(&uuids[..number]);
    let label = random.maybe(60, &["swap", "a b", "twelve-bytes", "ü"]);
    let mut trial = Trial::new(json!({ "uuid": uuid }));
    trial.more = json!({ "devices": { "device": { "path": "TREE/disk" } } });
    let mut words = vec!["mkswap", "-U", uuid];
    if let Some(label) = label {
        trial.options["label"] = json!(label);
        words.extend(["-L", label]);
    }
    words.push("TREE/disk");
    trial.command(words);
    trial
}

#[test]
fn modes_are_changed_as_chmod_does() {
    compare(&Family {
        stage: "org.osbuild.chmod",
        programs: &["chmod"],
        base: trees::stage_for_programs,
        make: chmod,
        trials: 60,
        ..FAMILY
    });
}

#[test]
fn owners_are_changed_as_chown_does() {
    compare(&Family {
        stage: "org.osbuild.chown",
        programs: &["chown"],
        base: trees::stage_for_programs,
        make: chown,
        ..FAMILY
    });
}

#[test]
fn sizes_are_set_as_truncate_does() {
    compare(&Family {
        stage: "org.osbuild.truncate",
        programs: &["truncate"],
        make: truncate,
        trials: 80,
        ..FAMILY
    });
}

#[test]
fn ranges_are_copied_as_dd_does() {
    compare(&Family {
        stage: "org.osbuild.dd",
        programs: &["dd"],
        make: dd,
        trials: 30,
        ..FAMILY
    });
}

#[test]
fn swap_areas_are_those_of_mkswap() {
    compare(&Family {
        stage: "org.osbuild.mkswap",
        programs: &["mkswap"],
        make: mkswap,
        ..FAMILY
    });
}
