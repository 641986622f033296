//! What is written is what was read, for any blueprint that the schema allows.

use crate::document::Syntax;
use crate::model::{Blueprint, Mode, Size};
use crate::parse::{Options, Strictness};
use crate::policy::{DIRECTORIES, FILES, MOUNT_POINTS, OSTREE_FILES, PathPolicy};
use crate::schema;
use crate::shape::{Field, Shape};
use crate::support::{missing, unsupported};
use osbuild_wasm_manifest::problem::render_path;
use serde_json::{Map, Value, json};

/// A generator of numbers that gives the same ones each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Some value that fits a field.
    fn value(&mut self, field: Field<'_>) -> Value {
        if let Some(choices) = field.choices() {
            return (*self.pick(&choices)).clone();
        }
        if let Some(kinds) = field.kinds() {
            let kinds: Vec<_> = kinds.collect();
            let kind = *self.pick(&kinds);
            let mut value = self.value(kind);
            value["type"] = kind.kind().unwrap().into();
            return value;
        }
        let kind = *self.pick(&field.types());
        match (kind, field.format()) {
            ("object", _) => self.table(field),
            ("array", _) => (0..self.below(3))
                .map(|_| self.value(field.items()))
                .collect(),
            ("boolean", _) => (self.below(2) == 0).into(),
            ("integer", _) => self.below(1 << 32).into(),
            (_, Some("size")) => format!("{} MiB", self.below(1 << 20)).into(),
            (_, Some("mode")) => format!("{:04o}", self.below(0o1000)).into(),
            _ => (*self.pick(&TEXTS)).into(),
        }
    }

    fn table(&mut self, field: Field<'_>) -> Value {
        let required = field.required();
        // What a kind of table is called by is set where the kind is chosen.
        let members = field.members().filter(|(_, member)| !member.has("const"));
        let members = members.filter_map(|(name, member)| {
            let is_there = required.contains(&name) || self.below(2) == 0;
            is_there.then(|| (name.to_owned(), self.value(member)))
        });
        Value::Object(members.collect::<Map<_, _>>())
    }
}

/// Texts that are easily written wrong.
const TEXTS: [&str; 9] = [
    "plain",
    "two words",
    "\"quotes\" and 'others'",
    "back\\slash",
    "several\nlines\n",
    "\"\"\"",
    "'''\n",
    "ä €  \u{1f980} \u{7f}\t\u{1}",
    "# no comment",
];

