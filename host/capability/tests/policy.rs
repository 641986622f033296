//! What a policy decides.
#![allow(clippy::unwrap_used, reason = "tests")]
use osbuild_wasm_capability::plan::{Ask, Part};
use osbuild_wasm_capability::{BUILT_IN, Interface, Policy, Profile, Right, Rights, Signer, Verb};
use serde_json::json;

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!("version = 1\n{rules}"))
        .unwrap_or_else(|error| panic!("{error}\n{rules}"))
}

/// A stage that asks for these interfaces.
fn stage(interfaces: &[&str]) -> Ask {
    Ask {
        module: Profile {
            name: "org.osbuild.x".into(),
            kind: "stage".into(),
            origin: BUILT_IN.into(),
            digest: "0".repeat(64),
            interfaces: interfaces
                .iter()
                .map(|name| ((*name).to_owned(), "1.0.0".to_owned()))
                .collect(),
            ..Profile::default()
        },
        ..Ask::default()
    }
}

fn denied(rules: &str, ask: &Ask) -> Vec<String> {
    let decision = policy(rules).decide(ask);
    decision
        .denials
        .into_iter()
        .map(|denial| denial.capability)
        .collect()
}

#[test]
fn what_no_rule_matches_is_denied() {
    assert_eq!(denied("", &stage(&["tree"])), ["stage org.osbuild.x"]);
    assert_eq!(
        denied("[[rule]]\nmodules = ['com.example.*']", &stage(&[])),
        ["stage org.osbuild.x"]
    );
}

#[test]
fn the_most_specific_rule_decides_alone() {
    let rules = "
        [[rule]]\nmodules = ['org.osbuild.x']\nname = 'exact'
        [[rule]]\nmodules = ['org.osbuild.*']\nname = 'pattern'\ntier = 'elevated'\nprograms = ['*']
        [[rule]]\nmodules = ['*']\nname = 'all'";
    let decision = policy(rules).decide(&stage(&["command"]));
    assert_eq!(decision.rule.as_deref(), Some("rule \"exact\" (line 3)"));
    assert!(
        !decision.granted(),
        "the tier of the other rule does not add up"
    );
    let last = format!("{rules}\n[[rule]]\nmodules = ['org.osbuild.x']\nname = 'later'");
    assert_eq!(
        policy(&last).rule("org.osbuild.x").unwrap().name.as_deref(),
        Some("later")
    );
}

#[test]
fn tiers_give_interfaces() {
    for (tier, granted) in [
        ("basic", &["tree", "report"][..]),
        (
            "elevated",
            &["tree", "report", "rpm", "grub", "qemu-img", "command"],
        ),
        (
            "privileged",
            &[
                "tree", "report", "rpm", "grub", "qemu-img", "command", "loopback", "mount",
            ],
        ),
    ] {
        let rules = format!("[[rule]]\nmodules = ['*']\ntier = '{tier}'");
        for interface in Interface::ALL
            .into_iter()
            .filter(|interface| *interface != Interface::Types)
        {
            let ask = stage(&[interface.name()]);
            assert_eq!(
                denied(&rules, &ask).is_empty(),
                granted.contains(&interface.name()),
                "{tier} {interface}"
            );
        }
    }
}

#[test]
fn programs_capabilities_devices_mounts_and_hosts_are_named() {
    let mut ask = stage(&["command"]);
    ask.module.programs = vec!["rpm".into(), "rpmkeys".into()];
    ask.module.linux_capabilities = vec!["CAP_MAC_ADMIN".into()];
    let part = |module: &str| Part {
        name: "disk".into(),
        module: module.into(),
        of: String::new(),
        ..Part::default()
    };
    ask.devices = vec![part("org.osbuild.loopback")];
    ask.mounts = vec![part("org.osbuild.ext4")];
    ask.hosts = vec!["a.example.org:443".into()];
    let all = [
        "program rpm",
        "program rpmkeys",
        "Linux capability CAP_MAC_ADMIN",
        "device disk (org.osbuild.loopback)",
        "mount disk (org.osbuild.ext4)",
        "host a.example.org:443",
    ];
    let rule = "[[rule]]\nmodules = ['*']\ntier = 'privileged'\n";
    assert_eq!(
        denied(&format!("{rule}devices = []\nmounts = []"), &ask),
        all
    );
    let lists =
        "programs = ['rpm*']\nlinux-capabilities = ['CAP_MAC_ADMIN']\nhosts = ['*.example.org']";
    assert!(
        denied(&format!("{rule}{lists}"), &ask).is_empty(),
        "devices and mounts are those of the tier"
    );
}

