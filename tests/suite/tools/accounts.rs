//! useradd, usermod, passwd, groupadd and mkhomedir_helper.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use serde_json::{Map, Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// Users that a tree has already.
const KNOWN: [&str; 4] = ["root", "daemon", "joe", "old.user"];
const NEW: [&str; 11] = [
    "ann",
    "bob",
    "c-d",
    "e_f",
    "g.h",
    "Upper",
    "_x",
    "9lives",
    "users",
    "wheel",
    "a-name-of-exactly-thirty-two-let",
];
const GROUPS: [&str; 7] = ["root", "wheel", "users", "joe", "mail", "video", "high"];

/// The databases of a tree, each with some oddities.
fn databases(random: &mut Random, tree: &Path) {
    let root = random.of(&[
        "root:x:0:0:root:/root:/bin/bash",
        "root:x:0:0::/root:/bin/sh",
    ]);
    let joe = random.of(&[
        "joe:x:1000:1000::/home/joe:/bin/bash",
        "joe:x:1003:100:J,,,:/var/joe:",
    ]);
    let more = random.of(&[
        "",
        "last:x:59999:59999::/:/bin/false\n",
        "nobody:x:65534:65534::/:/\n",
        "+::::::\n",
        "# note\n",
    ]);
    let end = random.of(&["\n", "\n", ""]);
    let passwd = format!(
        "{root}\ndaemon:x:2:2::/:/sbin/nologin\n{more}{joe}\nold.user:x:1007:1000::/home/old:/bin/sh{end}"
    );
    trees::write(tree, "etc/passwd", passwd);
    let high = random.of(&[
        "",
        "high:x:60000:\n",
        "high:x:1001:root\n",
        "high:x:998:joe,old.user\n",
    ]);
    let group = format!(
        "root:x:0:\nwheel:x:10:root\nmail:x:12:\nvideo:x:44:joe\nusers:x:100:\njoe:x:1000:{}\n{high}",
        random.of(&["", "joe", "ann", "joe,old.user"])
    );
    trees::write(tree, "etc/group", group);
    if random.chance(85) {
        let joe = random.of(&["joe:$6$a$b:19000:0:99999:7:::\n", "joe:!!:::::::\n", ""]);
        let shadow = format!(
            "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n{joe}old.user:!:19000:1:2:3:4:20000:\n"
        );
        secret(tree, "etc/shadow", &shadow);
    }
    if random.chance(85) {
        let joe = random.of(&["joe:!::\n", "joe:!:root:joe\n", ""]);
        secret(
            tree,
            "etc/gshadow",
            &format!("root:::\nwheel:::root\nmail:::\nvideo:::joe\nusers:::\n{joe}"),
        );
    }
    for name in ["etc/subuid", "etc/subgid"] {
        let texts = [
            "",
            "joe:100000:65536\n",
            "joe:165536:65536\nold.user:100000:65536\n",
            "joe:100000:10\n",
            "1000:300000:65536\n# x\n",
        ];
        if let Some(text) = random.maybe(75, &texts) {
            trees::write(tree, name, text);
        }
    }
}

fn secret(tree: &Path, path: &str, text: &str) {
    trees::write(tree, path, text);
    fs::set_permissions(tree.join(path), Permissions::from_mode(0o640)).unwrap();
    chown(tree.join(path), None, Some(42)).unwrap();
}

/// login.defs and default/useradd.
fn settings(random: &mut Random, tree: &Path) {
    let lines = [
        "USERGROUPS_ENAB yes",
        "USERGROUPS_ENAB yes",
        "CREATE_HOME yes",
        "UMASK 077",
        "HOME_MODE 0700",
        "HOME_MODE\t0750",
        "UID_MIN 500",
        "UID_MAX 1009",
        "GID_MIN 0x1f4",
        "GID_MAX 1002",
        "PASS_MAX_DAYS 90",
        "PASS_MIN_DAYS 1",
        "PASS_WARN_AGE 7",
        "PASS_MAX_DAYS -1",
        "SUB_UID_COUNT 0",
        "SUB_UID_MIN 200000",
        "SUB_GID_COUNT 10",
        "SUB_GID_MAX 170000",
        "MAIL_DIR /var/mail",
        "# comment",
        "",
        "  UMASK   027  ",
        "SYS_UID_MIN 100",
        "ENCRYPT_METHOD SHA512",
        "UID_MIN \"600\"",
        "MAX_MEMBERS_PER_GROUP 0",
    ];
    if random.chance(85) {
        let chosen = random.some(8, &lines);
        trees::write(tree, "etc/login.defs", chosen.join("\n") + "\n");
    }
    let lines = [
        "SHELL=/bin/zsh",
        "SHELL=",
        "GROUP=100",
        "GROUP=users",
        "HOME=/var/home",
        "INACTIVE=-1",
        "INACTIVE=30",
        "EXPIRE=",
        "EXPIRE=2030-01-01",
        "SKEL=/etc/skel",
        "SKEL=/usr/skel",
        "CREATE_MAIL_SPOOL=yes",
        "CREATE_MAIL_SPOOL=no",
        "# x",
        "GROUP=1000",
    ];
    if random.chance(50) {
        let chosen = random.some(5, &lines);
        trees::write(tree, "etc/default/useradd", chosen.join("\n") + "\n");
    }
}

