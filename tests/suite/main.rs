//! Runs `osbuild-wasm` as a user does: what it builds, what it refuses, what it says.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by it, helpers of tests included"
)]

mod attributes;
mod bad_input;
mod blueprints;
mod cache;
mod callers;
mod capabilities;
mod completions;
mod content;
mod deployed_programs;
mod directions;
mod disks;
mod help;
mod house;
mod installation;
mod interruption;
mod links;
mod live_media;
mod names;
mod outputs;
mod packages;
mod pages;
mod plugins;
mod privileges;
mod real;
mod record;
mod record_of_mounts;
mod report;
mod results;
mod rootless;
mod samples;
mod sandbox;
mod shell;
mod stage_run;
mod stand_ins;
mod statements;
mod store_mounts;
mod terminal;
mod tools;
mod virtual_machine;
