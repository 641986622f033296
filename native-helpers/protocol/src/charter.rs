//! What a helper is started for: the most that any session of it can be granted.
//!
//! The runtime says it before it reads the first component. An attacker who takes the runtime over later gets no more out of its helpers than
//! one stage of the run was to have anyway.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::grant::{Grant, Limits, ProgramPlace};
use crate::message::{ErrorCode, Failure};

/// The bounds of a helper's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charter {
    /// Directories that it touches; nothing outside of them.
    pub scopes: Vec<PathBuf>,
    /// What a session may be granted: all of it must be in one of these.
    pub offers: BTreeSet<Offer>,
}

/// The most that a session for one stage gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Programs that may be run.
    pub programs: BTreeSet<String>,
    /// Those that may have the privileges of the machine.
    pub privileged: BTreeSet<String>,
    /// Linux capabilities beyond the default set.
    pub capabilities: BTreeSet<String>,
    /// Variables that may be set for programs; `*`: any.
    pub environment: BTreeSet<String>,
    /// Where the programs read and write, each with all below it; none: wherever directories are granted.
    pub places: Option<BTreeSet<ProgramPlace>>,
    /// What the programs may use up.
    pub limits: Limits,
}

impl Offer {
    /// Nothing but these programs, which read and write wherever directories are granted.
    pub fn of_programs<T: Into<String>>(programs: impl IntoIterator<Item = T>) -> Self {
        Self {
            programs: programs.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Its lists of words, each with its option and how messages call it, and the list of a grant that must lie in it.
    fn lists<'a>(&'a self, grant: &'a Grant) -> [(&'static str, &'static str, Words<'a>); 4] {
        [
            ("--program", "program", (&self.programs, &grant.programs)),
            (
                "--privileged",
                "privileged program",
                (&self.privileged, &grant.privileged),
            ),
            (
                "--capability",
                "Linux capability",
                (&self.capabilities, &grant.capabilities),
            ),
            (
                "--variable",
                "variable",
                (&self.environment, &grant.environment),
            ),
        ]
    }

    /// Refuses a grant that goes beyond it.
    fn check(&self, grant: &Grant) -> Result<(), Failure> {
        for (_, kind, (allowed, asked)) in self.lists(grant) {
            if let Some(word) = asked.iter().find(|word| !allowed.contains(*word)) {
                return Err(beyond(word, kind));
            }
        }
        if grant.programs.is_empty() {
            return Ok(());
        }
        let exceeds = |(asked, allowed): &(Option<u64>, Option<u64>)| {
            allowed.is_some_and(|allowed| asked.is_none_or(|asked| asked > allowed))
        };
        if bounds(grant.limits)
            .into_iter()
            .zip(bounds(self.limits))
            .any(|pair| exceeds(&pair))
        {
            return Err(beyond("limits", "use of memory and disks"));
        }
        let Some(places) = &self.places else {
            return Ok(());
        };
        let Some(asked) = &grant.places else {
            return Err(beyond("/", "place of programs"));
        };
        let is_in = |asked: &&ProgramPlace| places.iter().any(|place| asked.lies_in(place));
        match asked.iter().find(|asked| !is_in(asked)) {
            Some(place) => Err(beyond(&place.path, "place of programs")),
            None => Ok(()),
        }
    }

    /// The words of a command line that say it.
    fn words(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let none = Grant::default();
        let lists = self.lists(&none).map(|(option, _, (words, _))| {
            let words = words.iter().map(move |word| (option, word.into()));
            words.collect::<Vec<_>>()
        });
        let place = |place: &ProgramPlace| (option_of(place), (&place.path).into());
        let places = match &self.places {
            Some(places) => places.iter().map(place).collect(),
            None => vec![(PLACES, EVERYWHERE.into())],
        };
        let limits = LIMITS.into_iter().zip(bounds(self.limits));
        let limits = limits.filter_map(|(option, limit)| Some((option, limit?.to_string().into())));
        lists.into_iter().flatten().chain(places).chain(limits)
    }
}

/// Words of an offer, and those of a grant.
type Words<'a> = (&'a BTreeSet<String>, &'a Vec<String>);

const OFFER: &str = "--offer";
const READ: &str = "--read";
const WRITE: &str = "--write";
const PLACES: &str = "--places";
const EVERYWHERE: &str = "everywhere";

/// Options of the limits, in the order of [`bounds`].
const LIMITS: [&str; 3] = ["--memory", "--written-bytes", "--created-inodes"];

