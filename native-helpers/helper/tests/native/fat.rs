//! FAT, on any kernel: what is written to the mount is in the file system when it is unmounted.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use osbuild_wasm_protocol::{Attach, ErrorCode, Failure, FileSystem, Mount, Unmount};

use crate::mount::{Sessions, mount, with_sessions};
use crate::support::{Bench, TREE, attach, can_attach, host};

const TOOLS: [&str; 6] = ["mkfs.fat", "fsck.fat", "mcopy", "mdir", "mtype", "sfdisk"];

/// Where the file system begins in its file.
const START: u64 = 1 << 20;

/// A run with a file of the tree that holds a FAT file system.
struct Fat {
    bench: Bench,
}

impl Fat {
    fn new(mebibytes: u64) -> Self {
        let bench = Bench::new();
        bench.disk("disk.img", mebibytes + 1);
        let image = bench.tree().join("disk.img");
        host(
            "/usr/sbin/mkfs.fat",
            &[
                "--offset",
                "2048",
                "-n",
                "ESP",
                image.to_str().unwrap(),
                &format!("{}", mebibytes << 10),
            ],
        );
        Self { bench }
    }

    fn image(&self) -> PathBuf {
        self.bench.tree().join("disk.img")
    }

    fn root(&self) -> PathBuf {
        self.bench.top().join("mounts/root")
    }

    /// Mounts, lets the closure work in the mount, and unmounts.
    fn with(&self, options: &[&str], read_only: bool, work: impl FnOnce()) -> Result<(), Failure> {
        let mut result = Ok(());
        with_sessions(&self.bench, |Sessions { mounts, devices }| {
            let attached = devices.attach(self.attach()).unwrap();
            let call = Mount {
                read_only,
                options: options.iter().map(ToString::to_string).collect(),
                ..mount(&attached.device, FileSystem::Vfat)
            };
            let mounted = mounts.call(call, &[]).unwrap();
            work();
            result = mounts.call(Unmount(mounted.handle), &[]);
            assert!(!self.root().exists() || fs::read_dir(self.root()).unwrap().next().is_none());
        });
        result
    }

    fn attach(&self) -> Attach {
        Attach {
            offset: START,
            lock: true,
            ..attach(&format!("{TREE}/disk.img"))
        }
    }

    /// What an mtools program prints about the file system.
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let image = format!("{}@@{START}", self.image().display());
        let output = Command::new(program)
            .args(["-i", &image])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("MTOOLS_SKIP_CHECK", "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn check(&self) {
        let part = self.bench.top().join("part.img");
        let copy = format!(
            "dd if={} of={} bs=1M skip=1 status=none && fsck.fat -n {}",
            self.image().display(),
            part.display(),
            part.display()
        );
        host("/bin/sh", &["-c", &copy]);
    }
}

#[test]
fn a_written_tree_is_in_the_file_system_and_seen_by_the_next_mount() {
    if !can_attach(&TOOLS) {
        return;
    }
    let fat = Fat::new(40);
    let root = fat.root();
    fat.with(&[], false, || {
        fs::create_dir_all(root.join("EFI/BOOT")).unwrap();
        fs::create_dir_all(root.join("loader/entries")).unwrap();
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::write(root.join("EFI/BOOT/BOOTX64.EFI"), vec![7; 300_000]).unwrap();
        fs::write(root.join("EFI/BOOT/grub.cfg"), "set x=1\n").unwrap();
        fs::write(
            root.join("loader/entries/An entry with [brackets] and a long name.conf"),
            "title\n",
        )
        .unwrap();
        fs::write(root.join(".hidden"), "").unwrap();
        let old = File::options()
            .write(true)
            .open(root.join("EFI/BOOT/grub.cfg"))
            .unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
            .unwrap();
    })
    .unwrap();
    fat.check();
    let listing = fat.ask("mdir", &["-b", "-/", "-a", "::"]);
    for path in [
        "::/EFI/BOOT/BOOTX64.EFI",
        "::/EFI/BOOT/grub.cfg",
        "::/loader/entries/An entry with [brackets] and a long name.conf",
        "::/.hidden",
        "::/empty/",
    ] {
        assert!(
            listing.lines().any(|line| line == path),
            "{path}: {listing}"
        );
    }
    assert_eq!(fat.ask("mtype", &["::/EFI/BOOT/grub.cfg"]), "set x=1\n");
    assert!(fat.ask("mlabel", &["-s", "::"]).contains("ESP"));

    fat.with(&[], false, || {
        let cfg = root.join("EFI/BOOT/grub.cfg");
        assert_eq!(fs::read_to_string(&cfg).unwrap(), "set x=1\n");
        assert_eq!(cfg.metadata().unwrap().mtime(), 1_000_000_000);
        assert_eq!(
            fs::read(root.join("EFI/BOOT/BOOTX64.EFI")).unwrap(),
            vec![7; 300_000]
        );
        fs::write(cfg, "set x=2\n").unwrap();
        fs::write(
            root.join("loader/entries/An entry with [brackets] and a long name.conf"),
            "other\n",
        )
        .unwrap();
        fs::remove_dir(root.join("empty")).unwrap();
        fs::rename(root.join(".hidden"), root.join("shown")).unwrap();
    })
    .unwrap();
    fat.check();
    assert_eq!(fat.ask("mtype", &["::/EFI/BOOT/grub.cfg"]), "set x=2\n");
    let listing = fat.ask("mdir", &["-b", "-/", "-a", "::"]);
    assert!(
        !listing.contains("empty") && !listing.contains(".hidden"),
        "{listing}"
    );
    assert!(listing.contains("::/shown\n"), "{listing}");
}

