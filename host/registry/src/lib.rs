//! Logins of container registries: who the user is to them, and which servers may see that.
//!
//! A registry says at which server tokens are had ("realm"; github.com/distribution/distribution: "Token Authentication
//! Specification"). A login goes there only over a secured connection, and only to a server of the registry's own name.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

mod login;
mod token;

pub use login::{Login, login};
pub use token::{
    Access, Demand, LARGEST_ANSWER, Scope, access, answer, certificates, demand, token,
};

#[cfg(test)]
mod tests;
