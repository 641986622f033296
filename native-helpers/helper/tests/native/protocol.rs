//! What a helper makes of messages that no runtime would send.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use osbuild_wasm_protocol::{
    Begin, BootImage, Charter, Connection, Detach, Grant, Handle, Hello, Interface, Limits,
    ProgramPlace, Reply, Request, VERSION, XattrValue,
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
        Request::XattrValue(XattrValue {
            path: "/run/osbuild/tree/file".into(),
            name: "security.x".into(),
            value: osbuild_wasm_protocol::Bytes(vec![1]),
        }),
        Request::Detach(Detach(Handle(7))),
        Request::BootImage(BootImage {
            platform: "i386-pc".into(),
        }),
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
fn a_session_is_refused_places_that_its_helper_was_not_started_for() {
    if !can_run(&["true"]) {
        return;
    }
    let mut bench = Bench::granting(&["true"]);
    let places = |path: &str, writable| {
        let path = path.to_owned();
        Some(vec![ProgramPlace { path, writable }])
    };
    bench.grant.places = places("/run/osbuild/tree/etc", false);
    bench.grant.limits.memory = Some(1 << 30);
    let helper = Raw::start(&bench.charter(), Interface::Command);
    let begins = |change: &dyn Fn(&mut Grant)| {
        let mut granted = bench.granted();
        change(&mut granted.grant);
        let files: Vec<_> = granted.files.iter().map(|file| file.as_fd()).collect();
        let begin = Begin {
            grant: granted.grant.clone(),
        };
        let begin = serde_json::to_value(begin).unwrap();
        helper.begin(&begin, &files).is_some()
    };
    let asking = |path: &str, writable| begins(&|grant| grant.places = places(path, writable));
    assert!(begins(&|_| {}) && begins(&|grant| grant.places = Some(Vec::new())));
    assert!(asking("/run/osbuild/tree/etc/x", false));
    assert!(!asking("/run/osbuild/tree/etc", true) && !asking("/run/osbuild/tree", false));
    assert!(!asking("/run/osbuild/tree/etc/../usr", false));
    assert!(!begins(&|grant| grant.places = None));
    assert!(!begins(&|grant| grant.limits = Limits::default()));
    helper.end();
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
