//! Adding and changing users as useradd(8) and usermod(8) do.
use super::Table;
use super::database::{Database, check_name};
use osbuild_stage::{Error, Result, bail};

/// The shell of users without one of their own.
const SHELL: &str = "/bin/bash";
/// The group of users when they have none of their own and none is given.
const GROUP: u32 = 100;

/// The longest name of a user.
const USER_NAME: usize = 256;

/// Options of useradd(8).
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// uid, in use or not; none: the next.
    pub uid: Option<u32>,
    /// Primary group by name or number; none: a group of its own, when login.defs says so.
    pub group: Option<String>,
    /// Supplementary groups.
    pub groups: Vec<String>,
    /// Comment.
    pub comment: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Shell.
    pub shell: Option<String>,
    /// Encrypted password.
    pub password: Option<String>,
    /// Day since 1970-01-01 on which the account expires; -1 never.
    pub expires: Option<i64>,
}

/// Options of usermod(8); what is none stays.
pub type UserChanges = NewUser;

impl Database {
    /// Adds a user. `today` is the number of days since 1970-01-01.
    pub fn add_user(&mut self, name: &str, user: &NewUser, today: i64) -> Result<()> {
        check_name("user", name, USER_NAME)?;
        user.check()?;
        if self.passwd.entry(name).is_some() {
            bail!("user `{name}` exists already");
        }
        self.check_expiry(name, user)?;
        let (low, high) = self.settings.range("UID");
        let uid = match user.uid {
            Some(uid) => uid,
            None => self
                .passwd
                .free_id(low, high)
                .ok_or_else(|| Error::new(format!("no uid from {low} to {high} is free")))?,
        };
        let gid = self.primary_group(name, uid, user)?;
        self.set_groups(name, &user.groups, true)?;
        self.push_user(name, uid, gid, user, today);
        if uid == 0 || (low..=high).contains(&uid) {
            let (uids, gids) = (
                self.settings.subordinate("UID"),
                self.settings.subordinate("GID"),
            );
            add_subordinate(&mut self.subuid, name, uids)?;
            add_subordinate(&mut self.subgid, name, gids)?;
        }
        Ok(())
    }

    fn primary_group(&mut self, name: &str, uid: u32, user: &NewUser) -> Result<u32> {
        if let Some(group) = &user.group {
            return self.gid(group);
        }
        if !self.settings.is_on("USERGROUPS_ENAB") {
            return self
                .settings
                .useradd("GROUP")
                .map_or(Ok(GROUP), |group| self.gid(group));
        }
        if self.group.entry(name).is_some() {
            bail!(
                "user `{name}`: there is a group of that name; say `gid` to put the user into it"
            );
        }
        let gid = self.free_gid(Some(uid))?;
        // groupadd says that the password is in the shadow even where there is none.
        let password = if self.gshadow.is_some() { "x" } else { "!" };
        self.push_group(name, password, gid);
        Ok(gid)
    }

    fn push_user(&mut self, name: &str, uid: u32, gid: u32, user: &NewUser, today: i64) {
        let settings = &self.settings;
        let password = user.password.as_deref().unwrap_or("!");
        let home = user.home.clone().unwrap_or_else(|| {
            format!(
                "{}/{name}",
                settings.useradd_text("HOME").unwrap_or("/home")
            )
        });
        let shell = user.shell.as_deref();
        let shell = shell.or(settings.useradd_text("SHELL")).unwrap_or(SHELL);
        let hidden = if self.shadow.is_some() { "x" } else { password };
        let comment = user.comment.as_deref().unwrap_or_default();
        self.passwd.push([
            name,
            hidden,
            &uid.to_string(),
            &gid.to_string(),
            comment,
            &home,
            shell,
        ]);
        if let Some(shadow) = &mut self.shadow {
            let changed = day_of_change(today);
            let [least, most, warning] = settings.password_days();
            let inactive = settings
                .useradd("INACTIVE")
                .filter(|days| *days != "-1")
                .unwrap_or_default();
            let default_expiry = settings.useradd("EXPIRE").and_then(day_of).unwrap_or(-1);
            let expires = expiry(user.expires.unwrap_or(default_expiry));
            let ages = [
                least,
                most,
                warning,
                inactive.into(),
                expires,
                String::new(),
            ];
            shadow.push(
                [name.to_owned(), password.into(), changed]
                    .into_iter()
                    .chain(ages),
            );
        }
    }