#[test]
fn withheld_is_not_denied_and_not_granted() {
    let mut ask = stage(&["tree", "command"]);
    ask.module.programs = vec!["rpm".into()];
    ask.module.wasi = [("wasi:sockets/tcp".to_owned(), "0.2.0".to_owned())].into();
    let rule = "[[rule]]\nmodules = ['*']\n";
    assert_eq!(denied(rule, &ask), ["interface command", "program rpm"]);
    let withhold = policy(&format!("{rule}asked-not-granted = 'withhold'")).decide(&ask);
    assert!(withhold.granted());
    assert_eq!(
        withhold.withheld,
        ["interface command", "program rpm", "wasi:sockets/tcp"]
    );
    assert_eq!((withhold.interfaces.len(), withhold.programs.len()), (1, 0));
    ask = stage(&["tree"]);
    ask.module.wasi = [("wasi:sockets/tcp".to_owned(), "0.2.0".to_owned())].into();
    assert!(denied(rule, &ask).is_empty());
    assert_eq!(
        denied(&format!("{rule}asked-not-granted = 'error'"), &ask),
        ["wasi:sockets/tcp"]
    );
}

#[test]
fn a_policy_need_not_name_a_place_by_all_its_names() {
    let mut ask = stage(&["tree"]);
    let asked = |paths: &[&str]| {
        Some(vec![Right {
            verbs: [Verb::Create].into(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }])
    };
    let rules = "[[rule]]\nmodules = ['*']\nrights = [{ verbs = ['create'], paths = ['/srv/**'] }]";
    ask.module.rights = asked(&["/srv/www", "/var/srv/www"]);
    assert_eq!(denied(rules, &ask), [""; 0]);
    ask.module.rights = asked(&["/var/srv/www"]);
    assert_eq!(denied(rules, &ask), ["create /var/srv/www"]);
}

#[test]
fn rights_that_a_module_asks_for_must_be_allowed_wholly() {
    let mut ask = stage(&["tree"]);
    let right = |verb, path: &str| Right {
        verbs: [verb].into(),
        paths: vec![path.into()],
    };
    ask.module.rights = Some(vec![
        right(Verb::Create, "/etc/hostname"),
        right(Verb::Read, "/etc/**"),
    ]);
    ask.options = json!({"path": "/etc/hostname"});
    let rule = |paths: &str| {
        format!(
            "[[rule]]\nmodules = ['*']\nrights = [{{ verbs = ['create', 'read'], paths = [{paths}] }}]"
        )
    };
    assert!(denied(&rule("'/etc/**'"), &ask).is_empty());
    assert_eq!(denied(&rule("'/etc/hostname'"), &ask), ["read /etc/**"]);
    assert_eq!(denied(&rule("'${/path}'"), &ask), ["read /etc/**"]);
    assert_eq!(
        denied(&rule("'/usr/**'"), &ask),
        ["create /etc/hostname", "read /etc/**"]
    );
    // Of a module that says nothing the policy alone decides, while it runs.
    ask.module.rights = None;
    let decision = policy(&rule("'${/path}'")).decide(&ask);
    assert!(decision.granted());
    let rights = decision.narrow(Rights::everything()).unwrap();
    assert!(rights.allow(Verb::Create, "/run/osbuild/tree/etc/hostname"));
    assert!(!rights.allow(Verb::Create, "/run/osbuild/tree/etc/passwd"));
    assert!(!rights.allow(Verb::Remove, "/run/osbuild/tree/etc/hostname"));
}

#[test]
fn digests_and_signers_pin_components() {
    let ask = stage(&[]);
    let rule = "[[rule]]\nmodules = ['*']\n";
    let digest = |digit: &str| format!("{rule}digests = ['sha256:{}']", digit.repeat(64));
    assert!(denied(&digest("0"), &ask).is_empty());
    assert_eq!(
        denied(&digest("1"), &ask),
        [format!("component sha256:{}", "0".repeat(64))]
    );
    let signers = format!("{rule}signers = ['alice@example.org', 'ed25519:ab']");
    assert!(
        denied(&signers, &ask).is_empty(),
        "built-in components are part of the program"
    );
    let mut plugin = stage(&[]);
    plugin.module.origin = "/plugins/x.wasm".into();
    assert_eq!(
        denied(&signers, &plugin),
        ["component /plugins/x.wasm"],
        "absent is a failure"
    );
    plugin.module.signers = vec![Signer {
        name: "mallory".into(),
        key: String::new(),
    }];
    assert_eq!(denied(&signers, &plugin), ["component /plugins/x.wasm"]);
    plugin.module.signers = vec![Signer {
        name: String::new(),
        key: "ed25519:ab".into(),
    }];
    assert!(denied(&signers, &plugin).is_empty());
    let remedy = policy(&signers).remedy("org.osbuild.x", [&stage(&[])]);
    assert!(remedy.signers.is_empty());
}

#[test]
fn limits_of_the_rule_come_before_those_of_the_file() {
    let rules = "[limits]\nmemory = '1 GiB'\ntime = 60\n[[rule]]\nmodules = ['*']\nlimits = { time = '90s', created-inodes = 5 }";
    let limits = policy(rules).decide(&stage(&[])).limits;
    assert_eq!(
        (limits.memory, limits.seconds, limits.created_inodes),
        (1 << 30, Some(90), 5)
    );
}

#[test]
fn the_lines_of_a_denial_allow_what_was_denied() {
    let mut ask = stage(&["tree", "command", "mount"]);
    ask.module.programs = vec!["mkfs.*".into()];
    ask.module.linux_capabilities = vec!["CAP_MAC_ADMIN".into()];
    ask.module.rights = Some(vec![Right {
        verbs: Verb::ALL.into(),
        paths: vec!["/a[*]/**".into(), "mount://**".into()],
    }]);
    ask.devices = vec![Part {
        name: "d".into(),
        module: "org.osbuild.loopback".into(),
        of: String::new(),
        ..Part::default()
    }];
    ask.hosts = vec!["[::1]:8080".into(), "a.example.org:443".into(), "*".into()];
    for rules in [
        "",
        "[[rule]]\nmodules = ['org.osbuild.*']\nlimits = { memory = '1 GiB', time = '10min' }",
        "[[rule]]\nmodules = ['org.osbuild.x', 'b']\ninterfaces = ['report']\nrights = []\nasked-not-granted = 'error'\nwasi-filesystem = false",
        "[[rule]]\nmodules = ['org.osbuild.x']\ntier = 'privileged'\ndevices = []\nmounts = []\ndigests = []",
    ] {
        let before = policy(rules);
        assert!(!before.decide(&ask).granted(), "{rules}");
        let lines = before.remedy("org.osbuild.x", [&ask]).lines;
        let after = policy(&format!("{rules}\n{lines}"));
        let decision = after.decide(&ask);
        assert_eq!(decision.denials, [], "{rules}\n{lines}");
        assert_eq!(
            decision.limits,
            before
                .rule("org.osbuild.x")
                .map_or(decision.limits, |_| before.decide(&ask).limits)
        );
    }
}

#[test]
fn mistakes_are_told_with_line_column_and_the_known_words() {
    for (text, line, column, part) in [
        ("version = 2", 1, 11, "version 2"),
        ("", 1, 1, "missing field `version`"),
        (
            "version = 1\n[[rule]]\nmodules = []",
            2,
            1,
            "`modules` is empty",
        ),
        ("version = 1\n[[rule]]\nmodules = ['[']", 3, 11, "pattern"),
        (
            "version = 1\n[[rule]]\nmodules = ['*']\nprograms = ['x']",
            2,
            1,
            "needs `tier = \"elevated\"`",
        ),
        (
            "version = 1\n[[rule]]\nmodules = ['*']\nrights = [{ verbs = ['read'], paths = ['ftp://x'] }]",
            2,
            1,
            "unknown scheme",
        ),
        ("version = 1\n[limits]\nmemory = 'much'", 3, 10, "a size is"),
        (
            "version = 1\n[limits]\ntime = 'long'",
            3,
            8,
            "is not a time",
        ),
        (
            "version = 1\n[[rule]]\nmodules = ['*']\ndigests = ['sha256:0']",
            4,
            11,
            "is not a digest",
        ),
        ("version = ", 1, 11, ""),
    ] {
        let error = Policy::parse(text).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
    }
    let error = Policy::parse("version = 1\nrules = []").unwrap_err();
    assert_eq!(error.unknown.as_deref(), Some("rules"));
    assert!(error.known.contains(&"rule".to_owned()), "{error}");
}
