//! Packages, distributions and image types.
use crate::composes::JSON;
use crate::support::{Composer, refused};
use serde_json::json;

#[tokio::test]
async fn packages_are_listed_by_name_with_their_builds() {
    let composer = Composer::start().await;
    let modules = composer.get("/api/v1/modules/list?limit=2").await.json();
    let expected =
        json!([{ "name": "kernel", "group_type": "rpm" }, { "name": "tmux", "group_type": "rpm" }]);
    assert_eq!(
        (&modules["total"], &modules["modules"]),
        (&json!(4), &expected)
    );
    let modules = composer
        .get("/api/v1/modules/list/*im*,tmux?distro=fedora-43")
        .await
        .json();
    assert_eq!(modules["total"], 3);
    let projects = composer
        .get("/api/v1/projects/list/?offset=1&limit=1")
        .await
        .json();
    let project = &projects["projects"][0];
    assert_eq!(
        (
            &project["name"],
            project["builds"].as_array().unwrap().len()
        ),
        (&json!("tmux"), 2)
    );
    assert_eq!(project["builds"][0]["build_time"], "2023-11-14T22:13:20");
    assert_eq!(project["builds"][1]["source"]["version"], "3.4");
    let info = composer.get("/api/v1/projects/info/tmux").await.json();
    assert_eq!(info["projects"][0]["homepage"], "http://tmux/");
    let module = composer.get("/api/v1/modules/info/vim").await.json();
    assert_eq!(module["modules"][0]["dependencies"][0]["name"], "vim");
    let solved = composer
        .get("/api/v1/projects/depsolve/tmux,vim")
        .await
        .json();
    assert_eq!(solved["projects"].as_array().unwrap().len(), 2);
    #[rustfmt::skip]
    let cases = [
            ("GET", "/api/v1/modules/list/zz*", None, "", 400, "UnknownModule", "No packages have been found."),
            ("GET", "/api/v1/modules/info/zz", None, "", 400, "UnknownModule", "No packages have been found."),
            ("GET", "/api/v1/projects/info/zz", None, "", 400, "UnknownProject", "No packages have been found."),
            ("GET", "/api/v1/projects/info/,", None, "", 400, "UnknownProject", "No packages specified."),
            ("GET", "/api/v1/projects/depsolve/zz", None, "", 400, "ProjectsError", "BadRequest: no package zz"),
            ("GET", "/api/v1/modules/list?distro=suse-1", None, "", 400, "DistroError", "Invalid distro: suse-1"),
    ];
    refused(&composer, &cases).await;
}

#[tokio::test]
async fn distributions_and_types_are_those_of_an_architecture_but_for_denied_ones() {
    let composer = Composer::start().await;
    assert_eq!(
        composer.get("/api/v1/distros/list").await.json(),
        json!({ "distros": ["fedora-43", "rhel-8.4"] })
    );
    assert_eq!(
        composer
            .get("/api/v1/distros/list?arch=aarch64")
            .await
            .json(),
        json!({ "distros": ["fedora-43"] })
    );
    let types = json!({ "types": [{ "name": "ami", "enabled": true }, { "name": "qcow2", "enabled": true }] });
    assert_eq!(composer.get("/api/v1/compose/types").await.json(), types);
    composer.push("name = \"web\"").await;
    for denied in ["vmdk", "esx"] {
        let request = json!({ "blueprint_name": "web", "compose_type": denied });
        let answer = composer
            .send("POST", "/api/v1/compose", JSON, &request.to_string())
            .await;
        let text = format!("Failed to get compose type \"{denied}\": invalid image type: {denied}");
        assert_eq!(answer.error(), (400, "ComposeError".into(), text));
    }
    assert_eq!(
        composer
            .get("/api/v1/compose/types?distro=rhel-84")
            .await
            .json(),
        json!({ "types": null })
    );
    refused(
        &composer,
        &[(
            "GET",
            "/api/v1/compose/types?distro=rhel-8.4&arch=aarch64",
            None,
            "",
            400,
            "DistroError",
            "Invalid distro: rhel-8.4",
        )],
    )
    .await;
}
