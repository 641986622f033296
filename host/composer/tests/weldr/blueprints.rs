//! Blueprints.
use crate::support::{Composer, refused};
use serde_json::{Value, json};

pub(crate) const TMUX: &str = "name = \"web\"\ndescription = \"d\"\nversion = \"0.0.1\"\n\n[[packages]]\nname = \"tmux\"\nversion = \"*\"\n";

#[tokio::test]
async fn a_pushed_blueprint_is_listed_and_shown() {
    let composer = Composer::start().await;
    composer.push(TMUX).await;
    composer.push(&TMUX.replace("web", "db")).await;
    let list = composer.get("/api/v1/blueprints/list?limit=0").await.json();
    assert_eq!(
        list,
        json!({ "total": 2, "offset": 0, "limit": 0, "blueprints": [] })
    );
    let list = composer
        .get("/api/v1/blueprints/list?offset=1&limit=9")
        .await
        .json();
    assert_eq!(
        list,
        json!({ "total": 2, "offset": 1, "limit": 1, "blueprints": ["web"] })
    );
    let info = composer
        .get("/api/v1/blueprints/info/web,none")
        .await
        .json();
    assert_eq!(
        info["changes"],
        json!([{ "changed": false, "name": "web" }])
    );
    assert_eq!(
        info["errors"],
        json!([{ "id": "UnknownBlueprint", "msg": "none: " }])
    );
    let shown = &info["blueprints"][0];
    assert_eq!(
        (&shown["name"], &shown["version"]),
        (&json!("web"), &json!("0.0.1"))
    );
    assert_eq!(
        shown["packages"],
        json!([{ "name": "tmux", "version": "*" }])
    );
    assert_eq!(
        (&shown["modules"], &shown["groups"]),
        (&json!([]), &json!([]))
    );
    let toml = composer
        .get("/api/v1/blueprints/info/web?format=toml")
        .await;
    assert_eq!(toml.kind, "application/json; charset=utf-8");
    assert!(toml.text.starts_with("name = \"web\"\n"), "{}", toml.text);
    assert!(
        toml.text.contains("[[packages]]\nname = \"tmux\"\n"),
        "{}",
        toml.text
    );
}

#[tokio::test]
async fn the_same_version_pushed_again_becomes_the_next_one() {
    let composer = Composer::start().await;
    let version = async |composer: &Composer| {
        composer.get("/api/v1/blueprints/info/web").await.json()["blueprints"][0]["version"].clone()
    };
    composer.push(TMUX).await;
    composer.push(TMUX).await;
    assert_eq!(version(&composer).await, "0.0.2");
    composer.push(TMUX).await;
    assert_eq!(
        version(&composer).await,
        "0.0.1",
        "another version than the committed one is taken as it is"
    );
    composer.push(&TMUX.replace("0.0.1", "2.0.0")).await;
    assert_eq!(version(&composer).await, "2.0.0");
    composer.push("name = \"bare\"").await;
    let bare = composer.get("/api/v1/blueprints/info/bare").await.json();
    assert_eq!(bare["blueprints"][0]["version"], "0.0.0");
}

