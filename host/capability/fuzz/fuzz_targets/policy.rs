//! Any bytes are refused as a policy with a place in them, or decide about every module; nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/anything.rs"]
mod anything;

fuzz_target!(|bytes: &[u8]| anything::policy(bytes));
