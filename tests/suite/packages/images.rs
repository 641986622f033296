//! Packages of images: chosen and fetched by the process that builds.
use super::repository::{Package, Server, write};
use osbuild_wasm_tests::{Scratch, machine, paths, user};

/// What an archive of Demo Linux (samples/definitions) and its build root are made of.
const NAMES: &str = "bash coreutils cpio demo-release demo-rpm-config fdisk filesystem findutils grep grub-common gzip kmod libc-bin mawk \
    mount pam-config passwd rpm sed setup systemd tar util-linux xz zstd";

/// A thread that choosing packages leaves would keep the user from a namespace, and root's capabilities for itself.
#[test]
fn an_image_of_an_ordinary_user_is_isolated_after_its_packages_were_chosen() {
    if !machine::offers(&user::PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let packages: Vec<_> = NAMES.split(' ').filter(|name| !name.is_empty()).collect();
    let packages: Vec<_> = packages
        .iter()
        .map(|name| Package::new(name, "1"))
        .collect();
    write(&scratch.path("repo"), &packages);
    let server = Server::new(&scratch.path("repo"));
    let repositories = serde_json::json!({"x86_64": [{"name": "demo", "baseurl": server.url()}]});
    scratch.json("repositories/demo-1.json", &repositories);
    let ended = user::machine(&scratch)
        .run("build tar --distro demo-1 --arch x86_64")
        .option("--definitions", paths::sample("definitions"))
        .option("--repositories", scratch.path("repositories"))
        .option("--rpmmd-cache", scratch.path("metadata"))
        .option("--store", scratch.path("store"))
        .option("--output-dir", scratch.path("out"))
        .run()
        .expect(1);
    // The server has no packages: they are asked for after the isolation.
    assert!(
        ended.stderr.contains("error downloading Packages/"),
        "{}",
        ended.stderr
    );
}
