//! Rights of a module's document: verbs on paths, held to where things really are.
use osbuild_wasm_tests::{Scratch, hostile};
use serde_json::json;

const SECRET: &str = "the-secret-of-the-tree";

/// A tree with `/etc/passwd`, which no test may read or change, and `/etc/x/own`.
fn tree() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("tree/etc/passwd", SECRET);
    scratch.write("tree/etc/x/own", "mine");
    scratch.directory("tree/etc/x/sub");
    scratch
}

/// Runs steps, each given with what the program must say of it: `ok`, or a part of the refusal.
#[track_caller]
fn expect(scratch: &Scratch, rights: &serde_json::Value, steps: &[(&str, &str)]) {
    scratch.directory("tree");
    let texts: Vec<_> = steps.iter().map(|(step, _)| *step).collect();
    let ended = hostile::narrow(scratch, rights, &texts);
    for (step, says) in steps {
        let what: Vec<_> = step.split(' ').take(3).collect();
        let start = format!("{}: ", what.join(" "));
        let mut lines = ended.stdout.lines();
        assert!(
            lines.any(|line| line.starts_with(&start) && line.contains(says)),
            "{step}: expected {says}\n{}",
            ended.all()
        );
    }
    ended.never_says(SECRET).never_says("internal error");
    if let Ok(content) = std::fs::read_to_string(scratch.path("tree/etc/passwd")) {
        assert_eq!(content, SECRET);
    }
}

#[test]
fn each_verb_is_refused_where_it_was_not_granted() {
    let all = json!([{ "verbs": ["read", "create", "replace", "remove", "chmod", "chown", "xattr", "node"], "paths": ["/etc/x/**"] }]);
    let none = "on /etc/x/**";
    let may_not =
        |verb: &str| format!("test.narrow may not {verb} /etc/passwd: its rights allow read, ");
    let verbs = [
        "read", "create", "replace", "remove", "chmod", "chown", "xattr",
    ]
    .map(may_not);
    let [read, _, replace, remove, chmod, chown, xattr] = &verbs;
    expect(
        &tree(),
        &all,
        &[
            ("tree read /run/osbuild/tree/etc/passwd", read),
            ("tree stat /run/osbuild/tree/etc/passwd", read),
            ("tree write /run/osbuild/tree/etc/passwd", replace),
            ("tree append /run/osbuild/tree/etc/passwd", replace),
            ("tree replace /run/osbuild/tree/etc/passwd", replace),
            ("tree touch /run/osbuild/tree/etc/passwd", replace),
            ("tree update /run/osbuild/tree/etc/passwd", read),
            ("tree remove /run/osbuild/tree/etc/passwd", remove),
            ("tree remove-all /run/osbuild/tree/etc/passwd", remove),
            ("tree chmod /run/osbuild/tree/etc/passwd", chmod),
            ("tree chown /run/osbuild/tree/etc/passwd", chown),
            ("tree set-xattr /run/osbuild/tree/etc/passwd", xattr),
            ("tree list /run/osbuild/tree/etc", "may not read /etc: "),
            (
                "tree write /run/osbuild/tree/etc/new",
                "may not create /etc/new: ",
            ),
            (
                "tree replace /run/osbuild/tree/etc/new",
                "may not create /etc/new: ",
            ),
            (
                "tree mkdir /run/osbuild/tree/etc/dir",
                "may not create /etc/dir: ",
            ),
            (
                "tree symlink /run/osbuild/tree/etc/link passwd",
                "may not create /etc/link: ",
            ),
            (
                "tree fifo /run/osbuild/tree/etc/pipe",
                "may not node /etc/pipe: ",
            ),
            (
                "tree remove-all /run/osbuild/tree/etc",
                "may not remove /etc and all below it: ",
            ),
            ("tree stat /run/osbuild/tree/etc", "ok: "),
            ("tree write /run/osbuild/tree/etc/x/new", "ok: "),
            ("tree replace /run/osbuild/tree/etc/x/own", "ok: "),
            ("tree fifo /run/osbuild/tree/etc/x/pipe", "ok: "),
            ("tree mkdir /run/osbuild/tree/etc/shadow.d", none),
        ],
    );
}

