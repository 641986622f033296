//! How places on mounts are called: by the name of the mount, whatever it is mounted on.
use crate::pattern::name;

/// The scheme of places on mounts.
const SCHEME: &str = "mount://";

/// The mounts of a stage in the order of the manifest, each by its name and by where it is below all mounts.
///
/// Manifests, plans, policies, records and messages say `mount://NAME/usr`. A name that is none of the stage's mounts is a directory below
/// all of them, for what a component mounts itself, and `mount:///x` is that directory whatever mounts are called. A `/` of a name is
/// written as in URLs, `%2F`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountNames(Vec<(String, String)>);

impl MountNames {
    /// The names with the targets that the manifest has, e.g. `root` and `/`.
    pub fn new<'a>(mounts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mounts = mounts.into_iter();
        Self(
            mounts
                .map(|(name, target)| (written(name), below_all(target)))
                .collect(),
        )
    }

    /// The place (or the pattern of places) that is written by where mounts are, by the name of the innermost mount; of mounts on one
    /// another that is the last.
    pub fn named(&self, text: &str) -> String {
        let Some(below) = text.strip_prefix(SCHEME) else {
            return text.to_owned();
        };
        let below = below.trim_start_matches('/');
        // What begins with any directory is on any mount.
        if below.starts_with("**") || self.0.is_empty() {
            return text.to_owned();
        }
        let on = |(name, target): &(String, String)| {
            let rest = below.strip_prefix(&name::escape(target))?;
            let rest = match target.is_empty() || rest.is_empty() {
                true => rest,
                false => rest.strip_prefix('/')?,
            };
            Some((target.len(), format!("{SCHEME}{name}/{rest}")))
        };
        let found = self.0.iter().filter_map(on);
        match found.max_by_key(|(length, _)| *length) {
            Some((_, named)) => named,
            // By its first directory alone it could be taken for a mount.
            None if below.is_empty() => text.to_owned(),
            None => format!("{SCHEME}/{below}"),
        }
    }

    /// The other way round: by where the mount is.
    pub fn placed(&self, text: &str) -> String {
        let Some(below) = text.strip_prefix(SCHEME) else {
            return text.to_owned();
        };
        let (name, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
        let is_it = |(known, _): &&(String, String)| name::literal(name).as_deref() == Some(known);
        // Of two with one name there is none in a manifest.
        match self.0.iter().find(is_it) {
            Some((_, target)) => format!("{SCHEME}/{}{rest}", name::escape(target)),
            None => text.to_owned(),
        }
    }
}

/// A name as it stands in a location.
fn written(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '%' | '/' | '?' | '#' => written += &format!("%{:02X}", u32::from(character)),
            other => written.push(other),
        }
    }
    written
}

/// A target without slashes at its ends.
fn below_all(target: &str) -> String {
    let parts = target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_by_the_name_of_the_mount_and_back() {
        let names = MountNames::new([
            ("root", "/"),
            ("boot", "/boot/"),
            ("etc", "/srv"),
            ("a/b%", "/x"),
            ("upper", "/boot"),
            ("odd*", "/odd[1]"),
        ]);
        for (placed, named) in [
            ("mount://usr/bin", "mount://root/usr/bin"),
            ("mount://etc/hostname", "mount://root/etc/hostname"),
            ("mount://srv/x", "mount://etc/x"),
            ("mount://boot/efi", "mount://upper/efi"),
            ("mount://bootx", "mount://root/bootx"),
            ("mount://x/y", "mount://a%2Fb%25/y"),
            ("mount://boot", "mount://upper/"),
            ("mount://odd[[]1[]]/*", "mount://odd*/*"),
        ] {
            assert_eq!(names.named(placed), named);
            let back = names.placed(&named.replace("odd*", "odd[*]"));
            let path = |text: &str| text.replace(SCHEME, "/").trim_matches('/').to_owned();
            assert_eq!(
                path(&back).trim_matches('/').replace("boot/", "boot"),
                path(placed).replace("boot/", "boot"),
                "{named}"
            );
        }
        assert_eq!(names.named("mount://"), "mount://root/");
        for same in ["mount://**", "/etc/x", "input://root/x"] {
            assert_eq!(names.named(same), same);
            assert_eq!(names.placed(same), same);
        }
    }

    #[test]
    fn a_directory_that_is_called_like_a_mount_is_no_mount() {
        let names = MountNames::new([("root", "/disk")]);
        assert_eq!(names.named("mount://root/x"), "mount:///root/x");
        assert_eq!(names.placed("mount:///root/x"), "mount:///root/x");
        assert_eq!(names.placed("mount://root/x"), "mount:///disk/x");
        assert_eq!(names.placed("mount://own/x"), "mount://own/x");
    }
}
