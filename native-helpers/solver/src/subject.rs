//! What a word on the command line of dnf stands for: a package by any part of its name, what it provides, or a file.
use crate::glob;
use crate::metadata::{plain_dependency, rich_dependency};
use crate::sack::Sack;
use osbuild_wasm_solver_sys::{Id, Package};
use std::cmp::Ordering;

/// A word taken apart as one of the forms that packages are named in; parts may be patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nevra<'a> {
    pub(crate) name: &'a str,
    pub(crate) epoch: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) release: Option<&'a str>,
    pub(crate) arch: Option<&'a str>,
}

impl Nevra<'_> {
    /// Whether there is nothing but a name.
    pub(crate) fn is_just_name(&self) -> bool {
        self.epoch.is_none()
            && self.version.is_none()
            && self.release.is_none()
            && self.arch.is_none()
    }
}

/// Packages that a word stands for, and the form that it was.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) packages: Vec<Package>,
    pub(crate) nevra: Option<Nevra<'a>>,
}

/// A form: whether it has an architecture, and how many parts of a version.
const FORMS: [(bool, u8); 5] = [(true, 2), (true, 0), (false, 0), (false, 2), (false, 1)];

/// Takes a word apart as a form; none when it is not that.
pub(crate) fn parse(word: &str, (with_arch, parts): (bool, u8)) -> Option<Nevra<'_>> {
    let (mut rest, mut nevra) = (word, Nevra::default());
    if with_arch {
        let (front, arch) = rest.rsplit_once('.')?;
        (rest, nevra.arch) = (front, Some(arch));
        is_part(arch, &['-', ':', '.'])?;
    }
    if parts == 2 {
        let (front, release) = rest.rsplit_once('-')?;
        (rest, nevra.release) = (front, Some(release));
        is_part(release, &['-', ':'])?;
    }
    if parts > 0 {
        let (front, version) = rest.rsplit_once('-')?;
        let (epoch, version) = match version.split_once(':') {
            Some((epoch, version)) => (Some(epoch), version),
            None => (None, version),
        };
        let is_number =
            |epoch: &str| !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
        if !epoch.is_none_or(is_number) {
            return None;
        }
        is_part(version, &['-', ':'])?;
        (rest, nevra.epoch, nevra.version) = (front, epoch, Some(version));
    }
    is_part(rest, &[':'])?;
    nevra.name = rest;
    Some(nevra)
}

/// What is no part of a name or a version anyway, and what is none of this part.
fn is_part(text: &str, others: &[char]) -> Option<()> {
    let bad = |c| ['(', '/', '=', '<', '>', ' '].contains(&c) || others.contains(&c);
    (!text.is_empty() && !text.contains(bad)).then_some(())
}

