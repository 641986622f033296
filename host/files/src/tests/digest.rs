use crate::digest_tree;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn the_digest_of_a_tree_is_that_of_its_listing() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    fs::create_dir(root.join("a")).unwrap();
    fs::write(root.join("a/file"), "content\n").unwrap();
    // Sorts before `a/file` by bytes, and after it by directories.
    fs::write(root.join("a-b"), "").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    fs::set_permissions(root, PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join("a"), PermissionsExt::from_mode(0o1777)).unwrap();
    for file in ["a/file", "a-b"] {
        fs::set_permissions(root.join(file), PermissionsExt::from_mode(0o640)).unwrap();
    }
    let attribute = rustix::fs::setxattr(
        root.join("a/file"),
        "user.x",
        b"\0v",
        rustix::fs::XattrFlags::empty(),
    );
    let attributes = match attribute {
        Ok(()) => sha256(b"user.x\x000076\x00"),
        Err(_) => "-".into(),
    };
    let (uid, gid) = fs::metadata(root)
        .map(|stat| (stat.uid(), stat.gid()))
        .unwrap();
    let (empty, content, link) = (sha256(b""), sha256(b"content\n"), sha256(b"/etc/passwd"));
    let listing = format!(
        "d 755 {uid} {gid} - - \0\
         d 1777 {uid} {gid} - - a\0\
         f 640 {uid} {gid} {empty} - a-b\0\
         f 640 {uid} {gid} {content} {attributes} a/file\0\
         l 777 {uid} {gid} {link} - link\0"
    );
    let digest = digest_tree(root, 2).unwrap();
    assert_eq!(digest.listing, sha256(listing.as_bytes()));
    let files: Vec<_> = digest
        .files
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.size))
        .collect();
    assert_eq!(files, [("a-b", 0), ("a/file", 8)]);
    let other = digest_tree(root, 1).unwrap();
    assert_eq!(
        (other.listing, other.files),
        (digest.listing, Vec::new()),
        "too many to name"
    );
}
