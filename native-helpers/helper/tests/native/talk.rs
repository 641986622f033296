//! A conversation with a helper, written down: what fuzzing finds is said to the real helper by a test.
//!
//! The first line is an interface. `+GRANT` begins a session, `!BYTES` sends bytes that are no frame and ends the session; any other line
//! is the JSON of a request, or should be. Digits before the JSON name the files of the place that go with it. `@` stands for the
//! directory of the run.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Charter, Connection, Interface, Offer, Reply};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use tempfile::TempDir;

/// A run's directories for one conversation, and something beside them that links lead to.
pub struct Place(TempDir);

impl Place {
    /// With a copy of this image of a file system as `tree/disk`.
    pub fn new(image: &Path) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        let top = place.top();
        for directory in ["tree/a", "mounts", "scratch", "input"] {
            fs::create_dir_all(top.join(directory)).expect("a directory");
        }
        let outside = place.path().join("outside");
        fs::create_dir(&outside).expect("a directory");
        fs::write(outside.join("secret"), "secret").expect("a file");
        for (text, name) in [(&outside.join("secret"), "b"), (&outside, "c")] {
            std::os::unix::fs::symlink(text, top.join("tree").join(name)).expect("a link");
        }
        fs::write(top.join("input/file"), "input").expect("a file");
        // The clock of the fuzzer may interrupt it.
        while let Err(error) = fs::copy(image, top.join("tree/disk")) {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
        }
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The helper's scope.
    pub fn top(&self) -> PathBuf {
        self.path().join("top")
    }

    /// What digits mean: directories of the run, a disk, something outside of the scope, a file to read and one to write.
    fn files(&self) -> Vec<OwnedFd> {
        let held = [
            "top",
            "top/tree",
            "top/mounts",
            "top/scratch",
            "top/input",
            "top/tree/disk",
            "outside",
            "outside/secret",
        ];
        let open = |name: &str, flags| {
            let flags = flags | OFlags::CLOEXEC;
            rustix::fs::open(self.path().join(name), flags, Mode::from_raw_mode(0o644)).expect(name)
        };
        let held = held.map(|name| open(name, OFlags::PATH));
        let opened = [
            open("top/input/file", OFlags::RDONLY),
            open("top/tree/out", OFlags::WRONLY | OFlags::CREATE),
        ];
        held.into_iter().chain(opened).collect()
    }

    pub fn charter(&self) -> Charter {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let offer = Offer {
            capabilities: words(&["CAP_SYS_ADMIN"]),
            environment: words(&["LANG"]),
            ..Offer::of_programs(["true", "cat", "mkfs.ext4", "qemu-img", "grub2-mkimage"])
        };
        let mut charter = Charter::of_scopes([self.top()]);
        charter.offers.insert(offer);
        charter
    }

    /// What lies outside of the scope: names, owners, modes, times of change, contents.
    pub fn outside(&self) -> Vec<String> {
        let mut all = Vec::new();
        for path in [
            self.path().join("outside"),
            self.path().join("outside/secret"),
        ] {
            let found = fs::metadata(&path).expect("metadata");
            let owner = (found.uid(), found.gid(), found.mode(), found.ctime_nsec());
            let content = fs::read(&path).unwrap_or_default();
            all.push(format!("{owner:?} {content:?}"));
        }
        for entry in fs::read_dir(self.path()).expect("a directory").flatten() {
            all.push(format!("{:?}", entry.file_name()));
        }
        all.sort();
        all
    }
}

/// The interface of the conversation and its other lines.
pub fn read(text: &[u8]) -> Option<(Interface, Vec<&[u8]>)> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let interface = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
    Some((interface, lines.filter(|line| !line.is_empty()).collect()))
}

/// Says the lines to a helper and waits for each answer.
///
/// # Panics
/// The helper left a message without an answer.
pub fn say(lines: &[&[u8]], place: &Place, control: &Connection) {
    let (mut session, all) = (None, place.files());
    for line in lines {
        let line = filled(line, &place.top());
        match (line.split_first(), &session) {
            (Some((b'+', grant)), _) => session = begin(grant, &all, control),
            (Some((b'!', bytes)), Some(_)) => end_with(bytes, session.take()),
            (_, Some(now)) => {
                let (files, json) = with_files(&line, &all);
                send(now, json, &files);
                answer(now).expect("an answer to each request");
                if json == br#""end""# {
                    session = None;
                }
            }
            (_, None) => {}
        }
    }
}

fn filled(line: &[u8], top: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b'@').collect();
    parts.join(top.as_os_str().as_encoded_bytes())
}

/// The files that go with a line, and the rest of it.
fn with_files<'a, 'f>(line: &'a [u8], all: &'f [OwnedFd]) -> (Vec<BorrowedFd<'f>>, &'a [u8]) {
    let count = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, json) = line.split_at(count.min(16));
    let files = digits
        .iter()
        .filter_map(|digit| all.get(usize::from(digit - b'0')));
    (files.map(AsFd::as_fd).collect(), json)
}

/// A session, if the helper takes this for a grant.
fn begin(grant: &[u8], all: &[OwnedFd], control: &Connection) -> Option<Connection> {
    let (files, grant) = with_files(grant, all);
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let log = File::open("/dev/null").expect("/dev/null");
    let grant: Value = serde_json::from_slice(grant).unwrap_or_default();
    let files = [&[theirs.as_fd(), log.as_fd()], &files[..]].concat();
    let sent = control.send(&grant, &files);
    sent.expect("the helper listens");
    drop(theirs);
    let reply = control.receive::<Reply<Value>>();
    let (reply, _) = reply.expect("a reply").expect("the helper serves on");
    matches!(reply, Reply::Done(_)).then(|| ours.into())
}

/// Files go with what is JSON alone.
fn send(session: &Connection, json: &[u8], files: &[BorrowedFd<'_>]) {
    if let Ok(request) = serde_json::from_slice::<Value>(json) {
        return session.send(&request, files).expect("the session listens");
    }
    let length = u32::try_from(json.len()).expect("a short line");
    let frame = [&length.to_le_bytes(), json].concat();
    let sent = session.socket().write_all(&frame);
    sent.expect("the session listens");
}

fn answer(session: &Connection) -> Option<Reply<Value>> {
    session.receive().expect("a reply").map(|(reply, _)| reply)
}

/// What is no frame ends the session, and the helper closes its side when all that it held is gone.
fn end_with(bytes: &[u8], session: Option<Connection>) {
    let Some(session) = session else { return };
    // It may have ended before it has read all of them.
    let _ = session.socket().write_all(bytes);
    let _ = session.socket().shutdown(std::net::Shutdown::Write);
    let _ = session.socket().read_to_end(&mut Vec::new());
}