#[test]
fn a_link_does_not_carry_a_right_to_another_place() {
    let scratch = tree();
    scratch.link("/etc/passwd", "tree/etc/x/absolute");
    scratch.link("../passwd", "tree/etc/x/relative");
    scratch.link("..", "tree/etc/x/up");
    scratch.link("/etc/made", "tree/etc/x/dangling");
    scratch.link("sub/made", "tree/etc/x/inside");
    let rights = json!([{ "verbs": ["read", "create", "replace", "remove", "chmod"], "paths": ["/etc/x/**"] }]);
    expect(
        &scratch,
        &rights,
        &[
            (
                "tree read /run/osbuild/tree/etc/x/absolute",
                "may not read /etc/passwd: ",
            ),
            (
                "tree write /run/osbuild/tree/etc/x/absolute",
                "may not replace /etc/passwd: ",
            ),
            (
                "tree append /run/osbuild/tree/etc/x/relative",
                "may not replace /etc/passwd: ",
            ),
            (
                "tree chmod /run/osbuild/tree/etc/x/relative",
                "may not chmod /etc/passwd: ",
            ),
            (
                "tree read /run/osbuild/tree/etc/x/up/passwd",
                "may not read /etc/passwd: ",
            ),
            (
                "tree remove /run/osbuild/tree/etc/x/up/passwd",
                "may not remove /etc/passwd: ",
            ),
            (
                "tree read /run/osbuild/tree/etc/x/../passwd",
                "may not read /etc/passwd: ",
            ),
            (
                "tree write /run/osbuild/tree/etc/x/dangling",
                "may not create /etc/made: ",
            ),
            ("tree write /run/osbuild/tree/etc/x/inside", "ok: "),
            (
                "tree copy /run/osbuild/tree/etc/x/absolute /run/osbuild/tree/etc/x/copy",
                "may not read /etc/passwd: ",
            ),
            ("tree remove /run/osbuild/tree/etc/x/relative", "ok: "),
        ],
    );
    assert!(!scratch.path("tree/etc/made").exists());
    assert_eq!(scratch.read("tree/etc/x/sub/made"), "HOSTILE");
}

#[test]
fn a_new_name_gives_no_right_that_the_old_one_did_not_have() {
    let scratch = tree();
    scratch.write("tree/etc/dir/secret", SECRET);
    let rights = json!([
        { "verbs": ["read"], "paths": ["/etc/passwd"] },
        { "verbs": ["remove"], "paths": ["/etc/dir/**"] },
        { "verbs": ["read", "create", "replace"], "paths": ["/etc/x/**"] },
    ]);
    expect(
        &scratch,
        &rights,
        &[
            (
                "tree hard-link /run/osbuild/tree/etc/passwd /run/osbuild/tree/etc/x/p",
                "may not replace /etc/passwd: ",
            ),
            (
                "tree rename /run/osbuild/tree/etc/passwd /run/osbuild/tree/etc/x/p",
                "may not remove /etc/passwd: ",
            ),
            (
                "tree rename /run/osbuild/tree/etc/dir/secret /run/osbuild/tree/etc/x/p",
                "may not read /etc/dir/secret: ",
            ),
            (
                "tree rename /run/osbuild/tree/etc/dir /run/osbuild/tree/etc/x/p",
                "may not read /etc/dir and all below it: ",
            ),
        ],
    );
}

#[test]
fn whole_directories_take_rights_to_all_that_is_below() {
    let rights = json!([
        { "verbs": ["read", "remove"], "paths": ["/etc/x/*"] },
        { "verbs": ["create"], "paths": ["/copy/**"] },
        { "verbs": ["create", "replace"], "paths": ["/file"] },
        { "verbs": ["read"], "paths": ["/etc/x/sub/**"] },
    ]);
    expect(
        &tree(),
        &rights,
        &[
            (
                "tree remove-all /run/osbuild/tree/etc/x/sub",
                "may not remove /etc/x/sub and all below it: ",
            ),
            (
                "tree copy-links /run/osbuild/tree/etc/x /run/osbuild/tree/copy",
                "may not read /etc/x and all below it: ",
            ),
            (
                "tree copy-links /run/osbuild/tree/etc/x/sub /run/osbuild/tree/file",
                "may not create /file and all below it: ",
            ),
            (
                "tree copy-links /run/osbuild/tree/etc/x/own /run/osbuild/tree/file",
                "ok: ",
            ),
            (
                "tree copy-links /run/osbuild/tree/etc/x/sub /run/osbuild/tree/copy",
                "ok: ",
            ),
        ],
    );
}

