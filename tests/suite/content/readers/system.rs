//! Files that a system reads when it starts or somebody logs in: limits of PAM, the resolver, rules of udev, TuneD's profiles.
use super::{WRITER, Writer, check, printed, python, python_after, stage, values};
use crate::tools::random::Random;
use osbuild_wasm_tests::{Scratch, debian, machine};
use serde_json::json;
use std::path::Path;

/// Opens a session of PAM for `user` with nothing but the limits of the file `path`.
const SESSION: &str = "import ctypes, os, resource, tempfile
pam = ctypes.CDLL('libpam.so.0')
Talk = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
class Conversation(ctypes.Structure):
    _fields_ = [('talk', Talk), ('data', ctypes.c_void_p)]
conversation, handle = Conversation(Talk(lambda *_: 0), None), ctypes.c_void_p()
services = tempfile.mkdtemp(dir=os.path.dirname(path))
open(services + '/it', 'w').write('session required pam_limits.so conf=' + path)
assert pam.pam_start_confdir(b'it', user.encode(), ctypes.byref(conversation), services.encode(), ctypes.byref(handle)) == 0
assert pam.pam_open_session(handle, 0) == 0
";

/// The name of the user that a limit is for, if PAM gives it to the user of that name.
fn limited(tree: &Path) -> Option<String> {
    let file = tree.join("etc/security/limits.d/a.conf");
    let text = std::fs::read_to_string(&file).ok()?;
    let user = text.strip_suffix(" - nofile 77\n")?;
    let accounts = format!("root:x:0:0::/:/bin/sh\n{user}:x:1000:1000::/:/bin/sh\n");
    std::fs::write(file.with_file_name("passwd"), accounts).ok()?;
    let script = format!(
        "user = {user:?}
{SESSION}value = user if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 77 else 'nothing'"
    );
    let accounts = "mount --bind \"${1%/*}/passwd\" /etc/passwd";
    python_after(accounts, &script, &file)
}

#[test]
fn pam_gives_the_limits_to_the_user_they_are_for() {
    check(&[Writer {
        stage: "org.osbuild.pam.limits.conf",
        option: "domain",
        programs: &["python3", "unshare"],
        before: &[("etc/security/limits.d/x", "")],
        options: |value| {
            let limit = json!({ "domain": value, "type": "-", "item": "nofile", "value": 77 });
            json!({ "filename": "a.conf", "config": [limit] })
        },
        read: limited,
        // Groups, a range of ids, and a name that no user of /etc/passwd can have.
        meant: |value| value.starts_with(['@', '%', '-']) || value.contains(':'),
    }]);
}

#[test]
fn pam_sets_each_limit_to_its_value() {
    if !machine::offers(&["python3"]) {
        return;
    }
    // Those of limits.conf(5) that are limits of a process: the unit of their values, and values below what machines allow.
    let items = [
        ("core", 1024, 1_000_000),
        ("data", 1024, 1_000_000),
        ("fsize", 1024, 1_000_000),
        ("memlock", 1024, 40),
        ("nofile", 1, 200),
        ("rss", 1024, 1_000_000),
        ("stack", 1024, 4000),
        ("cpu", 60, 1000),
        ("nproc", 1, 500),
        ("as", 1024, 1_000_000),
        ("sigpending", 1, 500),
        ("msgqueue", 1, 1000),
    ];
    let mut random = Random::new(12);
    let given = items.map(|(item, unit, least)| (item, unit, least + random.below(20)));
    let limits = given.map(
        |(item, _, value)| json!({ "domain": "root", "type": "-", "item": item, "value": value }),
    );
    let scratch = Scratch::new();
    scratch.directory("tree/etc/security/limits.d");
    let options = json!({ "filename": "a.conf", "config": limits });
    stage(&scratch, "org.osbuild.pam.limits.conf", &options).expect(0);
    let names = items.map(|(item, ..)| item.to_uppercase());
    let script = format!(
        "user = 'root'
{SESSION}value = ' '.join(str(resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[0]) for name in {names:?})"
    );
    let read = python(&script, &scratch.path("tree/etc/security/limits.d/a.conf")).unwrap();
    let expected = given.map(|(_, unit, value)| (value * unit).to_string());
    assert_eq!(read, expected.join(" "));
}

/// What the resolver of the C library makes of the file: names of a domain to search, or addresses (resolv.h).
fn resolver(tree: &Path, value: &str) -> Option<String> {
    let script = format!(
        "import ctypes, socket
class State(ctypes.Structure):
    _fields_ = [('retrans', ctypes.c_int), ('retry', ctypes.c_int), ('options', ctypes.c_ulong), ('nscount', ctypes.c_int),
        ('servers', ctypes.c_uint8 * 16 * 3), ('id', ctypes.c_ushort), ('search', ctypes.c_char_p * 7)]
assert ctypes.CDLL('libresolv.so.2').__res_init() == 0
library = ctypes.CDLL('libc.so.6')
library.__res_state.restype = ctypes.POINTER(State)
state = library.__res_state().contents
value = {value}"
    );
    let file = tree.join("etc/resolv.conf");
    python_after("mount --bind \"$1\" /etc/resolv.conf", &script, &file)
}

