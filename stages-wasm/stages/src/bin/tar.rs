//! Create a tar archive of an input tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, bail};
use osbuild_stage_common::compress::Method;
use osbuild_stage_common::tar::{self, Format, Transform};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    #[serde(default)]
    format: Format,
    compression: Option<String>,
    acls: Option<bool>,
    selinux: Option<bool>,
    xattrs: Option<bool>,
    #[serde(default, rename = "root-node")]
    root_node: RootNode,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    sparse: bool,
    transform: Option<String>,
    #[serde(default, rename = "numeric-owner")]
    numeric_owner: bool,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum RootNode {
    #[default]
    Include,
    Omit,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let input = arguments.input("tree")?.tree();
        let compression = match options.compression.as_deref() {
            None | Some("auto") => Method::for_name(&options.filename)?,
            Some(name) => Method::named(name)?,
        };
        let how = tar::Options {
            format: options.format,
            compression,
            acls: options.acls.unwrap_or(true),
            selinux: options.selinux.unwrap_or(true),
            xattrs: match options.xattrs {
                Some(false) => &[],
                _ => tar::ALL_XATTRS,
            },
            sparse: options.sparse,
            numeric_owner: options.numeric_owner,
            transform: Transform::parse(options.transform.as_deref().unwrap_or_default())?,
        };
        tar::create(
            &input,
            &members(options, &input)?,
            arguments.tree.create(&options.filename)?,
            &how,
        )
    })
}

fn members(options: &Options, input: &Tree) -> Result<Vec<String>> {
    if !options.paths.is_empty() {
        return Ok(options.paths.clone());
    }
    match options.root_node {
        RootNode::Include => Ok(vec![".".into()]),
        RootNode::Omit => {
            let names = input.list("")?.into_iter().map(|entry| entry.name);
            let names: Vec<_> = names.collect();
            if names.is_empty() {
                bail!("the input is empty: there is nothing to archive");
            }
            Ok(names)
        }
    }
}
