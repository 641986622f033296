//! Takes as much of one resource as it can get.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, CopyOptions, Error, Result, Tree};
use serde::Deserialize;
use std::hint::black_box;
use std::process::ExitCode;

const PLAIN: CopyOptions = CopyOptions {
    remove_destination: false,
    follow: false,
};

#[derive(Deserialize)]
struct Options {
    take: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(
        |arguments: Arguments<Options>| match arguments.options.take.as_str() {
            "memory" => memory(),
            "time" => time(),
            "log" => log(),
            "stack" => {
                println!("{}", stack(black_box(1)));
                Ok(())
            }
            "calls" => {
                println!("{}", calls(black_box(1)));
                Ok(())
            }
            "disk" => disk(&arguments),
            "copies" => copies(&arguments.tree),
            "trees" => trees(&arguments.tree),
            "links" => links(&arguments.tree),
            "attributes" => attributes(&arguments.tree),
            "directories" => directories(&arguments.tree),
            "handles" => handles(&arguments.tree),
            "panic" => panic!("the component's own mistake"),
            other => Err(Error::new(format!("take {other}?"))),
        },
    )
}

fn memory() -> Result<()> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(black_box(vec![1; 16 << 20]));
    }
}

fn time() -> Result<()> {
    println!("the loop begins");
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn log() -> Result<()> {
    let line = "x".repeat(64 << 10);
    loop {
        println!("{line}");
    }
}

#[expect(unconditional_recursion, reason = "that is the attack")]
fn stack(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    stack(depth + 1) + room[3]
}

/// Recursion that needs nothing of the component's memory.
fn calls(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    calls(depth + 1).rotate_left(3) - depth
}

/// Copies that the host makes of one file that is smaller than the limit.
fn copies(tree: &Tree) -> Result<()> {
    tree.write("source", vec![1; 256 << 10])?;
    (0..400).try_for_each(|number| tree.copy("source", &format!("copy-{number}"), PLAIN))
}

/// Copies of a directory of empty files.
fn trees(tree: &Tree) -> Result<()> {
    tree.create_dir("source")?;
    (0..5).try_for_each(|number| tree.write(&format!("source/{number}"), ""))?;
    (0..400).try_for_each(|number| tree.copy("source", &format!("copy-{number}"), PLAIN))
}

/// Copies of a directory of one file with many names.
fn links(tree: &Tree) -> Result<()> {
    tree.create_dir("source")?;
    tree.write("source/file", "")?;
    (0..10).try_for_each(|name| tree.hard_link("source/file", &format!("source/{name}")))?;
    tree.copy("source", "copy", PLAIN)
}

/// Attributes instead of content.
fn attributes(tree: &Tree) -> Result<()> {
    tree.write("file", "")?;
    let value = vec![1; 2 << 10];
    (0..4000).try_for_each(|_| tree.set_xattr("file", "user.large", &value))
}

/// The same directory again and again: only the first one is made.
fn directories(tree: &Tree) -> Result<()> {
    tree.create_dir("there")?;
    for _ in 0..400 {
        if tree.create_dir("there").is_ok() {
            return Err(Error::new("it was made twice"));
        }
    }
    tree.create_dir("last")
}

/// Open files, each with little behind it.
fn handles(tree: &Tree) -> Result<()> {
    tree.write("file", "")?;
    let mut open = Vec::new();
    for _ in 0..100_000 {
        open.push(tree.open("file")?);
    }
    Ok(())
}

fn disk(arguments: &Arguments<Options>) -> Result<()> {
    let file = arguments.tree.create("large")?;
    let block = vec![1; 1 << 20];
    (0_u64..).try_for_each(|index| file.write_at(index << 20, &block))
}
