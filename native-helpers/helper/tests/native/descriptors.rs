//! Descriptors that no runtime would send: of what was not granted, of another kind, or under a false name.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use osbuild_wasm_protocol::{
    Bytes, Conversion, Create, Database, ErrorCode, Failure, FileSystem, ImageFormat, Info, Input,
    Install, Interface, MountDirectory, Output, PackageFile, Place, XattrValue,
};
use osbuild_wasm_sys::namespace::private_mounts;
use rustix::mount::{MountFlags, mount, mount_bind};

use crate::support::{Bench, Calls, MOUNTS, Shown, TREE, attach, can_run, handle, run};

fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> ErrorCode {
    result.unwrap_err().code
}

fn set_xattr(session: &Calls, object: BorrowedFd<'_>) -> ErrorCode {
    let value = XattrValue {
        path: format!("{TREE}/file"),
        name: "trusted.x".into(),
        value: Bytes(b"x".to_vec()),
    };
    code(session.call(value, &[object]))
}

/// What each call answers that gets this file, and this directory.
fn answers(bench: &Bench, file: &OwnedFd, directory: &OwnedFd) -> Vec<ErrorCode> {
    let (file, directory) = (file.as_fd(), directory.as_fd());
    let interfaces = [
        Interface::Tree,
        Interface::Loopback,
        Interface::QemuImg,
        Interface::Command,
        Interface::Rpm,
        Interface::Mount,
    ];
    let clients = interfaces.map(|interface| bench.client(interface));
    let [trees, loops, images, commands, packages, mounts] =
        clients.each_ref().map(|client| bench.begin(client));
    let database = || Database {
        root: TREE.into(),
        path: None,
        keys_program: None,
    };
    let conversion = || Conversion {
        source: format!("{TREE}/file"),
        to: format!("{TREE}/file"),
        format: ImageFormat::Qcow2,
        compress: false,
        options: Vec::new(),
        coroutines: None,
    };
    let own = handle(&bench.tree().join("own"));
    let tree = handle(&bench.tree());
    let create = Create {
        path: format!("{TREE}/file"),
        format: ImageFormat::Qcow2,
        size: 1 << 20,
        options: Vec::new(),
    };
    let install = Install {
        database: database(),
        packages: vec![PackageFile {
            directory: 0,
            name: "secret".into(),
        }],
        exclude_docs: false,
        no_dependencies: true,
        ignore_architecture: true,
        install_langs: Vec::new(),
        environment: Vec::new(),
    };
    let mut reads = run("cat", &[]);
    reads.input = Input::File(format!("{TREE}/file"));
    let mut writes = run("echo", &["x"]);
    writes.output = Output::File(format!("{TREE}/file"));
    let call = |files: [BorrowedFd<'_>; 3]| code((*images).call(conversion(), &files));
    let mount = MountDirectory {
        device: "/dev/image0".into(),
        target: format!("{MOUNTS}/root"),
        kind: FileSystem::Ext4,
        read_only: true,
        make: ["mkfs.ext4", "/dev/image0"].map(str::to_owned).into(),
    };
    vec![
        set_xattr(&trees, file),
        code((*loops).call(attach(&format!("{TREE}/file")), &[file])),
        call([file, own.as_fd(), tree.as_fd()]),
        call([own.as_fd(), file, tree.as_fd()]),
        call([own.as_fd(), own.as_fd(), directory]),
        code((*images).call(create, &[file, tree.as_fd()])),
        code((*images).call(
            Info {
                path: format!("{TREE}/file"),
            },
            &[file],
        )),
        code((*commands).call(reads, &[file])),
        code((*commands).call(writes, &[file])),
        code(packages.call(install, &[directory])),
        code(mounts.call(mount, &[directory])),
    ]
}

/// A run with programs, a file of its own, and a directory beside its scope.
fn bench() -> (Bench, tempfile::TempDir) {
    let mut bench = Bench::granting(&["qemu-img", "cat", "echo", "rpm"]);
    fs::write(bench.tree().join("own"), [0; 4096]).unwrap();
    bench.devices = vec![("/dev/image0".into(), bench.tree().join("own"))];
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(outside.path().join("secret"), "kept").unwrap();
    (bench, outside)
}

fn is_kept(outside: &Path) -> bool {
    fs::read_to_string(outside.join("secret")).is_ok_and(|secret| secret == "kept")
}

#[test]
fn descriptors_of_what_was_not_granted_are_refused_by_every_call() {
    if !can_run(&["qemu-img", "rpm"]) {
        return;
    }
    let (bench, outside) = bench();
    let file = File::options()
        .read(true)
        .write(true)
        .open(outside.path().join("secret"));
    let file = file.unwrap().into();
    for code in answers(&bench, &file, &handle(outside.path())) {
        assert_eq!(code, ErrorCode::Denied);
    }
    assert!(is_kept(outside.path()));
}

#[test]
fn a_name_in_another_mount_namespace_is_not_believed() {
    if !can_run(&["qemu-img", "rpm"]) {
        return;
    }
    let (mut bench, outside) = bench();
    fs::write(bench.tree().join("secret"), "").unwrap();
    let tree = bench.tree();
    let disguise = || {
        private_mounts().unwrap();
        mount_bind(outside.path(), &tree).unwrap();
        let namespace = File::open("/proc/thread-self/ns/mnt").unwrap();
        (handle(&tree.join("secret")), handle(&tree), namespace)
    };
    let (file, directory, _namespace) =
        std::thread::scope(|scope| scope.spawn(disguise).join()).unwrap();
    let name = rustix::fs::readlink(
        format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)),
        Vec::new(),
    );
    assert_eq!(
        name.unwrap().to_str().unwrap(),
        tree.join("secret").to_str().unwrap()
    );
    for code in answers(&bench, &file, &directory) {
        assert_eq!(code, ErrorCode::Denied);
    }
    bench.directories.truncate(1);
    let mut granted = bench.granted();
    let position = granted.hold(directory);
    granted.grant.directories[0].place = Place::Itself(position);
    let log = File::open("/dev/null").unwrap();
    let refused = bench.client(Interface::Tree).begin(&granted, log.into());
    assert_eq!(code(refused), ErrorCode::Denied);
    assert!(is_kept(outside.path()));
}

