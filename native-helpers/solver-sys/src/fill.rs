//! Adding packages to a repository.
use crate::keys::{Number, Relation, Text};
use crate::pool::{Id, Package, Pool, SolvError, c_string};
use crate::raw;
use std::marker::PhantomData;

/// Adds packages to a repository, one after the other; done when it is dropped.
#[derive(Debug)]
pub struct Filler<'a> {
    pool: &'a mut Pool,
    repo: *mut raw::Repo,
    data: *mut raw::Repodata,
    package: i32,
    borrowed: PhantomData<&'a mut Pool>,
}

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        // SAFETY: the repository is one of the pool's.
        unsafe { raw::repo_internalize(self.repo) }
    }
}

impl<'a> Filler<'a> {
    pub(crate) fn new(pool: &'a mut Pool, repo: *mut raw::Repo) -> Self {
        // SAFETY: the repository is one of the pool's; without memory the process ends.
        let data = unsafe { raw::repo_add_repodata(repo, 0) };
        Self {
            pool,
            repo,
            data,
            package: 0,
            borrowed: PhantomData,
        }
    }

    /// The pool, for texts and dependencies.
    pub fn pool(&mut self) -> &mut Pool {
        self.pool
    }

    /// Begins a package: what follows is about it.
    pub fn package(&mut self) -> Package {
        // SAFETY: the repository is one of the pool's.
        self.package = unsafe { raw::repo_add_solvable(self.repo) };
        Package(self.package)
    }

    /// Name, architecture, version and vendor of the package.
    pub fn identity(&mut self, name: &str, arch: &str, evr: &str, vendor: &str) {
        if self.package == 0 {
            return;
        }
        let [name, arch, evr] = [name, arch, evr].map(|text| self.pool.intern(text).0);
        let vendor = if vendor.is_empty() {
            0
        } else {
            self.pool.intern(vendor).0
        };
        // SAFETY: the package and the ids are of this pool.
        unsafe {
            raw::osw_set_package(
                self.pool.raw.as_ptr(),
                self.package,
                name,
                arch,
                evr,
                vendor,
            )
        };
    }

    /// Says what relates the package to others; `pre`: its scriptlets need it.
    pub fn relate(&mut self, relation: Relation, dependency: Id, pre: bool) {
        if self.package == 0 {
            return;
        }
        // A requirement stands before or after the marker of those of scriptlets; nothing else has a marker.
        let marker = match (relation, pre) {
            (Relation::Requires, true) => 1,
            (Relation::Requires, false) => -1,
            _ => 0,
        };
        let dependency = self.pool.checked(dependency);
        // SAFETY: the package and the id are of this pool, and the key is one of the table.
        unsafe {
            let key = raw::osw_key(relation as i32);
            raw::osw_add_dependency(
                self.pool.raw.as_ptr(),
                self.package,
                key,
                dependency,
                marker,
            );
        }
    }

    /// Sets a text.
    ///
    /// # Errors
    /// When it has a zero byte.
    pub fn text(&mut self, key: Text, text: &str) -> Result<(), SolvError> {
        let text = c_string(text)?;
        if self.package == 0 || text.is_empty() {
            return Ok(());
        }
        // What many packages share is kept once.
        let is_shared = matches!(
            key,
            Text::License | Text::Group | Text::Packager | Text::Base
        );
        // SAFETY: the package is in the repository whose data this is, the key one of the table, and the text is copied.
        unsafe {
            let (data, p, key) = (self.data, self.package, raw::osw_key(key as i32));
            match is_shared {
                true => raw::repodata_set_poolstr(data, p, key, text.as_ptr()),
                false => raw::repodata_set_str(data, p, key, text.as_ptr()),
            }
        }
        Ok(())
    }

    /// Sets a number.
    pub fn number(&mut self, key: Number, number: u64) {
        if self.package != 0 {
            // SAFETY: as above.
            unsafe {
                let key = raw::osw_key(key as i32);
                raw::repodata_set_num(self.data, self.package, key, number);
            }
        }
    }

    /// Sets the checksum of the package's file. Of an algorithm that is not known there is none.
    ///
    /// # Errors
    /// When a text has a zero byte.
    pub fn checksum(&mut self, algorithm: &str, hex: &str) -> Result<(), SolvError> {
        let (algorithm, hex) = (c_string(algorithm)?, c_string(hex)?);
        // SAFETY: the texts end in zero bytes, the package is in the repository whose data this is; a checksum of another length than
        // its algorithm has is left out.
        unsafe {
            let kind = raw::solv_chksum_str2type(algorithm.as_ptr());
            if kind != 0 && self.package != 0 {
                let key = raw::osw_checksum_key();
                raw::repodata_set_checksum(self.data, self.package, key, kind, hex.as_ptr());
            }
        }
        Ok(())
    }

    /// Sets where the package is, relative to its repository.
    ///
    /// # Errors
    /// When it has a zero byte.
    pub fn location(&mut self, path: &str) -> Result<(), SolvError> {
        let path = c_string(path)?;
        if self.package != 0 {
            // SAFETY: as above; no directory means that the path has it.
            unsafe {
                raw::repodata_set_location(
                    self.data,
                    self.package,
                    0,
                    std::ptr::null(),
                    path.as_ptr(),
                )
            };
        }
        Ok(())
    }

    /// Sets the name of the source package's file.
    ///
    /// # Errors
    /// When it has a zero byte.
    pub fn source_package(&mut self, name: &str) -> Result<(), SolvError> {
        let name = c_string(name)?;
        if self.package != 0 && !name.is_empty() {
            // SAFETY: as above.
            unsafe { raw::repodata_set_sourcepkg(self.data, self.package, name.as_ptr()) };
        }
        Ok(())
    }

    /// Adds a file of a package that was begun before, by its path.
    ///
    /// # Errors
    /// When it has a zero byte.
    pub fn file(&mut self, package: Package, path: &str) -> Result<(), SolvError> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = c_string(if directory.is_empty() { "/" } else { directory })?;
        let name = c_string(name)?;
        let p = self.pool.checked_package(package);
        // SAFETY: the texts are copied, and the package is in this repository, which was looked up.
        unsafe {
            if p != 1 && raw::osw_repo(self.pool.raw.as_ptr(), p) == self.repo {
                raw::osw_add_file(self.data, p, directory.as_ptr(), name.as_ptr());
            }
        }
        Ok(())
    }
}
