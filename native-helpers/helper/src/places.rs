//! Where the programs of a session read and write: what they are shown of the grant.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Directory, ErrorCode, Failure};
use rustix::fs::OFlags;

use crate::access::{Access, Need};
use crate::failure::denied;

/// A part of the grant as programs see it.
#[derive(Debug)]
pub struct Part {
    pub file: OwnedFd,
    /// Path of the contract.
    pub target: PathBuf,
    pub writable: bool,
}

impl Access {
    /// Whether the places have all of a path of the contract, and whether to write; none: not.
    fn place_around(&self, path: &Path) -> Option<bool> {
        let Some(places) = &self.grant.places else {
            return Some(true);
        };
        let around = places.iter().filter(|place| path.starts_with(&place.path));
        around.map(|place| place.writable).max()
    }

    /// Whether programs see a device.
    pub fn shows_device(&self, contract: &Path) -> bool {
        self.place_around(contract) == Some(true)
    }

    /// What programs see of all granted directories, the outer ones first.
    pub fn parts(&self) -> Result<Vec<Part>, Failure> {
        let mut directories: Vec<_> = self.grant.directories.iter().collect();
        directories.sort_by_key(|directory| directory.contract.len());
        let mut parts = Vec::new();
        for directory in directories {
            parts.extend(self.parts_of(directory)?);
        }
        Ok(parts)
    }

    /// What programs see of a granted directory: all of it or places in it, the outer ones first. A place that is not there
    /// is left out, and so is one that a link leads away from.
    pub fn parts_of(&self, directory: &Directory) -> Result<Vec<Part>, Failure> {
        let contract = Path::new(&directory.contract);
        let around = self.place_around(contract);
        let mut parts = Vec::new();
        if let Some(writable) = around {
            parts.push(Part {
                file: self.open_directory(&directory.place)?,
                target: contract.to_owned(),
                writable: writable && directory.writable,
            });
        }
        let mut places: Vec<_> = self.grant.places.iter().flatten().collect();
        places.sort_by_key(|place| (place.path.len(), place.writable));
        for place in places {
            let is_of_it = self
                .locate(&place.path)
                .is_ok_and(|(of, _)| of == directory);
            let path = Path::new(&place.path);
            if !is_of_it || path == contract || around >= Some(place.writable) {
                continue;
            }
            parts.extend(self.part(&place.path, place.writable && directory.writable)?);
        }
        Ok(parts)
    }

    fn part(&self, path: &str, writable: bool) -> Result<Option<Part>, Failure> {
        let need = if writable { Need::Write } else { Need::Read };
        match self.open(path, need, OFlags::PATH) {
            Err(failure)
                if matches!(failure.code, ErrorCode::NotFound | ErrorCode::NotADirectory) =>
            {
                Ok(None)
            }
            opened => {
                let file = opened?;
                let target = self.seen_at(path, &file)?;
                // A program of an earlier stage may have made the link: it leads to what another place says, or to nothing.
                Ok((target == Path::new(path)).then_some(Part {
                    file,
                    target,
                    writable,
                }))
            }
        }
    }

    /// Refuses to show more of the grant to a program than its places: what was opened by a path of the contract counts where it is.
    pub fn permit_bind(&self, path: &str, file: &OwnedFd, writable: bool) -> Result<(), Failure> {
        match self.place_around(&self.seen_at(path, file)?) >= Some(writable) {
            true => Ok(()),
            false => {
                let detail = "programs of this module have no place here: its document or the policy says so in `programs-touch`";
                Err(denied(path, detail))
            }
        }
    }
}
