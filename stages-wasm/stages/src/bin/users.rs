//! Create or change users, their passwords and ssh keys.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Error, IndexMap, Number, Result, Tree, bail, path};
use osbuild_stage_common::accounts::{Database, NewUser, create_home, create_missing_home};
use serde::Deserialize;
use std::process::ExitCode;
use std::time::SystemTime;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    users: IndexMap<String, User>,
}

#[derive(Deserialize)]
struct User {
    uid: Option<Number>,
    gid: Option<Number>,
    #[serde(default)]
    groups: Vec<String>,
    description: Option<String>,
    home: Option<String>,
    shell: Option<String>,
    password: Option<String>,
    key: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    expiredate: Option<i64>,
    #[serde(default)]
    force_password_reset: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        arguments.options.users.iter().try_for_each(|(name, user)| {
            ensure(tree, name, user).with_context(|| format!("user `{name}`"))
        })
    })
}

fn ensure(tree: &Tree, name: &str, user: &User) -> Result<()> {
    let mut database = Database::read(tree)?;
    match database.passwd.entry(name).cloned() {
        Some(entry) => change(tree, &mut database, name, user, &entry)?,
        None => add(tree, &mut database, name, user)?,
    }
    if user.force_password_reset {
        let mut database = Database::read(tree)?;
        database.expire_password(name)?;
        database.write(tree)?;
    }
    let keys: Vec<&str> = user
        .keys
        .iter()
        .chain(&user.key)
        .map(String::as_str)
        .filter(|key| !key.is_empty())
        .collect();
    if keys.is_empty() {
        Ok(())
    } else {
        add_keys(tree, name, &keys)
    }
}

/// An existing user keeps its uid; what is given is changed, and a missing home directory is made.
fn change(
    tree: &Tree,
    database: &mut Database,
    name: &str,
    user: &User,
    entry: &[String],
) -> Result<()> {
    if let Some(uid) = user
        .uid
        .as_ref()
        .filter(|uid| entry.get(2) != Some(&uid.to_string()))
    {
        bail!(
            "it has uid {} in the tree, not {uid}",
            entry.get(2).map_or("", String::as_str)
        );
    }
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let changes = NewUser {
        home: given(&user.home).map(without_last_slash),
        shell: given(&user.shell),
        ..details(user)?
    };
    if !changes.changes_nothing() {
        let old = ids(database, name)?;
        database.change_user(name, &changes, today())?;
        database.write(tree)?;
        move_group(tree, &home(database, name)?, old, ids(database, name)?.1)?;
    }
    let home = home(database, name)?;
    if !home.is_empty() && !tree.exists(&home)? {
        let (uid, gid) = ids(database, name)?;
        create_missing_home(tree, &home, uid, gid)?;
    }
    Ok(())
}

/// usermod takes one slash from the end of a home directory, useradd none.
fn without_last_slash(home: String) -> String {
    match home.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest.into(),
        _ => home,
    }
}

fn add(tree: &Tree, database: &mut Database, name: &str, user: &User) -> Result<()> {
    let home_given = user.home.as_deref().map(|home| !home.is_empty());
    let new = NewUser {
        home: user.home.clone().filter(|home| !home.is_empty()),
        shell: user.shell.clone(),
        ..details(user)?
    };
    database.add_user(name, &new, today())?;
    database.write(tree)?;
    let (uid, gid) = ids(database, name)?;
    if home_given.unwrap_or(database.settings.is_on("CREATE_HOME")) {
        create_home(tree, &home(database, name)?, uid, gid, &database.settings)?;
    }
    create_mailbox(tree, database, name, uid, gid)
}

/// What new and changed users have in common.
fn details(user: &User) -> Result<NewUser> {
    let uid = match user.uid.as_ref().map(|uid| (uid, uid.integer())) {
        Some((uid, None)) => bail!("{uid} is no uid"),
        Some((_, uid)) => uid,
        None => None,
    };
    Ok(NewUser {
        uid,
        group: user.gid.as_ref().map(Number::to_string),
        groups: user.groups.clone(),
        comment: user.description.clone(),
        password: user.password.clone(),
        expires: user.expiredate,
        home: None,
        shell: None,
    })
}

/// Days since 1970-01-01; the host shows the source epoch when there is one.
fn today() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs() / 86_400).unwrap_or(0)
}

fn field(database: &Database, name: &str, field: usize) -> Result<String> {
    let entry = database.passwd.entry(name).filter(|entry| entry.len() == 7);
    let entry =
        entry.ok_or_else(|| Error::new("its entry in /etc/passwd does not have seven fields"))?;
    Ok(entry[field].clone())
}

fn home(database: &Database, name: &str) -> Result<String> {
    field(database, name, 5)
}

fn ids(database: &Database, name: &str) -> Result<(u32, u32)> {
    let number = |text: String| {
        text.parse()
            .map_err(|_| Error::new(format!("`{text}` in /etc/passwd is no id")))
    };
    Ok((
        number(field(database, name, 2)?)?,
        number(field(database, name, 3)?)?,
    ))
}

/// Files of the user's own home directory go with the user into a new primary group.
fn move_group(tree: &Tree, home: &str, (uid, from): (u32, u32), to: u32) -> Result<()> {
    if from == to || home.is_empty() || !tree.is_dir(home)? {
        return Ok(());
    }
    let found = tree.stat(home)?;
    if found.uid != uid {
        return Ok(());
    }
    if found.gid == from {
        tree.set_owner(home, None, Some(to))?;
    }
    tree.walk(home, &mut |path, metadata| match metadata.gid == from {
        true => tree.set_owner_itself(path, None, Some(to)),
        false => Ok(()),
    })
}

/// A mailbox when /etc/default/useradd wants one.
fn create_mailbox(tree: &Tree, database: &Database, name: &str, uid: u32, gid: u32) -> Result<()> {
    if !database
        .settings
        .useradd("CREATE_MAIL_SPOOL")
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    {
        return Ok(());
    }
    let spool = database.settings.text("MAIL_DIR").unwrap_or("/var/mail");
    let file = path::join(spool, name);
    if !tree.is_dir(spool)? || tree.exists_itself(&file)? {
        return Ok(());
    }
    let (gid, mode) = database
        .group
        .id_of("mail")
        .map_or((gid, 0o600), |mail| (mail, 0o660));
    tree.write_new(&file, "")?;
    tree.set_owner(&file, Some(uid), Some(gid))?;
    tree.set_mode(&file, mode)
}

fn add_keys(tree: &Tree, name: &str, keys: &[&str]) -> Result<()> {
    let database = Database::read(tree)?;
    let (uid, gid) = ids(&database, name)?;
    let directory = path::join(&home(&database, name)?, ".ssh");
    if !tree.exists(&directory)? {
        tree.create_dir_with_mode(&directory, 0o700)?;
        tree.set_owner(&directory, Some(uid), Some(gid))?;
    }
    let file = path::join(&directory, "authorized_keys");
    // A key after a last line without its end would spoil both.
    let open = tree.exists(&file)? && !tree.read_to_string(&file)?.ends_with('\n');
    let start = if open { "\n" } else { "" };
    tree.append(&file, format!("{start}{}\n", keys.join("\n")))?;
    tree.set_owner(&file, Some(uid), Some(gid))?;
    tree.set_mode(&file, 0o600)
}
