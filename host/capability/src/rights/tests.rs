//! Which verbs rights allow on which paths.
use super::*;
use serde_json::json;

fn rights(verbs: &[Verb], paths: &[&str]) -> Right {
    Right {
        verbs: verbs.iter().copied().collect(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

#[test]
fn all_layers_must_allow() {
    let module = [
        rights(&[Verb::Create, Verb::Replace], &["/etc/**"]),
        rights(&[Verb::Read], &["/**"]),
    ];
    let policy = [rights(&[Verb::Read, Verb::Create], &["/etc/*", "/usr/**"])];
    let rights = Rights::everything()
        .narrowed(&module, &json!({}))
        .and_then(|rights| rights.narrowed(&policy, &json!({})))
        .expect("patterns");
    let tree = |path: &str| format!("/run/osbuild/tree{path}");
    assert!(rights.allow(Verb::Create, &tree("/etc/hostname")));
    assert!(!rights.allow(Verb::Create, &tree("/etc/a/b")));
    assert!(!rights.allow(Verb::Replace, &tree("/etc/hostname")));
    assert!(!rights.allow(Verb::Create, &tree("/usr/x")));
    assert!(rights.allow_below(Verb::Read, &tree("/usr/share")));
    assert!(!rights.allow_below(Verb::Read, &tree("/etc/x")));
    assert!(rights.lead_to(Verb::Create, &tree("/etc")));
    assert!(!rights.lead_to(Verb::Create, &tree("/usr")));
}

#[test]
fn no_layer_is_everything_and_an_empty_one_nothing() {
    assert!(Rights::everything().allow_below(Verb::Node, "/run/osbuild/tree"));
    let nothing = Rights::everything()
        .narrowed(&[], &json!({}))
        .expect("empty");
    assert!(!nothing.allow(Verb::Read, "/run/osbuild/tree/a"));
}

#[test]
fn a_refusal_names_verb_path_and_who_allows_what() {
    let own = rights(&[Verb::Create, Verb::Replace], &["/etc/x/*"]);
    let rights = Rights::everything()
        .narrowed(&[own], &json!({}))
        .and_then(|rights| rights.narrowed_by("the rights of policy strict", &[], &json!({})))
        .expect("patterns");
    let refused = |verb, path, reach| {
        let refusal = rights.permit(verb, path, reach).expect_err("refused");
        refusal.to_string()
    };
    assert_eq!(
        refused(
            Verb::Replace,
            "/run/osbuild/tree/etc/passwd",
            Coverage::Path
        ),
        "may not replace /etc/passwd: its rights allow create, replace on /etc/x/*"
    );
    assert_eq!(
        refused(Verb::Create, "/run/osbuild/tree/etc/x/y", Coverage::Path),
        "may not create /etc/x/y: the rights of policy strict allow nothing"
    );
    assert_eq!(
        refused(Verb::Create, "/run/osbuild/tree/etc", Coverage::Below),
        "may not create /etc and all below it: its rights allow create, replace on /etc/x/*"
    );
}

#[test]
fn what_no_access_needed_is_unused() {
    let own = rights(
        &[Verb::Create, Verb::Replace],
        &["/etc/x", "/etc/y", "/usr/**"],
    );
    let narrow = Rights::everything()
        .narrowed(&[own], &json!({}))
        .expect("patterns");
    let accesses = [
        (Verb::Create, "/run/osbuild/tree/etc/x", false),
        (Verb::Create, "/run/osbuild/tree/usr/bin", false),
        (Verb::Replace, "/run/osbuild/tree/usr/bin", false),
    ];
    assert_eq!(
        narrow.unused(&accesses),
        [
            rights(&[Verb::Replace], &["/etc/x"]),
            rights(&[Verb::Create, Verb::Replace], &["/etc/y"]),
        ]
    );
    let everything = Rights::everything().unused(&accesses);
    assert_eq!(everything[0].paths, ["/**"]);
    assert!(!everything[0].verbs.contains(&Verb::Create));
}
