//! Append entries to the dnf4 versionlock list.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::clock;
use osbuild_stage_common::fields::text;
use serde::Deserialize;
use std::process::ExitCode;
use std::time::Duration;

const FILE: &str = "etc/dnf/plugins/versionlock.list";

#[derive(Deserialize)]
struct Options {
    add: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        for lock in &arguments.options.add {
            text("add", lock)?;
            if lock.is_empty() || lock.starts_with('#') {
                bail!("options.add: {lock:?} locks nothing: the plugin skips such a line");
            }
        }
        let text = lines(&arguments.options.add, clock::now(&arguments.meta))?;
        arguments.tree.append(FILE, text)
    })
}

/// The locks, each with the time (since 1970) as asctime(3) writes it, in UTC.
fn lines(locks: &[String], now: Duration) -> Result<String> {
    let time = clock::format(now, "%a %b %e %H:%M:%S %Y")?;
    let lock = |lock: &String| format!("\n# Added lock on {time}\n{lock}\n");
    Ok(locks.iter().map(lock).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lock_has_a_comment_with_the_time() {
        let lines = lines(&["a-0:1-2.*".into()], Duration::ZERO);
        assert_eq!(
            lines.unwrap(),
            "\n# Added lock on Thu Jan  1 00:00:00 1970\na-0:1-2.*\n"
        );
    }
}
