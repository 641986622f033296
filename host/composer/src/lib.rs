//! osbuild-wasm-composer: the service that keeps blueprints and makes images of them.
//!
//! [`service`] has the rules and knows nothing of HTTP; [`weldr`] and [`workers`] are thin adapters over it.
#![forbid(unsafe_code)]
pub mod administration;
pub mod builtin;
pub mod catalogue;
pub mod config;
mod content;
pub mod door;
pub mod listen;
pub mod operation;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod weldr;
pub mod workers;