fn places(random: &mut Random, tree: &Path) {
    // mkhomedir_helper fails without one.
    fs::create_dir_all(tree.join("etc/skel")).unwrap();
    trees::fill(
        random,
        &tree.join("etc/skel"),
        &[".profile", ".config", "a b"],
        8,
    );
    for (path, percent) in [
        ("usr/skel", 50),
        ("home/joe", 60),
        ("home/ann", 15),
        ("var/mail", 60),
        ("home", 80),
        ("root", 50),
        ("var", 90),
        ("proc", 100),
    ] {
        if random.chance(percent) {
            fs::create_dir_all(tree.join(path)).unwrap();
        }
    }
    if random.chance(20) && !tree.join("home").exists() {
        fs::create_dir_all(tree.join("var/home")).unwrap();
        std::os::unix::fs::symlink("var/home", tree.join("home")).unwrap();
    }
}

const MISSING_HOME: &str = "
    home=$(grep ^$0: TREE/etc/passwd | cut -d: -f6)
    [ -z \"$home\" ] || [ -e TREE/$home ] || { mount --bind /usr TREE/usr && exec chroot TREE mkhomedir_helper $0; }";

fn groups(random: &mut Random, tree: &Path) -> Trial {
    databases(random, tree);
    settings(random, tree);
    let force = random.chance(30);
    let mut options = Map::new();
    let mut trial = Trial::default();
    let names = [&NEW[..], &GROUPS[..]].concat();
    for name in random.some(4, &names) {
        let gid = random.maybe(
            60,
            &[
                0,
                10,
                100,
                500,
                999,
                1000,
                1001,
                1005,
                60_000,
                65_534,
                70_000,
                4_294_967_294_u64,
            ],
        );
        options.insert(
            name.into(),
            gid.map_or_else(|| json!({}), |gid| json!({ "gid": gid })),
        );
        let mut words = vec!["groupadd".to_owned(), "--root".into(), "TREE".into()];
        words.extend(
            gid.filter(|gid| *gid != 0)
                .iter()
                .flat_map(|gid| ["--gid".into(), gid.to_string()]),
        );
        words.extend(force.then(|| "--force".into()));
        words.push(name.into());
        trial.command(words);
    }
    trial.options = json!({ "groups": options, "force": force });
    trial
}

/// The words of useradd and usermod that an option gives.
fn words(user: &Map<String, Value>, new: bool) -> Vec<String> {
    let text = |key: &str| {
        user.get(key).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    let mut words = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]))
    };
    let given = |value: Option<String>| value.filter(|value| new || !value.is_empty());
    if new {
        option("--uid", text("uid"));
        words.extend(user.contains_key("uid").then(|| "-o".to_owned()));
    }
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]))
    };
    option("--gid", text("gid"));
    let groups = user.get("groups").and_then(Value::as_array);
    let groups = groups.map(|groups| {
        groups
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(",")
    });
    option("--groups", groups.filter(|groups| !groups.is_empty()));
    option("--comment", text("description"));
    match text("home") {
        Some(home) if home.is_empty() && new => words.push("--no-create-home".into()),
        Some(home) if home.is_empty() => {}
        Some(home) if new => words.extend(["--home-dir".into(), home, "--create-home".into()]),
        Some(home) => words.extend(["--home".into(), home]),
        None => {}
    }
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]))
    };
    option("--shell", given(text("shell")));
    option("--password", text("password"));
    option("--expiredate", text("expiredate"));
    words
}

