//! tar, cpio, zip, gzip, xz, zstd. Archives are unpacked by the program itself, and what comes out is compared.
use super::random::Random;
use super::{FAMILY, Family, Trial, compare, trees};
use osbuild_wasm_tests::Program;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: [&str; 7] = [
    "a",
    "b",
    "c d",
    "-e",
    "ü",
    "h",
    "a-name-of-more-than-a-hundred-bytes-which-the-oldest-headers-have-no-room-for-so-that-it-goes-elsewhere-or-fails",
];

/// An input beside the tree.
fn input(tree: &Path) -> PathBuf {
    let path = tree.with_file_name("input");
    fs::create_dir(&path).unwrap();
    path
}

/// What of a tree is packed or unpacked, as the arguments document names it.
fn files(path: &Path, name: &str) -> serde_json::Value {
    json!({ "inputs": { "file": { "path": path, "data": { "files": { name: {} } } } } })
}

fn pack_tar(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    let paths = trees::fill(random, &input, &NAMES, 14);
    let name = random.of(&["o.tar", "o.tar.gz", "o.tar.zst", "o.tar.xz", "o.tgz", "o"]);
    let mut options = json!({ "filename": name });
    let mut words = vec!["tar".to_owned()];
    let format = random.maybe(80, &["gnu", "oldgnu", "posix", "ustar", "v7"]);
    words.push(format!("--format={}", format.unwrap_or("gnu")));
    if let Some(format) = format {
        options["format"] = json!(format);
    }
    for (option, flag, default) in [
        ("acls", "--acls", true),
        ("selinux", "--selinux", true),
        ("xattrs", "--xattrs --xattrs-include=*", true),
        ("sparse", "--sparse", false),
        ("numeric-owner", "--numeric-owner", false),
    ] {
        let given = random.maybe(40, &[true, false]);
        if let Some(given) = given {
            options[option] = json!(given);
        }
        if given.unwrap_or(default) {
            words.extend(flag.split(' ').map(str::to_owned));
        }
    }
    words.extend(["--auto-compress", "-cf", &format!("TREE/{name}"), "-C"].map(str::to_owned));
    words.push(input.to_str().unwrap().to_owned());
    if random.chance(40) && !paths.is_empty() {
        let chosen: Vec<_> = random
            .some(3, &paths)
            .iter()
            .map(|path| format!(".{path}"))
            .collect();
        if !chosen.is_empty() {
            options["paths"] = json!(chosen);
            words.extend(chosen);
        }
    }
    if options.get("paths").is_none() {
        words.push(".".into());
    }
    let mut trial = Trial::new(options);
    trial.more = json!({ "inputs": { "tree": { "path": input } } });
    trial.command(words);
    let script = "mkdir TREE/out && tar --xattrs --xattrs-include='*' --numeric-owner -C TREE/out -xpf TREE/$0 && rm TREE/$0";
    trial.after(["sh", "-c", script, name]);
    trial
}

fn unpack_tar(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    let content = input.join("content");
    fs::create_dir(&content).unwrap();
    let short = &NAMES[..6];
    let paths = trees::fill(random, &content, short, 12);
    let name = random.of(&[
        "i.tar",
        "i.tar.gz",
        "i.tar.zst",
        "i.tar.xz",
        "i",
        "i.tar.bz2",
    ]);
    let format = random.of(&["gnu", "oldgnu", "posix", "ustar"]);
    let packer = Program::of("tar", "--numeric-owner --auto-compress")
        .arg(format!("--format={format}"))
        .args(
            random
                .maybe(40, &["--sparse"])
                .filter(|_| matches!(format, "gnu" | "posix")),
        )
        .args(
            random
                .maybe(50, &["--xattrs"])
                .filter(|_| format == "posix"),
        )
        .args(random.maybe(30, &["--transform=s,^./,,"]))
        .arg("-cf")
        .arg(input.join(name))
        .arg("-C")
        .arg(&content);
    let members = random
        .some(4, &paths)
        .iter()
        .map(|path| format!(".{path}"))
        .collect::<Vec<_>>();
    // Members may come without their directories, and twice.
    packer
        .args(if random.chance(40) && !members.is_empty() {
            members
        } else {
            vec![".".into()]
        })
        .run()
        .expect(0);
    let prefix = random.maybe(50, &["/", "/sub", "sub"]);
    fs::create_dir(tree.join("sub")).unwrap();
    if random.chance(60) {
        trees::fill(random, tree, short, 6);
        trees::fill(random, &tree.join("sub"), short, 6);
    }
    let mut trial =
        Trial::new(prefix.map_or_else(|| json!({}), |prefix| json!({ "prefix": prefix })));
    trial.more = files(&input, name);
    let file = input.join(name).to_str().unwrap().to_owned();
    let place = format!(
        "TREE/{}",
        prefix.unwrap_or_default().trim_start_matches('/')
    );
    trial.command(["tar", "--auto-compress", "-x", "-f", &file, "-C", &place]);
    trial
}