#[test]
fn what_is_written_in_either_language_is_read_as_the_same() {
    let mut random = Random(1);
    for _ in 0..400 {
        let mut value = random.value(Field::root(schema()));
        let problems = Shape::check(schema(), &mut value, Syntax::Json, Strictness::Strict);
        assert!(problems.is_empty(), "{problems:?}\n{value:#}");
        let blueprint: Blueprint = serde_json::from_value(value).unwrap();
        let written = blueprint.to_toml();
        let read: Blueprint =
            toml::from_str(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(read, blueprint, "{written}");
        let mut written: Value = serde_json::from_str(&blueprint.to_json()).unwrap();
        let problems = Shape::check(schema(), &mut written, Syntax::Json, Strictness::Strict);
        assert!(problems.is_empty(), "{problems:?}");
        let read: Blueprint = serde_json::from_value(written).unwrap();
        assert_eq!(read, blueprint);
    }
}

#[test]
fn sizes_are_bytes() {
    let cases = [
        ("1", 1),
        (" 1.5 ", 2),
        ("1.4", 1),
        ("0.3 GiB", 322_122_547),
        ("1 kB", 1000),
        ("1KiB", 1024),
        ("2 TB", 2_000_000_000_000),
        ("1.5TiB", 1_649_267_441_664),
        ("0", 0),
    ];
    for (text, bytes) in cases {
        assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text:?}");
    }
    for text in [
        "",
        "GiB",
        "-1",
        "+1",
        "1 gib",
        "1 PB",
        "1 GiB x",
        "1.",
        ".5",
        "1.2.3",
        "1e3",
        "9000000 TiB",
    ] {
        assert!(Size::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(Size(5 << 30).to_string(), "5 GiB");
    assert_eq!(Size(1_000_000).to_string(), "1000000");
}

#[test]
fn modes_are_three_octal_digits() {
    assert_eq!(Mode::parse("0644"), Ok(Mode(0o644)));
    assert_eq!(Mode::parse("755"), Ok(Mode(0o755)));
    for text in ["", "64", "4755", "00644", "0o644", "888", "rwx"] {
        assert!(Mode::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_longest_entry_of_a_policy_decides() {
    let cases: [(PathPolicy, &str, bool); 14] = [
        (MOUNT_POINTS, "/", true),
        (MOUNT_POINTS, "/usr", true),
        (MOUNT_POINTS, "/usr/share", false),
        (MOUNT_POINTS, "/etcetera", true),
        (MOUNT_POINTS, "/var/run/x", false),
        (MOUNT_POINTS, "var", false),
        (MOUNT_POINTS, "/var/../etc", false),
        (DIRECTORIES, "/usr/local/share", true),
        (DIRECTORIES, "/usr/share", false),
        (DIRECTORIES, "/etc/fstab", true),
        (FILES, "/etc/fstab", false),
        (FILES, "/etc/fstab.d", true),
        (OSTREE_FILES, "/usr/local/bin/x", true),
        (OSTREE_FILES, "/usr/local/x", false),
    ];
    for (policy, path, allowed) in cases {
        assert_eq!(policy.allows(path), allowed, "{path}");
    }
}

#[test]
fn what_an_image_type_does_not_take_is_found() {
    let blueprint = json!({
        "name": "x", "packages": [{"name": "tmux"}],
        "customizations": {
            "hostname": "x", "fips": false, "kernel": {"name": "kernel-debug", "append": "quiet"},
            "user": [{"name": "ada"}], "services": {"enabled": []},
        },
    });
    let blueprint = Blueprint::from_json(&blueprint.to_string())
        .unwrap()
        .blueprint;
    let found = unsupported(&blueprint, &["packages", "customizations.kernel.append"]);
    let found: Vec<String> = found.iter().map(|path| render_path(path)).collect();
    assert_eq!(
        found,
        [
            ".customizations.hostname",
            ".customizations.kernel.name",
            ".customizations.user",
        ]
    );
    let needed = [
        "customizations.hostname",
        "customizations.installation_device",
    ];
    assert_eq!(
        missing(&blueprint, &needed),
        ["customizations.installation_device"]
    );
}

#[test]
fn a_request_to_the_cloud_api_is_read_as_the_blueprint_that_it_means() {
    let request = json!({
        "packages": ["tmux"],
        "enabled_modules": [{"name": "nodejs", "stream": "20"}],
        "containers": [{"source": "registry.example.org/app", "tls_verify": false}],
        "users": [{"name": "ada", "groups": ["wheel"]}],
        "groups": [{"name": "web", "gid": 2000}],
        "filesystem": [{"mountpoint": "/var", "min_size": 1073741824}],
        "fips": {"enabled": true},
        "files": [{"path": "/etc/motd", "data": "aGVsbG8K", "data_encoding": "base64"}],
        "custom_repositories": [{
            "id": "extra", "baseurl": ["https://example.org/extra"], "gpgkey": ["https://example.org/key"],
            "check_gpg": true, "check_repo_gpg": false, "ssl_verify": true,
        }],
        "payload_repositories": [{"baseurl": "https://example.org/payload"}],
        "subscription": {"organization": "1"},
        "hostname": null,
    });
    let means = r#"
        packages = [{ name = "tmux" }]
        enabled_modules = [{ name = "nodejs", stream = "20" }]
        containers = [{ source = "registry.example.org/app", tls-verify = false }]
        [customizations]
        user = [{ name = "ada", groups = ["wheel"] }]
        group = [{ name = "web", gid = 2000 }]
        filesystem = [{ mountpoint = "/var", minsize = "1 GiB" }]
        fips = true
        files = [{ path = "/etc/motd", data = "hello\n" }]
        [[customizations.repositories]]
        id = "extra"
        baseurls = ["https://example.org/extra"]
        gpgkeys = ["https://example.org/key"]
        gpgcheck = true
        repo_gpgcheck = false
        sslverify = true
    "#;
    let parsed = Blueprint::from_cloud(&request.to_string(), Options::default()).unwrap();
    assert_eq!(parsed.warnings, []);
    assert_eq!(
        parsed.blueprint,
        Blueprint::from_toml(means).unwrap().blueprint
    );
}

#[test]
fn the_directories_above_a_file_of_a_request_are_made_where_it_asks_for_them() {
    let request = serde_json::json!({
        "files": [
            {"path": "/etc/a/b/c", "data": "1", "ensure_parents": true},
            {"path": "/etc/a/b/d", "ensure_parents": true},
            {"path": "/srv/own/e", "ensure_parents": true},
            {"path": "/etc/f/g", "ensure_parents": false},
            {"path": "/h", "ensure_parents": true},
        ],
        "directories": [{"path": "/srv/own", "mode": "0700"}],
    });
    let means = r#"
        [customizations]
        files = [{ path = "/etc/a/b/c", data = "1" }, { path = "/etc/a/b/d" }, { path = "/srv/own/e" }, { path = "/etc/f/g" }, { path = "/h" }]
        directories = [{ path = "/srv/own", mode = "0700", ensure_parents = true }, { path = "/etc/a/b", ensure_parents = true }]
    "#;
    let parsed = Blueprint::from_cloud(&request.to_string(), Options::default()).unwrap();
    let expected = Blueprint::from_toml(means).unwrap().blueprint;
    assert_eq!(parsed.blueprint, expected);
}

#[test]
fn what_is_wrong_with_a_request_is_told_with_its_own_names_and_places() {
    let cases = [
        (r#"{"user": []}"#, "user", "\"user\""),
        (r#"{"packages": [""]}"#, "packages[0]", "\"\""),
        (
            r#"{"users": [{"name": "a b"}]}"#,
            "users[0].name",
            "\"a b\"",
        ),
        (
            r#"{"users": [{"name": "ada", "nam": 1}]}"#,
            "users[0].nam",
            "\"nam\"",
        ),
        (
            r#"{"filesystem": [{"mountpoint": "/var", "min_size": "1 gib"}]}"#,
            "filesystem[0].min_size",
            "\"1 gib\"",
        ),
        (
            r#"{"files": [{"path": "/etc/a", "data": "?", "data_encoding": "base64"}]}"#,
            "files[0].data",
            "\"?\"",
        ),
        (
            r#"{"files": [{"path": "/etc/a", "ensure_parents": "yes"}]}"#,
            "files[0].ensure_parents",
            "\"yes\"",
        ),
        (r#"{"fips": {"enabled": "yes"}}"#, "fips.enabled", "\"yes\""),
    ];
    for (text, path, underlined) in cases {
        let errors = Blueprint::from_cloud(text, Options::default()).unwrap_err();
        let first = errors.first().unwrap();
        assert_eq!(render_path(&first.path), format!(".{path}"), "{text}");
        assert_eq!(&text[first.span.clone()], underlined, "{text}");
        assert!(
            !first.message.contains("customizations."),
            "{}",
            first.message
        );
    }
}