impl Sack {
    /// The packages that a word stands for: the first of all forms that anything fits, then what is provided, then a file.
    pub(crate) fn find<'a>(&mut self, word: &'a str) -> Found<'a> {
        let visible = self.binaries();
        if let Some(found) = self.by_name(word, &visible) {
            return found;
        }
        let mut packages = self.providing(word);
        packages.retain(|package| visible.binary_search(package).is_ok());
        if packages.is_empty() && (word.starts_with('/') || word.starts_with("*/")) {
            let has = |package: &Package| {
                self.pool
                    .files(*package)
                    .iter()
                    .any(|path| fits(word, path))
            };
            packages = visible.into_iter().filter(has).collect();
        }
        Found {
            packages,
            nevra: None,
        }
    }

    /// The packages whose name, version or architecture a word stands for.
    pub(crate) fn find_by_name<'a>(&self, word: &'a str) -> Found<'a> {
        self.by_name(word, &self.binaries()).unwrap_or_default()
    }

    /// Visible packages that can be installed.
    fn binaries(&self) -> Vec<Package> {
        let mut visible = self.visible();
        visible.retain(|package| self.pool.arch(*package) != "src");
        visible
    }

    fn by_name<'a>(&self, word: &'a str, visible: &[Package]) -> Option<Found<'a>> {
        let select = |fits: &dyn Fn(Package) -> bool| -> Vec<Package> {
            visible
                .iter()
                .copied()
                .filter(|package| fits(*package))
                .collect()
        };
        for form in FORMS {
            let Some(nevra) = parse(word, form) else {
                continue;
            };
            let packages = self.named(&nevra, visible);
            if !packages.is_empty() {
                let nevra = Some(nevra);
                return Some(Found { packages, nevra });
            }
        }
        let packages =
            select(&|package| fits(word, &self.nevra(package)) || fits(word, &self.label(package)));
        (!packages.is_empty()).then_some(Found {
            packages,
            nevra: None,
        })
    }

    /// The packages of a name, or of a pattern of names, with the other parts.
    fn named(&self, nevra: &Nevra<'_>, visible: &[Package]) -> Vec<Package> {
        let pattern = glob::is_pattern(nevra.name);
        let name = self.pool.find(nevra.name);
        if !pattern && name.is_none() {
            return Vec::new();
        }
        let is_name = |package: Package| match pattern {
            true => glob::matches(nevra.name, &self.pool.name(package)),
            false => Some(self.pool.name_id(package)) == name,
        };
        let fits = visible
            .iter()
            .copied()
            .filter(|package| is_name(*package) && self.is(*package, nevra));
        fits.collect()
    }

    /// Whether architecture and version of a package are those parts.
    fn is(&self, package: Package, nevra: &Nevra<'_>) -> bool {
        if !nevra
            .arch
            .is_none_or(|arch| fits(arch, &self.pool.arch(package)))
        {
            return false;
        }
        let evr = self.pool.evr(package);
        let (epoch, rest) = evr.split_once(':').unwrap_or(("0", &evr));
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        nevra
            .epoch
            .is_none_or(|wanted| number(wanted) == number(epoch))
            && nevra
                .version
                .is_none_or(|wanted| self.is_version(wanted, version))
            && nevra
                .release
                .is_none_or(|wanted| self.is_version(wanted, release))
    }

    /// A version that is no pattern is the same as another that compares as equal.
    fn is_version(&self, wanted: &str, version: &str) -> bool {
        match glob::is_pattern(wanted) {
            true => glob::matches(wanted, version),
            false => self.pool.compare(wanted, version) == Ordering::Equal,
        }
    }

    /// What provides a capability: a name, a name with a version, a rich dependency, or a pattern of names.
    fn providing(&mut self, word: &str) -> Vec<Package> {
        let ids: Vec<Id> = match word {
            pattern if glob::is_pattern(pattern) => {
                let provided = self.pool.provided().into_iter();
                provided
                    .filter(|id| glob::matches(pattern, &self.pool.text(*id)))
                    .collect()
            }
            rich if rich.starts_with('(') => {
                rich_dependency(&mut self.pool, rich).into_iter().collect()
            }
            plain => plain_dependency(&mut self.pool, plain)
                .into_iter()
                .collect(),
        };
        let mut packages: Vec<_> = ids
            .into_iter()
            .flat_map(|id| self.pool.providers(id))
            .collect();
        packages.sort_unstable();
        packages.dedup();
        packages
    }
}

/// Whether a text is a word, or what it says when it is a pattern.
fn fits(word: &str, text: &str) -> bool {
    match glob::is_pattern(word) {
        true => glob::matches(word, text),
        false => word == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_as_rpm_names_packages() {
        let all = FORMS.map(|form| parse("a-b-1:2-3.x86_64", form));
        let whole = all[0].clone().unwrap();
        assert_eq!(
            (
                whole.name,
                whole.epoch,
                whole.version,
                whole.release,
                whole.arch
            ),
            ("a-b", Some("1"), Some("2"), Some("3"), Some("x86_64"))
        );
        // What has an epoch in its name is no name.
        assert_eq!(all[1], None);
        assert_eq!(parse("a.b", FORMS[1]).unwrap().arch, Some("b"));
        assert!(parse("/usr/bin/x", FORMS[2]).is_none() && parse("a = 1", FORMS[2]).is_none());
    }
}
