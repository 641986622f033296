//! What a helper is started for: the most that any session of it can be granted.
//!
//! The runtime says it before it reads the first component. Whoever takes the runtime over later gets no more out of its helpers than
//! the run was to have anyway.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::grant::Grant;
use crate::message::{ErrorCode, Failure};

/// The bounds of a helper's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charter {
    /// Directories that it touches; nothing outside of them.
    pub scopes: Vec<PathBuf>,
    /// Programs that may be run.
    pub programs: BTreeSet<String>,
    /// Those that may have the privileges of the machine.
    pub privileged: BTreeSet<String>,
    /// Linux capabilities beyond the default set.
    pub capabilities: BTreeSet<String>,
    /// Variables that may be set for programs; `*`: any.
    pub environment: BTreeSet<String>,
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
        self.programs.extend(grant.programs.iter().cloned());
        self.privileged.extend(grant.privileged.iter().cloned());
        self.capabilities.extend(grant.capabilities.iter().cloned());
        self.environment.extend(grant.environment.iter().cloned());
    }

    /// Refuses a grant that goes beyond it.
    ///
    /// # Errors
    /// `denied`, naming the first word that is not in it.
    pub fn check(&self, grant: &Grant) -> Result<(), Failure> {
        let lists = [
            ("program", &self.programs, &grant.programs),
            ("privileged program", &self.privileged, &grant.privileged),
            ("Linux capability", &self.capabilities, &grant.capabilities),
            ("variable", &self.environment, &grant.environment),
        ];
        for (kind, allowed, asked) in lists {
            if let Some(word) = asked.iter().find(|word| !allowed.contains(*word)) {
                let detail = format!("this helper was not started for this {kind}");
                return Err(Failure::new(ErrorCode::Denied, word, detail));
            }
        }
        Ok(())
    }

    /// The words of a command line that say it.
    pub fn words(&self) -> impl Iterator<Item = OsString> {
        let scopes = self.scopes.iter().map(|scope| scope.as_os_str().to_owned());
        let scopes = scopes.map(|scope| ("--scope", scope));
        let lists = [
            ("--program", &self.programs),
            ("--privileged", &self.privileged),
            ("--capability", &self.capabilities),
            ("--variable", &self.environment),
        ];
        let words = lists
            .into_iter()
            .flat_map(|(option, words)| words.iter().map(move |word| (option, word.into())));
        let pairs: Vec<(&str, OsString)> = scopes.chain(words).collect();
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
        while let Some(option) = words.next() {
            let invalid = || {
                let usage = "usage: osbuild-wasm-helper INTERFACE [--scope DIR | --program NAME | --privileged NAME | --capability NAME | --variable NAME]...";
                Failure::new(ErrorCode::Invalid, option.to_string_lossy(), usage)
            };
            let word = words.next().ok_or_else(invalid)?;
            let list = match option.to_str() {
                Some("--scope") => {
                    charter.scopes.push(word.into());
                    continue;
                }
                Some("--program") => &mut charter.programs,
                Some("--privileged") => &mut charter.privileged,
                Some("--capability") => &mut charter.capabilities,
                Some("--variable") => &mut charter.environment,
                _ => return Err(invalid()),
            };
            let word = OsStr::to_str(&word).ok_or_else(invalid)?;
            list.insert(word.to_owned());
        }
        Ok(charter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter() -> Charter {
        let one = |word: &str| BTreeSet::from([word.to_owned()]);
        Charter {
            scopes: vec!["/a b".into()],
            programs: one("sfdisk"),
            privileged: one("lvcreate"),
            capabilities: one("CAP_SYS_ADMIN"),
            environment: one("*"),
        }
    }

    #[test]
    fn its_words_say_all_of_it() {
        assert_eq!(Charter::parse(charter().words()), Ok(charter()));
        let odd = |words: &[&str]| Charter::parse(words.iter().map(OsString::from)).is_err();
        assert!(odd(&["--scope"]) && odd(&["--shell", "x"]) && odd(&["x"]));
    }

    #[test]
    fn a_grant_beyond_it_is_denied() {
        let mut grant = Grant::default();
        assert_eq!(charter().check(&grant), Ok(()));
        grant.programs = vec!["sfdisk".into()];
        grant.capabilities = vec!["CAP_SYS_ADMIN".into()];
        assert_eq!(charter().check(&grant), Ok(()));
        for change in [
            |grant: &mut Grant| grant.programs.push("sh".into()),
            |grant: &mut Grant| grant.privileged.push("sfdisk".into()),
            |grant: &mut Grant| grant.capabilities.push("CAP_MAC_ADMIN".into()),
            |grant: &mut Grant| grant.environment.push("HOME".into()),
        ] {
            let mut more = grant.clone();
            change(&mut more);
            let failure = charter().check(&more).unwrap_err();
            assert_eq!(failure.code, ErrorCode::Denied);
        }
    }
}
