//! Any document is refused or loads; nothing panics. `fuzz/` looks further; this looks at the same documents each time.

use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::{Value, parse, span, to_python};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::runner::host_runner;
use osbuild_wasm_manifest::validate::validate;
use std::io::Read;

const SEEDS: [&str; 3] = [
    include_str!("../fuzz/seeds/document/earliest.json"),
    include_str!("../fuzz/seeds/document/v1.json"),
    include_str!("../fuzz/seeds/document/v2.json"),
];

/// How many documents are made of each seed.
const ROUNDS: usize = 400;

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

    /// Walks into a value at random and changes what it finds there; `parts` are values that occur elsewhere.
    fn change(&mut self, value: &mut Value, parts: &[Value]) {
        let stop = self.below(6) == 0;
        match value {
            Value::Array(items) if !stop && !items.is_empty() => {
                let index = self.below(items.len());
                self.change(&mut items[index], parts);
            }
            Value::Object(members) if !stop && !members.is_empty() => {
                let index = self.below(members.len());
                if self.below(8) == 0 {
                    members.shift_remove_index(index);
                } else if let Some((_, member)) = members.get_index_mut(index) {
                    self.change(member, parts);
                }
            }
            place => *place = parts[self.below(parts.len())].clone(),
        }
    }
}

fn collect(value: &Value, parts: &mut Vec<Value>) {
    parts.push(value.clone());
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, parts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, parts)),
        _ => {}
    }
}

/// What fuzzing has found to be different from each other (libFuzzer's `-merge=1`).
const CORPUS: &[u8] = include_bytes!("../fuzz/corpus.tar.xz");

#[test]
fn every_document_of_the_corpus_is_refused_or_loads() {
    let catalogue = Catalogue::builtin();
    let options = LoadOptions {
        host_runner: host_runner(""),
    };
    let mut corpus = tar::Archive::new(lzma_rust2::XzReader::new(CORPUS, true));
    let mut count = 0;
    for entry in corpus.entries().unwrap() {
        let mut bytes = Vec::new();
        entry.unwrap().read_to_end(&mut bytes).unwrap();
        count += 1;
        let Ok(document) = parse(&bytes) else {
            continue;
        };
        for error in validate(&document, &catalogue) {
            assert!(span(&bytes, &error.path).is_some(), "no place for {error}");
        }
        if let Ok(manifest) = load(&document, &options) {
            parse(to_python(&inspect(&manifest)).as_bytes()).unwrap();
        }
    }
    assert!(count > 1000, "{count} documents");
}

#[test]
fn any_document_is_refused_or_loads() {
    let catalogue = Catalogue::builtin();
    let options = LoadOptions {
        host_runner: host_runner(""),
    };
    let seeds = SEEDS.map(|text| parse(text.as_bytes()).unwrap());
    let odd = parse(
        br#"[null, true, -1, 1e400, "", "name:", "name:tree", "\ud800", [], {}, [[]], {"": {}}]"#,
    )
    .unwrap();
    let mut parts = odd.as_array().unwrap().clone();
    seeds.iter().for_each(|seed| collect(seed, &mut parts));
    let mut dice = Dice(1);
    let (mut refused, mut loaded) = (0, 0);
    for seed in &seeds {
        for _ in 0..ROUNDS {
            let mut document = seed.clone();
            for _ in 0..=dice.below(3) {
                dice.change(&mut document, &parts);
            }
            let text = to_python(&document);
            let errors = validate(&document, &catalogue);
            for error in &errors {
                assert!(
                    span(text.as_bytes(), &error.path).is_some(),
                    "{error} in {text}"
                );
            }
            match load(&document, &options) {
                Ok(manifest) if errors.is_empty() => {
                    parse(to_python(&inspect(&manifest)).as_bytes()).unwrap();
                    loaded += 1;
                }
                _ => refused += 1,
            }
        }
    }
    assert!(
        refused > ROUNDS && loaded > ROUNDS / 10,
        "{refused} refused, {loaded} loaded"
    );
}
