//! The solver as those use it who speak its protocol; what dnf chooses is the measure.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make their own files"
)]

mod differential;
mod generate;
mod hostile;
mod protocol;
mod repository;
mod run;
