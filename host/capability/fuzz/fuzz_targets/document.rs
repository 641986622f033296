//! Any bytes are refused as a module document or mean something; nothing panics, no pattern is multiplied out, and what a plan shows of its
//! rights is read again as the same rights.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/anything.rs"]
mod anything;

fuzz_target!(|bytes: &[u8]| anything::document(bytes));
