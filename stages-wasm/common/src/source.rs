//! The directory that image stages pack.
use osbuild_stage::{Arguments, Result, path};

/// The directory at `location`, or without one the input `tree`.
pub fn directory<O>(arguments: &Arguments<O>, location: Option<&str>) -> Result<String> {
    match location {
        Some(location) => Ok(path::normal(&arguments.locate(location)?)),
        None => Ok(arguments.input("tree")?.path.clone()),
    }
}