fn pack_cpio(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    for path in trees::fill(random, &input, &NAMES, 14) {
        // Where links out of the input lead, depends on who follows them.
        let place = input.join(&path[1..]);
        if fs::read_link(&place).is_ok_and(|text| text.is_absolute() || text.starts_with("..")) {
            fs::remove_file(place).unwrap();
        }
    }
    let format = random.maybe(70, &["newc", "odc", "bin", "crc"]);
    let root = random.maybe(50, &["include", "omit"]);
    let reproducible = random.maybe(50, &[true, false]);
    // cpio cuts a number that the oldest format has no room for.
    let percent = if format == Some("bin") { 100 } else { 30 };
    let owner = random.maybe(percent, &["0:0", "1000:100"]);
    let mut options = json!({ "filename": "o.cpio" });
    let mut flags = format!("--format={}", format.unwrap_or("newc"));
    if let Some(format) = format {
        options["format"] = json!(format);
    }
    if let Some(root) = root {
        options["root-node"] = json!(root);
    }
    if let Some(reproducible) = reproducible {
        options["reproducible"] = json!(reproducible);
    }
    if reproducible.unwrap_or(true) {
        flags += " --reproducible";
    }
    if let Some((user, group)) = owner.and_then(|owner| owner.split_once(':')) {
        options["owner"] = json!({ "user": user, "group": group });
        flags += &format!(" --owner={user}:{group}");
    }
    let mut members = Vec::new();
    list(&input, "", &mut members);
    if root == Some("omit") {
        members.retain(|member| member != ".");
    }
    fs::write(tree.with_file_name("members"), members.join("\0")).unwrap();
    let mut trial = Trial::new(options);
    trial.more = json!({ "inputs": { "tree": { "path": input } } });
    let script =
        format!("cpio -o --null {flags} -O TREE/o.cpio -D \"$0\" --quiet <TREE/../members");
    trial.command(["sh", "-c", &script, input.to_str().unwrap()]);
    let script = "mkdir TREE/out && cd TREE/out && cpio -idm --quiet --no-absolute-filenames <TREE/o.cpio && rm TREE/o.cpio";
    trial.after(["sh", "-c", script]);
    trial
}