#[test]
fn grants_with_descriptors_of_another_kind_or_none_are_refused() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    fs::write(bench.top().join("file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", bench.top().join("link")).unwrap();
    let client = bench.client(Interface::Tree);
    let begin = |place: &dyn Fn(&mut osbuild_wasm_protocol::Granted) -> Place| {
        let mut granted = bench.granted();
        granted.grant.directories[0].place = place(&mut granted);
        let log = File::open("/dev/null").unwrap();
        client.begin(&granted, log.into()).map(drop).is_ok()
    };
    let top = || handle(bench.top());
    assert!(begin(&|granted| Place::In(
        granted.hold(top()),
        "tree".into()
    )));
    for name in ["link", "../..", "..", ".", "", "tree/..", "file", "/etc"] {
        assert!(
            !begin(&|granted| Place::In(granted.hold(top()), name.into())),
            "{name}"
        );
    }
    assert!(!begin(&|_| Place::Itself(99)));
    assert!(!begin(&|granted| Place::Itself(
        granted.hold(handle(&bench.top().join("file")))
    )));
}

#[test]
fn what_a_program_reads_cannot_be_opened_again_for_writing() {
    if !can_run(&["sh"]) {
        return;
    }
    let mut bench = Bench::granting(&["sh"]);
    let stored = bench.top().join("stored");
    fs::create_dir(&stored).unwrap();
    fs::write(stored.join("file"), "kept").unwrap();
    bench.directories.push(Shown {
        contract: "/run/osbuild/inputs/stored".into(),
        host: stored.clone(),
        writable: false,
    });
    let client = bench.client(Interface::Command);
    let session = bench.begin(&client);
    let mut reads = run(
        "sh",
        &["-c", "cat; echo x > /proc/self/fd/0 || echo refused"],
    );
    reads.input = Input::File("/run/osbuild/inputs/stored/file".into());
    let outcome = session.run(reads).unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.output.0), "keptrefused\n");
    assert_eq!(fs::read_to_string(stored.join("file")).unwrap(), "kept");
}

