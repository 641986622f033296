//! Install the root certificates for FDO DIUN.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree};
use serde_json::Value;
use std::process::ExitCode;

const TARGET: &str = "fdo_diun_pub_key_root_certs.pem";

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Value>| -> Result<()> {
        let source = arguments.input("rootcerts")?.single_file()?;
        let (contract, tree) = (Tree::contract(), &arguments.tree);
        tree.write(TARGET, contract.read(&source)?)?;
        tree.set_mode(TARGET, contract.stat(&source)?.mode)
    })
}
