//! chmod and chown.
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