/// Members in the order of osbuild: what is no directory, then the directory itself, then those in it. Links to directories are none.
fn list(directory: &Path, path: &str, members: &mut Vec<String>) {
    let entries = fs::read_dir(directory.join(path)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let inner = |name: &String| {
        if path.is_empty() {
            name.clone()
        } else {
            format!("{path}/{name}")
        }
    };
    let is_directory =
        |path: &String| fs::metadata(directory.join(path)).is_ok_and(|found| found.is_dir());
    let (directories, files): (Vec<_>, Vec<_>) = names.iter().map(inner).partition(is_directory);
    members.extend(files);
    members.push(if path.is_empty() {
        ".".into()
    } else {
        path.into()
    });
    for inner in directories {
        if !fs::symlink_metadata(directory.join(&inner))
            .unwrap()
            .is_symlink()
        {
            list(directory, &inner, members);
        }
    }
}

/// Everything that an archive of zip says, one line for each member.
const ZIP_LIST: &str = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for member in sorted(archive.infolist(), key=lambda member: member.filename):
    print(repr(member.filename), oct(member.external_attr >> 16 & 0o170777), member.create_system, member.date_time, archive.read(member))
";

fn pack_zip(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    for path in trees::fill(random, &input, &["a", "b", "c d", "-e", "h"], 14) {
        // What links lead to is packed; here some lead in circles.
        let place = input.join(&path[1..]);
        if place.is_symlink() {
            fs::remove_file(place).unwrap();
        }
    }
    let level = random.maybe(60, &[0, 1, 6, 9]);
    let include = random.some(2, &["a", "*a", "./a", "b/*", "*/", "[ab]", "h?", "*"]);
    // One file always fits: where nothing does, zip makes no archive and says nothing.
    fs::write(input.join("fits"), "").unwrap();
    // Links that lead nowhere are left out.
    for (name, text) in [("l", "nowhere"), ("m", "m"), ("n", "fits/x"), ("o", "fits")] {
        if random.chance(30) {
            std::os::unix::fs::symlink(text, input.join(name)).unwrap();
        }
    }
    let include = if random.chance(50) {
        [include, vec!["fits"]].concat()
    } else {
        Vec::new()
    };
    let mut trial = Trial::new(json!({ "filename": "o.zip", "include": include }));
    if let Some(level) = level {
        trial.options["level"] = json!(level);
    }
    trial.more = json!({ "inputs": { "tree": { "path": input } } });
    let script = format!(
        "cd \"$0\" && exec zip -q -r -{} TREE/o.zip . \"$@\"",
        level.unwrap_or(6)
    );
    let words = ["sh", "-c", &script, input.to_str().unwrap()];
    let flag = (!include.is_empty()).then_some("-i");
    trial.command(words.into_iter().chain(flag).chain(include));
    let script = "python3 -c \"$0\" TREE/o.zip >TREE/list && rm TREE/o.zip";
    trial.after(["sh", "-c", script, ZIP_LIST]);
    trial
}

/// Bytes that can be compressed, and some that cannot.
fn bytes(random: &mut Random) -> Vec<u8> {
    let length = random.value(&[0, 1, 100, 70_000, 300_000]);
    let kinds = random.value(&[1, 3, 256]);
    (0..length).map(|_| random.below(kinds) as u8).collect()
}

fn compress(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    fs::write(input.join("file"), bytes(random)).unwrap();
    let file = input.join("file").to_str().unwrap().to_owned();
    let (program, command, options) = match random.below(3) {
        0 => ("xz", format!("xz --keep --stdout -0 {file}"), json!({})),
        1 => (
            "zstd",
            format!("zstd -q --keep --stdout -T0 -1 {file}"),
            json!({}),
        ),
        _ => match random.maybe(80, &[1, 2, 5, 6, 9]) {
            Some(level) => (
                "gzip",
                format!("gzip --no-name --stdout -{level} {file}"),
                json!({ "level": level }),
            ),
            None => (
                "gzip",
                format!("gzip --no-name --stdout -1 {file}"),
                json!({}),
            ),
        },
    };
    let mut trial = Trial::new(options);
    trial.options["filename"] = json!("o");
    trial.stage = Some(format!("org.osbuild.{program}"));
    trial.more = files(&input, "file");
    trial.command(["sh", "-c", &format!("{command} >TREE/o")]);
    // The header of gzip says how well and where it was compressed.
    let header = if program == "gzip" { 10 } else { 4 };
    let script = format!(
        "head -c {header} TREE/o >TREE/header && {program} -dc <TREE/o >TREE/out && rm TREE/o"
    );
    trial.after(["sh", "-c", &script]);
    trial
}

fn gunzip(random: &mut Random, tree: &Path) -> Trial {
    let input = input(tree);
    let mut file = Vec::new();
    for _ in 0..=random.below(2) {
        fs::write(input.join("part"), bytes(random)).unwrap();
        let level = random.of(&["-1", "-6n", "-9"]);
        let part = input.join("part");
        Program::of("gzip", "-kf")
            .arg(level)
            .arg(&part)
            .run()
            .expect(0);
        file.extend(fs::read(part.with_extension("gz")).unwrap());
    }
    match random.below(10) {
        0 => file.truncate(random.below(file.len())),
        1 => file.extend([0; 512]),
        2 => file.extend(b"garbage"),
        3 => file.insert(0, b'x'),
        4 => {
            let at = random.below(file.len());
            file[at] ^= 0x40;
        }
        _ => {}
    }
    fs::write(input.join("i.gz"), file).unwrap();
    let mut trial = Trial::new(json!({ "path": "/o" }));
    trial.more = files(&input, "i.gz");
    let file = input.join("i.gz").to_str().unwrap().to_owned();
    trial.command(["sh", "-c", "gunzip --stdout \"$0\" >TREE/o", &file]);
    trial
}

#[test]
fn archives_are_made_as_tar_makes_them() {
    compare(&Family {
        stage: "org.osbuild.tar",
        programs: &["tar", "xz", "zstd"],
        make: pack_tar,
        exact: true,
        ..FAMILY
    });
}

#[test]
fn archives_are_unpacked_as_tar_does() {
    compare(&Family {
        stage: "org.osbuild.untar",
        programs: &["tar", "xz", "zstd", "bzip2"],
        make: unpack_tar,
        exact: true,
        ..FAMILY
    });
}

#[test]
fn archives_are_made_as_cpio_makes_them() {
    compare(&Family {
        stage: "org.osbuild.cpio.out",
        programs: &["cpio"],
        make: pack_cpio,
        exact: true,
        ..FAMILY
    });
}

#[test]
fn archives_are_made_as_zip_makes_them() {
    compare(&Family {
        stage: "org.osbuild.zip",
        programs: &["zip", "python3"],
        make: pack_zip,
        ..FAMILY
    });
}

#[test]
fn compressed_files_are_those_of_gzip_xz_and_zstd() {
    compare(&Family {
        stage: "compression",
        programs: &["gzip", "xz", "zstd"],
        make: compress,
        trials: 30,
        ..FAMILY
    });
}

#[test]
fn compressed_files_are_read_as_gunzip_does() {
    compare(&Family {
        stage: "org.osbuild.gunzip",
        programs: &["gzip"],
        make: gunzip,
        ..FAMILY
    });
}
