//! `osbuild:stage/rpm`: the RPM database and packages of a tree, by the build root's rpm.

mod packages;

use std::ffi::OsString;
use std::io::Read;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{
    Database, ErrorCode, Failure, ImportKey, Install, Package, PackageFile, Query, Verify,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};

use crate::access::{Access, Need};
use crate::failure::{About, invalid};
use crate::process::Finished;
use crate::sandbox;
use crate::sandbox::Shown;
use crate::session::Session;
use crate::tool::{Tool, Work};

/// Where a package file has its name, padded with zeros.
const LEAD_NAME: Range<usize> = 10..76;

/// Where rpm sees the directories of packages.
const PACKAGES: &str = "/run/osbuild/packages";

/// Imports a public key.
pub fn import_key(session: &mut Session, import: &ImportKey) -> Result<(), Failure> {
    let program = keys_program(&session.access, &import.database)?;
    let mut arguments = database_arguments(&session.access, &import.database, Need::Write)?;
    let work = Work::new(session)?;
    arguments.extend([
        "--import".into(),
        work.write("key.asc", &import.key.0)?.into(),
    ]);
    let finished = session.run(Tool {
        shown: vec![work.shown()?],
        ..Tool::new(&program, arguments)
    })?;
    check(
        &finished,
        &program,
        &import.database.root,
        "importing a public key failed; the reason is in the log",
    )
}

/// Verifies a package file. An unsigned one fails: `rpmkeys` alone would be content with its digests.
pub fn verify(
    session: &mut Session,
    verify: &Verify,
    directories: Vec<OwnedFd>,
) -> Result<(), Failure> {
    let program = keys_program(&session.access, &verify.database)?;
    let (_, name) = sandbox_path(&verify.file, &directories)?;
    let own = own_name(&directories[verify.file.directory], name);
    let mut arguments = database_arguments(&session.access, &verify.database, Need::Read)?;
    arguments.extend(["--define", "_pkgverify_level all", "--checksig"].map(OsString::from));
    arguments.push(Path::new(".").join(name).into());
    let tool = Tool {
        directory: place_of(verify.file.directory),
        shown: shown(&session.access, directories)?,
        ..Tool::new(&program, arguments).captured()
    };
    let finished = session.run(tool)?;
    let said = String::from_utf8_lossy(&finished.output);
    let said = said
        .trim()
        .rsplit_once(": ")
        .map_or("", |(_, result)| result);
    check(
        &finished,
        &program,
        &verify.package,
        &format!(
            "the signature or a digest of this package does not fit: {said}; it calls itself {own}: is its key one of `gpgkey` of its repository?"
        ),
    )
}

/// What a package says that it is called, in the lead of its file (rpm.org, `RPM V4 package format`); nobody vouches for that.
fn own_name(directory: &OwnedFd, name: &str) -> String {
    let mut lead = [0; LEAD_NAME.end];
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let read = openat(directory, name, flags, Mode::empty())
        .map_err(std::io::Error::from)
        .and_then(|file| std::fs::File::from(file).read_exact(&mut lead));
    let text = lead[LEAD_NAME]
        .iter()
        .take_while(|byte| byte.is_ascii_graphic());
    let text: String = text.map(|byte| char::from(*byte)).collect();
    match read.is_ok() && !text.is_empty() {
        true => text,
        false => "nothing".to_owned(),
    }
}

/// Runs one transaction.
pub fn install(
    session: &mut Session,
    install: &Install,
    directories: Vec<OwnedFd>,
) -> Result<(), Failure> {
    let access = &session.access;
    access.require(&["rpm"])?;
    let mut arguments: Vec<OsString> = vec!["--verbose".into()];
    arguments.extend(database_arguments(access, &install.database, Need::Write)?);
    let root = access.open(
        &install.database.root,
        Need::Write,
        OFlags::PATH | OFlags::DIRECTORY,
    )?;
    sandbox::kernel_directories(&root)?;
    if install.packages.is_empty() {
        return Err(invalid(
            &install.database.root,
            "a transaction needs at least one package",
        ));
    }
    let flags = [
        (install.exclude_docs, "--excludedocs"),
        (install.no_dependencies, "--nodeps"),
        (install.ignore_architecture, "--ignorearch"),
    ];
    arguments.extend(
        flags
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, flag)| flag.into()),
    );
    if !install.install_langs.is_empty() {
        let langs = install.install_langs.join(":");
        check_languages(&langs)?;
        arguments.extend(["--define".into(), format!("_install_langs {langs}").into()]);
    }
    let work = Work::new(session)?;
    let mut list = String::new();
    for package in &install.packages {
        let (path, _) = sandbox_path(package, &directories)?;
        list.push_str(&format!("{}\n", path.display()));
    }
    arguments.extend([
        "--nosignature".into(),
        "--install".into(),
        work.write("manifest", list.as_bytes())?.into(),
    ]);
    let chroot = session
        .access
        .sandbox_path(&install.database.root, Need::Write)?;
    let mut shown = shown(&session.access, directories)?;
    shown.extend([
        work.shown()?,
        Shown::Dev(chroot.join("dev")),
        Shown::Proc(chroot.join("proc")),
        Shown::Sys(chroot.join("sys")),
    ]);
    let environment = install.environment.clone();
    let tool = Tool {
        environment,
        directory: place_of(install.packages[0].directory),
        shown,
        ..Tool::new("rpm", arguments)
    };
    let finished = session.run(tool)?;
    check(
        &finished,
        "rpm",
        &install.database.root,
        "installing packages failed; the reason is in the log",
    )
}