#[test]
fn what_a_mount_takes_away_is_taken_from_what_is_mounted_of_it() {
    if !can_run(&["mkfs.ext4"]) {
        return;
    }
    let (bench, _outside) = bench();
    let files = bench.top().join("files");
    fs::create_dir(&files).unwrap();
    /// MS_NOSYMFOLLOW of mount(2), which rustix does not name.
    const NO_SYMLINKS: MountFlags = MountFlags::from_bits_retain(256);
    mount("files", &files, "tmpfs", NO_SYMLINKS, None).unwrap();
    std::os::unix::fs::symlink("own", files.join("link")).unwrap();
    fs::write(files.join("own"), "").unwrap();
    let client = bench.client(Interface::Mount);
    let session = bench.begin(&client);
    let call = MountDirectory {
        device: "/dev/image0".into(),
        target: format!("{MOUNTS}/root"),
        kind: FileSystem::Ext4,
        read_only: true,
        make: ["mkfs.ext4", "/dev/image0"].map(str::to_owned).into(),
    };
    session.call(call, &[handle(&files).as_fd()]).unwrap();
    let mounted = bench.top().join("mounts/root");
    assert!(mounted.join("own").exists());
    assert!(fs::read(mounted.join("link")).is_err());
    session.end().unwrap();
}

/// A file that was opened, and whose name then became a link to a secret.
fn swapped(bench: &Bench) -> OwnedFd {
    let (spot, moved) = (bench.tree().join("spot"), bench.tree().join("moved"));
    let _ = fs::remove_file(&spot);
    fs::write(&moved, "checked").unwrap();
    fs::write(bench.tree().join("secret"), "kept").unwrap();
    let opened = File::options().read(true).write(true).open(&moved).unwrap();
    std::os::unix::fs::symlink("secret", &spot).unwrap();
    opened.into()
}

#[test]
fn calls_work_on_what_was_opened_whatever_has_its_name_by_then() {
    if !can_run(&["qemu-img", "cat", "echo"]) {
        return;
    }
    let (bench, _outside) = bench();
    let spot = || format!("{TREE}/spot");
    let clients = [Interface::Command, Interface::QemuImg, Interface::Tree]
        .map(|interface| bench.client(interface));
    let [commands, images, trees] = clients.each_ref().map(|client| bench.begin(client));
    let moved = || fs::read(bench.tree().join("moved")).unwrap();

    let mut reads = run("cat", &[]);
    reads.input = Input::File(spot());
    let outcome = (*commands).call(reads, &[swapped(&bench).as_fd()]).unwrap();
    assert_eq!(outcome.output.0, b"checked");

    let mut writes = run("echo", &["written"]);
    writes.output = Output::File(spot());
    (*commands)
        .call(writes, &[swapped(&bench).as_fd()])
        .unwrap();
    assert_eq!(moved(), b"written\n"[..].to_vec());

    let opened = swapped(&bench);
    let (own, tree) = (handle(&bench.tree().join("own")), handle(&bench.tree()));
    let conversion = Conversion {
        source: format!("{TREE}/own"),
        to: spot(),
        format: ImageFormat::Qcow2,
        compress: false,
        options: Vec::new(),
        coroutines: None,
    };
    let files = [own.as_fd(), opened.as_fd(), tree.as_fd()];
    // It may also be refused: the name in the directory is no file any more.
    if (*images).call(conversion, &files).is_ok() {
        assert!(moved().starts_with(b"QFI"));
    }
    assert!(is_kept(&bench.tree()));

    let value = XattrValue {
        path: spot(),
        name: "trusted.x".into(),
        value: Bytes(b"x".to_vec()),
    };
    // Only root of the machine sets it.
    if trees.call(value, &[swapped(&bench).as_fd()]).is_ok() {
        let read = |name: &str| {
            let mut value = [0; 8];
            rustix::fs::getxattr(bench.tree().join(name), "trusted.x", &mut value[..])
        };
        assert!(read("moved").is_ok() && read("secret").is_err());
    }
    assert!(is_kept(&bench.tree()));
}
