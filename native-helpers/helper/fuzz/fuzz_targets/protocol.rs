//! Whatever a runtime that was taken over says: each request is answered, nothing panics, nothing outside of the scope changes, and
//! nothing stays behind. The helper runs in a thread of the fuzzer, without its filters of system calls.
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use libfuzzer_sys::fuzz_target;
use osbuild_wasm_protocol::Connection;

use crate::scope::{Bounds, Scopes};
use crate::{privilege, sandbox, server};

#[path = "../../tests/native/talk.rs"]
mod talk;

fuzz_target!(init: enter(), |bytes: &[u8]| converse(bytes));

/// Mounts of its own, and an image; or it is what the helper starts itself as.
fn enter() {
    let word = std::env::args().nth(1).unwrap_or_default();
    if word == privilege::HOLD || word == sandbox::first::COMMAND {
        crate::main();
        std::process::exit(0);
    }
    osbuild_wasm_sys::namespace::private_mounts().expect("fuzz it as root");
    privilege::user_namespace().expect("a user namespace, which stays");
    let file = fs::File::create(image()).expect("a file");
    file.set_len(1 << 20).expect("a size");
    let made = Command::new("/usr/sbin/mkfs.ext4")
        .args(["-q", "-F"])
        .arg(image())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mkfs.ext4");
}

fn image() -> PathBuf {
    std::env::temp_dir().join("fuzz.ext4")
}

fn converse(bytes: &[u8]) {
    let Some((interface, lines)) = talk::read(bytes) else {
        return;
    };
    let place = talk::Place::new(&image());
    let before = (place.outside(), descriptors());
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let charter = place.charter();
    let scopes = Scopes::find(&charter.scopes).expect("a scope");
    let helper = std::thread::spawn(move || {
        server::serve(
            &Connection::from(theirs),
            interface,
            Bounds { scopes, charter },
        );
    });
    let control = Connection::from(ours);
    talk::say(&lines, &place, &control);
    drop(control);
    helper.join().expect("the helper ends in order");
    assert_eq!(before, (place.outside(), descriptors()));
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let name = place.path().to_string_lossy();
    assert!(!mounts.contains(&*name), "{mounts}");
    for device in fs::read_dir("/sys/block").expect("devices").flatten() {
        let file = fs::read_to_string(device.path().join("loop/backing_file"));
        assert!(!file.is_ok_and(|file| file.contains(&*name)), "{device:?}");
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("descriptors").count()
}