    /// Changes a user. `today` is the number of days since 1970-01-01.
    pub fn change_user(&mut self, name: &str, changes: &UserChanges, today: i64) -> Result<()> {
        changes.check()?;
        self.check_expiry(name, changes)?;
        if let Some(group) = &changes.group {
            let gid = self.gid(group)?;
            self.passwd.set(name, 3, gid.to_string());
        }
        if !changes.groups.is_empty() {
            self.set_groups(name, &changes.groups, false)?;
        }
        for (field, value) in [
            (4, &changes.comment),
            (5, &changes.home),
            (6, &changes.shell),
        ] {
            if let Some(value) = value {
                self.passwd.set(name, field, value);
            }
        }
        if changes.password.is_some() || changes.expires.is_some() {
            self.hide_password(name, today);
        }
        match (&mut self.shadow, &changes.password) {
            (Some(shadow), Some(password)) => {
                shadow.set(name, 1, password);
                shadow.set(name, 2, day_of_change(today));
            }
            (None, Some(password)) => self.passwd.set(name, 1, password),
            _ => {}
        }
        if let (Some(shadow), Some(expires)) = (&mut self.shadow, changes.expires) {
            shadow.set(name, 7, expiry(expires));
        }
        if changes.password.is_some() {
            // usermod writes passwd too, although it only says `x`.
            self.passwd.touch();
        }
        Ok(())
    }

    fn check_expiry(&self, name: &str, user: &NewUser) -> Result<()> {
        if self.shadow.is_none() && user.expires.is_some_and(|day| day >= 0) {
            bail!("user `{name}`: an expiry date needs /etc/shadow in the tree");
        }
        Ok(())
    }

    /// Where there is a shadow, the user gets an entry in it, and no password stays where everybody can read it.
    fn hide_password(&mut self, name: &str, today: i64) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        if shadow.entry(name).is_none() {
            let entry = self.passwd.entry(name);
            let password = entry.map_or("", |fields| fields[1].as_str());
            let day = day_of_change(today);
            let [least, most, warning] = self.settings.password_days();
            shadow.push([name, password, &day, &least, &most, &warning, "", "", ""]);
        }
        self.passwd.set(name, 1, "x");
    }

    /// Makes the user choose a new password at the next login.
    pub fn expire_password(&mut self, name: &str) -> Result<()> {
        match &mut self.shadow {
            Some(shadow) if shadow.entry(name).is_some() => shadow.set(name, 2, "0"),
            _ => bail!(
                "user `{name}` has no entry in /etc/shadow, so that a password reset cannot be forced"
            ),
        }
        Ok(())
    }
}

impl NewUser {
    /// Whether nothing is given that changes an existing user.
    pub fn changes_nothing(&self) -> bool {
        let texts = [
            &self.group,
            &self.comment,
            &self.home,
            &self.shell,
            &self.password,
        ];
        self.groups.is_empty() && self.expires.is_none() && texts.iter().all(|text| text.is_none())
    }

    /// Refuses what would break the tables.
    fn check(&self) -> Result<()> {
        let named = [
            ("description", &self.comment),
            ("home", &self.home),
            ("shell", &self.shell),
            ("password", &self.password),
        ];
        for (option, value) in named
            .into_iter()
            .filter_map(|(option, value)| Some((option, value.as_ref()?)))
        {
            let absolute = match option {
                "home" => value.starts_with('/'),
                "shell" => value.is_empty() || value.starts_with(['/', '*']),
                _ => true,
            };
            if value.contains([':', '\n', '\0']) || !absolute {
                bail!("{option} `{value}` is not valid");
            }
        }
        Ok(())
    }
}

/// The day of the last change of a password: none rather than the first day, which would demand a new password.
fn day_of_change(today: i64) -> String {
    if today > 0 {
        today.to_string()
    } else {
        String::new()
    }
}

/// The day since 1970-01-01 of a date YYYY-MM-DD, or of a number of days.
fn day_of(text: &str) -> Option<i64> {
    let date = text.parse::<jiff::civil::Date>();
    let start = jiff::civil::date(1970, 1, 1);
    let day = date.ok().map(|date| i64::from((date - start).get_days()));
    day.or_else(|| text.parse().ok())
}

fn expiry(day: i64) -> String {
    if day < 0 {
        String::new()
    } else {
        day.to_string()
    }
}

