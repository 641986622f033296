//! Directories of the user in whose name this program runs, after the XDG Base Directory Specification.
//!
//! Under sudo, su and the like the environment may be that of another user, whose directories would get files of root, or would decide
//! what root runs. Such directories are passed over.
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The user's directory for one kind of files: what `variable` names (e.g. `XDG_CACHE_HOME`), else `below` (e.g. `.cache`) in the home
/// of the environment, else in that of /etc/passwd; the first that belongs to the user, or would when it is made. Where none does, the
/// first: its use finds out. None without a home.
pub fn own_directory(variable: &str, below: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let user = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let homes = home.into_iter().chain(home_in(&passwd, user));
    let places = named
        .into_iter()
        .chain(homes.map(|home| home.join(below)))
        .filter(|place| place.is_absolute());
    let places: Vec<_> = places.collect();
    let own = places.iter().find(|place| owner(place) == Some(user));
    own.or(places.first()).cloned()
}

/// The owner of a path, or of what it would be made in.
fn owner(path: &Path) -> Option<u32> {
    let there = path.ancestors().find_map(|path| path.metadata().ok());
    there.map(|there| there.uid())
}

/// The home of a user in the text of /etc/passwd (see passwd(5)).
fn home_in(passwd: &str, user: u32) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_user = fields.next()?.parse() == Ok(user);
        let home = fields.nth(2).filter(|home| !home.is_empty());
        home.filter(|_| is_user).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_that_of_the_number() {
        let passwd =
            "broken\nroot:x:0:0:root:/root:/bin/sh\nu:x:10:10:::/bin/sh\nv:x:1:1::/home/v:\n";
        assert_eq!(home_in(passwd, 0), Some("/root".into()));
        assert_eq!(home_in(passwd, 1), Some("/home/v".into()));
        assert_eq!(home_in(passwd, 10), None);
    }
}
