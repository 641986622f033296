//! osbuild-depsolve-dnf's protocol, versions 1 and 2: one request, one reply, both JSON.
mod fields;
mod package;
mod reply;
mod repo;
mod request;
mod sbom;

pub(crate) use reply::{depsolved, found, write_found};
pub(crate) use repo::Repo;
pub(crate) use request::{Command, Request, Transaction, Version};
