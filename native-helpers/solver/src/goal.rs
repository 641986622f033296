//! Transactions: from words to packages.
use crate::failure::{Failure, Kind};
use crate::glob;
use crate::groups::Members;
use crate::modules::Container;
use crate::problems;
use crate::protocol::Transaction;
use crate::sack::Sack;
use crate::subject::Found;
use osbuild_wasm_solver_sys::{Job, Package, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Packages that are installed beside other versions of themselves, as dnf has it by default.
const INSTALL_ONLY: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// A wish: what the solver is asked for, and the request that it is for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) job: Job,
    /// The word that it comes from.
    pub(crate) word: String,
    /// Why what fulfils it is there.
    pub(crate) reason: &'static str,
}

impl Wish {
    pub(crate) fn packages(packages: Vec<Package>, word: &str, reason: &'static str) -> Self {
        let optional = false;
        Self {
            job: Job::OneOf { packages, optional },
            word: word.to_owned(),
            reason,
        }
    }
}

/// The packages of a transaction, each with why it is there.
pub(crate) type Solved = BTreeMap<Package, &'static str>;

/// Words that stand for nothing.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    pub(crate) packages: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// What is wrong with modules.
    pub(crate) problems: Vec<String>,
}

impl Missing {
    fn check(self, sack: &Sack) -> Result<(), Failure> {
        let mut parts = self.problems;
        if !self.packages.is_empty() {
            let named = self
                .packages
                .iter()
                .map(|word| problems::with_near_names(sack, word));
            parts.push(format!(
                "missing packages: {}",
                named.collect::<Vec<_>>().join(", ")
            ));
        }
        if !self.groups.is_empty() {
            parts.push(format!(
                "missing groups or modules: {}",
                self.groups.join(", ")
            ));
        }
        match parts.is_empty() {
            true => Ok(()),
            false => Err(Failure::marking(parts.join("; "))),
        }
    }
}

/// Solves transactions one after the other. Each result has the packages of those before.
pub(crate) fn depsolve(
    sack: &mut Sack,
    modules: &mut Container,
    transactions: &[Transaction],
) -> Result<Vec<Solved>, Failure> {
    let mut results: Vec<Solved> = Vec::new();
    for transaction in transactions {
        let kept = results.last().cloned().unwrap_or_default();
        let solved = solve(sack, modules, transaction, &kept)
            .map_err(|failure| name_all(failure, transactions))?;
        results.push(solved);
    }
    Ok(results)
}

/// What cannot be solved names the words of all transactions.
fn name_all(failure: Failure, transactions: &[Transaction]) -> Failure {
    if failure.kind != Kind::DepsolveError {
        return failure;
    }
    let words: Vec<_> = transactions
        .iter()
        .flat_map(|transaction| transaction.packages.iter().cloned())
        .collect();
    let reason = format!(
        "There was a problem depsolving {}: {}",
        words.join(", "),
        failure.reason
    );
    Failure::new(Kind::DepsolveError, reason)
}

fn solve(
    sack: &mut Sack,
    modules: &mut Container,
    transaction: &Transaction,
    kept: &Solved,
) -> Result<Solved, Failure> {
    let mut missing = Missing::default();
    modules.begin();
    sack.hidden.transaction.clear();
    if modules.enable(&transaction.modules, &mut missing) {
        sack.hidden.modular = modules.hidden(sack);
    }
    hide(sack, transaction, kept);
    let mut wishes: Vec<_> = kept
        .iter()
        .map(|(package, reason)| Wish::packages(vec![*package], &sack.label(*package), reason))
        .collect();
    let (groups, packages): (Vec<_>, Vec<_>) =
        words(transaction).partition(|word| word.starts_with('@'));
    for word in packages {
        match sack.wishes(word) {
            some if some.is_empty() => missing.packages.push(word.to_owned()),
            some => wishes.extend(some),
        }
    }
    let names: Vec<_> = groups.into_iter().map(|word| &word[1..]).collect();
    let others = modules.install(sack, &names, &mut wishes, &mut missing);
    sack.apply_hidden();
    let excluded = sack.excluded_groups(&transaction.excludes);
    let mut members = Members::new();
    for name in others {
        if !sack.note_group(name, &excluded, &mut members) {
            missing.groups.push(format!("@{name}"));
        }
    }
    wishes.extend(sack.wish_members(members));
    missing.check(sack)?;
    let jobs = jobs(sack, &wishes);
    match sack.pool.solve(&jobs, transaction.weak) {
        Ok(solution) => Ok(solution
            .packages
            .into_iter()
            .map(|(package, reason)| (package, why(&wishes, reason)))
            .collect()),
        Err(problems) => Err(problems::failure(sack, &wishes, &problems)),
    }
}