fn bounds(limits: Limits) -> [Option<u64>; 3] {
    [limits.memory, limits.written_bytes, limits.created_inodes]
}

fn option_of(place: &ProgramPlace) -> &'static str {
    if place.writable { WRITE } else { READ }
}

fn beyond(word: &str, kind: &str) -> Failure {
    let detail = format!("this helper was not started for this {kind}");
    Failure::new(ErrorCode::Denied, word, detail)
}

impl ProgramPlace {
    /// Whether all of it lies in another one, and whether to write.
    fn lies_in(&self, other: &Self) -> bool {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
        let path = Path::new(&self.path);
        path.components().all(is_plain)
            && path.starts_with(&other.path)
            && other.writable >= self.writable
    }
}

impl Charter {
    /// A charter for nothing but these directories.
    pub fn of_scopes(scopes: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            scopes: scopes.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds what a session with this grant may do; its directories must be in the scopes anyway.
    pub fn add(&mut self, grant: &Grant) {
        self.offers.insert(Offer {
            programs: grant.programs.iter().cloned().collect(),
            privileged: grant.privileged.iter().cloned().collect(),
            capabilities: grant.capabilities.iter().cloned().collect(),
            environment: grant.environment.iter().cloned().collect(),
            places: grant
                .places
                .as_ref()
                .map(|places| places.iter().cloned().collect()),
            limits: grant.limits,
        });
    }

    /// Refuses a grant that goes beyond it.
    ///
    /// # Errors
    /// `denied`, naming the first word of it that the offer does not have which has most of them.
    pub fn check(&self, grant: &Grant) -> Result<(), Failure> {
        let nothing = Offer::default();
        let mut refused = None;
        for offer in self.offers.iter().chain([&nothing]) {
            match offer.check(grant) {
                Ok(()) => return Ok(()),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// The words of a command line that say it.
    pub fn words(&self) -> impl Iterator<Item = OsString> {
        let scopes = self.scopes.iter().map(|scope| scope.as_os_str().to_owned());
        let scopes = scopes.map(|scope| ("--scope", scope));
        let offers = self.offers.iter().enumerate().flat_map(|(number, offer)| {
            let begin = (OFFER, number.to_string().into());
            [begin].into_iter().chain(offer.words())
        });
        let pairs: Vec<(&str, OsString)> = scopes.chain(offers).collect();
        pairs
            .into_iter()
            .flat_map(|(option, word)| [option.into(), word])
    }

    /// Reads what [`Charter::words`] made.
    ///
    /// # Errors
    /// `invalid`, naming the first word that has no meaning.
    pub fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut charter = Self::default();
        let mut offers: Vec<Offer> = Vec::new();
        while let Some(option) = words.next() {
            let invalid = || {
                let usage = "usage: osbuild-wasm-helper INTERFACE [--scope DIR]... [--offer N [--program NAME | --privileged NAME | --capability NAME | --variable NAME | --read PLACE | --write PLACE | --places everywhere | --memory BYTES | --written-bytes BYTES | --created-inodes COUNT]...]...";
                Failure::new(ErrorCode::Invalid, option.to_string_lossy(), usage)
            };
            let word = words.next().ok_or_else(invalid)?;
            if option == "--scope" {
                charter.scopes.push(word.into());
                continue;
            }
            let word = OsStr::to_str(&word).ok_or_else(invalid)?;
            if option == OFFER {
                let places = Some(BTreeSet::new());
                offers.push(Offer {
                    places,
                    ..Offer::default()
                });
                continue;
            }
            let offer = offers.last_mut().ok_or_else(invalid)?;
            offer.parse(&option, word).ok_or_else(invalid)?;
        }
        charter.offers = offers.into_iter().collect();
        Ok(charter)
    }
}

impl Offer {
    /// Adds what an option says; none: it says nothing.
    fn parse(&mut self, option: &OsStr, word: &str) -> Option<()> {
        let list = match option.to_str()? {
            "--program" => &mut self.programs,
            "--privileged" => &mut self.privileged,
            "--capability" => &mut self.capabilities,
            "--variable" => &mut self.environment,
            PLACES if word == EVERYWHERE => {
                self.places = None;
                return Some(());
            }
            "--memory" => {
                self.limits.memory = Some(word.parse().ok()?);
                return Some(());
            }
            "--written-bytes" => {
                self.limits.written_bytes = Some(word.parse().ok()?);
                return Some(());
            }
            "--created-inodes" => {
                self.limits.created_inodes = Some(word.parse().ok()?);
                return Some(());
            }
            option @ (READ | WRITE) => {
                let place = ProgramPlace {
                    path: word.to_owned(),
                    writable: option == WRITE,
                };
                self.places.as_mut()?.insert(place);
                return Some(());
            }
            _ => return None,
        };
        list.insert(word.to_owned());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(word: &str) -> BTreeSet<String> {
        BTreeSet::from([word.to_owned()])
    }

    fn place(path: &str, writable: bool) -> ProgramPlace {
        let path = path.to_owned();
        ProgramPlace { path, writable }
    }

    fn charter() -> Charter {
        let narrow = Offer {
            programs: one("mkfs.ext4"),
            places: Some([place("/dev", true), place("/run/osbuild/tree/etc", false)].into()),
            ..Offer::default()
        };
        let wide = Offer {
            programs: one("sfdisk"),
            privileged: one("lvcreate"),
            capabilities: one("CAP_SYS_ADMIN"),
            environment: one("*"),
            places: None,
            limits: Limits {
                memory: Some(1 << 20),
                written_bytes: None,
                created_inodes: Some(7),
            },
        };
        let nowhere = Offer {
            programs: one("true"),
            places: Some(BTreeSet::new()),
            ..Offer::default()
        };
        Charter {
            scopes: vec!["/a b".into()],
            offers: [narrow, wide, nowhere].into(),
        }
    }

    #[test]
    fn its_words_say_all_of_it() {
        assert_eq!(Charter::parse(charter().words()), Ok(charter()));
        let odd = |words: &[&str]| Charter::parse(words.iter().map(OsString::from)).is_err();
        assert!(odd(&["--scope"]) && odd(&["--shell", "x"]) && odd(&["x"]));
        assert!(odd(&["--program", "x"]) && odd(&["--offer", "0", "--places", "x"]));
    }

    #[test]
    fn a_grant_beyond_it_is_denied() {
        let mut grant = Grant::default();
        assert_eq!(charter().check(&grant), Ok(()));
        grant.programs = vec!["sfdisk".into()];
        grant.capabilities = vec!["CAP_SYS_ADMIN".into()];
        grant.limits.memory = Some(1 << 20);
        grant.limits.created_inodes = Some(3);
        assert_eq!(charter().check(&grant), Ok(()));
        for change in [
            |grant: &mut Grant| grant.programs.push("sh".into()),
            |grant: &mut Grant| grant.privileged.push("sfdisk".into()),
            |grant: &mut Grant| grant.capabilities.push("CAP_MAC_ADMIN".into()),
            |grant: &mut Grant| grant.environment.push("HOME".into()),
            |grant: &mut Grant| grant.limits.memory = None,
            |grant: &mut Grant| grant.limits.created_inodes = Some(8),
            // Each of both is in it, but no stage has them together.
            |grant: &mut Grant| grant.programs.push("mkfs.ext4".into()),
        ] {
            let mut more = grant.clone();
            change(&mut more);
            let failure = charter().check(&more).unwrap_err();
            assert_eq!(failure.code, ErrorCode::Denied);
        }
    }

    #[test]
    fn places_of_programs_beyond_it_are_denied() {
        let at = |program: &str, places: Option<&[ProgramPlace]>| {
            let grant = Grant {
                programs: vec![program.into()],
                places: places.map(<[_]>::to_vec),
                limits: Limits {
                    memory: Some(1),
                    created_inodes: Some(1),
                    ..Limits::default()
                },
                ..Grant::default()
            };
            charter().check(&grant).is_ok()
        };
        let tree = "/run/osbuild/tree";
        for fine in [
            &[][..],
            &[place("/dev/disk", true)],
            &[
                place("/dev", false),
                place("/run/osbuild/tree/etc/x", false),
            ],
        ] {
            assert!(at("mkfs.ext4", Some(fine)), "{fine:?}");
        }
        for beyond in [
            place(tree, false),
            place("/run/osbuild/tree/etc", true),
            place("/run/osbuild/tree/etc2", false),
            place("/run/osbuild/tree/etc/../usr", false),
            place("/", false),
            place("", false),
            place("dev", true),
        ] {
            assert!(
                !at("mkfs.ext4", Some(std::slice::from_ref(&beyond))),
                "{beyond:?}"
            );
        }
        assert!(!at("mkfs.ext4", None) && !at("true", None) && at("true", Some(&[])));
        assert!(at("sfdisk", None) && at("sfdisk", Some(&[place(tree, true)])));
    }
}
