//! A trust store made by p11-kit in the tree. Debian has no update-ca-trust, which is a script around it.
use super::{root, script, stage};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::json;

/// A certificate authority of the tree's own, and the script.
const SYSTEM: &str = r#"root=$1
    mkdir -p "$root/etc/ssl/certs" "$root/etc/pki/tls"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=demo -days 3650 2>/dev/null >"$root/etc/ssl/certs/ca-certificates.crt"
    printf '#!/bin/sh\n[ "$1" = extract ] || exit 9\nexec trust extract --format=pem-bundle --filter=ca-anchors --overwrite --purpose=server-auth /etc/pki/tls/cert.pem\n' >"$root/usr/bin/update-ca-trust"
    chmod 755 "$root/usr/bin/update-ca-trust""#;

#[test]
fn the_trust_store_of_a_tree_is_made_by_its_own_program() {
    if !machine::offers(&["trust", "openssl", "dash"]) {
        return;
    }
    let scratch = Scratch::new();
    let module = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-trust.so";
    let tree = root(
        &scratch,
        "tree",
        &[
            "/usr/bin/trust",
            "/usr/bin/dash",
            module,
            "/usr/share/p11-kit",
        ],
    );
    script(&scratch, r#"ln -s dash "$1/usr/bin/sh""#, &[&tree]);
    script(&scratch, SYSTEM, &[&tree]);
    stage(
        &scratch,
        "org.osbuild.pki.update-ca-trust",
        &tree,
        &json!({}),
    )
    .run()
    .expect(0);
    let subject = r#"openssl verify -CAfile "$1/etc/pki/tls/cert.pem" "$1/etc/ssl/certs/ca-certificates.crt" | sed 's,.*: ,,'"#;
    assert_eq!(script(&scratch, subject, &[&tree]).stdout, "OK\n");
    // Its status is that of the stage.
    let fails = r#"printf '#!/bin/sh\nexit 7\n' >"$1/usr/bin/update-ca-trust""#;
    script(&scratch, fails, &[&tree]);
    stage(
        &scratch,
        "org.osbuild.pki.update-ca-trust",
        &tree,
        &json!({}),
    )
    .run()
    .expect(1)
    .says("status 7");
}
