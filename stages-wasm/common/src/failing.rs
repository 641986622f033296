//! Failing with a chosen exit status: the stage and the assembler `org.osbuild.error`.
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Error, Number, Result};
use serde::Deserialize;

/// Options of the module.
#[derive(Debug, Deserialize)]
pub struct Options {
    returncode: Option<Number>,
}

/// Fails with the status of the options, 255 without one; with 0 it succeeds.
///
/// # Errors
/// As wanted; where the status is no integer.
pub fn fail(arguments: Arguments<Options>) -> Result<()> {
    let wanted = arguments.options.returncode.unwrap_or(Number::from(255));
    let number = wanted
        .whole()
        .ok_or_else(|| Error::new(format!("returncode {wanted} is no integer")))?;
    // The kernel keeps the low eight bits of an exit status.
    match (number & 0xff) as u8 {
        0 => {
            println!("failing with status 0, as asked, is to succeed");
            Ok(())
        }
        status => {
            Err(Error::new(format!("failing with status {status}, as asked")).with_status(status))
        }
    }
}
