//! Who comes in, and what the service is told of itself.
mod config;
