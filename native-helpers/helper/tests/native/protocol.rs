//! What a helper makes of messages that no runtime would send.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use osbuild_wasm_protocol::{
    Begin, Charter, Connection, Handle, Hello, Interface, Reply, Request, VERSION, XattrValue,
};
use serde_json::Value;

use crate::support::{Bench, HELPER, can_attach, can_run, host, loops_below, run};
use crate::talk::{self, Place};

/// Numbers that look random and are the same in every run (a linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// A helper, spoken to without the runtime's side of the protocol.
struct Raw {
    child: Child,
    control: Connection,
}

impl Raw {
    fn start(charter: &Charter, interface: Interface) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(HELPER)
            .arg(interface.as_str())
            .args(charter.words())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let control = Connection::from(ours);
        let (hello, _) = control.receive::<Reply<Hello>>().unwrap().unwrap();
        let Reply::Done(hello) = hello else {
            panic!("{hello:?}")
        };
        assert_eq!((hello.version, hello.interface), (VERSION, interface));
        Self { child, control }
    }

    /// A session, if the helper takes this for a grant.
    fn begin(&self, grant: &Value, files: &[BorrowedFd<'_>]) -> Option<Connection> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let log = std::fs::File::open("/dev/null").unwrap();
        let all = [&[theirs.as_fd(), log.as_fd()], files].concat();
        let sent = self.control.send(grant, &all);
        drop(theirs);
        sent.ok()?;
        match self.control.receive::<Reply<Value>>() {
            Ok(Some((Reply::Done(_), _))) => Some(ours.into()),
            _ => None,
        }
    }

    /// It ends in order when its control socket does.
    fn end(mut self) {
        drop(self.control);
        assert!(self.child.wait().unwrap().success());
    }
}

/// Changes one value of a document, or removes it.
fn mutate(document: &mut Value, numbers: &mut Numbers) {
    match document {
        Value::Object(members) if !members.is_empty() && numbers.below(4) > 0 => {
            let index = numbers.below(members.len());
            let key = members.keys().nth(index).unwrap().clone();
            if numbers.below(8) == 0 {
                members.remove(&key);
            } else {
                mutate(&mut members[&key], numbers);
            }
        }
        Value::Array(items) if !items.is_empty() && numbers.below(4) > 0 => {
            let index = numbers.below(items.len());
            mutate(&mut items[index], numbers);
        }
        other => {
            let odd = [
                Value::Null,
                (-1).into(),
                u64::MAX.into(),
                "".into(),
                "/".into(),
                "../../etc/shadow".into(),
                "/run/osbuild/tree/../../../etc/shadow".into(),
                "a\0b".into(),
                "x".repeat(70_000).into(),
                serde_json::json!([[[[]]]]),
                serde_json::json!({"host": "/etc"}),
            ];
            *other = odd[numbers.below(odd.len())].clone();
        }
    }
}

fn requests() -> Vec<Value> {
    let requests = [
        Request::Run(run("true", &["a"])),
        Request::SetXattr(XattrValue {
            path: "/run/osbuild/tree/file".into(),
            name: "security.x".into(),
            value: osbuild_wasm_protocol::Bytes(vec![1]),
        }),
        Request::Detach(Handle(7)),
        Request::BootImage("i386-pc".into()),
        Request::End,
    ];
    let json = |request: &Request| serde_json::to_value(request).unwrap();
    requests.iter().map(json).collect()
}

#[test]
fn messages_that_nobody_sends_end_no_helper_and_touch_nothing_outside() {
    if !can_run(&["true"]) {
        return;
    }
    let mut numbers = Numbers(7);
    for interface in [Interface::Command, Interface::Tree, Interface::Grub] {
        let bench = Bench::new();
        std::fs::write(bench.tree().join("file"), "").unwrap();
        let foreign = std::fs::File::open("/etc/hostname").unwrap();
        let helper = Raw::start(&bench.charter(), interface);
        let granted = bench.granted();
        let files: Vec<_> = granted.files.iter().map(|file| file.as_fd()).collect();
        let grant = Begin {
            grant: granted.grant.clone(),
        };
        let grant = serde_json::to_value(grant).unwrap();
        for _ in 0..60 {
            let mut odd = grant.clone();
            mutate(&mut odd, &mut numbers);
            let some = &files[..numbers.below(files.len() + 1)];
            drop(helper.begin(&odd, some));
        }
        for _ in 0..20 {
            let session = helper.begin(&grant, &files).expect("the helper serves on");
            for _ in 0..10 {
                let all = requests();
                let mut request = all[numbers.below(all.len())].clone();
                mutate(&mut request, &mut numbers);
                // A file of the machine that no grant has, as often as the call wants.
                let foreign = vec![foreign.as_fd(); numbers.below(4)];
                let sent = session.send(&request, &foreign);
                if sent.is_err() || !matches!(session.receive::<Reply<Value>>(), Ok(Some(_))) {
                    break;
                }
            }
        }
        helper.end();
    }
}

