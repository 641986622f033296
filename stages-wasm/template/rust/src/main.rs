//! Writes the message of the day.
use osbuild_stage::{Arguments, Result};
use std::process::ExitCode;

/// What the manifest says; the schema in module.json says the same.
#[derive(serde::Deserialize)]
struct Options {
    text: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(motd)
}

fn motd(arguments: Arguments<Options>) -> Result<()> {
    let tree = &arguments.tree;
    tree.create_dir_all("etc")?;
    tree.write("etc/motd", line(&arguments.options.text))
}

/// The text as the file has it: exactly one newline at its end.
fn line(text: &str) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_one_newline() {
        assert_eq!(super::line("hello\n\n"), "hello\n");
    }
}