/// Gives the user the first free range of subordinate ids, when the tree has such a table.
fn add_subordinate(
    table: &mut Option<Table>,
    name: &str,
    (low, high, count): (u32, u32, u32),
) -> Result<()> {
    let Some(table) = table.as_mut().filter(|_| count > 0) else {
        return Ok(());
    };
    // The tools keep the table in the order of its ranges.
    table.sort_by_second();
    let number = |text: &String| text.parse::<u64>().ok();
    let used: Vec<(u64, u64)> = table
        .entries()
        .filter_map(|fields| Some((number(fields.get(1)?)?, number(fields.get(2)?)?)))
        .collect();
    let mut start = u64::from(low);
    for (first, length) in used {
        if first >= start + u64::from(count) {
            break;
        }
        start = start.max(first + length);
    }
    if start + u64::from(count) > u64::from(high) + 1 {
        bail!("no {count} subordinate ids from {low} to {high} are free for user `{name}`");
    }
    table.push([name, &start.to_string(), &count.to_string()]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn database() -> Database {
        let table = |text| Some(Table::parse(text));
        Database {
            passwd: Table::parse("root:x:0:0:root:/root:/bin/sh\n"),
            group: Table::parse("root:x:0:\nwheel:x:10:\n"),
            shadow: table("root:*:19000:0:99999:7:::\n"),
            gshadow: table("root:::\nwheel:::\n"),
            subuid: table(""),
            subgid: table(""),
            settings: Settings::parse(
                "USERGROUPS_ENAB yes\nPASS_MAX_DAYS 99999\nPASS_MIN_DAYS 0\nPASS_WARN_AGE 7\n",
                "",
            ),
        }
    }

    fn joe() -> NewUser {
        NewUser {
            groups: vec!["wheel".into()],
            comment: Some("J D".into()),
            home: Some("/home/joe".into()),
            password: Some("x".into()),
            expires: Some(19000),
            ..NewUser::default()
        }
    }

    #[test]
    fn users_are_added_as_useradd_does() {
        let mut database = database();
        database.add_user("joe", &joe(), 20778).unwrap();
        database.add_group("foo", None, false).unwrap();
        database
            .add_user("plain", &NewUser::default(), 20778)
            .unwrap();
        assert!(database.passwd.render().ends_with(
            "joe:x:1000:1000:J D:/home/joe:/bin/bash\nplain:x:1001:1002::/home/plain:/bin/bash\n"
        ));
        assert_eq!(
            database.group.render(),
            "root:x:0:\nwheel:x:10:joe\njoe:x:1000:\nfoo:x:1001:\nplain:x:1002:\n"
        );
        let shadow = database.shadow.unwrap().render();
        assert!(
            shadow.ends_with("joe:x:20778:0:99999:7::19000:\nplain:!:20778:0:99999:7:::\n"),
            "{shadow}"
        );
        assert_eq!(
            database.gshadow.unwrap().render(),
            "root:::\nwheel:::joe\njoe:!::\nfoo:!::\nplain:!::\n"
        );
        assert_eq!(
            database.subuid.unwrap().render(),
            "joe:100000:65536\nplain:165536:65536\n"
        );
    }

    #[test]
    fn a_user_without_settings_has_empty_ages_and_no_group_of_its_own() {
        let mut database = Database {
            settings: Settings::default(),
            subuid: None,
            subgid: None,
            ..database()
        };
        let user = NewUser {
            uid: Some(1500),
            group: Some("0".into()),
            password: Some("$6$x".into()),
            ..NewUser::default()
        };
        database.add_user("joe", &user, 20778).unwrap();
        assert!(
            database
                .shadow
                .as_ref()
                .unwrap()
                .render()
                .ends_with("joe:$6$x:20778::::::\n")
        );
        assert_eq!(database.passwd.id_of("joe"), Some(1500));
        assert!(database.group.entry("joe").is_none());
    }

    #[test]
    fn a_password_goes_into_the_shadow_even_if_the_user_was_not_there() {
        let mut database = database();
        database.passwd.push(["old", "x", "5", "5", "", "/", "/x"]);
        let changes = UserChanges {
            password: Some("$6$x".into()),
            ..UserChanges::default()
        };
        database.change_user("old", &changes, 20779).unwrap();
        assert!(database.passwd.render().ends_with("old:x:5:5::/:/x\n"));
        let shadow = database.shadow.unwrap().render();
        assert!(
            shadow.ends_with("old:$6$x:20779:0:99999:7:::\n"),
            "{shadow}"
        );
    }

    #[test]
    fn users_are_changed_as_usermod_does() {
        let mut database = database();
        database.add_user("joe", &joe(), 20778).unwrap();
        database.add_group("foo", None, false).unwrap();
        let changes = UserChanges {
            groups: vec!["foo".into()],
            home: Some("/h".into()),
            password: Some("P".into()),
            expires: Some(5),
            ..UserChanges::default()
        };
        database.change_user("joe", &changes, 20779).unwrap();
        database.expire_password("joe").unwrap();
        assert!(
            database
                .passwd
                .render()
                .ends_with("joe:x:1000:1000:J D:/h:/bin/bash\n")
        );
        assert_eq!(
            database.group.render(),
            "root:x:0:\nwheel:x:10:\njoe:x:1000:\nfoo:x:1001:joe\n"
        );
        assert!(
            database
                .shadow
                .unwrap()
                .render()
                .ends_with("joe:P:0:0:99999:7::5:\n")
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let user = |change: fn(&mut NewUser)| {
            let mut user = NewUser::default();
            change(&mut user);
            user
        };
        for bad in [
            user(|user| user.comment = Some("a:b".into())),
            user(|user| user.home = Some("h".into())),
            user(|user| user.group = Some("nope".into())),
            user(|user| user.groups = vec!["nope".into()]),
        ] {
            assert!(database().add_user("joe", &bad, 1).is_err(), "{bad:?}");
        }
        for name in ["root", "wheel", "-x", "a b"] {
            assert!(
                database().add_user(name, &NewUser::default(), 1).is_err(),
                "{name}"
            );
        }
    }
}