/// All installed packages.
pub fn query(session: &mut Session, query: &Query) -> Result<Vec<Package>, Failure> {
    session.access.require(&["rpm"])?;
    let finished = session.run(Tool::new("rpm", ["--querytags"]).captured())?;
    check(
        &finished,
        "rpm",
        "",
        "asking rpm for its tags failed; the reason is in the log",
    )?;
    let text = String::from_utf8_lossy(&finished.output);
    let known = text.split_whitespace().collect();
    let mut arguments = database_arguments(&session.access, &query.database, Need::Read)?;
    arguments.extend([
        "-qa".into(),
        format!("--qf={}", packages::query_format(&known)).into(),
    ]);
    let finished = session.run(Tool::new("rpm", arguments).captured())?;
    check(
        &finished,
        "rpm",
        &query.database.root,
        "listing the packages failed; the reason is in the log",
    )?;
    let text = String::from_utf8_lossy(&finished.output);
    packages::read(&text)
        .map_err(|detail| Failure::new(ErrorCode::Io, &query.database.root, detail))
}

/// `--dbpath X --root TREE`.
fn database_arguments(
    access: &Access,
    database: &Database,
    need: Need,
) -> Result<Vec<OsString>, Failure> {
    let root = access.sandbox_path(&database.root, need)?;
    let mut arguments = Vec::new();
    if let Some(path) = &database.path {
        check_database_path(path)?;
        arguments.extend(["--dbpath".into(), path.into()]);
    }
    arguments.extend(["--root".into(), root.into()]);
    Ok(arguments)
}

/// rpm expands macros in it, some of which run programs.
fn check_database_path(path: &str) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if path.starts_with('/') && path.bytes().all(plain) && !path.contains("/../") {
        return Ok(());
    }
    let detail = "the directory of a database is an absolute path of letters, digits and ./_+-";
    Err(invalid(path, detail))
}

/// The program for keys: `rpmkeys`, or another that the metadata names.
fn keys_program(access: &Access, database: &Database) -> Result<String, Failure> {
    let program = database.keys_program.as_deref().unwrap_or("rpmkeys");
    access.require(&[program])?;
    Ok(program.to_owned())
}

/// Where rpm sees a directory of packages.
fn place_of(directory: usize) -> PathBuf {
    Path::new(PACKAGES).join(directory.to_string())
}

/// Shows the directories of packages.
fn shown(access: &Access, directories: Vec<OwnedFd>) -> Result<Vec<Shown>, Failure> {
    let show = |(index, file): (usize, OwnedFd)| {
        access.holds(&file, "directory of packages", Need::Read)?;
        Ok(Shown::File {
            file,
            target: place_of(index),
            read_only: true,
        })
    };
    directories.into_iter().enumerate().map(show).collect()
}

/// A package's path and name as rpm may find them in a manifest, which has one path in a line and expands patterns.
fn sandbox_path<'a>(
    package: &'a PackageFile,
    directories: &[OwnedFd],
) -> Result<(PathBuf, &'a str), Failure> {
    let name = package.name.as_str();
    let directory = directories.get(package.directory);
    let directory = directory.ok_or_else(|| invalid(name, "its directory did not come along"))?;
    if name.contains(['/', '\n', ' ', '\t', '*', '?', '[', '{', '#', '%']) {
        let detail = "the path of a package must be without blanks and the characters *?[{#%";
        return Err(invalid(name, detail));
    }
    let stat =
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).about(name, "find this package")?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((place_of(package.directory).join(name), name)),
        _ => Err(invalid(name, "this is no package file")),
    }
}

fn check_languages(value: &str) -> Result<(), Failure> {
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b":_.@-".contains(&byte));
    if plain {
        Ok(())
    } else {
        Err(invalid(value, "this is no list of languages"))
    }
}

fn check(finished: &Finished, program: &str, path: &str, detail: &str) -> Result<(), Failure> {
    match finished.status {
        0 => Ok(()),
        status => Err(Failure::new(
            ErrorCode::Io,
            path,
            format!("{detail} ({program} ended with status {status})"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_cannot_smuggle_macros() {
        assert!(check_languages("en_US:de.UTF-8").is_ok());
        assert!(check_languages("%(id)").is_err());
    }
}
