//! The account databases of a tree together.
use super::{Settings, Table};
use osbuild_stage::{Error, Result, Tree, bail};

/// The longest name of a group.
const GROUP_NAME: usize = 32;

/// All databases. Those that a tree may lack are none when it does.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// etc/passwd: name, `x`, uid, gid, comment, home, shell.
    pub passwd: Table,
    /// etc/group: name, `x`, gid, members.
    pub group: Table,
    /// etc/shadow: name, password, days of last change, minimum, maximum, warning, inactive, expiry.
    pub shadow: Option<Table>,
    /// etc/gshadow: name, password, administrators, members.
    pub gshadow: Option<Table>,
    /// etc/subuid: name, first, count.
    pub subuid: Option<Table>,
    /// etc/subgid: name, first, count.
    pub subgid: Option<Table>,
    /// What the distribution says about new accounts.
    pub settings: Settings,
}

impl Database {
    /// Reads the databases; passwd and group must exist.
    pub fn read(tree: &Tree) -> Result<Self> {
        Ok(Self {
            passwd: Table::parse(&tree.read_to_string("etc/passwd")?),
            group: Table::parse(&tree.read_to_string("etc/group")?),
            shadow: Table::read_if_exists(tree, "etc/shadow")?,
            gshadow: Table::read_if_exists(tree, "etc/gshadow")?,
            subuid: Table::read_if_exists(tree, "etc/subuid")?,
            subgid: Table::read_if_exists(tree, "etc/subgid")?,
            settings: Settings::read(tree)?,
        })
    }

    /// Writes what was changed, and leaves the tools' lock file behind as they do.
    pub fn write(&self, tree: &Tree) -> Result<()> {
        let optional = [
            (&self.shadow, "etc/shadow"),
            (&self.gshadow, "etc/gshadow"),
            (&self.subuid, "etc/subuid"),
            (&self.subgid, "etc/subgid"),
        ];
        let optional = optional
            .into_iter()
            .filter_map(|(table, path)| Some((table.as_ref()?, path)));
        let tables = [(&self.passwd, "etc/passwd"), (&self.group, "etc/group")];
        let changed: Vec<_> = tables
            .into_iter()
            .chain(optional)
            .filter(|(table, _)| table.is_changed())
            .collect();
        if !changed.is_empty() && !tree.exists("etc/.pwd.lock")? {
            tree.write_with_mode("etc/.pwd.lock", "", 0o600)?;
        }
        changed
            .iter()
            .try_for_each(|(table, path)| table.write(tree, path))
    }

    /// Adds a group as groupadd(8) does. With `force` an existing name is fine and a gid in use is replaced by a free one.
    pub fn add_group(&mut self, name: &str, gid: Option<u32>, force: bool) -> Result<()> {
        if self.group.entry(name).is_some() {
            return if force {
                Ok(())
            } else {
                Err(Error::new(format!("group `{name}` exists already")))
            };
        }
        check_name("group", name, GROUP_NAME)?;
        let gid = match gid.map(|gid| (gid, self.group.entry_of_id(gid))) {
            Some((gid, None)) => Some(gid),
            Some((gid, Some(other))) if !force => bail!(
                "gid {gid} of group `{name}` belongs to `{}` already",
                other[0]
            ),
            _ => None,
        };
        let gid = gid.map_or_else(|| self.free_gid(None), Ok)?;
        self.push_group(name, "x", gid);
        Ok(())
    }

    /// The gid of a group given by name or number.
    pub fn gid(&self, group: &str) -> Result<u32> {
        let number = || {
            group
                .parse()
                .ok()
                .filter(|gid| self.group.entry_of_id(*gid).is_some())
        };
        self.group
            .id_of(group)
            .or_else(number)
            .ok_or_else(|| Error::new(format!("group `{group}` does not exist")))
    }

    /// A gid that is not in use, `preferred` when that is free and in the range of ordinary groups.
    pub(super) fn free_gid(&self, preferred: Option<u32>) -> Result<u32> {
        let (low, high) = self.settings.range("GID");
        let preferred = preferred
            .filter(|gid| (low..=high).contains(gid) && self.group.entry_of_id(*gid).is_none());
        preferred
            .or_else(|| self.group.free_id(low, high))
            .ok_or_else(|| Error::new(format!("no gid from {low} to {high} is free")))
    }

    pub(super) fn push_group(&mut self, name: &str, password: &str, gid: u32) {
        self.group.push([name, password, &gid.to_string(), ""]);
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.push([name, "!", "", ""]);
        }
    }

    /// Sets the supplementary groups of a user; with `keep` it stays in the groups it is in.
    pub(super) fn set_groups(&mut self, user: &str, groups: &[String], keep: bool) -> Result<()> {
        let mut names = Vec::new();
        for group in groups {
            let gid = self.gid(group)?;
            let by_name = self
                .group
                .entry(group)
                .or_else(|| self.group.entry_of_id(gid));
            names.extend(by_name.map(|entry| entry[0].clone()));
        }
        self.group.set_member(user, &names, keep);
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.set_member(user, &names, keep);
        }
        Ok(())
    }
}

/// Names as the shadow tools take them: letters, digits, `_`, `.`, inner `-`, a `$` at the end; not all digits.
pub(super) fn check_name(what: &str, name: &str, longest: usize) -> Result<()> {
    let body = name.strip_suffix('$').unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let valid = !body.is_empty()
        && name.len() <= longest
        && body.chars().all(allowed)
        && !body.starts_with('-')
        && !matches!(body, "." | "..")
        && !name.bytes().all(|byte| byte.is_ascii_digit());
    if valid {
        Ok(())
    } else {
        Err(Error::new(format!("`{name}` is no valid name of a {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        Database {
            group: Table::parse("root:x:0:\nwheel:x:10:\njoe:x:1000:\n"),
            gshadow: Some(Table::parse("root:::\n")),
            ..Database::default()
        }
    }

    #[test]
    fn groups_are_added_as_groupadd_does() {
        let mut database = database();
        database.add_group("foo", None, false).unwrap();
        database.add_group("bar", Some(500), false).unwrap();
        database.add_group("baz", Some(500), true).unwrap();
        database.add_group("foo", Some(7), true).unwrap();
        assert!(
            database
                .group
                .render()
                .ends_with("foo:x:1001:\nbar:x:500:\nbaz:x:1002:\n")
        );
        assert_eq!(
            database.gshadow.as_ref().unwrap().render(),
            "root:::\nfoo:!::\nbar:!::\nbaz:!::\n"
        );
        for (name, gid) in [
            ("foo", None),
            ("new", Some(10)),
            ("-x", None),
            ("12", None),
            ("a:b", None),
        ] {
            assert!(database.add_group(name, gid, false).is_err(), "{name}");
        }
    }
}
