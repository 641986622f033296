//! A pool: all packages of all repositories, and the texts of their names and dependencies.
use crate::fill::Filler;
use crate::keys::Operator;
use crate::queue::Queue;
use crate::raw;
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::os::fd::IntoRawFd;
use std::ptr::NonNull;

/// `POOL_FLAG_WHATPROVIDESWITHDISABLED`.
const PROVIDES_WITH_HIDDEN: i32 = 12;
/// `POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS`: packages of one name replace each other only within one kind of architecture (32 or 64 bits),
/// as where libsolv is built for Fedora.
const COLOURS: i32 = 10;
/// Bit of ids that are relations.
const IS_RELATION: i32 = i32::MIN;
/// The first solvable that can be a package.
const FIRST: i32 = 2;

/// A text or a dependency of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub(crate) i32);

impl Id {
    /// What stands for nothing.
    pub const NONE: Self = Self(0);
}

/// A package of a pool. Their order is that in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Package(pub(crate) i32);

impl Package {
    /// A number that no other package of the pool has; small enough for tables.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or_default()
    }
}

/// A repository of a pool: the first one has 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(pub usize);

/// A dependency taken apart: `name`, or `name op version`; what is richer has only its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The name, or all of what is a rich dependency.
    pub name: String,
    /// How it is compared with which version.
    pub version: Option<(&'static str, String)>,
}

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SolvError {
    /// A text with a zero byte in it.
    ZeroByte,
    /// A .solv file that cannot be read, or not be written.
    File,
}

impl std::fmt::Display for SolvError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ZeroByte => "a text has a zero byte",
            Self::File => "the .solv file cannot be read or written",
        })
    }
}

impl std::error::Error for SolvError {}

/// Packages and the texts of their names and dependencies.
pub struct Pool {
    pub(crate) raw: NonNull<raw::Pool>,
    pub(crate) repositories: Vec<NonNull<raw::Repo>>,
    prepared: bool,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("repositories", &self.repositories.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: the pool is one that `pool_create` made, and with it all that belongs to it goes; no reference to it is left.
        unsafe { raw::pool_free(self.raw.as_ptr()) }
    }
}

