//! Sources of packages.
use crate::support::{Composer, refused};
use serde_json::json;

const SOURCE: &str = "id = \"k8s\"\nname = \"Kubernetes\"\ntype = \"yum-baseurl\"\nurl = \"http://x/\"\ncheck_gpg = false\ncheck_ssl = false\nsystem = false\n";

#[tokio::test]
async fn sources_are_added_shown_and_deleted() {
    let composer = Composer::start().await;
    let new = "/api/v1/projects/source/new";
    assert_eq!(
        composer
            .send("POST", new, Some("text/x-toml"), SOURCE)
            .await
            .json(),
        json!({ "status": true })
    );
    let table = "[b]\nname = \"B\"\ntype = \"yum-metalink\"\nurl = \"http://b/\"\ndistros = [\"fedora-43\"]\n";
    assert_eq!(
        composer
            .send("POST", new, Some("text/x-toml"), table)
            .await
            .status
            .as_u16(),
        200
    );
    let list = async |version: &str| {
        composer
            .get(&format!("/api/{version}/projects/source/list"))
            .await
            .json()
    };
    assert_eq!(
        list("v1").await,
        json!({ "sources": ["b", "k8s", "fedora", "a-updates"] })
    );
    assert_eq!(
        list("v0").await,
        json!({ "sources": ["B", "Kubernetes", "fedora", "a-updates"] })
    );

    let info = composer
        .get("/api/v1/projects/source/info/k8s,none,fedora")
        .await
        .json();
    assert_eq!(
        info["errors"],
        json!([{ "id": "UnknownSource", "msg": "none is not a valid source" }])
    );
    let expected = json!({
        "id": "k8s", "name": "Kubernetes", "type": "yum-baseurl", "url": "http://x/",
        "check_gpg": false, "check_ssl": false, "system": false, "rhsm": false,
    });
    assert_eq!(info["sources"]["k8s"], expected);
    let system = &info["sources"]["fedora"];
    assert_eq!(
        (&system["system"], &system["check_ssl"], &system["url"]),
        (&json!(true), &json!(true), &json!("http://mirror/fedora/"))
    );
    let old = composer
        .get("/api/v0/projects/source/info/Kubernetes")
        .await
        .json();
    assert_eq!(old["sources"]["Kubernetes"].get("id"), None);
    let all = composer.get("/api/v1/projects/source/info/*").await.json();
    assert_eq!(all["sources"].as_object().unwrap().len(), 4);
    let toml = composer
        .get("/api/v1/projects/source/info/k8s?format=toml")
        .await
        .text;
    assert!(
        toml.starts_with("[k8s]\n") && toml.contains("url = \"http://x/\""),
        "{toml}"
    );

    assert_eq!(
        composer
            .delete("/api/v1/projects/source/delete/k8s")
            .await
            .json(),
        json!({ "status": true })
    );
    assert_eq!(
        composer
            .delete("/api/v0/projects/source/delete/B")
            .await
            .json(),
        json!({ "status": true })
    );
    assert_eq!(
        list("v1").await,
        json!({ "sources": ["fedora", "a-updates"] })
    );
}

#[tokio::test]
async fn wrong_sources_are_refused_in_the_words_of_the_api() {
    let composer = Composer::start().await;
    let (new, toml, json) = (
        "/api/v1/projects/source/new",
        Some("text/x-toml"),
        Some("application/json"),
    );
    let without = |key: &str| {
        SOURCE
            .lines()
            .filter(|line| !line.starts_with(key))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (id, url) = (without("id"), without("url"));
    let (system, distros) = (
        SOURCE.replace("k8s", "fedora"),
        format!("{SOURCE}distros = [\"a\", \"fedora-43\", \"b\"]"),
    );
    let parsing = "Problem parsing POST body: ";
    #[rustfmt::skip]
    let cases = [
            ("POST", new, Some("text/plain"), SOURCE, 400, "HTTPError", "malformed Content-Type header"),
            ("POST", new, toml, "", 400, "ProjectsError", "Missing source"),
            ("POST", new, json, "{", 400, "ProjectsError", parsing),
            ("POST", new, toml, &id, 400, "ProjectsError", "Problem parsing POST body: 'id' field is missing from request"),
            ("POST", new, toml, &url, 400, "ProjectsError", "Problem parsing POST body: 'url' field is missing from request"),
            ("POST", new, toml, &SOURCE.replace("yum-baseurl", "apt"), 400, "ProjectsError", parsing),
            ("POST", new, toml, &distros, 400, "ProjectsError", "Invalid distributions: a,b"),
            ("POST", new, toml, &system, 400, "SystemSource", "fedora is a system source, it cannot be changed."),
            ("DELETE", "/api/v1/projects/source/delete/fedora", None, "", 400, "SystemSource", "fedora is a system source, it cannot be deleted."),
            ("DELETE", "/api/v1/projects/source/delete/none", None, "", 400, "UnknownSource", "none is not a valid source."),
            ("GET", "/api/v1/projects/source/info/", None, "", 404, "HTTPError", "Not Found"),
            ("DELETE", "/api/v1/projects/source/delete/", None, "", 404, "HTTPError", "Not Found"),
    ];
    refused(&composer, &cases).await;
}

#[tokio::test]
async fn a_source_reaches_the_systems_it_is_for() {
    let composer = Composer::start().await;
    let source = SOURCE.replace("k8s", "broken") + "distros = [\"rhel-8.4\"]";
    composer
        .send(
            "POST",
            "/api/v1/projects/source/new",
            Some("text/x-toml"),
            &source,
        )
        .await;
    assert_eq!(
        composer
            .get("/api/v1/projects/depsolve/tmux?distro=fedora-43")
            .await
            .status
            .as_u16(),
        200
    );
    let answer = composer
        .get("/api/v1/projects/depsolve/tmux?distro=rhel-84")
        .await;
    assert_eq!(
        answer.error().2,
        "BadRequest: broken: the server does not answer"
    );
}