#[tokio::test]
async fn changes_are_kept_and_can_be_tagged_and_undone() {
    let composer = Composer::start().await;
    composer.push(TMUX).await;
    composer.clock.advance(60);
    composer.push(&TMUX.replace("tmux", "vim")).await;
    let changes = async |composer: &Composer| {
        composer
            .get("/api/v1/blueprints/changes/web,none?limit=0")
            .await
            .json()
    };
    let body = changes(&composer).await;
    assert_eq!(
        (&body["limit"], &body["offset"], body.get("total")),
        (&json!(20), &json!(0), None)
    );
    assert_eq!(
        body["errors"],
        json!([{ "id": "UnknownBlueprint", "msg": "none" }])
    );
    let entry = &body["blueprints"][0];
    assert_eq!(
        (&entry["name"], &entry["total"]),
        (&json!("web"), &json!(2))
    );
    let (newest, first) = (&entry["changes"][0], &entry["changes"][1]);
    assert_eq!(
        (&newest["timestamp"], &first["timestamp"]),
        (
            &json!("2026-05-04T03:03:01Z"),
            &json!("2026-05-04T03:02:01Z")
        )
    );
    assert_eq!(
        (&newest["message"], &newest["revision"]),
        (&json!("Recipe web, version 0.0.1 saved."), &Value::Null)
    );
    let commit = first["commit"].as_str().unwrap();
    assert!(
        commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{commit}"
    );

    let old = composer
        .get(&format!("/api/v1/blueprints/change/web/{commit}"))
        .await
        .json();
    assert_eq!(old["packages"][0]["name"], "tmux");
    let toml = composer
        .get(&format!(
            "/api/v1/blueprints/change/web/{commit}?format=toml"
        ))
        .await
        .text;
    assert!(toml.contains("name = \"tmux\""), "{toml}");

    let empty = Some("application/json");
    for _ in 0..2 {
        let tagged = composer
            .send("POST", "/api/v1/blueprints/tag/web", empty, "")
            .await;
        assert_eq!(tagged.json(), json!({ "status": true }));
    }
    let path = format!("/api/v1/blueprints/undo/web/{commit}");
    assert_eq!(
        composer.send("POST", &path, empty, "").await.json(),
        json!({ "status": true })
    );
    composer
        .send("POST", "/api/v1/blueprints/tag/web", empty, "")
        .await;
    let body = changes(&composer).await;
    let of = |key: &str| -> Vec<Value> {
        body["blueprints"][0]["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change[key].clone())
            .collect()
    };
    assert_eq!(of("revision"), [json!(2), json!(1), Value::Null]);
    assert_eq!(
        of("message")[0],
        format!("web.toml reverted to commit {commit}")
    );
    let info = composer.get("/api/v1/blueprints/info/web").await.json();
    assert_eq!(info["blueprints"][0]["packages"][0]["name"], "tmux");
}

#[tokio::test]
async fn history_outlives_a_deleted_blueprint() {
    let composer = Composer::start().await;
    composer.push(TMUX).await;
    assert_eq!(
        composer
            .delete("/api/v1/blueprints/delete/web")
            .await
            .json(),
        json!({ "status": true })
    );
    assert_eq!(
        composer.get("/api/v1/blueprints/list").await.json()["total"],
        0
    );
    composer.push(TMUX).await;
    assert_eq!(
        composer.get("/api/v1/blueprints/changes/web").await.json()["blueprints"][0]["total"],
        2
    );
}

#[tokio::test]
async fn the_workspace_is_shown_before_what_is_committed() {
    let composer = Composer::start().await;
    composer.push(TMUX).await;
    let changed = TMUX.replace("name = \"tmux\"", "name = \"vim\"");
    let kept = composer
        .send(
            "POST",
            "/api/v1/blueprints/workspace",
            Some("text/x-toml"),
            &changed,
        )
        .await;
    assert_eq!(kept.json(), json!({ "status": true }));
    let info = composer.get("/api/v1/blueprints/info/web").await.json();
    assert_eq!(
        (
            &info["changes"][0]["changed"],
            &info["blueprints"][0]["packages"][0]["name"]
        ),
        (&json!(true), &json!("vim"))
    );
    let diff = composer
        .get("/api/v1/blueprints/diff/web/NEWEST/WORKSPACE")
        .await
        .json();
    let package = |name: &str| json!({ "Package": { "name": name, "version": "*" } });
    assert_eq!(
        diff,
        json!({ "diff": [{ "new": package("vim"), "old": null }, { "new": null, "old": package("tmux") }] })
    );
    assert_eq!(
        composer
            .delete("/api/v1/blueprints/workspace/web")
            .await
            .json(),
        json!({ "status": true })
    );
    let info = composer.get("/api/v1/blueprints/info/web").await.json();
    assert_eq!(info["changes"][0]["changed"], false);
    composer
        .send(
            "POST",
            "/api/v1/blueprints/workspace",
            Some("text/x-toml"),
            &TMUX.replace("web", "new"),
        )
        .await;
    assert_eq!(
        composer.get("/api/v1/blueprints/list").await.json()["blueprints"],
        json!(["web"])
    );
    composer
        .send(
            "POST",
            "/api/v1/blueprints/workspace",
            Some("text/x-toml"),
            &changed,
        )
        .await;
    composer.push(TMUX).await;
    let info = composer.get("/api/v1/blueprints/info/web").await.json();
    assert_eq!(
        info["changes"][0]["changed"], false,
        "a push drops the copy of the workspace"
    );
}

#[tokio::test]
async fn blueprints_lead_to_packages_and_freeze_to_their_versions() {
    let composer = Composer::start().await;
    composer
        .push("name = \"web\"\n[[packages]]\nname = \"tmux\"\n[[packages]]\nname = \"vim*\"\n")
        .await;
    composer
        .push("name = \"bad\"\n[[packages]]\nname = \"nope\"\n")
        .await;
    let body = composer
        .get("/api/v1/blueprints/depsolve/web,bad,none")
        .await
        .json();
    assert_eq!(
        body["blueprints"][0]["dependencies"]
            .as_array()
            .unwrap()
            .len(),
        4,
        "with the kernel: {body}"
    );
    let expected = json!({
        "name": "kernel", "epoch": 0, "version": "6.1.0", "release": "1.fc43", "arch": "x86_64",
        "remote_location": "http://mirror/kernel.rpm", "checksum": "sha256:kernel", "repo_id": "fedora", "check_gpg": true,
    });
    assert_eq!(body["blueprints"][0]["dependencies"][0], expected);
    assert_eq!(body["blueprints"][1]["dependencies"], json!([]));
    let errors = json!([
        { "id": "BlueprintsError", "msg": "bad: no package nope" },
        { "id": "UnknownBlueprint", "msg": "none: blueprint not found" },
    ]);
    assert_eq!(body["errors"], errors);

    let frozen = composer
        .get("/api/v1/blueprints/freeze/web,none,bad")
        .await
        .json();
    let packages = json!([
        { "name": "tmux", "version": "3.5-2.fc43.x86_64" },
        { "name": "vim", "version": "2:9.1-7.fc43.x86_64" },
        { "name": "vim-data", "version": "2:9.1-7.fc43.x86_64" },
    ]);
    assert_eq!(frozen["blueprints"][0]["blueprint"]["packages"], packages);
    assert_eq!(
        frozen["errors"],
        json!([{ "id": "UnknownBlueprint", "msg": "none: blueprint not found" }]),
        "it stops there"
    );
    let toml = composer
        .get("/api/v1/blueprints/freeze/web?format=toml")
        .await
        .text;
    assert!(toml.contains("version = \"2:9.1-7.fc43.x86_64\""), "{toml}");
    let none = composer
        .get("/api/v1/blueprints/freeze/none?format=toml")
        .await;
    assert_eq!((none.status.as_u16(), &*none.text), (200, ""));
}

#[tokio::test]
async fn a_password_is_never_kept_as_it_was_given() {
    let composer = Composer::start().await;
    let users = "name = \"web\"\n[[customizations.user]]\nname = \"me\"\npassword = \"hush-hush\"\n\
        [[customizations.user]]\nname = \"he\"\npassword = \"$6$salt$hash\"\n\
        [[customizations.user]]\nname = \"she\"\npassword = \"\"\n";
    composer.push(users).await;
    let info = composer.get("/api/v1/blueprints/info/web").await;
    assert!(!info.text.contains("hush-hush"));
    let users = &info.json()["blueprints"][0]["customizations"]["user"];
    assert!(users[0]["password"].as_str().unwrap().starts_with("$6$"));
    assert_eq!(users[1]["password"], "$6$salt$hash");
    assert_eq!(users[2].get("password"), None);
    let commit = composer.get("/api/v1/blueprints/changes/web").await.json();
    let commit = commit["blueprints"][0]["changes"][0]["commit"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        !composer
            .get(&format!("/api/v1/blueprints/change/web/{commit}"))
            .await
            .text
            .contains("hush-hush")
    );
}

#[tokio::test]
async fn wrong_requests_for_blueprints_are_refused_in_the_words_of_the_api() {
    let composer = Composer::start().await;
    composer.push(TMUX).await;
    let (new, toml, json) = (
        "/api/v1/blueprints/new",
        Some("text/x-toml"),
        Some("application/json"),
    );
    let body = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand: ";
    let wrong_kind = format!("{body}blueprint must be in json or toml format");
    #[rustfmt::skip]
    let cases = [
            ("GET", "/api/v1/blueprints/list?limit=x", None, "", 400, "BadLimitOrOffset", "BadRequest: "),
            ("GET", "/api/v1/blueprints/list?offset=-1", None, "", 400, "BadLimitOrOffset", "BadRequest: "),
            ("GET", "/api/v1/blueprints/info/we%20b", None, "", 400, "InvalidChars", "Invalid characters in API path"),
            ("GET", "/api/v1/blueprints/info/web?format=xml", None, "", 400, "InvalidChars", "invalid format parameter: xml"),
            ("GET", "/api/v1/blueprints/info/web?a;b", None, "", 400, "InvalidChars", "invalid query string: "),
            ("GET", "/api/v1/blueprints/info/a,b?format=toml", None, "", 400, "HTTPError", "toml format only supported when requesting one blueprint"),
            ("GET", "/api/v1/blueprints/info/none?format=toml", None, "", 400, "UnknownBlueprint", "none: "),
            ("GET", "/api/v1/blueprints/info/,", None, "", 404, "HTTPError", "Not Found"),
            ("POST", new, None, TMUX, 400, "BlueprintsError", "missing Content-Type header"),
            ("POST", new, toml, "", 400, "BlueprintsError", "Missing blueprint"),
            ("POST", new, Some("text/plain"), TMUX, 400, "BlueprintsError", &wrong_kind),
            ("POST", new, json, "{", 400, "BlueprintsError", body),
            ("POST", new, json, "{}", 400, "InvalidChars", "Invalid characters in API path"),
            ("POST", new, toml, "name = \"a b\"", 400, "InvalidChars", "Invalid characters in API path"),
            ("POST", new, toml, "name = \"a\"\nversion = \"1\"", 400, "BlueprintsError", "Invalid 'version', must use Semantic Versioning: "),
            ("POST", new, toml, "name = \"a\"\ndistro = \"suse-1\"", 400, "BlueprintsError", "'suse-1' is not a valid distribution (architecture 'x86_64')"),
            ("DELETE", "/api/v1/blueprints/workspace/none", None, "", 400, "BlueprintsError", "Unknown blueprint: none"),
            ("DELETE", "/api/v1/blueprints/delete/none", None, "", 400, "BlueprintsError", "Unknown blueprint: none"),
            ("GET", "/api/v1/blueprints/change/none/abc", None, "", 400, "UnknownCommit", "Unknown blueprint"),
            ("GET", "/api/v1/blueprints/change/web/abc", None, "", 400, "UnknownCommit", "Unknown commit"),
            ("POST", "/api/v1/blueprints/undo/web/abc", json, "", 400, "UnknownCommit", "Unknown commit"),
            ("POST", "/api/v1/blueprints/tag/none", json, "", 400, "BlueprintsError", "Unknown blueprint"),
            ("GET", "/api/v1/blueprints/diff/web/OLD/WORKSPACE", None, "", 400, "UnknownCommit", "ggit-error: revspec 'OLD' not found (-3)"),
            ("GET", "/api/v1/blueprints/diff/none/NEWEST/WORKSPACE", None, "", 404, "UnknownBlueprint", "Unknown blueprint name: none"),
    ];
    refused(&composer, &cases).await;
    let workspace = "name = \"a\"\ndistro = \"suse-1\"";
    let kept = composer
        .send("POST", "/api/v1/blueprints/workspace", toml, workspace)
        .await;
    assert_eq!(
        kept.status.as_u16(),
        200,
        "the workspace takes what cannot be built yet"
    );
    assert_eq!(
        composer
            .send(
                "POST",
                new,
                toml,
                "name = \"a\"\ndistro = \"rhel-84\"\nunknown = 1"
            )
            .await
            .status
            .as_u16(),
        200
    );
}
