//! Computes the table that the random numbers of Go's `math/rand` are seeded with.
//!
//! The table is the state of the same generator after 7.8·10¹² draws. These are not drawn: output k of the recurrence
//! sₖ = sₖ₋₆₀₇ + sₖ₋₂₇₃ is a linear function of the first 607 ones, and its coefficients are those of
//! x^N mod (x⁶⁰⁷ − x³³⁴ − 1), which squaring finds in 43 steps.
#![allow(clippy::disallowed_methods, reason = "it makes files of the build")]
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

const LENGTH: usize = 607;
const TAP: usize = 273;
const DRAWS: u64 = 7_800_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut text = String::from("[\n");
    for word in cooked() {
        writeln!(text, "    {word:#018x},")?;
    }
    text.push(']');
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("cooked.rs");
    std::fs::write(out, text)?;
    Ok(())
}

/// The state after `DRAWS` draws, by its place in the generator's array.
fn cooked() -> [u64; LENGTH] {
    let first = first_outputs();
    let jump = power_of_x(DRAWS);
    let mut table = [0; LENGTH];
    for offset in 0..LENGTH {
        let word = jump
            .iter()
            .zip(&first[offset..])
            .fold(0_u64, |sum, (factor, word)| {
                sum.wrapping_add(factor.wrapping_mul(*word))
            });
        table[place(DRAWS - (LENGTH as u64 - 1) + offset as u64)] = word;
    }
    table
}

/// Where in the array output number `k` stands.
fn place(k: u64) -> usize {
    let length = LENGTH as u64;
    ((length - TAP as u64 + length - k % length) % length) as usize
}

/// The initial state in the order of the recurrence, and as many outputs again.
fn first_outputs() -> Vec<u64> {
    let mut state = [0_u64; LENGTH];
    let mut x = 1_u64;
    let mut step = || {
        x = x * 48_271 % 0x7fff_ffff;
        x
    };
    for _ in 0..20 {
        step();
    }
    for word in &mut state {
        *word = (step() << 20) ^ (step() << 10) ^ step();
    }
    let mut outputs: Vec<u64> = (0..LENGTH)
        .map(|n| state[(2 * LENGTH - TAP - 1 - n) % LENGTH])
        .collect();
    for n in LENGTH..2 * LENGTH {
        outputs.push(outputs[n - LENGTH].wrapping_add(outputs[n - TAP]));
    }
    outputs
}

/// Coefficients of x^exponent mod (x⁶⁰⁷ − x³³⁴ − 1), modulo 2⁶⁴.
fn power_of_x(exponent: u64) -> Vec<u64> {
    let mut power = vec![0_u64; LENGTH];
    power[0] = 1;
    for bit in (0..u64::BITS - exponent.leading_zeros()).rev() {
        let mut product = vec![0_u64; 2 * LENGTH];
        for (i, a) in power.iter().enumerate() {
            for (slot, b) in product[i..].iter_mut().zip(&power) {
                *slot = slot.wrapping_add(a.wrapping_mul(*b));
            }
        }
        if exponent >> bit & 1 == 1 {
            product.rotate_right(1);
        }
        power = reduce(product);
    }
    power
}

fn reduce(mut product: Vec<u64>) -> Vec<u64> {
    for k in (LENGTH..product.len()).rev() {
        let factor = product[k];
        for lower in [k - LENGTH, k - TAP] {
            product[lower] = product[lower].wrapping_add(factor);
        }
    }
    product.truncate(LENGTH);
    product
}
