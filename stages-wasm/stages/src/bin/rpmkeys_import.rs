//! Import public keys from an input into the rpm database.
#![forbid(unsafe_code)]
use osbuild_stage::rpm::{self, Database};
use osbuild_stage::{Arguments, Context};
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| {
        let database = Database {
            root: arguments.tree.root().into(),
            path: None,
            keys_program: None,
        };
        let input = arguments.input("keys")?;
        let keys = input.tree();
        input.files()?.keys().try_for_each(|name| {
            rpm::import_key(&database, &keys.read(name)?)
                .with_context(|| format!("cannot import the key {name}"))
        })
    })
}
