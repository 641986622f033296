//! Why wishes cannot be fulfilled, in one sentence.
use crate::failure::{Failure, Kind};
use crate::goal::Wish;
use crate::sack::Sack;
use osbuild_wasm_solver_sys::{Package, Problem, Rule, RuleKind};

/// How many causes a sentence has.
const CAUSES: usize = 6;
/// How many names are offered in place of one that is not there.
const NEAR: usize = 3;
/// How similar a name has to be, at least.
const SIMILAR: f64 = 0.8;

/// The failure that tells of problems: a sentence for each.
pub(crate) fn failure(sack: &Sack, wishes: &[Wish], problems: &[Problem]) -> Failure {
    let mut sentences: Vec<_> = problems
        .iter()
        .map(|problem| sentence(sack, wishes, problem))
        .collect();
    sentences.dedup();
    Failure::new(Kind::DepsolveError, sentences.join("\n"))
}

fn sentence(sack: &Sack, wishes: &[Wish], problem: &Problem) -> String {
    let wished = problem
        .rules
        .iter()
        .filter_map(|rule| wishes.get(rule.job?));
    let mut words: Vec<_> = wished.map(|wish| wish.word.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    let mut causes: Vec<_> = in_order(&problem.rules)
        .into_iter()
        .filter_map(|rule| cause(sack, rule))
        .collect();
    let mut seen = Vec::new();
    causes.retain(|cause| {
        let is_new = !seen.contains(cause);
        seen.push(cause.clone());
        is_new
    });
    if causes.len() > CAUSES {
        let more = causes.len() - CAUSES;
        causes.truncate(CAUSES);
        causes.push(format!("and {more} more"));
    }
    let together = if words.len() > 1 { " together" } else { "" };
    let wished = match words.is_empty() {
        true => "the packages".to_owned(),
        false => words.join(" and "),
    };
    match causes.is_empty() {
        true => format!("{wished} cannot be installed{together}"),
        false => format!(
            "{wished} cannot be installed{together}: {}",
            causes.join(", ")
        ),
    }
}

/// From what is wished for to what is in the way.
fn in_order(rules: &[Rule]) -> Vec<&Rule> {
    let mut rules: Vec<_> = rules.iter().collect();
    rules.sort_by_key(|rule| match rule.kind {
        RuleKind::Job => 0,
        RuleKind::Requires => 1,
        RuleKind::NotInstallable | RuleKind::NothingProvides => 2,
        RuleKind::SameName => 3,
        _ => 4,
    });
    rules
}

/// What a rule says; nothing where that is only the wish itself.
fn cause(sack: &Sack, rule: &Rule) -> Option<String> {
    let label = |package: Option<Package>| {
        package
            .map(|package| sack.label(package))
            .unwrap_or_default()
    };
    let (from, to) = (label(rule.from), label(rule.to));
    let dependency = rule
        .dependency
        .map(|id| sack.pool.dependency_text(id))
        .unwrap_or_default();
    Some(match rule.kind {
        RuleKind::Job => return None,
        RuleKind::Requires => format!("{from} requires {dependency}"),
        RuleKind::NothingProvides => {
            format!("{from} requires {dependency}, which nothing provides")
        }
        RuleKind::NotInstallable if rule.from.is_some_and(|package| !sack.is_visible(package)) => {
            format!("{from} is excluded")
        }
        RuleKind::NotInstallable => format!("{from} is for another architecture"),
        RuleKind::SelfConflict => {
            format!("{from} conflicts with {dependency}, which it provides itself")
        }
        RuleKind::Conflicts => format!("{from} conflicts with {dependency}, which is {to}"),
        RuleKind::Obsoletes => format!("{from} obsoletes {dependency}, which is {to}"),
        RuleKind::SameName => format!("{from} and {to} are versions of one package"),
        RuleKind::Other => rule.text.clone(),
    })
}

/// A name that is not there, with names that are.
pub(crate) fn with_near_names(sack: &Sack, word: &str) -> String {
    let near = near_names(sack, word);
    match near.is_empty() {
        true => word.to_owned(),
        false => format!("{word} (did you mean {}?)", near.join(" or ")),
    }
}

fn near_names(sack: &Sack, word: &str) -> Vec<String> {
    let mut names: Vec<_> = sack
        .visible()
        .into_iter()
        .map(|package| sack.pool.name_id(package))
        .collect();
    names.sort_unstable();
    names.dedup();
    let similar = |name: &str| strsim::jaro_winkler(word, name);
    let names = names.into_iter().map(|id| sack.pool.text(id));
    let mut near: Vec<_> = names
        .map(|name| (similar(&name), name.into_owned()))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    near.into_iter().take(NEAR).map(|(_, name)| name).collect()
}
