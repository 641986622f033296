//! All packages of all repositories, and which of them are there for a transaction.
use crate::metadata::{Comps, Streams};
use crate::protocol::Repo;
use osbuild_wasm_solver_sys::{Id, Package, Pool, Relation};
use std::collections::BTreeSet;
use std::rc::Rc;

/// What packages of modules are hidden, or not.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    /// By modules.
    pub(crate) modular: BTreeSet<Package>,
    /// By the transaction: packages that were excluded, or whose repository takes no part.
    pub(crate) transaction: BTreeSet<Package>,
}

/// Packages, with what they obsolete.
type Obsoletes = Vec<(Package, Vec<Id>)>;

/// All packages.
#[derive(Debug)]
pub(crate) struct Sack {
    pub(crate) pool: Pool,
    /// In the order of their numbers in the pool.
    pub(crate) repos: Vec<Repo>,
    /// Groups and environments.
    pub(crate) comps: Comps,
    /// Streams of modules, by the repository that has them.
    pub(crate) streams: Vec<Streams>,
    pub(crate) hidden: Hidden,
    pub(crate) basearch: String,
    /// Packages that obsolete others, with what; found when it is first asked for.
    pub(crate) obsoletes: Option<Rc<Obsoletes>>,
}

impl Sack {
    /// All packages that are not hidden, in the order of the repositories.
    pub(crate) fn visible(&self) -> Vec<Package> {
        self.pool
            .packages()
            .filter(|package| self.is_visible(*package))
            .collect()
    }

    pub(crate) fn is_visible(&self, package: Package) -> bool {
        !self.hidden.modular.contains(&package) && !self.hidden.transaction.contains(&package)
    }

    /// Tells the solver what is hidden.
    pub(crate) fn apply_hidden(&mut self) {
        let all: Vec<_> = self.pool.packages().collect();
        let mut visible = vec![true; all.last().map_or(0, |last| last.index() + 1)];
        for hidden in self.hidden.modular.iter().chain(&self.hidden.transaction) {
            if let Some(flag) = visible.get_mut(hidden.index()) {
                *flag = false;
            }
        }
        self.pool.consider(Some(&visible));
    }

    /// The repository of a package.
    pub(crate) fn repo(&self, package: Package) -> Option<&Repo> {
        self.repos.get(self.pool.repository(package)?.0)
    }

    /// Whether a package is source code.
    pub(crate) fn is_source(&self, package: Package) -> bool {
        matches!(&*self.pool.arch(package), "src" | "nosrc")
    }

    /// `name-epoch:version-release.arch`: how packages are sorted and named everywhere.
    pub(crate) fn nevra(&self, package: Package) -> String {
        let evr = self.pool.evr(package);
        let epoch = if evr.contains(':') { "" } else { "0:" };
        format!(
            "{}-{epoch}{evr}.{}",
            self.pool.name(package),
            self.pool.arch(package)
        )
    }

    /// A package as people write it: without an epoch of 0.
    pub(crate) fn label(&self, package: Package) -> String {
        let pool = &self.pool;
        format!(
            "{}-{}.{}",
            pool.name(package),
            pool.evr(package),
            pool.arch(package)
        )
    }

    /// Visible packages that obsolete one of these, by name.
    pub(crate) fn obsoleting(&mut self, packages: &[Package]) -> Vec<Package> {
        let wanted: BTreeSet<_> = packages.iter().copied().collect();
        let mut found = Vec::new();
        for (package, obsoletes) in self.obsoletes().iter() {
            let is_one = self.is_visible(*package)
                && obsoletes
                    .iter()
                    .any(|id| self.obsoletes_one_of(*id, &wanted));
            found.extend(is_one.then_some(*package));
        }
        found
    }

    fn obsoletes(&mut self) -> Rc<Obsoletes> {
        if let Some(known) = &self.obsoletes {
            return known.clone();
        }
        let all = self.pool.packages().map(|package| {
            (
                package,
                self.pool.relations(package, Relation::Obsoletes, false),
            )
        });
        let some = Rc::new(
            all.filter(|(_, obsoletes)| !obsoletes.is_empty())
                .collect::<Vec<_>>(),
        );
        self.obsoletes = Some(some.clone());
        some
    }

    fn obsoletes_one_of(&mut self, obsoletes: Id, wanted: &BTreeSet<Package>) -> bool {
        let providers = self.pool.providers(obsoletes);
        let mut providers = providers
            .into_iter()
            .filter(|package| wanted.contains(package));
        providers.any(|package| self.pool.matches(package, obsoletes))
    }
}
