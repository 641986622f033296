//! Set four sshd options in etc/ssh/sshd_config.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Number};
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    password_authentication: Option<bool>,
    challenge_response_authentication: Option<bool>,
    client_alive_interval: Option<Number>,
    permit_root_login: Option<RootLogin>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RootLogin {
    Allowed(bool),
    How(String),
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        lines::replace(&arguments.tree, "etc/ssh/sshd_config", |text| {
            changed(text, settings(arguments.options.config))
        })
    })
}

fn settings(config: Config) -> Vec<(&'static str, String)> {
    let word = |value| String::from(if value { "yes" } else { "no" });
    let settings = [
        (
            "PasswordAuthentication",
            config.password_authentication.map(word),
        ),
        (
            "ChallengeResponseAuthentication",
            config.challenge_response_authentication.map(word),
        ),
        (
            "ClientAliveInterval",
            config
                .client_alive_interval
                .map(|seconds| seconds.to_string()),
        ),
        (
            "PermitRootLogin",
            config.permit_root_login.map(|login| match login {
                RootLogin::Allowed(allowed) => word(allowed),
                RootLogin::How(how) => how,
            }),
        ),
    ];
    let given = settings.into_iter();
    given
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// Keys match in any case and keep their spelling; a line that says the same already stays as it is.
fn changed(text: &str, settings: Vec<(&'static str, String)>) -> String {
    lines::set(
        text,
        settings,
        |(key, value), line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [name, old] if name.eq_ignore_ascii_case(key) && old == value => Some(line.into()),
                [name, _] if name.eq_ignore_ascii_case(key) => Some(format!("{name} {value}\n")),
                _ => None,
            }
        },
        |(key, value)| format!("{key} {value}\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_two_words_are_settings() {
        let config = r#"{"PermitRootLogin": false, "ClientAliveInterval": 5}"#;
        let settings = settings(serde_json::from_str(config).unwrap());
        assert_eq!(
            changed(
                "#PermitRootLogin yes\nPermitRootLogin yes # x\n  permitrootlogin yes\n",
                settings
            ),
            "#PermitRootLogin yes\nPermitRootLogin yes # x\npermitrootlogin no\nClientAliveInterval 5\n"
        );
    }
}
