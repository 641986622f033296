//! Extended attributes with privilege.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;

use osbuild_wasm_protocol::{Bytes, ErrorCode, Interface, Trusted, XattrValue};
use rustix::fs::{Mode, OFlags, XattrFlags};

use crate::support::{Bench, TREE, can_attach};

#[test]
fn security_and_trusted_attributes_are_set_and_no_others() {
    if !can_attach(&["getfattr"]) {
        return;
    }
    let bench = Bench::new();
    std::fs::write(bench.tree().join("file"), "").unwrap();
    symlink("/file", bench.tree().join("link")).unwrap();
    let client = bench.client(Interface::Tree);
    let session = bench.begin(&client);
    let set = |path: &str, follow: bool, attribute: &str, value: &str| {
        let flags = match follow {
            true => OFlags::PATH,
            false => OFlags::PATH | OFlags::NOFOLLOW,
        };
        let path = format!("{TREE}/{path}");
        let object = session.open(&path, flags);
        let value = XattrValue {
            path,
            name: attribute.into(),
            value: Bytes(value.into()),
        };
        session.call(value, &[object.as_fd()])
    };
    set("link", true, "trusted.of-file", "one").unwrap();
    set("link", false, "trusted.of-link", "two").unwrap();
    let label = "system_u:object_r:etc_t:s0";
    set("file", true, "security.selinux", label).unwrap();
    let attributes = |path: &str| {
        let mut command = std::process::Command::new("getfattr");
        command
            .args(["-h", "-d", "-m", "-", "--"])
            .arg(bench.tree().join(path));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| line.contains('='));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of_file = [
        format!("security.selinux=\"{label}\""),
        "trusted.of-file=\"one\"".into(),
    ];
    assert_eq!(attributes("file"), of_file);
    assert_eq!(attributes("link"), ["trusted.of-link=\"two\""]);
    let all = session.call(
        Trusted { path: TREE.into() },
        &[session.open(TREE, OFlags::PATH).as_fd()],
    );
    let mut all: Vec<_> = all
        .unwrap()
        .into_iter()
        .map(|value| (value.below.0, value.name, value.value.0))
        .collect();
    all.sort();
    let told = |below: &str, name: &str, value: &str| {
        (below.into(), name.to_owned(), value.as_bytes().to_vec())
    };
    let of_both = [
        told("file", "trusted.of-file", "one"),
        told("link", "trusted.of-link", "two"),
    ];
    assert_eq!(all, of_both);
    let failure = set("file", true, "user.x", "").unwrap_err();
    assert_eq!(failure.code, ErrorCode::Denied);
}

#[test]
fn trusted_attributes_are_found_in_large_and_deep_directories() {
    if !can_attach(&["getfattr"]) {
        return;
    }
    let bench = Bench::new();
    for number in 0..3000 {
        std::fs::write(bench.tree().join(number.to_string()), "").unwrap();
    }
    // Deeper than the kernel takes a path.
    let mut directory: OwnedFd = File::open(bench.tree()).unwrap().into();
    let name = "d".repeat(200);
    for _ in 0..40 {
        rustix::fs::mkdirat(&directory, &name, 0o755.into()).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        directory = rustix::fs::openat(&directory, &name, flags, Mode::empty()).unwrap();
    }
    rustix::fs::fsetxattr(&directory, "trusted.deep", b"1", XattrFlags::empty()).unwrap();
    let client = bench.client(Interface::Tree);
    let session = bench.begin(&client);
    let all = session.call(
        Trusted { path: TREE.into() },
        &[session.open(TREE, OFlags::PATH).as_fd()],
    );
    let [deep] = &all.unwrap()[..] else {
        panic!("one attribute")
    };
    assert_eq!(
        (deep.below.0.len(), &*deep.name),
        (40 * 201 - 1, "trusted.deep")
    );
}
