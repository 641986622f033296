//! An ordinary user of a machine that has one: known in a mount namespace of the test only, so that the machine itself stays as it is.
use crate::{Program, Scratch, paths};

/// The user's number, and that of the group of the same name.
pub const ID: u32 = 4242;
/// The first of the user's subordinate ids.
pub const SUBORDINATE: u32 = 300_000;
/// What `machine::offers` is asked for before.
pub const PROGRAMS: [&str; 4] = ["unshare", "mount", "setpriv", "newuidmap"];

/// The machine as the user finds it.
#[derive(Debug)]
pub struct Machine<'a> {
    scratch: &'a Scratch,
    subordinate: u32,
    before: String,
    within: String,
}

/// A machine with as many subordinate ids as an image has, and a scratch directory that belongs to the user.
pub fn machine(scratch: &Scratch) -> Machine<'_> {
    std::os::unix::fs::chown(scratch.root(), Some(ID), Some(ID)).expect("root may");
    Machine {
        scratch,
        subordinate: 65536,
        before: String::new(),
        within: String::new(),
    }
}

impl Machine<'_> {
    /// With another number of subordinate ids.
    #[must_use]
    pub fn subordinate(self, subordinate: u32) -> Self {
        Self {
            subordinate,
            ..self
        }
    }

    /// With a change that root makes before: a line of sh.
    #[must_use]
    pub fn before(self, line: &str) -> Self {
        Self {
            before: format!("{}{line} || exit 99\n", self.before),
            ..self
        }
    }

    /// With a program in between that runs the rest, as root.
    #[must_use]
    pub fn within(self, words: &str) -> Self {
        Self {
            within: words.to_owned(),
            ..self
        }
    }

    /// The program, run by the user.
    pub fn run(&self, arguments: &str) -> Program {
        let ids = match self.subordinate {
            0 => String::new(),
            count => format!("root:0:70000\nbuilder:{SUBORDINATE}:{count}\n"),
        };
        let passwd = format!("root:x:0:0::/root:/bin/sh\nbuilder:x:{ID}:{ID}::/tmp:/bin/sh\n");
        let group = format!("root:x:0:\nbuilder:x:{ID}:\n");
        let mut script = String::new();
        for (name, text) in [
            ("passwd", &passwd),
            ("group", &group),
            ("subuid", &ids),
            ("subgid", &ids),
        ] {
            let file = self.scratch.write(&format!("etc/{name}"), text);
            script += &format!("mount --bind {} /etc/{name} || exit 99\n", file.display());
        }
        script += &self.before;
        let within = &self.within;
        script +=
            &format!("exec {within} setpriv --reuid={ID} --regid={ID} --clear-groups \"$@\"\n");
        Program::of("unshare", "--mount sh -c")
            .arg(script)
            .arg("sh")
            .arg(paths::program())
            .args(arguments.split_whitespace())
            .env("HOME", self.scratch.path("home"))
            .env("XDG_CACHE_HOME", self.scratch.path("cache"))
            .directory(self.scratch.root())
    }

    /// The same with the directories that every build of a test has.
    pub fn build(&self, options: &str) -> Program {
        self.run(&format!("run {options}"))
            .option("--store", self.scratch.path("store"))
            .option("--output-directory", self.scratch.path("out"))
    }
}
