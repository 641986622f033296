//! "Did you mean": the known name that looks most like an unknown one.

/// Names with more characters are not compared: that takes the square of their lengths.
const MAX_COMPARED: usize = 128;

/// How near a name has to be: 1 is the same, 0 has nothing in common.
const NEAR: f64 = 0.6;

/// Letters are counted by these many remainders of their numbers.
const KINDS: usize = 32;

/// The name nearest to `wanted`, when one is near enough to be meant: by the edits that lead from one to the other.
pub fn nearest<T: AsRef<str>>(wanted: &str, names: impl Iterator<Item = T>) -> Option<String> {
    let wanted = Letters::of(wanted)?;
    let mut best: Option<(f64, T)> = None;
    for name in names {
        let Some(letters) = Letters::of(name.as_ref()) else {
            continue;
        };
        let wants = best.as_ref().map_or(NEAR, |(nearness, _)| *nearness);
        // A manifest may have hundreds of thousands of names to look for, and most names are far from them at a glance.
        if wanted.nearness(&letters, wanted.least_edits(&letters)) < wants {
            continue;
        }
        let nearness = wanted.nearness(&letters, wanted.edits(&letters));
        // Of equally near ones the first by name, so that the answer does not depend on the order.
        let is_better = match &best {
            Some((of_best, best)) if nearness == *of_best => name.as_ref() < best.as_ref(),
            _ => nearness >= wants,
        };
        if is_better {
            best = Some((nearness, name));
        }
    }
    best.map(|(_, name)| name.as_ref().to_owned())
}

/// A name that can be compared.
struct Letters<'n> {
    name: &'n str,
    count: usize,
    by_kind: [i16; KINDS],
}

impl<'n> Letters<'n> {
    fn of(name: &'n str) -> Option<Self> {
        let mut letters = Self {
            name,
            count: 0,
            by_kind: [0; KINDS],
        };
        for letter in name.chars() {
            letters.count += 1;
            if letters.count > MAX_COMPARED {
                return None;
            }
            letters.by_kind[letter as usize % KINDS] += 1;
        }
        Some(letters)
    }

    /// No fewer edits lead to another name: each brings, takes or replaces one letter.
    fn least_edits(&self, other: &Self) -> usize {
        let (mut more, mut less) = (0, 0);
        for (here, there) in self.by_kind.iter().zip(&other.by_kind) {
            more += (here - there).max(0);
            less += (there - here).max(0);
        }
        usize::from(more.max(less).unsigned_abs())
    }

    /// The edits that lead to another name; those begin behind what both begin with.
    fn edits(&self, other: &Self) -> usize {
        let pairs = self.name.chars().zip(other.name.chars());
        let same = pairs.take_while(|(here, there)| here == there);
        let same: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        strsim::damerau_levenshtein(&self.name[same..], &other.name[same..])
    }

    fn nearness(&self, other: &Self, edits: usize) -> f64 {
        match self.count.max(other.count) {
            0 => 1.0,
            longer => 1.0 - edits as f64 / longer as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, ModuleKind};

    #[test]
    fn the_nearest_is_that_of_a_comparison_with_all() {
        let catalogue = Catalogue::builtin();
        let names: Vec<_> = catalogue.names(ModuleKind::Stage).collect();
        let mut wanted: Vec<String> = ["", "x", "ä", "org.osbuild.", "osbuild.rpm"]
            .map(str::to_owned)
            .into();
        for name in &names {
            wanted.push(name.replace('s', "z"));
            wanted.push(name.chars().rev().collect());
            wanted.push(format!("{name}x1"));
            wanted.push(name.replacen("build", "biuld", 1));
            wanted.push(name[name.len() / 2..].to_owned());
        }
        for wanted in wanted {
            let scored = names
                .iter()
                .map(|name| (strsim::normalized_damerau_levenshtein(&wanted, name), name));
            let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
            let best = best.filter(|(nearness, _)| *nearness >= NEAR);
            let best = best.map(|(_, name)| (*name).to_owned());
            assert_eq!(nearest(&wanted, names.iter()), best, "{wanted}");
        }
    }
}
