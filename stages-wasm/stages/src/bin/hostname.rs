//! Set the static hostname.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Result, bail};
use serde::Deserialize;
use std::process::ExitCode;

/// The longest name that Linux takes.
const LONGEST: usize = 64;

#[derive(Deserialize)]
struct Options {
    hostname: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let name = &arguments.options.hostname;
        if !is_valid(name) {
            bail!("`{name}` is no valid hostname");
        }
        let tree = &arguments.tree;
        tree.create_dir_all("etc")?;
        if tree.remove_if_exists("etc/hostname")? {
            println!("removed the /etc/hostname that the tree had");
        }
        tree.write("etc/hostname", format!("{}\n", name.trim_end_matches('.')))
    })
}

/// Labels of letters, digits and inner hyphens; a dot at the end of a name of several labels is accepted, as systemd does.
fn is_valid(name: &str) -> bool {
    let labels = match name.strip_suffix('.') {
        Some(rest) if rest.contains('.') => rest,
        _ => name,
    };
    name.len() <= LONGEST && labels.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_systemd_does() {
        for name in ["a", "a-b.c", "A.b.", "9"] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "", ".", "a.", "-a", "a-", "a..b", ".a", "a_b", "a b", "\u{e4}", "a.-b",
        ] {
            assert!(!is_valid(name), "{name}");
        }
        assert!(is_valid(&"x".repeat(64)) && !is_valid(&"x".repeat(65)));
    }
}