#[test]
fn a_mount_that_changes_nothing_leaves_the_file_system_as_it_is() {
    if !can_attach(&TOOLS) {
        return;
    }
    let fat = Fat::new(8);
    fat.with(&[], false, || {
        fs::write(fat.root().join("file"), "1").unwrap()
    })
    .unwrap();
    let before = fs::read(fat.image()).unwrap();
    fat.with(&[], false, || {
        fs::read(fat.root().join("file")).unwrap();
    })
    .unwrap();
    assert!(fs::read(fat.image()).unwrap() == before);
}

#[test]
fn a_read_only_mount_is_not_written() {
    if !can_attach(&TOOLS) {
        return;
    }
    let fat = Fat::new(8);
    fat.with(&[], true, || {
        let error = fs::write(fat.root().join("file"), "1").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    })
    .unwrap();
}

#[test]
fn options_decide_owner_and_mode() {
    if !can_attach(&TOOLS) {
        return;
    }
    let fat = Fat::new(8);
    fat.with(&[], false, || {
        fs::create_dir(fat.root().join("dir")).unwrap();
        fs::write(fat.root().join("dir/FILE"), "1").unwrap();
    })
    .unwrap();
    let seen = |path: &str| {
        let metadata = fat.root().join(path).metadata().unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    fat.with(&[], false, || assert_eq!(seen("dir/FILE"), (0, 0, 0o755)))
        .unwrap();
    fat.with(&["uid=5", "gid=6", "umask=077"], false, || {
        for path in ["", "dir", "dir/FILE"] {
            assert_eq!(seen(path), (5, 6, 0o700), "{path}");
        }
    })
    .unwrap();
    fat.with(&["shortname=lower"], false, || {
        assert_eq!(
            fs::read_to_string(fat.root().join("dir/file")).unwrap(),
            "1"
        );
    })
    .unwrap();
}

#[test]
fn what_fat_cannot_hold_is_one_clear_error() {
    if !can_attach(&TOOLS) {
        return;
    }
    let fat = Fat::new(4);
    let root = fat.root();
    let failure = fat
        .with(&[], false, || symlink("a", root.join("link")).unwrap())
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::Unsupported, "{failure}");
    assert_eq!(
        failure.to_string(),
        "link: a FAT file system cannot hold this: it has no symbolic links"
    );
    let failure = fat
        .with(&[], false, || fs::write(root.join("a:b"), "").unwrap())
        .unwrap_err();
    assert!(failure.detail.contains("names have no ':'"), "{failure}");
    let failure = fat
        .with(&[], false, || {
            fs::write(root.join("big"), vec![1; 5 << 20]).unwrap()
        })
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::NoSpace, "{failure}");
    assert!(failure.detail.contains("full"), "{failure}");
    fat.with(&[], false, || fs::write(root.join("small"), "1").unwrap())
        .unwrap();
    fat.check();
}

#[test]
fn a_partition_is_mounted_as_well() {
    if !can_attach(&TOOLS) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 32);
    let disk = bench.tree().join("disk.img");
    let script = format!(
        "printf 'label: gpt\n,4M\n,16M\n' | sfdisk -q {}",
        disk.display()
    );
    host("/bin/sh", &["-c", &script]);
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let scan = Attach {
            partition_scan: true,
            ..attach(&path)
        };
        let attached = devices.attach(scan).unwrap();
        host("/usr/sbin/mkfs.fat", &[&format!("{}p2", attached.device)]);
        for expected in [None, Some("content")] {
            let call = Mount {
                partition: Some(2),
                ..mount(&attached.device, FileSystem::Vfat)
            };
            let mounted = mounts.call(call, &[]).unwrap();
            let file = bench.top().join("mounts/root/file");
            assert_eq!(fs::read_to_string(&file).ok().as_deref(), expected);
            fs::write(&file, "content").unwrap();
            mounts.call(Unmount(mounted.handle), &[]).unwrap();
        }
    });
    let output = Command::new("mtype")
        .args(["-i", &format!("{}@@5M", disk.display()), "::/file"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"content");
}