#[test]
fn the_resolver_reads_the_domains_to_search() {
    check(&[Writer {
        stage: "org.osbuild.resolv-conf",
        option: "search",
        programs: &["python3", "unshare"],
        options: |value| json!({ "search": ["first.example", value] }),
        read: |tree| {
            let both = "' '.join(name.decode() for name in state.search if name)";
            resolver(tree, both)?
                .strip_prefix("first.example ")
                .map(str::to_owned)
        },
        ..WRITER
    }]);
}

#[test]
fn the_resolver_reads_the_addresses_of_name_servers() {
    if !machine::offers(&["python3", "unshare"]) {
        return;
    }
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    let servers = ["192.0.2.1", "127.0.0.53", "198.51.100.255"];
    let options = json!({ "search": ["a.example"], "nameserver": servers });
    stage(&scratch, "org.osbuild.resolv-conf", &options).expect(0);
    let addresses = "' '.join(socket.inet_ntoa(bytes(server)[4:8]) for server in state.servers[:state.nscount])";
    assert_eq!(resolver(&tree, addresses).unwrap(), servers.join(" "));
}

/// The property that udev sets by the rules, as its own test of rules says.
fn property(tree: &Path) -> Option<String> {
    let script = "mount -t tmpfs run /run && mkdir -p /run/udev/rules.d && cp \"$1\" /run/udev/rules.d/99-it.rules
exec \"$0\" test /sys/devices/virtual/net/lo";
    let udevadm = debian::unpacked("udev").join("bin/udevadm");
    let file = tree.join("99-it.rules");
    let words = [
        "--mount",
        "sh",
        "-ec",
        script,
        udevadm.to_str()?,
        file.to_str()?,
    ];
    let said = printed("unshare", &words)?;
    let mut lines = said.split('\n');
    lines
        .find_map(|line| line.strip_prefix("IT="))
        .map(str::to_owned)
}

#[test]
fn udev_reads_the_values_of_its_rules() {
    check(&[Writer {
        stage: "org.osbuild.udev.rules",
        option: "rules",
        programs: &["apt-get", "dpkg-deb", "unshare"],
        options: |value| {
            let property =
                json!({ "key": { "name": "ENV", "arg": "IT" }, "op": "=", "val": value });
            json!({ "filename": "99-it.rules", "rules": [{ "comment": [value] }, [property]] })
        },
        read: property,
        // No property, and what udev fills in.
        meant: |value| value.is_empty() || value.contains(['%', '$']),
        ..WRITER
    }]);
}

/// The profiles that TuneD would load.
fn profiles(tree: &Path) -> Option<String> {
    let modules = debian::unpacked("tuned").join("usr/lib/python3/dist-packages");
    let script = format!(
        "sys.path.insert(0, {modules:?})
import tuned.consts as consts
for name in ('ACTIVE_PROFILE_FILE', 'PROFILE_MODE_FILE'):
    setattr(consts, name, path + getattr(consts, name))
from tuned.utils.commands import commands
from tuned.profiles.loader import Loader
from tuned.profiles.locator import Locator
names, manual = commands(False).get_active_profile()
assert manual
files = [Locator([path + '/usr/lib/tuned']).get_config(name, []) for name in names.split() if Loader.safe_name(name)]
value = ' '.join(file.split('/')[-2] for file in files)"
    );
    python(&script, tree)
}

#[test]
fn tuned_reads_the_profiles_that_were_given() {
    if !machine::offers(&["apt-get", "dpkg-deb", "python3"]) {
        return;
    }
    let names = values().into_iter().filter(|name| !name.is_empty());
    let more = ["virtual-guest", "a.b_C-9", "throughput performance"];
    let mut read = 0;
    for name in names.chain(more.map(String::from)) {
        let scratch = Scratch::new();
        for profile in ["first", &name] {
            scratch.write(
                &format!("tree/usr/lib/tuned/{profile}/tuned.conf"),
                "[main]\n",
            );
        }
        scratch.directory("tree/etc/tuned");
        let ended = stage(
            &scratch,
            "org.osbuild.tuned",
            &json!({ "profiles": ["first", name] }),
        );
        if ended.code() == 0 {
            read += 1;
            let found = profiles(&scratch.path("tree"));
            assert_eq!(found, Some(format!("first {name}")), "{name:?}");
        } else {
            ended.expect(1).says("options.profiles");
        }
    }
    assert!(read >= 2, "{read} names are read");
}
