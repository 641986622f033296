//! Set keys in etc/security/pwquality.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Number};
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    config: IndexMap<String, Number>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        lines::replace(&arguments.tree, "etc/security/pwquality.conf", |text| {
            changed(text, arguments.options.config)
        })
    })
}

fn changed(text: &str, config: IndexMap<String, Number>) -> String {
    let line = |(key, value): &(String, Number)| format!("{key} = {value}\n");
    lines::set(
        text,
        config.into_iter().collect(),
        |setting, old| {
            let (key, _) = lines::pair(old, " = ")?;
            (key == setting.0).then(|| line(setting))
        },
        line,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_other_spellings_are_left_alone() {
        let config = IndexMap::from([("minlen".into(), Number::from(15))]);
        assert_eq!(
            changed("# minlen = 8\nminlen=9\nminlen = 9\nminlen = 1\n", config),
            "# minlen = 8\nminlen=9\nminlen = 15\nminlen = 1\n"
        );
    }
}
