//! Where the programs of a module read and write.
//!
//! What bounds them are mounts, so a place is a whole directory or one file, and reading or writing, no finer.
use crate::mounts::MountNames;
use crate::pattern::name::literal;
use crate::pattern::{Expansion, Pattern, PatternError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Places of programs, each with all below it: `/etc` of the tree, `/` for the tree as a whole, `input://NAME`, `mount://`, `device://`, and
/// `${/path}` for what the options name. What is at none of them, a program does not see; a place that is not there when a program
/// starts is not made. The build root is always there, to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Places {
    /// Where they only read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Where they read and write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
}

/// A place by its path of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramPlace {
    /// Without links and dots.
    pub path: String,
    /// Not for reading only.
    pub writable: bool,
}

/// What a run gives to programs: the tree, inputs, mounts, devices. Other paths of the contract are of the build root.
const GIVEN: [&str; 4] = [
    "/run/osbuild/tree",
    "/run/osbuild/inputs",
    "/run/osbuild/mounts",
    "/dev",
];

/// The place of all mounts.
const ALL_MOUNTS: &str = "mount://";

/// How all of a kind is called.
const WHOLE: [(&str, &str); 4] = [
    ("/", "the whole tree"),
    (ALL_MOUNTS, "all mounts"),
    ("device://", "all devices"),
    ("input://", "all inputs"),
];

/// `read` or `write`, and where.
pub type Beyond = (&'static str, String);

impl Places {
    /// All of a run: what programs of a module have whose document says nothing about places.
    pub fn everything() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            read: texts(&["input://"]),
            write: texts(&["/", "mount://", "device://"]),
        }
    }

    /// What is wrong with a place, by its list and its index there.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        for (list, texts) in [("read", &self.read), ("write", &self.write)] {
            for (index, text) in texts.iter().enumerate() {
                check(list, text).map_err(|reason| (format!(".{list}[{index}]"), reason))?;
            }
        }
        Ok(())
    }

    /// All texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &String> {
        self.read.iter().chain(&self.write)
    }

    /// Adds those of another module or stage.
    pub(crate) fn extend(&mut self, other: &Self) {
        let lists = [
            (&mut self.read, &other.read),
            (&mut self.write, &other.write),
        ];
        for (own, others) in lists {
            let new = others.iter().filter(|text| !own.contains(text));
            let new: Vec<_> = new.cloned().collect();
            own.extend(new);
        }
    }

    /// The places with references into `options` filled in, by the names of these mounts.
    pub fn filled(&self, options: &Value, mounts: &MountNames) -> Result<Self, PatternError> {
        let mut expansion = Expansion::new(options).on(mounts);
        let mut fill = |texts: &[String]| {
            let mut filled = Vec::new();
            for text in texts {
                let places = expansion.expand(text)?;
                filled.extend(places.iter().map(|place| match text.as_str() {
                    // All mounts are more than the one that holds the others.
                    ALL_MOUNTS => text.clone(),
                    _ => mounts.named(&place.to_string()),
                }));
            }
            Ok(filled)
        };
        Ok(Self {
            read: fill(&self.read)?,
            write: fill(&self.write)?,
        })
    }

    /// The places by their paths; what is not of the run is left out. References must be filled in.
    pub fn of_run(&self, mounts: &MountNames) -> Vec<ProgramPlace> {
        let place = |text: &String, writable| {
            let path = Pattern::parse(&mounts.placed(text)).ok()?.literal()?;
            let within = |top: &&str| {
                let rest = path.strip_prefix(*top);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            GIVEN
                .iter()
                .any(within)
                .then_some(ProgramPlace { path, writable })
        };
        let read = self.read.iter().filter_map(|text| place(text, false));
        let write = self.write.iter().filter_map(|text| place(text, true));
        read.chain(write).collect()
    }

    /// The places of `self` that lie in those of `bound`, and what does not.
    pub fn within(&self, bound: &Self) -> (Self, Vec<Beyond>) {
        let mut beyond = Vec::new();
        let mut keep = |word, texts: &[String], bounds: Vec<&String>| {
            let bounds: Vec<_> = bounds
                .into_iter()
                .filter_map(|text| pattern(text))
                .collect();
            let is_in = |text: &&String| {
                let asked = pattern(text);
                asked.is_some_and(|asked| bounds.iter().any(|bound| bound.contains(&asked)))
            };
            let (kept, others): (Vec<_>, Vec<_>) = texts.iter().partition(is_in);
            beyond.extend(others.into_iter().map(|text| (word, text.clone())));
            kept.into_iter().cloned().collect()
        };
        let kept = Self {
            read: keep("read", &self.read, bound.texts().collect()),
            write: keep("write", &self.write, bound.write.iter().collect()),
        };
        (kept, beyond)
    }

    /// A line for each place of a kind that `is_given` says there is.
    pub fn shown(&self, is_given: impl Fn(&str) -> bool) -> Vec<String> {
        let line = |text: &String, how: &str| {
            let whole = WHOLE.iter().find(|(kind, _)| kind == text);
            let scheme = text
                .split_once("://")
                .map_or("/".to_owned(), |(scheme, _)| format!("{scheme}://"));
            is_given(&scheme).then(|| match whole {
                Some((_, words)) => format!("{words}, {how}"),
                None => format!("{text} and all below, {how}"),
            })
        };
        let write = self
            .write
            .iter()
            .filter_map(|text| line(text, "read-write"));
        let read = self.read.iter().filter_map(|text| line(text, "read-only"));
        write.chain(read).collect()
    }
}

