//! Loop devices.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use osbuild_wasm_protocol::{Attach, Detach, ErrorCode, Interface};

use crate::support::{Bench, Shown, TREE, attach, can_attach, eventually, host, loops_below};

#[test]
fn what_is_written_to_the_device_is_in_the_file_after_detach() {
    if !can_attach(&[]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 4);
    let client = bench.client(Interface::Loopback);
    let session = bench.begin(&client);
    let attached = session
        .attach(Attach {
            offset: 1 << 20,
            size: Some(1 << 20),
            ..attach(&path)
        })
        .unwrap();
    assert_eq!(attached.major, 7);
    let mut device = fs::File::options()
        .read(true)
        .write(true)
        .open(&attached.device)
        .unwrap();
    assert_eq!(device.seek(SeekFrom::End(0)).unwrap(), 1 << 20);
    device.seek(SeekFrom::Start(512)).unwrap();
    device.write_all(&[7; 512]).unwrap();
    drop(device);
    session.call(Detach(attached.handle), &[]).unwrap();
    assert!(loops_below(bench.top()).is_empty());
    let bytes = fs::read(bench.tree().join("disk.img")).unwrap();
    assert_eq!(&bytes[(1 << 20) + 512..(1 << 20) + 1024], &[7; 512]);
    assert_eq!(
        session.call(Detach(attached.handle), &[]).unwrap_err().code,
        ErrorCode::Invalid
    );
    session.end().unwrap();
}

#[test]
fn partitions_are_there_when_the_call_returns_and_gone_after_detach() {
    if !can_attach(&["sfdisk", "partx"]) {
        return;
    }
    let bench = Bench::new();
    for (label, sector_size) in [("gpt", 512), ("dos", 512), ("gpt", 4096)] {
        let path = bench.disk("disk.img", 16);
        let client = bench.client(Interface::Loopback);
        let session = bench.begin(&client);
        let empty = session
            .attach(Attach {
                sector_size,
                ..attach(&path)
            })
            .unwrap();
        let script = format!(
            "printf 'label: {label}\n,4M\n,4M\n' | sfdisk -q {}",
            empty.device
        );
        host("/bin/sh", &["-c", &script]);
        session.call(Detach(empty.handle), &[]).unwrap();
        let request = Attach {
            partition_scan: true,
            sector_size,
            ..attach(&path)
        };
        let attached = session.attach(request).unwrap();
        assert_eq!(
            attached.partitions,
            [1, 2],
            "{label} {sector_size}: {}",
            bench.log()
        );
        let second = format!("{}p2", attached.device);
        let mut bytes = Vec::new();
        fs::File::open(&second)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes.len(), 4 << 20);
        session.call(Detach(attached.handle), &[]).unwrap();
        assert!(loops_below(bench.top()).is_empty());
        // Another test may have the device by now, but not for long.
        eventually("the end of the partitions", || !Path::new(&second).exists());
    }
}

#[test]
fn a_disk_without_a_table_has_no_partitions() {
    if !can_attach(&["partx"]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 1);
    let client = bench.client(Interface::Loopback);
    let session = bench.begin(&client);
    assert!(
        session
            .attach(Attach {
                partition_scan: true,
                ..attach(&path)
            })
            .unwrap()
            .partitions
            .is_empty()
    );
    session.end().unwrap();
}

#[test]
fn only_regular_files_of_granted_directories_are_attached() {
    if !can_attach(&[]) {
        return;
    }
    let mut bench = Bench::new();
    bench.disk("disk.img", 1);
    fs::create_dir(bench.tree().join("directory")).unwrap();
    fs::create_dir(bench.top().join("input")).unwrap();
    fs::write(bench.top().join("input/disk.img"), [0; 4096]).unwrap();
    bench.directories.push(Shown {
        contract: "/run/osbuild/inputs/disk".into(),
        host: bench.top().join("input"),
        writable: false,
    });
    let client = bench.client(Interface::Loopback);
    let session = bench.begin(&client);
    let code = |attach: Attach| session.attach(attach).unwrap_err().code;
    assert_eq!(code(attach("/etc/passwd")), ErrorCode::Denied);
    assert_eq!(
        code(attach(&format!("{TREE}/directory"))),
        ErrorCode::Invalid
    );
    assert_eq!(
        code(attach("/run/osbuild/inputs/disk/disk.img")),
        ErrorCode::ReadOnly
    );
    assert_eq!(
        code(Attach {
            offset: u64::MAX,
            size: Some(2),
            ..attach(&format!("{TREE}/disk.img"))
        }),
        ErrorCode::Invalid
    );
    let input = Attach {
        read_only: true,
        ..attach("/run/osbuild/inputs/disk/disk.img")
    };
    let attached = session.attach(input).unwrap();
    let device = Path::new("/sys/block").join(attached.device.trim_start_matches("/dev/"));
    assert_eq!(fs::read_to_string(device.join("ro")).unwrap().trim(), "1");
    session.end().unwrap();
}

#[test]
fn several_sessions_get_devices_of_their_own() {
    if !can_attach(&[]) {
        return;
    }
    let bench = Bench::new();
    let paths: Vec<String> = (0..6)
        .map(|index| bench.disk(&format!("{index}.img"), 1))
        .collect();
    let client = bench.client(Interface::Loopback);
    let sessions: Vec<_> = paths.iter().map(|_| bench.begin(&client)).collect();
    let devices = std::thread::scope(|scope| {
        let attach_one = |(session, path): (&crate::support::Calls, &String)| {
            let request = Attach {
                lock: true,
                ..attach(path)
            };
            session.attach(request).unwrap().device
        };
        let threads: Vec<_> = sessions
            .iter()
            .zip(&paths)
            .map(|pair| scope.spawn(move || attach_one(pair)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(devices.len(), paths.len());
    drop(sessions);
    assert!(loops_below(bench.top()).is_empty());
}
