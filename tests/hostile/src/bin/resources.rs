//! Takes as much of one resource as it can get.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Error, Result};
use serde::Deserialize;
use std::hint::black_box;
use std::process::ExitCode;

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

fn disk(arguments: &Arguments<Options>) -> Result<()> {
    let file = arguments.tree.create("large")?;
    let block = vec![1; 1 << 20];
    (0_u64..).try_for_each(|index| file.write_at(index << 20, &block))
}