fn all_below(place: &str) -> String {
    match place.ends_with("://") {
        true => format!("{place}**"),
        false => format!("{}/**", place.trim_end_matches('/')),
    }
}

fn pattern(place: &str) -> Option<Pattern> {
    Pattern::parse(&all_below(place)).ok()
}

fn check(list: &str, text: &str) -> Result<(), String> {
    let kinds = ["input://", "mount://", "device://", "tree://"];
    let is_known = text.starts_with(['/', '$']) || kinds.iter().any(|kind| text.starts_with(kind));
    if !is_known {
        return Err(format!(
            "{text:?} is no place of programs: it begins with `/` for the tree, {}, or is a reference `${{/...}}`",
            kinds[..3].join(", ")
        ));
    }
    if list == "read" && text.starts_with("device://") {
        return Err("a device that programs see can be written: name it in `write`".into());
    }
    let outside_of_references = text
        .split("${")
        .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    // As learned policies write them, names may have such characters.
    match literal(&outside_of_references.collect::<String>()) {
        None => Err(format!(
            "{text:?}: a place stands for all below it and has no wildcards"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(read: &[&str], write: &[&str]) -> Places {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Places {
            read: texts(read),
            write: texts(write),
        }
    }

    #[test]
    fn places_are_paths_of_what_a_run_gives_and_of_nothing_else() {
        let options = json!({ "a": "/srv/[x]*", "b": "build:///", "c": "mount://root/../x" });
        let mounts = MountNames::new([("root", "/")]);
        let all = places(
            &["/", "input://x"],
            &["${/a}", "${/b}", "${/c}", "device://"],
        );
        let filled = all
            .filled(&options, &mounts)
            .expect("places")
            .of_run(&mounts);
        let filled: Vec<_> = filled
            .iter()
            .map(|place| (place.path.as_str(), place.writable))
            .collect();
        for expected in [
            ("/run/osbuild/tree", false),
            ("/run/osbuild/inputs/x", false),
            ("/run/osbuild/tree/srv/[x]*", true),
            ("/run/osbuild/mounts/x", true),
            ("/dev", true),
        ] {
            assert!(filled.contains(&expected), "{filled:?}");
        }
        assert!(!filled.iter().any(|(path, _)| *path == "/"), "{filled:?}");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for odd in [
            places(&["etc"], &[]),
            places(&["build:///etc"], &[]),
            places(&["device://x"], &[]),
            places(&[], &["/etc/*"]),
            places(&[], &["/var/${/a}/**"]),
        ] {
            assert!(odd.check().is_err(), "{odd:?}");
        }
        assert_eq!(Places::everything().check(), Ok(()));
        assert_eq!(
            places(&["input://a"], &["${/items/*/path}"]).check(),
            Ok(())
        );
    }

    #[test]
    fn a_bound_keeps_what_lies_in_it() {
        let asked = places(&["/usr", "input://"], &["/etc/x", "mount://"]);
        let bound = places(&["/"], &["/etc", "input://"]);
        let (kept, beyond) = asked.within(&bound);
        assert_eq!(kept, places(&["/usr", "input://"], &["/etc/x"]));
        assert_eq!(beyond, [("write", "mount://".to_owned())]);
        let (_, beyond) = places(&[], &["/usr"]).within(&bound);
        assert_eq!(beyond.len(), 1);
    }
}
