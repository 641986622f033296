//! Who comes in, and what the service is told of itself.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the directory is the test's own")]
mod config;
