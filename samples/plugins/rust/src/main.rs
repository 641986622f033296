//! Fills a template of the tree in: `@NAME@` becomes the variable's value, `@@` an `@`.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, IndexMap, Result};
use std::process::ExitCode;

/// What the manifest says; the schema in module.json says the same.
#[derive(serde::Deserialize)]
struct Options {
    template: String,
    output: String,
    variables: IndexMap<String, String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let Options { template, output, variables } = &arguments.options;
        let tree = &arguments.tree;
        let text = render(&tree.read_to_string(template)?, variables)
            .map_err(|problem| Error::new(format!("{template}: {problem}")))?;
        tree.write(output, text)
    })
}

/// The text with all variables filled in. What is unknown or not closed is an error: a typo must not reach the image.
fn render(template: &str, variables: &IndexMap<String, String>) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        let (name, after) = after
            .split_once('@')
            .filter(|(name, _)| !name.contains('\n'))
            .ok_or("an `@` has no second one in its line: write `@@` for one")?;
        text.push_str(before);
        match variables.get(name) {
            _ if name.is_empty() => text.push('@'),
            Some(value) => text.push_str(value),
            None => return Err(format!("there is no variable `{name}`")),
        }
        rest = after;
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_typos_found() {
        let variables = IndexMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(render("x @A@ @@ y", &variables).unwrap(), "x 1 @ y");
        for text in ["@B@", "a@b", "@A\n@"] {
            assert!(render(text, &variables).is_err(), "{text}");
        }
    }
}
