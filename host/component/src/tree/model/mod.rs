//! Calls of `osbuild:stage/tree` against a model of what they should do, and against what rights must prevent whatever is called. Bytes
//! stand for calls, so that a fuzzer (host/component/fuzz) and the tests here share one interpretation.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "what is not as it should be ends the test"
)]
mod calls;
mod files;

use super::{Gate, Roots};
use crate::quota::StageQuota;
use calls::{Call, Calls};
use files::{Files, Listing};
use osbuild_wasm_capability::{Access, Limits, Right, Rights, Root, Verb};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// Contract path of the tree.
const TREE: &str = "/run/osbuild/tree";

/// What the calls must neither change nor show.
const SECRET: &str = "the-secret";

fn open(tree: &Path, rights: Rights) -> Roots {
    let root = Root {
        contract: TREE.into(),
        host: tree.to_owned(),
        access: Access::Write,
    };
    let gate = Gate::new("model".into(), rights, None);
    // Copies that follow links in a circle end by it.
    let limits = Limits {
        created_inodes: 3000,
        ..Limits::default()
    };
    let quota = Arc::new(StageQuota::new(limits));
    Roots::open_all(&[root], gate, quota).expect("a directory can be opened")
}

/// Carries out the calls in the new directory `scratch`.
///
/// # Panics
/// A call did something else than the model says, or something outside of the tree changed.
pub fn against_model(scratch: &Path, bytes: &[u8]) {
    let tree = prepare(scratch);
    let (roots, mut files) = (open(&tree, Rights::everything()), Files::default());
    let outside = Listing::of(&scratch.join("outside"));
    for call in Calls::new(bytes) {
        let real = call.carry_out(&roots);
        if roots.quota.left().1 == 0 {
            break;
        }
        match files.expect(&call) {
            Some(expected) => assert_eq!(real.is_ok(), expected.is_ok(), "{call:?}: {real:?}"),
            // What a copy does to what is there already is no business of the model.
            None => files = Files::read(&tree),
        }
        assert_eq!(
            Listing::of(&tree),
            files.listing(),
            "after {call:?}: {real:?}"
        );
    }
    assert_eq!(Listing::of(&scratch.join("outside")), outside);
    assert_eq!(std::fs::read_dir(scratch).expect("the scratch").count(), 2);
}

/// Carries out each thread's calls at the same time in the new directory `scratch`; the rights are for `/a` only.
///
/// # Panics
/// Something changed that no right covers, or became readable.
pub fn against_rights(scratch: &Path, threads: &[&[u8]]) {
    let tree = prepare(scratch);
    for name in ["b/secret", "b/c/secret"] {
        std::fs::create_dir_all(tree.join(name).parent().expect("a parent")).expect("a directory");
        std::fs::write(tree.join(name), SECRET).expect("a file");
    }
    std::fs::write(tree.join("c"), "readable").expect("a file");
    let roots = open(&tree, rights());
    let untouched = || ["tree/b", "outside"].map(|name| Listing::of(&scratch.join(name)));
    let readable = || {
        let path = tree.join("c");
        let mode = std::fs::metadata(&path).expect("the file").mode();
        (mode, std::fs::read(path).expect("the file"))
    };
    let before = (untouched(), readable());
    std::thread::scope(|scope| {
        for bytes in threads {
            scope.spawn(|| {
                for call in Calls::new(bytes) {
                    let seen = call.carry_out(&roots);
                    assert!(!format!("{seen:?}").contains(SECRET), "{call:?}: {seen:?}");
                }
            });
        }
    });
    assert_eq!(before, (untouched(), readable()));
    assert_eq!(std::fs::read_dir(scratch).expect("the scratch").count(), 2);
    assert!(!Listing::of(&tree.join("a")).contains(SECRET));
}

/// A tree with `/a`, and something beside it.
fn prepare(scratch: &Path) -> std::path::PathBuf {
    let (tree, outside) = (scratch.join("tree"), scratch.join("outside"));
    // What is made has the mode that was asked for.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    for directory in [&tree, &outside] {
        std::fs::create_dir(directory).expect("a new directory");
    }
    std::fs::write(outside.join("a"), SECRET).expect("a file");
    tree
}

/// Everything in `/a`, reading `/c` as well.
fn rights() -> Rights {
    let all = Right {
        verbs: Verb::ALL.into_iter().collect(),
        paths: vec!["/a/**".into()],
    };
    let read = Right {
        verbs: [Verb::Read].into(),
        paths: vec!["/c".into()],
    };
    let options = serde_json::Value::Null;
    Rights::everything()
        .narrowed(&[all, read], &options)
        .expect("patterns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::io::Read;

    /// Bytes of one sequence: about a hundred calls.
    const LENGTH: usize = 800;

    /// Sequences of a test; `TREE_SEQUENCES` sets another number.
    fn sequences() -> u64 {
        let number = std::env::var("TREE_SEQUENCES").ok();
        number.and_then(|number| number.parse().ok()).unwrap_or(150)
    }

    fn bytes(seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn calls_do_what_the_model_says() {
        for seed in 0..sequences() {
            let scratch = tempfile::tempdir().expect("a directory");
            against_model(scratch.path(), &bytes(seed));
        }
    }

    #[test]
    fn no_calls_change_or_show_what_no_right_covers() {
        for seed in 0..sequences() {
            let scratch = tempfile::tempdir().expect("a directory");
            against_rights(scratch.path(), &[&bytes(seed)]);
        }
    }

    #[test]
    fn no_calls_of_several_threads_change_or_show_what_no_right_covers() {
        for seed in 0..sequences() / 3 {
            let scratch = tempfile::tempdir().expect("a directory");
            let all: Vec<_> = (0..4).map(|thread| bytes(seed << 3 | thread)).collect();
            let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
            against_rights(scratch.path(), &all);
        }
    }

    /// What fuzzing has found to be different from each other (libFuzzer's `-merge=1`).
    const CORPUS: &[u8] = include_bytes!("../../../fuzz/corpus.tar.xz");

    #[test]
    fn the_corpus_is_as_the_model_says() {
        let mut corpus = tar::Archive::new(lzma_rust2::XzReader::new(CORPUS, true));
        let mut count = 0;
        for entry in corpus.entries().expect("an archive") {
            let mut bytes = Vec::new();
            let mut entry = entry.expect("an entry");
            entry.read_to_end(&mut bytes).expect("a file");
            let scratch = || tempfile::tempdir().expect("a directory");
            against_model(scratch().path(), &bytes);
            against_rights(scratch().path(), &[&bytes]);
            count += 1;
        }
        assert!(count > 100, "{count} sequences");
    }
}
