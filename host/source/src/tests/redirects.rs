//! Where servers lead to, and what they get to see.

use super::server::{Reply, Server};
use super::tls::Authority;
use super::{World, curl, quick, sha256, with_options};
use crate::curl::fetch_within;
use crate::{Allowance, librepo};

fn item(url: &str, rest: &str) -> (String, String) {
    (sha256(b"hello"), format!(r#"{{"url": {url:?}{rest}}}"#))
}

/// A server that leads elsewhere.
fn leading_to(target: String) -> Server {
    Server::start(move |_| Reply::status(302).with("Location", target.clone()))
}

#[test]
fn a_redirect_to_a_connection_without_security_is_refused() {
    let open = Server::start(|_| Reply::ok(b"hello"));
    let target = format!("{}/file", open.url);
    let secured = Authority::new().server_of(false, move |_| {
        Reply::status(301).with("Location", target.clone())
    });
    let world = World::new();
    let items = world.download(&[item(&secured.url, r#", "insecure": true"#)]);
    let error = items[0].result.clone().unwrap_err();
    assert!(
        error.contains("a connection that is not secured"),
        "{error}"
    );
    assert_eq!((secured.requests().len(), open.requests().len()), (1, 0));
}

#[test]
fn a_redirect_to_a_file_is_refused() {
    let world = World::new();
    let file = world.dir.path().join("file");
    std::fs::write(&file, "hello").unwrap();
    for scheme in ["file://", "FILE:", "file://localhost"] {
        let server = leading_to(format!("{scheme}{}", file.display()));
        let error = world.error(&sha256(b"hello"), &server.url);
        assert!(error.contains("redirects to file:"), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_redirect_to_a_host_that_the_policy_does_not_list_is_refused() {
    let elsewhere = Server::start(|_| Reply::ok(b"hello"));
    let server = leading_to(format!("{}/file", elsewhere.url));
    let listed = server.url.trim_start_matches("http://").to_owned();
    let world = World::new();
    let allowance = Allowance {
        host: &|host| host == listed,
        ..Allowance::EVERYTHING
    };
    let context = world.context_with(allowance);
    let items = fetch_within(&curl(&[item(&server.url, "")]), &context, &quick());
    let error = items[0].result.clone().unwrap_err();
    assert!(
        error.contains("which the policy does not list in `hosts`"),
        "{error}"
    );
    assert_eq!(
        (server.requests().len(), elsewhere.requests().len()),
        (1, 0)
    );
}

#[test]
fn a_mirror_of_a_list_that_the_policy_does_not_list_is_not_asked() {
    let mirror = Server::start(|_| Reply::ok(b"hello"));
    let base = format!("{}/os\n", mirror.url);
    let list = Server::start(move |_| Reply::ok(base.as_bytes()));
    let listed = list.url.trim_start_matches("http://").to_owned();
    let world = World::new();
    let allowance = Allowance {
        host: &|host| host == listed,
        ..Allowance::EVERYTHING
    };
    for fastest in [false, true] {
        let options = format!(
            r#"{{"mirrors": {{"m": {{"type": "mirrorlist", "url": {:?}, "fastest-mirror": {fastest}}}}}}}"#,
            list.url
        );
        let items = format!(
            r#"{{"{}": {{"path": "x", "mirror": "m"}}}}"#,
            sha256(b"hello")
        );
        let source = with_options("org.osbuild.librepo", &items, &options);
        let found = librepo::fetch_within(&source, &world.context_with(allowance), &quick());
        let error = found[0].result.clone().unwrap_err();
        assert!(error.contains("which the policy does not list"), "{error}");
        assert_eq!(mirror.connections(), 0);
    }
}

#[test]
fn a_client_certificate_is_for_the_server_of_the_manifest_alone() {
    let authority = Authority::new();
    let elsewhere = authority.server(true);
    let target = format!("{}/file", elsewhere.url);
    let server = authority.server_of(true, move |request| match request.path.as_str() {
        "/away" => Reply::status(307).with("Location", target.clone()),
        "/near" => Reply::status(307).with("Location", "/file"),
        _ => Reply::ok(b"hello"),
    });
    let dir = tempfile::tempdir().unwrap();
    let files = ["key.pem", "cert.pem", "ca.pem"].map(|name| dir.path().join(name));
    authority.write(&files[0], &files[1], &files[2]);
    let [key, certificate, ca] = files.each_ref().map(|file| file.to_str().unwrap());
    let world = World::with([
        ("OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY", key),
        ("OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT", certificate),
        ("OSBUILD_SOURCES_CURL_SSL_CA_CERT", ca),
    ]);
    let secrets = r#", "insecure": true, "secrets": {"name": "org.osbuild.mtls"}"#;
    let of = |path: &str| item(&format!("{}{path}", server.url), secrets);
    let error = world.download(&[of("/away")])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(error.contains("no secure connection"), "{error}");
    assert_eq!(
        (server.requests().len(), elsewhere.requests().len()),
        (1, 0)
    );
    assert_eq!(world.download(&[of("/near")])[0].result, Ok(false));

    let base = format!("{}/os\n", elsewhere.url);
    let list = authority.server_of(true, move |_| Reply::ok(base.as_bytes()));
    let options = format!(
        r#"{{"mirrors": {{"m": {{"type": "mirrorlist", "url": {:?}{secrets}}}}}}}"#,
        list.url
    );
    let items = format!(
        r#"{{"{}": {{"path": "x", "mirror": "m"}}}}"#,
        sha256(b"other")
    );
    let source = with_options("org.osbuild.librepo", &items, &options);
    let found = librepo::fetch_within(&source, &world.context(), &quick());
    let error = found[0].result.clone().unwrap_err();
    assert!(error.contains("no secure connection"), "{error}");
    assert_eq!((list.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[test]
fn a_password_of_a_url_is_for_its_server_alone() {
    let elsewhere = Server::start(|_| Reply::ok(b"hello"));
    let server = leading_to(format!("{}/file", elsewhere.url));
    let world = World::new();
    let url = server.url.replace("//", "//user:pass@");
    assert_eq!(world.download(&[item(&url, "")])[0].result, Ok(false));
    assert!(server.requests()[0].header("authorization").is_some());
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
}

#[test]
fn a_list_of_mirrors_does_not_lead_to_files() {
    let world = World::new();
    std::fs::write(world.dir.path().join("file"), "hello").unwrap();
    let base = format!("file://{}", world.dir.path().display());
    for kind in ["mirrorlist", "metalink"] {
        let base = base.clone();
        let server = Server::start(move |request| match request.path.as_str() {
            "/metalink" => {
                let url = format!("<url>{base}/repodata/repomd.xml</url>");
                let file = format!("<file name='repomd.xml'>{url}</file>");
                Reply::ok(format!("<metalink>{file}</metalink>").as_bytes())
            }
            _ => Reply::ok(base.as_bytes()),
        });
        let options = format!(
            r#"{{"mirrors": {{"m": {{"type": "{kind}", "url": "{}/{kind}"}}}}}}"#,
            server.url
        );
        let items = format!(
            r#"{{"{}": {{"path": "file", "mirror": "m"}}}}"#,
            sha256(b"hello")
        );
        let outcome = world.fetch(&with_options("org.osbuild.librepo", &items, &options));
        assert!(
            outcome.output.contains("names no mirror"),
            "{}",
            outcome.output
        );
    }
}

#[test]
fn a_path_does_not_lead_out_of_its_mirror() {
    let world = World::new();
    std::fs::create_dir(world.dir.path().join("os")).unwrap();
    std::fs::write(world.dir.path().join("file"), "hello").unwrap();
    let options = format!(
        r#"{{"mirrors": {{"m": {{"type": "baseurl", "url": "file://{}/os"}}}}}}"#,
        world.dir.path().display()
    );
    for path in ["../file", "%2e%2e/file", "x/..%2f../file", "./../file"] {
        let items = format!(
            r#"{{"{}": {{"path": {path:?}, "mirror": "m"}}}}"#,
            sha256(b"hello")
        );
        let outcome = world.fetch(&with_options("org.osbuild.librepo", &items, &options));
        assert!(!outcome.success, "{path}");
        assert!(!world.file(&sha256(b"hello")).exists(), "{path}");
    }
}

#[test]
fn the_digest_of_a_file_of_this_machine_is_not_told() {
    let world = World::new();
    let file = world.dir.path().join("secret");
    std::fs::write(&file, "secret").unwrap();
    let digest = sha256(b"secret");
    for url in ["file://", "file:", "FILE://", "file://localhost"] {
        let key = sha256(b"hello");
        let outcome = world.fetch(&curl(&[item(&format!("{url}{}", file.display()), "")]));
        assert!(
            outcome.output.contains("its content is another one"),
            "{}",
            outcome.output
        );
        let told = format!("{outcome:?}{}", world.logs());
        assert!(!told.contains(&digest[7..]), "{told}");
        assert!(!world.file(&key).exists() && !world.file(&digest).exists());
    }
}

#[test]
fn under_a_policy_no_link_leads_to_a_file() {
    let world = World::new();
    let root = world.dir.path();
    std::fs::create_dir(root.join("real")).unwrap();
    std::fs::write(root.join("real/file"), "hello").unwrap();
    std::os::unix::fs::symlink("real/file", root.join("link")).unwrap();
    std::os::unix::fs::symlink("real", root.join("directory")).unwrap();
    let allowance = Allowance {
        links: false,
        ..Allowance::EVERYTHING
    };
    let fetch = |path: &str, allowance| {
        let url = format!("file://{}/{path}", root.display());
        let context = world.context_with(allowance);
        let items = fetch_within(&curl(&[item(&url, "")]), &context, &quick());
        _ = std::fs::remove_file(world.file(&sha256(b"hello")));
        items[0].result.clone()
    };
    for path in ["link", "directory/file"] {
        let error = fetch(path, allowance).unwrap_err();
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(fetch(path, Allowance::EVERYTHING), Ok(false));
    }
    assert_eq!(fetch("real/file", allowance), Ok(false));
}
