//! Change SELINUX and SELINUXTYPE in etc/selinux/config.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result};
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    state: Option<String>,
    #[serde(rename = "type")]
    policy: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        arguments.tree.edit("etc/selinux/config", |text| {
            changed(&lines::unix(text), &arguments.options)
        })
    })
}

/// Every line with one of the two keys is changed; none is added.
fn changed(text: &str, options: &Options) -> Result<String> {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            out += line;
            continue;
        }
        let (key, _) = trimmed
            .split_once('=')
            .ok_or_else(|| Error::new(format!("`{trimmed}` is no assignment")))?;
        // A state that is not given is written as a word that SELinux does not know, as osbuild does.
        match (key, &options.policy) {
            ("SELINUX", _) => {
                let state = options.state.as_deref().unwrap_or("None");
                out += &format!("SELINUX={state}\n");
            }
            ("SELINUXTYPE", Some(policy)) => out += &format!("SELINUXTYPE={policy}\n"),
            _ => out += line,
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_change_wherever_they_are() {
        let options: Options =
            serde_json::from_str(r#"{"state": "permissive", "type": "mls"}"#).unwrap();
        assert_eq!(
            changed(
                "#SELINUX=x\n\nSELINUX=a\nSELINUXTYPE=b\nX=1\n SELINUX=c\n",
                &options
            )
            .unwrap(),
            "#SELINUX=x\n\nSELINUX=permissive\nSELINUXTYPE=mls\nX=1\nSELINUX=permissive\n"
        );
        assert!(changed("word\n", &options).is_err());
    }
}
