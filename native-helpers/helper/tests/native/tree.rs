//! Extended attributes with privilege.

use std::os::unix::fs::symlink;

use osbuild_wasm_protocol::{Bytes, ErrorCode, Interface, XattrName, XattrPath, XattrValue};

use crate::support::{Bench, TREE, can_attach};

#[test]
fn security_and_trusted_attributes_are_set_read_and_removed() {
    if !can_attach(&[]) {
        return;
    }
    let bench = Bench::new();
    std::fs::write(bench.tree().join("file"), "").unwrap();
    symlink("/file", bench.tree().join("link")).unwrap();
    let client = bench.client(Interface::Tree);
    let session = bench.begin(&client);
    let name = |path: &str, follow: bool, name: &str| XattrName {
        path: format!("{TREE}/{path}"),
        follow,
        name: name.into(),
    };
    let set = |path: &str, follow: bool, attribute: &str, value: &str| {
        let XattrName { path, follow, name } = name(path, follow, attribute);
        session.set_xattr(XattrValue {
            path,
            follow,
            name,
            value: Bytes(value.into()),
        })
    };
    set("link", true, "trusted.of-file", "one").unwrap();
    set("link", false, "trusted.of-link", "two").unwrap();
    set(
        "file",
        true,
        "security.selinux",
        "system_u:object_r:etc_t:s0",
    )
    .unwrap();
    let list = |path: &str, follow: bool| {
        session
            .list_xattrs(XattrPath {
                path: format!("{TREE}/{path}"),
                follow,
            })
            .unwrap()
    };
    assert_eq!(list("file", true), ["security.selinux", "trusted.of-file"]);
    assert_eq!(list("link", false), ["trusted.of-link"]);
    assert_eq!(
        session
            .get_xattr(name("link", false, "trusted.of-link"))
            .unwrap()
            .unwrap(),
        b"two"
    );
    session
        .remove_xattr(name("link", false, "trusted.of-link"))
        .unwrap();
    assert_eq!(
        session
            .get_xattr(name("link", false, "trusted.of-link"))
            .unwrap(),
        None
    );
    assert_eq!(
        set("file", true, "user.x", "").unwrap_err().code,
        ErrorCode::Denied
    );
}
