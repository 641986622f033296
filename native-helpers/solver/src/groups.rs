//! Groups and environments as wishes.
use crate::glob;
use crate::goal::Wish;
use crate::metadata::{Group, Kind, rich_dependency};
use crate::sack::Sack;
use osbuild_wasm_solver_sys::Job;
use std::collections::{BTreeMap, BTreeSet};

/// Members that are installed with their group.
const KINDS: [Kind; 3] = [Kind::Mandatory, Kind::Default, Kind::Conditional];

/// Members of groups: name, the package that they wait for, whether only of the main architecture; with the word that they come from.
pub(crate) type Members = BTreeMap<(String, String, bool), String>;

impl Sack {
    /// Notes the members of a group or an environment, named by id or name, or a pattern of these; `NAME/KIND,KIND` says which members.
    /// False: there is none.
    pub(crate) fn note_group(
        &self,
        word: &str,
        excluded: &BTreeSet<String>,
        members: &mut Members,
    ) -> bool {
        let (name, kinds) = match word.split_once('/') {
            Some((name, kinds)) => (name, kinds.split(',').filter_map(Kind::parse).collect()),
            None => (word, KINDS.to_vec()),
        };
        let ids = self.group_ids(name.strip_prefix('^').unwrap_or(name));
        let groups = self
            .comps
            .groups
            .iter()
            .filter(|group| ids.contains(&group.id) && !excluded.contains(&group.id));
        for member in groups.flat_map(|group| &group.members) {
            if kinds.contains(&member.kind) {
                let key = (
                    member.name.clone(),
                    member.requires.clone(),
                    member.basearch_only,
                );
                members.entry(key).or_insert_with(|| format!("@{word}"));
            }
        }
        !ids.is_empty()
    }

    /// Wishes for members of groups, in the order of their names.
    pub(crate) fn wish_members(&mut self, members: Members) -> Vec<Wish> {
        members
            .into_iter()
            .filter_map(|(member, word)| self.wish_member(&member, &word))
            .collect()
    }

    /// Ids of the groups that are not to be installed with environments.
    pub(crate) fn excluded_groups(&self, words: &[String]) -> BTreeSet<String> {
        let names = words.iter().filter_map(|word| word.strip_prefix('@'));
        names.flat_map(|name| self.group_ids(name)).collect()
    }

    /// Ids of the groups that a name stands for, by itself or as environments of them.
    fn group_ids(&self, name: &str) -> Vec<String> {
        let groups = self.comps.groups.iter();
        let groups = choose(name, groups, |group: &Group| [&group.id, &group.name]);
        let environments = self.comps.environments.iter();
        let environments = choose(name, environments, |environment| {
            [&environment.id, &environment.name]
        });
        let ids = groups.into_iter().map(|group| group.id.clone());
        let inner = environments
            .into_iter()
            .flat_map(|environment| environment.groups.clone());
        ids.chain(inner).collect()
    }

    /// The wish for a member; none when there is no such package.
    fn wish_member(
        &mut self,
        (name, requires, basearch_only): &(String, String, bool),
        word: &str,
    ) -> Option<Wish> {
        let mut packages = self.visible();
        packages.retain(|package| {
            self.pool.name(*package) == *name
                && !self.is_source(*package)
                && (!basearch_only || self.pool.arch(*package) == self.basearch)
        });
        if packages.is_empty() {
            return None;
        }
        if requires.is_empty() {
            let packages = self.with_obsoleting(packages);
            return Some(Wish::packages(packages, word, "group"));
        }
        let condition = format!("({name} if {requires})");
        let dependency = rich_dependency(&mut self.pool, &condition)?;
        Some(Wish {
            job: Job::Providing {
                dependency,
                optional: false,
            },
            word: word.to_owned(),
            reason: "group",
        })
    }
}

/// Those whose id or name is what was asked for; if there is none, those that it is a pattern of.
fn choose<'a, T>(
    name: &str,
    all: impl Iterator<Item = &'a T> + Clone,
    names: impl Fn(&T) -> [&String; 2],
) -> Vec<&'a T> {
    let exact: Vec<_> = all
        .clone()
        .filter(|one| names(one).iter().any(|known| *known == name))
        .collect();
    if !exact.is_empty() {
        return exact;
    }
    let pattern = name.to_lowercase();
    let fits = |one: &&T| {
        names(one)
            .iter()
            .any(|known| glob::matches(&pattern, &known.to_lowercase()))
    };
    all.filter(fits).collect()
}
