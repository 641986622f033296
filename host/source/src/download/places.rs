//! Where a file can be had: at one place, or below several mirrors.

use crate::checksum::Checksum;
use osbuild_wasm_manifest::location::Location;
use std::cell::Cell;
use std::rc::Rc;

/// Mirrors of the same content, which many files have in common.
#[derive(Debug)]
pub(crate) struct Mirrors {
    /// Base URLs, the best first, with the number of failures of each.
    mirrors: Vec<(Location, Cell<u32>)>,
}

impl Mirrors {
    pub(crate) fn new(bases: Vec<Location>) -> Self {
        let mirrors = bases.into_iter().map(|base| (base, Cell::new(0)));
        Self {
            mirrors: mirrors.collect(),
        }
    }
}

/// Who says what a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// A manifest, which its user can make anew.
    Manifest,
    /// The index of the repository that it is in.
    Index,
}

/// Where one file can be had.
#[derive(Debug)]
pub(crate) enum Places {
    /// Only here.
    One(Location),
    /// At `path` below each of the mirrors.
    Mirrored {
        mirrors: Rc<Mirrors>,
        path: String,
        /// Who says what the file is.
        named_by: NamedBy,
    },
}

/// One of several places.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) number: usize,
    pub(super) location: Location,
    /// How often the content there had a wrong checksum.
    pub(super) mismatches: u32,
}

impl Places {
    /// A path below each of the mirrors; an error if it leads out of one.
    pub(crate) fn mirrored(
        mirrors: &Rc<Mirrors>,
        path: String,
        named_by: NamedBy,
    ) -> Result<Self, String> {
        for (base, _) in &mirrors.mirrors {
            base.below(&path)?;
        }
        let mirrors = Rc::clone(mirrors);
        Ok(Self::Mirrored {
            mirrors,
            path,
            named_by,
        })
    }

    /// All places in the order in which they are to be tried: as listed, but mirrors that failed others come later.
    pub(super) fn in_order(&self) -> Vec<Place> {
        let place = |number, location| Place {
            number,
            location,
            mismatches: 0,
        };
        match self {
            Self::One(location) => vec![place(0, location.clone())],
            Self::Mirrored { mirrors, path, .. } => {
                let mut numbers: Vec<_> = (0..mirrors.mirrors.len()).collect();
                numbers.sort_by_key(|number| mirrors.mirrors[*number].1.get());
                let at = |number: usize| mirrors.mirrors[number].0.below(path).ok();
                numbers
                    .into_iter()
                    .filter_map(|number| Some(place(number, at(number)?)))
                    .collect()
            }
        }
    }

    /// Remembers that an attempt there has failed.
    pub(super) fn failed(&self, place: &Place) {
        if let Self::Mirrored { mirrors, .. } = self {
            let failures = &mirrors.mirrors[place.number].1;
            failures.set(failures.get().saturating_add(1));
        }
    }

    /// For messages: the URL, or the path that all mirrors have in common.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::One(location) => location.shown(),
            Self::Mirrored { path, .. } => path.clone(),
        }
    }

    /// What to do when the content is another one.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Mirrored {
                named_by: NamedBy::Index,
                ..
            } => {
                "the index names another: its server is in the midst of a change, or broken; try again later, or another mirror"
            }
            _ => "the file has changed: update the manifest",
        }
    }

    /// The error of a file that could not be had; that of mirrors begins with osbuild's words.
    pub(super) fn failure(&self, checksum: &Checksum, problem: &str) -> String {
        match self {
            Self::One(location) => format!(
                "cannot download {checksum} from {}: {problem}",
                location.shown()
            ),
            Self::Mirrored {
                path,
                named_by: NamedBy::Index,
                ..
            } => format!("{path}: {problem}"),
            Self::Mirrored { path, .. } => format!(
                "error downloading {path}: No more mirrors to try - All mirrors were already tried without success; \
                 the last problem with {checksum}: {problem}"
            ),
        }
    }
}