/// A copy of a text of libsolv; none for none.
pub(crate) fn owned(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: texts that libsolv returns end in a zero byte and live until it is called again; this copies them before.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

pub(crate) fn c_string(text: &str) -> Result<CString, SolvError> {
    CString::new(text).map_err(|_| SolvError::ZeroByte)
}

impl Pool {
    /// An empty pool of RPM packages for machines of an architecture, such as `x86_64`.
    ///
    /// # Errors
    /// When the name of the architecture has a zero byte.
    pub fn new(arch: &str) -> Result<Self, SolvError> {
        let arch = c_string(arch)?;
        // SAFETY: it makes a pool; without memory the process ends.
        let raw = unsafe { raw::pool_create() };
        let raw = NonNull::new(raw).ok_or(SolvError::File)?;
        // SAFETY: the pool is there, and the text ends in a zero byte. 0 is DISTTYPE_RPM.
        unsafe {
            raw::pool_setdisttype(raw.as_ptr(), 0);
            raw::pool_set_flag(raw.as_ptr(), PROVIDES_WITH_HIDDEN, 1);
            raw::pool_set_flag(raw.as_ptr(), COLOURS, 1);
            raw::pool_setarch(raw.as_ptr(), arch.as_ptr());
        }
        Ok(Self {
            raw,
            repositories: Vec::new(),
            prepared: false,
        })
    }

    /// The id of a text, which is added when it is not there.
    pub fn intern(&mut self, text: &str) -> Id {
        Id(self.text_id(text, 1))
    }

    /// The id of a text, if it is there.
    pub fn find(&self, text: &str) -> Option<Id> {
        Some(Id(self.text_id(text, 0))).filter(|id| *id != Id::NONE)
    }

    fn text_id(&self, text: &str, create: i32) -> i32 {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        // SAFETY: it reads `length` bytes of the text, which has as many, and copies them up to a zero byte.
        unsafe { raw::pool_strn2id(self.raw.as_ptr(), text.as_ptr().cast(), length, create) }
    }

    /// The id of two parts that an operator connects.
    pub fn relation(&mut self, name: Id, operator: Operator, other: Id) -> Id {
        let (name, other) = (self.checked(name), self.checked(other));
        // SAFETY: both ids are of this pool.
        Id(unsafe { raw::pool_rel2id(self.raw.as_ptr(), name, other, operator as i32, 1) })
    }

    /// An id as libsolv may be given it: nothing, for one of another pool.
    pub(crate) fn checked(&self, id: Id) -> i32 {
        // SAFETY: it reads fields of the pool.
        let there = unsafe {
            match id.0 & IS_RELATION {
                0 => raw::osw_strings(self.raw.as_ptr()),
                _ => raw::osw_relations(self.raw.as_ptr()),
            }
        };
        if (0..there).contains(&(id.0 & !IS_RELATION)) {
            id.0
        } else {
            0
        }
    }

    /// A package as libsolv may be given it: the first one, which is none, for one of another pool.
    pub(crate) fn checked_package(&self, package: Package) -> i32 {
        if self.is_there(package.0) {
            package.0
        } else {
            1
        }
    }

    pub(crate) fn is_there(&self, p: i32) -> bool {
        // SAFETY: a solvable between these bounds is there; its repository is none if it was removed.
        unsafe {
            (FIRST..raw::osw_solvables(self.raw.as_ptr())).contains(&p)
                && !raw::osw_repo(self.raw.as_ptr(), p).is_null()
        }
    }

    /// The text of an id that is no relation.
    pub fn text(&self, id: Id) -> Cow<'_, str> {
        if id == Id::NONE || id.0 & IS_RELATION != 0 {
            return Cow::Borrowed("");
        }
        // SAFETY: the id is of this pool. The text is there until another is added, which takes `&mut self`.
        unsafe { CStr::from_ptr(raw::pool_id2str(self.raw.as_ptr(), self.checked(id))) }
            .to_string_lossy()
    }

    /// A dependency as it is written.
    pub fn dependency_text(&self, id: Id) -> String {
        // SAFETY: the id is of this pool.
        owned(unsafe { raw::pool_dep2str(self.raw.as_ptr(), self.checked(id)) }).unwrap_or_default()
    }

    /// A dependency taken apart.
    pub fn dependency(&self, id: Id) -> Dependency {
        let id = self.checked(id);
        if id & IS_RELATION != 0 {
            // SAFETY: the relation is of this pool.
            let relation = unsafe { raw::osw_relation(self.raw.as_ptr(), id) };
            let comparison = Operator::of(relation.flags).and_then(Operator::comparison);
            if let Some(comparison) = comparison {
                return Dependency {
                    name: self.dependency_text(Id(relation.name)),
                    version: Some((comparison, self.text(Id(relation.evr)).into_owned())),
                };
            }
        }
        Dependency {
            name: self.dependency_text(Id(id)),
            version: None,
        }
    }

    /// Adds a repository. Of packages that may be chosen those of the highest priority are, of equal ones those of the higher
    /// subpriority.
    ///
    /// # Errors
    /// When its name has a zero byte.
    pub fn add_repository(
        &mut self,
        name: &str,
        priority: i32,
        subpriority: i32,
    ) -> Result<Repository, SolvError> {
        let name = c_string(name)?;
        // SAFETY: the pool is there, and the text is copied. Without memory the process ends.
        let repo = NonNull::new(unsafe { raw::repo_create(self.raw.as_ptr(), name.as_ptr()) });
        let repo = repo.ok_or(SolvError::File)?;
        // SAFETY: the repository is the one that was made.
        unsafe { raw::osw_set_priority(repo.as_ptr(), priority, subpriority) };
        self.repositories.push(repo);
        Ok(Repository(self.repositories.len() - 1))
    }

    fn repo(&self, repository: Repository) -> Result<*mut raw::Repo, SolvError> {
        let repo = self.repositories.get(repository.0);
        repo.map(|repo| repo.as_ptr()).ok_or(SolvError::File)
    }

    /// Fills a repository with packages. What they provide is known after [`Pool::prepare`].
    ///
    /// # Errors
    /// When the repository is of another pool.
    pub fn fill(&mut self, repository: Repository) -> Result<Filler<'_>, SolvError> {
        let repo = self.repo(repository)?;
        self.prepared = false;
        Ok(Filler::new(self, repo))
    }

    /// Reads a .solv file into a repository; it is empty when that failed.
    ///
    /// # Errors
    /// When it is no .solv file.
    pub fn read(&mut self, repository: Repository, file: File) -> Result<(), SolvError> {
        let repo = self.repo(repository)?;
        self.prepared = false;
        // SAFETY: the repository is there, and the descriptor is given away.
        match unsafe { raw::osw_read(repo, file.into_raw_fd()) } {
            0 => Ok(()),
            _ => {
                self.empty(repository)?;
                Err(SolvError::File)
            }
        }
    }

    /// Removes the packages of a repository.
    ///
    /// # Errors
    /// When the repository is of another pool.
    pub fn empty(&mut self, repository: Repository) -> Result<(), SolvError> {
        let repo = self.repo(repository)?;
        self.prepared = false;
        // SAFETY: the repository is there; 1 lets later packages have the numbers.
        unsafe { raw::repo_empty(repo, 1) };
        Ok(())
    }

    /// Writes a repository as a .solv file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, repository: Repository, file: File) -> Result<(), SolvError> {
        let repo = self.repo(repository)?;
        // SAFETY: the repository is there, and the descriptor is given away.
        match unsafe { raw::osw_write(repo, file.into_raw_fd()) } {
            0 => Ok(()),
            _ => Err(SolvError::File),
        }
    }

    /// Finds out who provides what. To be called after the last package was added.
    pub fn prepare(&mut self) {
        // SAFETY: the pool is there.
        unsafe {
            raw::pool_addfileprovides(self.raw.as_ptr());
            raw::pool_createwhatprovides(self.raw.as_ptr());
        }
        self.prepared = true;
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared
    }

    /// All packages, in the order in which they were added.
    pub fn packages(&self) -> impl Iterator<Item = Package> + '_ {
        // SAFETY: it reads a field of the pool.
        let end = unsafe { raw::osw_solvables(self.raw.as_ptr()) };
        (FIRST..end).filter(|p| self.is_there(*p)).map(Package)
    }

    /// Hides packages: those are there whose [`Package::index`] has `true`. None: all are.
    pub fn consider(&mut self, visible: Option<&[bool]>) {
        let bits = visible.map(|visible| {
            let bytes = visible.chunks(8).map(|bits| {
                let bits = bits.iter().enumerate();
                bits.fold(0, |byte, (bit, set)| byte | u8::from(*set) << bit)
            });
            bytes.collect::<Vec<u8>>()
        });
        let (data, length) = bits.as_ref().map_or((std::ptr::null(), 0), |bits| {
            (bits.as_ptr(), i32::try_from(bits.len()).unwrap_or_default())
        });
        // SAFETY: it copies as many bytes as there are.
        unsafe { raw::osw_consider(self.raw.as_ptr(), data, length) };
    }

    /// Packages that provide what a dependency asks for, hidden ones too. None before [`Pool::prepare`].
    pub fn providers(&mut self, dependency: Id) -> Vec<Package> {
        if !self.prepared {
            return Vec::new();
        }
        let mut queue = Queue::new(&[]);
        // SAFETY: the pool knows who provides what, and the id is of this pool.
        unsafe { raw::osw_providers(self.raw.as_ptr(), self.checked(dependency), queue.raw()) };
        queue.elements().iter().copied().map(Package).collect()
    }

    /// All texts that something provides. None before [`Pool::prepare`].
    pub fn provided(&self) -> Vec<Id> {
        // SAFETY: it reads a field of the pool.
        let end = unsafe { raw::osw_strings(self.raw.as_ptr()) };
        let ids = (1..end).filter(|id| {
            // SAFETY: the id is of this pool; there is a table of providers for all of them once it was prepared.
            self.prepared && unsafe { raw::osw_is_provided(self.raw.as_ptr(), *id) } != 0
        });
        ids.map(Id).collect()
    }

    /// Whether name and version of a package are what a dependency asks for.
    pub fn matches(&mut self, package: Package, dependency: Id) -> bool {
        let dependency = self.checked(dependency);
        // SAFETY: the package is there, and the id is of this pool.
        self.is_there(package.0)
            && unsafe { raw::osw_matches(self.raw.as_ptr(), package.0, dependency) } != 0
    }

    /// Compares versions (`[epoch:]version[-release]`) as RPM does.
    pub fn compare(&self, one: &str, other: &str) -> std::cmp::Ordering {
        let (Ok(one), Ok(other)) = (c_string(one), c_string(other)) else {
            return one.cmp(other);
        };
        // SAFETY: both texts end in a zero byte. 0 is EVRCMP_COMPARE.
        unsafe { raw::pool_evrcmp_str(self.raw.as_ptr(), one.as_ptr(), other.as_ptr(), 0) }.cmp(&0)
    }
}