#[test]
fn bytes_that_are_no_message_end_the_connection_alone() {
    if !can_run(&[]) {
        return;
    }
    let bench = Bench::new();
    let mut numbers = Numbers(11);
    let helper = Raw::start(&bench.charter(), Interface::Tree);
    let granted = bench.granted();
    let files: Vec<_> = granted.files.iter().map(|file| file.as_fd()).collect();
    let grant = granted.grant.clone();
    let grant = serde_json::to_value(Begin { grant }).unwrap();
    for length in [1, 3, 4, 5, 64, 4096] {
        let session = helper.begin(&grant, &files).expect("the helper serves on");
        let bytes: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
        session.socket().write_all(&bytes).unwrap();
    }
    helper.end();
}

/// What fuzzing has found to be different from each other (libFuzzer's `-merge=1`).
const CORPUS: &[u8] = include_bytes!("../../fuzz/corpus.tar.xz");

#[test]
fn conversations_that_fuzzing_found_end_no_helper_change_nothing_outside_and_leave_nothing() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    let bench = Bench::new();
    let image = bench.disk("image", 1);
    let image = bench.tree().join(image.rsplit('/').next().unwrap());
    host("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    let mut corpus = tar::Archive::new(lzma_rust2::XzReader::new(CORPUS, true));
    let mut count = 0;
    for entry in corpus.entries().unwrap() {
        let mut text = Vec::new();
        entry.unwrap().read_to_end(&mut text).unwrap();
        let Some((interface, lines)) = talk::read(&text) else {
            continue;
        };
        let place = Place::new(&image);
        let before = place.outside();
        let helper = Raw::start(&place.charter(), interface);
        talk::say(&lines, &place, &helper.control);
        helper.end();
        assert_eq!(before, place.outside());
        assert_eq!(loops_below(&place.top()), Vec::<String>::new());
        count += 1;
    }
    assert!(count > 100, "{count} conversations");
}

