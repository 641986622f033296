//! Where a missing tool comes from.

use osbuild_wasm_packages::package_of;
use osbuild_wasm_protocol::{ErrorCode, Failure};

/// The failure for a program that is not in `place`.
pub fn missing_tool(program: &str, place: &str) -> Failure {
    let package = package_of(program).map(|package| package.to_string());
    let package = package.unwrap_or_else(|| "the package that has it".to_owned());
    Failure::new(
        ErrorCode::MissingTool,
        program,
        format!("{place} has no such program: install {package} there"),
    )
}
