//! Running the program.
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Answers a request.
pub fn solver(request: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-solver"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What is refused early is not read to its end.
    _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    child.wait_with_output().unwrap()
}

/// The reply to a request, or the failure.
pub fn answer(request: &Value) -> Result<Value, Value> {
    let output = solver(&request.to_string());
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    match output.status.code() {
        Some(0) => Ok(document),
        Some(1) => Err(document),
        _ => panic!("{output:?}"),
    }
}

/// A request of version 2 about one repository, with words that are wished for.
pub fn depsolve(directory: &Path, words: &[&str]) -> Value {
    json!({
        "api_version": 2, "command": "depsolve", "arch": "x86_64", "releasever": "1",
        "module_platform_id": "platform:p1", "cachedir": directory.join("cache"),
        "arguments": {
            "repos": [{"id": "r", "baseurl": [url(directory)]}],
            "transactions": [{"package-specs": words}],
        },
    })
}

pub fn url(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

/// NEVRAs of a transaction of a reply.
pub fn nevras(packages: &Value) -> Vec<String> {
    let packages = packages.as_array().unwrap().iter();
    packages
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap().to_owned();
            format!(
                "{}-{}:{}-{}.{}",
                text("name"),
                package["epoch"],
                text("version"),
                text("release"),
                text("arch")
            )
        })
        .collect()
}
