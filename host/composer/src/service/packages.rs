//! Packages of repositories.
use super::{Caller, PackageInfo, Result, Service, Solved, Target, Wish};
use osbuild_wasm_generator::content::Repository;

impl Service {
    /// The packages that fulfil a wish, of the given repositories; of all for the system where none are given.
    ///
    /// # Errors
    /// The wish cannot be fulfilled; a repository cannot be read; the store failed.
    pub async fn depsolve(
        &self,
        caller: &Caller,
        target: &Target,
        repositories: Option<Vec<Repository>>,
        wish: &Wish,
    ) -> Result<Vec<Solved>> {
        let repositories = self.given_or_all(caller, target, repositories).await?;
        let (target, wish) = (target.clone(), wish.clone());
        self.look_up(move |images, cancel| images.depsolve(&target, &repositories, &wish, cancel))
            .await
    }

    /// The packages whose names match patterns with `*` and `?`, sorted by name; every package for none. Repositories
    /// as of [`Service::depsolve`].
    ///
    /// # Errors
    /// A repository cannot be read; the store failed.
    pub async fn search(
        &self,
        caller: &Caller,
        target: &Target,
        repositories: Option<Vec<Repository>>,
        patterns: &[String],
    ) -> Result<Vec<PackageInfo>> {
        let repositories = self.given_or_all(caller, target, repositories).await?;
        let (target, patterns) = (target.clone(), patterns.to_vec());
        let found = self.look_up(move |images, cancel| {
            images.search(&target, &repositories, &patterns, cancel)
        });
        let mut found = found.await?;
        found.sort_by(|one, other| one.package.name.cmp(&other.package.name));
        Ok(found)
    }

    async fn given_or_all(
        &self,
        caller: &Caller,
        target: &Target,
        given: Option<Vec<Repository>>,
    ) -> Result<Vec<Repository>> {
        match given {
            Some(repositories) => Ok(repositories),
            None => self.repositories(caller, target).await,
        }
    }
}

/// Whether a name fits a pattern: `*` stands for any text, `?` for one character.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here, mut star) = (0, 0, None);
    while here < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == name[here] => {
                (at, here) = (at + 1, here + 1)
            }
            // The last star takes one more.
            _ => match star {
                Some((before, from)) => {
                    star = Some((before, from + 1));
                    (at, here) = (before + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&letter| letter == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, fits) in [
            ("tmux", "tmux", true),
            ("tmux", "tmux2", false),
            ("*mu*", "tmux", true),
            ("t?ux", "tmux", true),
            ("t?ux", "tux", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