fn user(random: &mut Random, new: bool) -> Map<String, Value> {
    let odd = random.chance(15);
    let mut user = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        value.map(|value| user.insert(key.into(), value));
    };
    let mut text = |percent: usize, usual: &[&str], strange: &[&str]| {
        let choices = if odd {
            [usual, strange].concat()
        } else {
            usual.to_vec()
        };
        random.maybe(percent, &choices).map(Value::from)
    };
    put(
        "description",
        text(40, &["", "A Name", "a,b,c", "ünder"], &["a:b", "a\nb"]),
    );
    let homes = [
        "",
        "/home/ann",
        "/var/lib/x/y",
        "/home/joe",
        "/",
        "/home/new",
        "/home/new/",
        "/home//twice",
    ];
    put("home", text(50, &homes, &["relative", "/a:b"]));
    put(
        "shell",
        text(40, &["", "/bin/zsh", "/sbin/nologin"], &["none", "/a:b"]),
    );
    put(
        "password",
        text(40, &["", "$6$salt$hash", "!", "!$6$x"], &["a:b"]),
    );
    let uids = [
        0,
        2,
        500,
        1000,
        1001,
        1002,
        1020,
        60_000,
        65_534,
        70_000,
        4_294_967_294_u64,
    ];
    put(
        "uid",
        random.maybe(35, &uids).filter(|_| new).map(Value::from),
    );
    let gids: &[u32] = if odd {
        &[0, 10, 5000]
    } else {
        &[0, 10, 100, 1000]
    };
    put("gid", random.maybe(35, gids).map(Value::from));
    let groups: &[&str] = if odd {
        &["root", "missing"]
    } else {
        &["root", "wheel", "users", "joe", "mail", "video", "10"]
    };
    let groups = random.some(3, groups);
    put("groups", random.chance(60).then(|| json!(groups)));
    put(
        "expiredate",
        random
            .maybe(30, &[-1, 0, 1, 20_000, 99_999])
            .map(Value::from),
    );
    put(
        "force_password_reset",
        random.maybe(20, &[true]).map(Value::from),
    );
    user
}

fn users(random: &mut Random, tree: &Path) -> Trial {
    databases(random, tree);
    settings(random, tree);
    places(random, tree);
    let mut options = Map::new();
    let mut trial = Trial::default();
    let mut names = random.some(2, &NEW);
    names.extend(random.some(2, &KNOWN));
    for name in names {
        let new = !KNOWN.contains(&name);
        let mut user = user(random, new);
        if name == "root" {
            // usermod moves no user who has processes.
            user.retain(|key, _| key != "gid" && key != "home");
        }
        let shadow = fs::read_to_string(tree.join("etc/shadow")).unwrap_or_default();
        if shadow.is_empty() || name == "joe" && !shadow.contains("\njoe:") {
            // passwd would do nothing and say nothing; usermod takes no expiry for one on the first day.
            user.retain(|key, value| {
                key != "force_password_reset" && !(key == "expiredate" && *value == json!(0))
            });
        }
        if shadow.is_empty() && !new {
            // That it never expires, usermod refuses to say without a shadow.
            user.remove("expiredate");
        }
        let words = words(&user, new);
        if new || !words.is_empty() {
            let program = if new { "useradd" } else { "usermod" };
            let script = "mount --bind /proc TREE/proc && exec \"$0\" --root TREE \"$@\"";
            let start = ["unshare", "--mount", "sh", "-c", script, program].map(str::to_owned);
            trial.command(start.into_iter().chain(words).chain([name.to_owned()]));
        }
        if !new {
            trial.command(["unshare", "--mount", "sh", "-c", MISSING_HOME, name]);
        }
        if user.contains_key("force_password_reset") {
            trial.command(["passwd", "--root", "TREE", "--expire", name]);
        }
        options.insert(name.into(), user.into());
    }
    trial.options = json!({ "users": options });
    trial
}

#[test]
fn groups_are_made_as_groupadd_makes_them() {
    compare(&Family {
        stage: "org.osbuild.groups",
        programs: &["groupadd"],
        make: groups,
        ..FAMILY
    });
}

#[test]
fn users_are_made_and_changed_as_useradd_and_usermod_do() {
    compare(&Family {
        stage: "org.osbuild.users",
        programs: &["useradd", "usermod", "passwd", "mkhomedir_helper"],
        base: trees::stage_for_programs,
        make: users,
        ..FAMILY
    });
}
