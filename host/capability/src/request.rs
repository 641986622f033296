//! What a component asks for: its import list.
use crate::interface::{Interface, PACKAGE, VERSION, Version};
use std::collections::BTreeSet;
use thiserror::Error;

/// One import of a component, by its name in the binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Import {
    /// An interface of `osbuild:stage`.
    Stage(Interface),
    /// An interface of WASI, e.g. `wasi:sockets/tcp`; the name without its version.
    Wasi(String),
}

/// Why an import cannot be satisfied by this host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportProblem {
    /// The contract is there, the version is not.
    #[error(
        "{plugin} wants interface {interface} of {PACKAGE} in version {wanted}, this host offers {VERSION}: use a newer osbuild-wasm or a build of the component for {VERSION}"
    )]
    Version {
        /// The component.
        plugin: String,
        /// Interface name.
        interface: String,
        /// Version that the component was built against.
        wanted: Version,
    },
    /// The contract has no such interface.
    #[error(
        "{plugin} imports {name}, which is not an interface of {PACKAGE}@{VERSION}: remove its use from the component or update osbuild-wasm"
    )]
    Interface {
        /// The component.
        plugin: String,
        /// The import's full name.
        name: String,
    },
    /// Something else than the contract and WASI 0.2.
    #[error(
        "{plugin} imports {name}: a stage may import {PACKAGE}@{VERSION} and WASI 0.2 only; build it for target wasm32-wasip2"
    )]
    Foreign {
        /// The component.
        plugin: String,
        /// The import's full name.
        name: String,
    },
}

/// Everything that one component imports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Interfaces of the contract.
    pub interfaces: BTreeSet<Interface>,
    /// Interfaces of WASI, without versions.
    pub wasi: BTreeSet<String>,
}

impl Request {
    /// Reads the import names of the component `plugin`.
    pub fn from_imports<'a>(
        plugin: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ImportProblem> {
        let mut request = Self::default();
        for name in names {
            match classify(plugin, name)? {
                Import::Stage(interface) => _ = request.interfaces.insert(interface),
                Import::Wasi(interface) => _ = request.wasi.insert(interface),
            }
        }
        Ok(request)
    }

    /// The interfaces that a helper process has to serve.
    pub fn helpers(&self) -> impl Iterator<Item = Interface> + '_ {
        self.interfaces
            .iter()
            .copied()
            .filter(|interface| interface.needs_helper())
    }
}

fn classify(plugin: &str, name: &str) -> Result<Import, ImportProblem> {
    let foreign = || ImportProblem::Foreign {
        plugin: plugin.into(),
        name: name.into(),
    };
    let (path, version) = name.split_once('@').ok_or_else(foreign)?;
    let (package, interface) = path.split_once('/').ok_or_else(foreign)?;
    let wanted = Version::parse(version).ok_or_else(foreign)?;
    if package.starts_with("wasi:") && wanted.major == 0 && wanted.minor == 2 {
        return Ok(Import::Wasi(path.to_owned()));
    }
    if package != PACKAGE {
        return Err(foreign());
    }
    if !VERSION.offers(wanted) {
        return Err(ImportProblem::Version {
            plugin: plugin.into(),
            interface: interface.into(),
            wanted,
        });
    }
    Interface::from_name(interface)
        .map(Import::Stage)
        .ok_or_else(|| ImportProblem::Interface {
            plugin: plugin.into(),
            name: name.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_interfaces_and_wasi_names() {
        let request =
            Request::from_imports("x", ["osbuild:stage/tree@1.0.0", "wasi:cli/stdin@0.2.6"])
                .unwrap();
        assert_eq!(request.interfaces, BTreeSet::from([Interface::Tree]));
        assert_eq!(request.wasi, BTreeSet::from(["wasi:cli/stdin".to_owned()]));
    }

    #[test]
    fn a_newer_contract_is_refused_naming_both_versions() {
        let problem = Request::from_imports("x.wasm", ["osbuild:stage/tree@1.7.0"])
            .unwrap_err()
            .to_string();
        for part in ["x.wasm", "tree", "1.7.0", "1.0.0"] {
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn unknown_interfaces_and_packages_are_refused() {
        for name in [
            "osbuild:stage/kernel@1.0.0",
            "wasi:http/types@0.3.0",
            "env",
            "evil:host/x@1.0.0",
        ] {
            assert!(Request::from_imports("x", [name]).is_err(), "{name}");
        }
    }
}