fn why(wishes: &[Wish], reason: Reason) -> &'static str {
    match reason {
        Reason::Job(place) => wishes.get(place).map_or("user", |wish| wish.reason),
        Reason::Dependency => "dependency",
        Reason::Weak => "weak-dependency",
    }
}

fn jobs(sack: &mut Sack, wishes: &[Wish]) -> Vec<Job> {
    let mut jobs: Vec<_> = wishes.iter().map(|wish| wish.job.clone()).collect();
    jobs.extend(INSTALL_ONLY.map(|name| Job::Multiversion(sack.pool.intern(name))));
    jobs
}

/// The words of a transaction, each once.
fn words(transaction: &Transaction) -> impl Iterator<Item = &str> {
    let mut seen = BTreeSet::new();
    let words = transaction.packages.iter().map(String::as_str);
    words.filter(move |word| seen.insert(*word))
}

/// Hides what takes no part in a transaction; what was chosen before always does.
fn hide(sack: &mut Sack, transaction: &Transaction, kept: &Solved) {
    let repos = &transaction.repos;
    let of_others = |sack: &Sack, package: Package| {
        !repos.is_empty()
            && sack
                .repo(package)
                .is_none_or(|repo| !repos.contains(&repo.id))
    };
    let all: Vec<_> = sack.pool.packages().collect();
    let mut hidden: BTreeSet<_> = all
        .into_iter()
        .filter(|package| of_others(sack, *package))
        .collect();
    let names = transaction
        .excludes
        .iter()
        .filter(|word| !word.starts_with('@'));
    hidden.extend(names.flat_map(|word| sack.find_by_name(word).packages));
    hidden.retain(|package| !kept.contains_key(package));
    sack.hidden.transaction = hidden;
}

impl Sack {
    /// What a word asks for: one package, or of each name one when it is a pattern.
    fn wishes(&mut self, word: &str) -> Vec<Wish> {
        let Found { packages, nevra } = self.find(word);
        if packages.is_empty() {
            return Vec::new();
        }
        let is_just_name = nevra.as_ref().is_some_and(|nevra| nevra.is_just_name());
        if nevra
            .and_then(|nevra| nevra.arch)
            .is_some_and(glob::is_pattern)
        {
            return self.of_each(
                word,
                packages,
                |sack, package| format!("{}.{}", sack.pool.name(package), sack.pool.arch(package)),
                true,
            );
        }
        let is_path = word.starts_with('/') || word.starts_with("*/");
        if glob::is_pattern(word) && !is_path {
            return self.of_each(
                word,
                packages,
                |sack, package| sack.pool.name(package).into_owned(),
                is_just_name,
            );
        }
        let packages = if is_just_name {
            self.with_obsoleting(packages)
        } else {
            packages
        };
        vec![Wish::packages(packages, word, "user")]
    }

    /// A wish for each group of packages, in the order in which the groups begin.
    fn of_each(
        &mut self,
        word: &str,
        packages: Vec<Package>,
        key: impl Fn(&Self, Package) -> String,
        with_obsoleting: bool,
    ) -> Vec<Wish> {
        let mut groups: Vec<(String, Vec<Package>)> = Vec::new();
        let mut places = BTreeMap::new();
        for package in packages {
            let key = key(self, package);
            let place = *places.entry(key.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) => group.push(package),
                None => groups.push((key, vec![package])),
            }
        }
        let wish = |(_, packages): (String, Vec<Package>)| {
            let packages = if with_obsoleting {
                self.with_obsoleting(packages)
            } else {
                packages
            };
            Wish::packages(packages, word, "user")
        };
        groups.into_iter().map(wish).collect()
    }

    /// Packages, and those that took their places.
    pub(crate) fn with_obsoleting(&mut self, mut packages: Vec<Package>) -> Vec<Package> {
        packages.extend(self.obsoleting(&packages));
        packages.sort_unstable();
        packages.dedup();
        packages
    }
}
