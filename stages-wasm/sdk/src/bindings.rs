//! The contract in ../../wit as Rust: generated, wrapped by the modules beside it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    reason = "generated from the contract, whose files carry the documentation"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "stage",
    additional_derives: [PartialEq],
});
