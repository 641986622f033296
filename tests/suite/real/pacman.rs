//! Packages of Arch Linux, installed by pacman, and its keyring.
use super::{archive, build, debian, files, inline, root, script};
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::json;

/// Makes `demo.pkg.tar.zst`, which brings a shell and has a scriptlet.
const PACKAGE: &str = r#"mkdir -p package/usr/bin package/usr/share/demo
    ln -s usr/bin package/bin
    cp "$(command -v busybox)" package/usr/bin/sh
    echo text >package/usr/share/demo/file
    chown 7:8 package/usr/share/demo/file
    cat >package/.PKGINFO <<'END'
pkgname = demo
pkgbase = demo
pkgver = 2:1.5-3
pkgdesc = What a package can bring
builddate = 1700000000
size = 4
arch = any
END
    cat >package/.INSTALL <<'END'
post_install() { while read -r id; do echo "$id" >etc/seen; done <etc/machine-id; }
END
    tar --zstd -C package -cf demo.pkg.tar.zst .PKGINFO .INSTALL bin usr"#;

#[test]
fn pacman_installs_packages_with_their_scriptlets_and_reads_its_configuration() {
    if !machine::offers(&["pacman", "busybox", "zstd"]) {
        return;
    }
    let scratch = Scratch::new();
    script(&scratch, PACKAGE, &[]);
    let (sources, references) = inline(&[scratch.path("demo.pkg.tar.zst")]);
    let repositories = json!([
        { "name": "core", "siglevels": ["Optional", "TrustAll"], "server": "http://localhost/$repo/$arch" },
        { "name": "extra", "include": "/etc/pacman.d/mirrorlist" },
    ]);
    let document = json!({ "version": "2", "sources": sources, "pipelines": [{ "name": "tree", "stages": [
        manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/etc" }] })),
        manifest::stage("org.osbuild.pacman.conf", json!({ "architecture": "aarch64", "repositories": repositories })),
        manifest::stage("org.osbuild.pacman.mirrorlist.conf", json!({ "mirrors": ["http://localhost:1/$arch/$repo"] })),
        { "type": "org.osbuild.pacman", "inputs": { "packages": files(&references) } },
    ] }] });
    let ended = build(&scratch, &document, &["tree"])
        .arg("--json")
        .run()
        .expect(0);
    let packages = &ended.json()["metadata"]["tree"]["org.osbuild.pacman"]["packages"];
    let package = json!([{ "name": "demo", "epoch": "2", "version": "1.5", "release": "3", "arch": "any", "sigmd5": "", "sigpgp": "", "siggpg": "" }]);
    assert_eq!(*packages, package);
    assert_eq!(
        scratch.read("out/tree/etc/seen"),
        format!("{}\n", "f".repeat(32))
    );
    assert_eq!(scratch.read("out/tree/etc/machine-id"), "");
    let tree = scratch.path("out/tree");
    let asked = r#"pacman --sysroot "$1" -Q; pacman --sysroot "$1" -Qk demo
        stat -c %u:%g "$1/usr/share/demo/file"
        mount --bind "$1/etc/pacman.d" /etc/pacman.d
        pacman-conf --config "$1/etc/pacman.conf" Architecture
        for name in core extra; do pacman-conf --config "$1/etc/pacman.conf" --repo=$name Server; done"#;
    let inside = format!(
        "mkdir -p /etc/pacman.d; exec unshare --mount sh -euc '{}' sh \"$1\"",
        asked.replace('\'', "'\\''")
    );
    let said = script(&scratch, &inside, &[&tree]).stdout;
    let expected = "demo 2:1.5-3\ndemo: 7 total files, 0 missing files\n7:8\naarch64\nhttp://localhost/core/aarch64\nhttp://localhost:1/aarch64/extra\n";
    assert_eq!(said, expected);
    machine::assert_nothing_left(scratch.root());
}

/// A keyring of one packager, where pacman-key of Debian looks for it below the root `$1`, with what the latter reads.
const KEYRING: &str = r#"root=$1; utilities=$2
    mkdir -p "$root/usr/share/keyrings" "$root/etc/pacman.d"
    mkdir -m 700 gnupg; export GNUPGHOME=$PWD/gnupg
    gpg --batch --quiet --passphrase '' --quick-generate-key packager@localhost rsa2048 sign never
    gpg --batch --export >"$root/usr/share/keyrings/demo.gpg"
    gpg --batch --with-colons --list-keys | awk -F: '/^fpr/ { print $10 ":4:" }' >"$root/usr/share/keyrings/demo-trusted"
    gpgconf --kill all
    cp -a "$utilities/usr/share/makepkg" "$root/usr/share"
    cp "$utilities/usr/bin/vercmp" "$root/usr/bin"
    printf '[options]\nGPGDir = /etc/pacman.d/gnupg/\n' >"$root/etc/pacman.conf"
    echo root:x:0:0::/root:/bin/bash >"$root/etc/passwd""#;

#[test]
fn the_keyring_of_pacman_is_made_in_the_tree() {
    let programs = [
        "/usr/bin/bash",
        "/usr/bin/gpg",
        "/usr/bin/gpg-agent",
        "/usr/bin/gpgconf",
        "/usr/bin/gpg-connect-agent",
        "/usr/bin/pacman-key",
        "/usr/bin/pacman-conf",
        "/usr/bin/gettext",
        "/usr/bin/awk",
        "/usr/bin/grep",
        "/usr/bin/wc",
        "/usr/bin/cat",
        "/usr/bin/mkdir",
        "/usr/bin/chmod",
        "/usr/bin/touch",
        "/usr/bin/rm",
        "/usr/bin/basename",
        "/usr/bin/head",
        "/usr/bin/id",
    ];
    if !machine::offers(&["pacman-key", "gpg", "gpg-agent", "gettext", "apt-get"]) {
        return;
    }
    let scratch = Scratch::new();
    let root = root(&scratch, "root", &programs);
    let utilities = debian(&scratch, "amd64", &["makepkg"]);
    script(&scratch, KEYRING, &[&root, &utilities]);
    let (sources, unpack) = archive(&scratch, &root);
    let keyring = manifest::stage(
        "org.osbuild.pacman-keyring",
        json!({ "keyrings": ["demo"] }),
    );
    let document = json!({ "version": "2", "sources": sources, "pipelines": [{ "name": "tree", "stages": [unpack, keyring] }] });
    build(&scratch, &document, &["tree"]).run().expect(0);
    let listed = r#"gpg --batch --homedir "$1" --with-colons --list-keys | grep -E '^(pub|uid)' | cut -d: -f2,10"#;
    let keys = script(
        &scratch,
        listed,
        &[&scratch.path("out/tree/etc/pacman.d/gnupg")],
    )
    .stdout;
    // Valid, because the key that the tree made for itself signed it.
    assert_eq!(
        keys,
        "u:\nu:Pacman Keyring Master Key <pacman@localhost>\nf:\nf:packager@localhost\n"
    );
    machine::assert_nothing_left(scratch.root());
}