#[test]
fn missing_directories_that_lead_to_a_permitted_path_may_be_made() {
    let scratch = Scratch::new();
    let rights = json!([{ "verbs": ["create"], "paths": ["/etc/new.d/sub/*.conf"] }]);
    expect(
        &scratch,
        &rights,
        &[
            ("tree mkdir /run/osbuild/tree/etc", "ok: "),
            ("tree mkdir /run/osbuild/tree/etc/new.d", "ok: "),
            (
                "tree mkdir /run/osbuild/tree/etc/new.d/other",
                "may not create /etc/new.d/other: ",
            ),
            ("tree mkdir /run/osbuild/tree/etc/new.d/sub", "ok: "),
            ("tree write /run/osbuild/tree/etc/new.d/sub/a.conf", "ok: "),
            (
                "tree write /run/osbuild/tree/etc/new.d/sub/a.txt",
                "may not create ",
            ),
        ],
    );
}

#[test]
fn wasi_is_held_to_the_same_rights() {
    let scratch = tree();
    scratch.link("../passwd", "tree/etc/x/link");
    scratch.link("own", "tree/etc/x/made");
    let refused = "Permission denied";
    let rights =
        json!([{ "verbs": ["read", "create", "replace", "remove"], "paths": ["/etc/x/**"] }]);
    expect(
        &scratch,
        &rights,
        &[
            ("std read /run/osbuild/tree/etc/passwd", refused),
            ("std stat /run/osbuild/tree/etc/passwd", refused),
            ("std write /run/osbuild/tree/etc/passwd", refused),
            ("std append /run/osbuild/tree/etc/passwd", refused),
            ("std touch /run/osbuild/tree/etc/passwd", refused),
            ("std remove /run/osbuild/tree/etc/passwd", refused),
            ("std list /run/osbuild/tree/etc", refused),
            ("std write /run/osbuild/tree/etc/new", refused),
            ("std mkdir /run/osbuild/tree/etc/dir", refused),
            ("std read /run/osbuild/tree/etc/x/link", refused),
            ("std write /run/osbuild/tree/etc/x/link", refused),
            (
                "std hard-link /run/osbuild/tree/etc/passwd /run/osbuild/tree/etc/x/p",
                refused,
            ),
            (
                "std rename /run/osbuild/tree/etc/passwd /run/osbuild/tree/etc/x/p",
                refused,
            ),
            ("std read /run/osbuild/tree/etc/x/own", "ok: mine"),
            ("std list /run/osbuild/tree/etc/x", "ok: "),
            ("std write /run/osbuild/tree/etc/x/own", "ok: "),
            ("std append /run/osbuild/tree/etc/x/new", "ok: "),
            ("std touch /run/osbuild/tree/etc/x/new", "ok: "),
            ("std mkdir /run/osbuild/tree/etc/x/dir", "ok: "),
            (
                "std rename /run/osbuild/tree/etc/x/new /run/osbuild/tree/etc/x/dir/new",
                "ok: ",
            ),
            ("std remove-all /run/osbuild/tree/etc/x/dir", "ok: "),
            ("std read-link /run/osbuild/tree/etc/x/made", "ok: own"),
        ],
    );
    assert_eq!(scratch.read("tree/etc/x/own"), "HOSTILE");
}

/// WASI has error codes only: the reason is in the log.
#[test]
fn a_refusal_through_wasi_is_explained_in_the_log() {
    let rights = json!([{ "verbs": ["read"], "paths": ["/etc/x/**"] }]);
    hostile::narrow(&tree(), &rights, &["std write /run/osbuild/tree/etc/passwd"])
        .expect(1)
        .says("denied: /run/osbuild/tree/etc/passwd: test.narrow may not replace /etc/passwd: its rights allow read on /etc/x/**");
}

#[test]
fn references_to_options_are_filled_in() {
    let scratch = tree();
    let rights = json!([{ "verbs": ["create"], "paths": ["${/steps/0/path}"] }]);
    // The first step's path is below the tree, as a path of the options is.
    expect(
        &scratch,
        &rights,
        &[(
            "tree write /run/osbuild/tree/etc/passwd",
            "may not replace /etc/passwd: its rights allow create on /run/osbuild/tree/etc/passwd",
        )],
    );
}

#[test]
fn rights_that_mean_nothing_are_an_error_of_the_module() {
    let rights = json!([{ "verbs": ["read"], "paths": ["/a/../b"] }]);
    hostile::narrow(
        &tree(),
        &rights,
        &["tree read /run/osbuild/tree/etc/passwd"],
    )
    .expect(1)
    .says("narrow.wasm: section osbuild:module: .rights[0].paths[0]: ")
    .says("/a/../b");
}
