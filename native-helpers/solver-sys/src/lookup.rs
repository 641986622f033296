//! What a pool knows of its packages.
use crate::keys::{Number, Relation, Text};
use crate::pool::{Id, Package, Pool, Repository, owned};
use crate::queue::Queue;
use crate::raw;
use std::borrow::Cow;
use std::ffi::{c_char, c_void};

impl Pool {
    /// The repository of a package; none for one of another pool.
    pub fn repository(&self, package: Package) -> Option<Repository> {
        if !self.is_there(package.0) {
            return None;
        }
        // SAFETY: the package is there.
        let repo = unsafe { raw::osw_repo(self.raw.as_ptr(), package.0) };
        let found = self
            .repositories
            .iter()
            .position(|known| known.as_ptr() == repo);
        found.map(Repository)
    }

    fn field(&self, package: Package, field: i32) -> Id {
        // SAFETY: the solvable is there, and there are four fields.
        Id(unsafe { raw::osw_field(self.raw.as_ptr(), self.checked_package(package), field) })
    }

    /// Id of a package's name.
    pub fn name_id(&self, package: Package) -> Id {
        self.field(package, 0)
    }

    /// Name of a package.
    pub fn name(&self, package: Package) -> Cow<'_, str> {
        self.text(self.field(package, 0))
    }

    /// Architecture of a package.
    pub fn arch(&self, package: Package) -> Cow<'_, str> {
        self.text(self.field(package, 1))
    }

    /// Version of a package: `[epoch:]version-release`.
    pub fn evr(&self, package: Package) -> Cow<'_, str> {
        self.text(self.field(package, 2))
    }

    /// Vendor of a package; empty when it has none.
    pub fn vendor(&self, package: Package) -> Cow<'_, str> {
        self.text(self.field(package, 3))
    }

    /// A text of a package.
    pub fn lookup(&self, package: Package, text: Text) -> Option<String> {
        let p = self.checked_package(package);
        // SAFETY: the solvable is there, and the key is one of the table.
        owned(unsafe { raw::pool_lookup_str(self.raw.as_ptr(), p, raw::osw_key(text as i32)) })
    }

    /// A number of a package; 0 when it has none.
    pub fn number(&self, package: Package, number: Number) -> u64 {
        let p = self.checked_package(package);
        // SAFETY: as above.
        unsafe { raw::pool_lookup_num(self.raw.as_ptr(), p, raw::osw_key(number as i32), 0) }
    }

    /// Where a package is, relative to its repository.
    pub fn location(&self, package: Package) -> Option<String> {
        // SAFETY: the solvable is there.
        owned(unsafe { raw::osw_location(self.raw.as_ptr(), self.checked_package(package)) })
    }

    /// Name of the source package's file.
    pub fn source_package(&self, package: Package) -> Option<String> {
        // SAFETY: the solvable is there.
        owned(unsafe { raw::osw_source_package(self.raw.as_ptr(), self.checked_package(package)) })
    }

    /// Algorithm and hexadecimal digits of a package's checksum.
    pub fn checksum(&self, package: Package) -> Option<(String, String)> {
        let mut kind = 0;
        let p = self.checked_package(package);
        // SAFETY: the solvable is there, and `kind` is written to.
        let hex = owned(unsafe { raw::osw_checksum(self.raw.as_ptr(), p, &raw mut kind) })?;
        // SAFETY: it looks the number up.
        Some((owned(unsafe { raw::solv_chksum_type2str(kind) })?, hex))
    }

    /// What relates a package to others, without requirements of its scriptlets: these are `pre`.
    pub fn relations(&self, package: Package, relation: Relation, pre: bool) -> Vec<Id> {
        if !self.is_there(package.0) {
            return Vec::new();
        }
        let mut queue = Queue::new(&[]);
        // What stands before the marker, or after it.
        let marker = if pre { 1 } else { -1 };
        // SAFETY: the solvable is there, and the key is one of the table.
        unsafe {
            let key = raw::osw_key(relation as i32);
            raw::osw_dependencies(self.raw.as_ptr(), package.0, key, marker, queue.raw());
        }
        queue.elements().iter().copied().map(Id).collect()
    }

    /// Paths of a package, as far as its repository told.
    pub fn files(&self, package: Package) -> Vec<String> {
        #[repr(C)]
        struct Files {
            each: extern "C" fn(&mut Files, *const c_char),
            paths: Vec<String>,
        }
        extern "C" fn each(files: &mut Files, path: *const c_char) {
            files.paths.extend(owned(path));
        }
        if !self.is_there(package.0) {
            return Vec::new();
        }
        let mut files = Files {
            each,
            paths: Vec::new(),
        };
        // SAFETY: the package is there; `each` is called with what is given here, which begins with it, and only meanwhile.
        unsafe {
            let files = (&raw mut files).cast::<c_void>();
            raw::osw_files(self.raw.as_ptr(), package.0, files);
        }
        files.paths
    }
}
