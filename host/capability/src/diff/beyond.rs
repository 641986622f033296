//! What rights and bounds give beyond others, in words.
use super::facts::EVERYTHING;
use crate::pattern::Pattern;
use crate::plan::Bounds;
use crate::rights::{Right, Verb};
use std::collections::BTreeSet;

pub(super) fn rights_beyond(own: Option<&[Right]>, other: Option<&[Right]>) -> Vec<String> {
    let Some(other) = other else {
        return Vec::new();
    };
    let Some(own) = own else {
        return vec![EVERYTHING.into()];
    };
    let pairs = own.iter().flat_map(|right| {
        right
            .verbs
            .iter()
            .flat_map(|verb| right.paths.iter().map(move |path| (*verb, path)))
    });
    let lacking = pairs.filter(|(verb, path)| !covered(*verb, path, other));
    let lacking: BTreeSet<_> = lacking
        .map(|(verb, path)| format!("{verb} {path}"))
        .collect();
    lacking.into_iter().collect()
}

/// Patterns with references into options can only be compared as text.
fn covered(verb: Verb, path: &str, rights: &[Right]) -> bool {
    let pattern = |text: &str| {
        (!text.contains("${"))
            .then(|| Pattern::parse(text).ok())
            .flatten()
    };
    let wanted = pattern(path);
    let fits = |text: &String| {
        let contained = || Some(pattern(text)?.contains(wanted.as_ref()?));
        text == path || contained().unwrap_or(false)
    };
    rights
        .iter()
        .any(|right| right.verbs.contains(&verb) && right.paths.iter().any(fits))
}

pub(super) fn bounds_beyond(own: &Bounds, other: &Bounds) -> Vec<String> {
    let time = |bounds: &Bounds| bounds.seconds.unwrap_or(u64::MAX);
    let (programs, of_other) = (own.programs, other.programs);
    let pair = |name, own: Option<u64>, other: Option<u64>| {
        (name, own.unwrap_or(u64::MAX), other.unwrap_or(u64::MAX))
    };
    let pairs = [
        ("memory", own.memory, other.memory),
        ("log bytes", own.log_bytes, other.log_bytes),
        ("written bytes", own.written_bytes, other.written_bytes),
        ("created inodes", own.created_inodes, other.created_inodes),
        ("seconds", time(own), time(other)),
        pair("memory of programs", programs.memory, of_other.memory),
        pair(
            "bytes written by programs",
            programs.written_bytes,
            of_other.written_bytes,
        ),
        pair(
            "inodes created by programs",
            programs.created_inodes,
            of_other.created_inodes,
        ),
    ];
    let shown = |number: u64| match number {
        u64::MAX => "unlimited".to_owned(),
        number => number.to_string(),
    };
    let larger = pairs.into_iter().filter(|(_, own, other)| own > other);
    larger
        .map(|(name, own, other)| {
            format!(
                "limit of {name}: {} instead of {}",
                shown(own),
                shown(other)
            )
        })
        .collect()
}
