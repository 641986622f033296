//! Any module document and any policy is refused or means something; nothing panics. `fuzz/` looks further; this looks at the same ones each
//! time.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#[path = "common/anything.rs"]
mod anything;

use std::io::Read;
use std::path::{Path, PathBuf};

/// How many texts are made of each seed.
const ROUNDS: usize = 300;

/// A sequence that looks random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) as usize) % limit.max(1)
    }

    /// The text with a piece of another one put in place of some of its own.
    fn change(&mut self, text: &[u8], other: &[u8]) -> Vec<u8> {
        let (start, from) = (self.below(text.len()), self.below(other.len()));
        let end = (start + self.below(12)).min(text.len());
        let to = (from + self.below(24)).min(other.len());
        [&text[..start], &other[from..to], &text[end..]].concat()
    }
}

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(kind);
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn changed(kind: &str, check: fn(&[u8])) {
    let (seeds, words) = (seeds(kind), include_bytes!("../fuzz/words.dict"));
    let mut dice = Dice(1);
    for seed in &seeds {
        check(seed);
        for _ in 0..ROUNDS {
            let mut text = seed.clone();
            for _ in 0..=dice.below(3) {
                let other = match dice.below(2) {
                    0 => &words[..],
                    _ => &seeds[dice.below(seeds.len())],
                };
                text = dice.change(&text, other);
            }
            check(&text);
        }
    }
}

#[test]
fn any_module_document_is_refused_or_has_rights_that_can_be_read_again() {
    changed("document", anything::document);
}

#[test]
fn any_policy_is_refused_or_decides_about_every_module() {
    changed("policy", anything::policy);
}

/// What fuzzing has found to be different from each other (libFuzzer's `-merge=1`).
const CORPUS: &[u8] = include_bytes!("../fuzz/corpus.tar.xz");

#[test]
fn everything_of_the_corpus_is_refused_or_means_something() {
    let mut corpus = tar::Archive::new(lzma_rust2::XzReader::new(CORPUS, true));
    let mut count = 0;
    for entry in corpus.entries().unwrap() {
        let mut entry = entry.unwrap();
        let is_policy = entry.path().unwrap().starts_with("corpus/policy");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        match is_policy {
            true => anything::policy(&bytes),
            false => anything::document(&bytes),
        }
        count += 1;
    }
    assert!(count > 300, "{count} texts");
}