#[test]
fn seeds_tmp() {
    use osbuild_wasm_protocol::*;
    let dir = |contract: &str, place, writable| Directory { contract: contract.into(), place, writable };
    let grant = Grant {
        directories: vec![dir("/run/osbuild/tree", osbuild_wasm_protocol::Place::In(0, "tree".into()), true), dir("/run/osbuild/mounts", osbuild_wasm_protocol::Place::In(0, "mounts".into()), true), dir("/run/osbuild/inputs/i", osbuild_wasm_protocol::Place::Itself(4), false)],
        scratch: 3,
        programs: ["true", "cat", "mkfs.ext4", "qemu-img", "grub2-mkimage"].map(String::from).to_vec(),
        environment: vec!["LANG".into()], capabilities: vec!["CAP_SYS_ADMIN".into()],
        limits: Limits { memory: Some(1<<28), written_bytes: Some(1<<26), created_inodes: Some(100) }, source_epoch: Some(1),
        ..Grant::default()
    };
    let t = |p: &str| format!("/run/osbuild/tree/{p}");
    let m = |p: &str| format!("/run/osbuild/mounts/{p}");
    let db = Database { root: t(""), path: Some("/var/lib/rpm".into()), keys_program: None };
    let mut with_device = grant.clone();
    with_device.devices = vec![Device { contract: "/dev/disk".into(), node: 5 }];
    let file = PackageFile { directory: 0, name: "file".into() };
    let att = |path: String| Request::Attach(Attach { path, offset: 0, size: Some(1<<20), sector_size: 512, read_only: false, partition_scan: true, lock: true });
    let mount = Request::Mount(Mount { device: "/dev/disk".into(), partition: None, target: m("root"), kind: FileSystem::Ext4, read_only: false, options: vec!["noatime".into()] });
    let seeds: Vec<(&str, &Grant, Vec<(&str, Request)>)> = vec![
        ("loopback", &grant, vec![("5", att(t("disk"))), ("", Request::Detach(Handle(1))), ("7", att(t("b"))), ("", Request::End)]),
        ("mount", &with_device, vec![("", mount.clone()), ("", Request::Bind(BindMount { source: m("root"), target: t("a") })), ("", Request::Unmount(Handle(2))), ("", Request::Unmount(Handle(1))),
            ("4", Request::MountDirectory(MountDirectory { device: "/dev/disk".into(), target: m("x"), kind: FileSystem::Ext4, read_only: false, make: vec!["mkfs.ext4".into(), "/dev/disk".into()] })),
            ("", Request::Deployment(Deployment { root: "/run/osbuild/tree".into(), name: Some(DeploymentName { osname: "a".into(), commit: "b".into(), serial: 0 }) })), ("", Request::End)]),
        ("ddi", &with_device, vec![("", Request::MountImage(MountImage { device: "/dev/disk".into(), target: m("d"), read_only: true, grow: false, check: true, discard: Some("disabled".into()), policy: None, filter: None }))]),
        ("crypt", &with_device, vec![("", Request::OpenCrypt(OpenCrypt { device: "/dev/disk".into(), passphrase: Bytes(b"x".to_vec()) })), ("", Request::Detach(Handle(1)))]),
        ("lvm", &with_device, vec![("", Request::ActivateVolume(ActivateVolume { device: "/dev/disk".into(), partition: Some(1), volume: "v".into() }))]),
        ("rpm", &grant, vec![("", Request::Query(Query { database: db.clone() })), ("", Request::ImportKey(ImportKey { database: db.clone(), key: Bytes(b"k".to_vec()) })), ("4", Request::Verify(Verify { database: db.clone(), package: "/run/osbuild/inputs/i/file".into(), file: file.clone() })),
            ("4", Request::Install(Install { database: db.clone(), packages: vec![file], exclude_docs: true, no_dependencies: false, ignore_architecture: false, install_langs: vec!["en".into()], environment: vec![("LANG".into(), "C".into())] }))]),
        ("grub", &grant, vec![("", Request::EnvironmentBlock(EnvironmentBlock { variables: vec![("a".into(), "b".into())] })), ("", Request::BootImage("i386-pc".into())), ("", Request::CoreImage(CoreImage { program: "grub2-mkimage".into(), platform: "i386-pc".into(), format: "i386-pc".into(), prefix: "(,1)/boot".into(), modules: vec!["ext2".into()] }))]),
        ("qemu-img", &grant, vec![("91", Request::Create(Create { path: t("out"), format: ImageFormat::Qcow2, size: 1<<20, options: vec!["compat=1.1".into()] })), ("591", Request::Convert(Conversion { source: t("disk"), to: t("out"), format: ImageFormat::Vmdk, compress: true, options: vec![], coroutines: Some(1) })), ("5", Request::Info(Info { path: t("disk") }))]),
        ("command", &grant, vec![("89", Request::Run(Run { program: "cat".into(), arguments: vec!["a".into()], root: Root::Tree, environment: vec![("LANG".into(), "C".into())], directory: Some("/a".into()), input: Input::File("/run/osbuild/inputs/i/file".into()), output: Output::File(t("out")), binds: vec![Bind { source: t("a"), target: "/run/a".into(), read_only: true }] })),
            ("", Request::Run(run("true", &[]))), ("888", Request::Shell(Shell { program: "/bin/sh".into(), arguments: "{}".into(), terminal: false }))]),
        ("tree", &grant, vec![("1", Request::SetXattr(XattrValue { path: t("a"), name: "security.x".into(), value: Bytes(vec![1]) })), ("7", Request::SetXattr(XattrValue { path: t("b"), name: "trusted.x".into(), value: Bytes(vec![1]) })), ("", Request::End)]),
    ];
    let out = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/protocol");
    for (name, grant, requests) in seeds {
        let mut text = format!("{name}\n+0123456789{}\n", serde_json::to_string(&Begin { grant: grant.clone() }).unwrap());
        for (files, request) in requests { text.push_str(files); text.push_str(&serde_json::to_string(&request).unwrap()); text.push('\n'); }
        std::fs::write(out.join(name), text).unwrap();
    }
}
