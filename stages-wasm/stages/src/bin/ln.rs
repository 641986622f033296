//! Create symbolic or hard links.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Tree};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    paths: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    target: String,
    link_name: String,
    #[serde(default)]
    symbolic: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.paths.iter().try_for_each(|link| {
            let place = arguments.locate(&link.link_name)?;
            let made = if link.symbolic {
                Tree::contract().symlink(&link.target, &place)
            } else {
                Tree::contract().hard_link(&link.target, &place)
            };
            made.with_context(|| format!("cannot link {} to {}", link.link_name, link.target))
        })
    })
}
