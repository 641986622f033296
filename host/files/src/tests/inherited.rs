use crate::inherit_nothing;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_directory_passes_its_group_on_no_longer_whatever_handle_names_it() {
    let dir = tempfile::tempdir().unwrap();
    for flags in [OFlags::PATH, OFlags::RDONLY] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o2750)).unwrap();
        let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(dir.path(), flags, Mode::empty()).unwrap();
        inherit_nothing(handle).unwrap();
        let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o750);
    }
}
