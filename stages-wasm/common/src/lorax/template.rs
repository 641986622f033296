//! Mako templates, as far as scripts use them: expressions, conditions, loops, assignments and comments. Their expressions are those
//! that Jinja took from Python.
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use osbuild_stage::{Error, Result, bail};
use serde::Serialize;

/// Marks the lines that are statements: no template contains it.
const STATEMENT: &str = "\u{1}";
/// Never found in a template either; expressions alone keep their marks.
const UNUSED: (&str, &str) = ("\u{2}", "\u{3}");
const UNUSED_COMMENT: (&str, &str) = ("\u{4}", "\u{5}");

/// The text of a template with these variables. A variable that is not there is an error.
pub fn render(template: &str, variables: impl Serialize) -> Result<String> {
    let wrong = |error: minijinja::Error| Error::new(format!("template: {error:#}"));
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("${", "}")
        .block_delimiters(UNUSED.0, UNUSED.1)
        .comment_delimiters(UNUSED_COMMENT.0, UNUSED_COMMENT.1)
        .line_statement_prefix(STATEMENT)
        .build()
        .map_err(wrong)?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    let text = translate(template)?;
    environment
        .render_str(&text, Serde(variables))
        .map_err(wrong)
}

/// Turns what Mako writes otherwise into statements of Jinja.
fn translate(template: &str) -> Result<String> {
    let text = without_tags(&template.replace("\\\n", ""))?;
    let line = |line: &str| match line.trim_start() {
        comment if comment.starts_with("##") => String::new(),
        text if text.starts_with("%%") => text[1..].to_owned(),
        control if control.starts_with('%') => {
            let statement = control[1..].trim().trim_end_matches(':');
            format!("{STATEMENT} {statement}")
        }
        _ => line.to_owned(),
    };
    Ok(text.lines().map(|text| line(text) + "\n").collect())
}

/// The text without `<%page/>` and `<%doc>`, and with the assignments of `<% %>` as lines.
fn without_tags(template: &str) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, tag)) = rest.split_once("<%") {
        text += before;
        let (end, statements) = if tag.starts_with("page") {
            ("/>", String::new())
        } else if tag.starts_with("doc>") {
            ("</%doc>", String::new())
        } else if tag.starts_with(|c: char| c.is_whitespace() || c == '!') {
            let code = tag.split("%>").next().unwrap_or_default();
            ("%>", assignments(code.trim_start_matches('!'))?)
        } else {
            let name = tag.split(|c: char| !c.is_alphanumeric()).next();
            bail!(
                "template: the tag <%{}> is not supported",
                name.unwrap_or_default()
            );
        };
        let Some((_, after)) = tag.split_once(end) else {
            bail!("template: a tag is not closed by {end}");
        };
        text += &statements;
        rest = after;
    }
    Ok(text + rest)
}

/// Lines `NAME = EXPRESSION`. What `import` gives a name to cannot be used, which is an error where it is.
fn assignments(code: &str) -> Result<String> {
    let mut text = String::from("\n");
    let lines = code.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with("import ") || line.starts_with("from ") {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if is_name(name.trim()) && !value.starts_with('=') => {
                text += &format!("% set {} = {}\n", name.trim(), value.trim());
            }
            _ => bail!("template: the Python statement `{line}` is not supported"),
        }
    }
    Ok(text)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str) -> Result<String> {
        let variables = json!({
            "root": "/r", "basearch": "x86_64", "product": {"name": "P"}, "branding": {"release": null},
        });
        let text = render(template, variables)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn expressions_conditions_and_loops_work_as_in_mako() {
        for (template, expected) in [
            ("a ${root}/x {b,c}", "a /r/x {b,c}"),
            (
                "<%page args=\"root\"/>\n## no\n% if basearch == \"x86_64\" and not branding.release:\nyes\n%else:\nno\n% endif",
                "yes",
            ),
            ("%for x in (\"a\", \"b\"):\n  ${x}\n%endfor", "  a\n  b"),
            (
                "<%\nimport os\ndir = root + '/d'\n%>\nmkdir ${dir}",
                "mkdir /r/d",
            ),
            ("%if basearch.startswith('x86'):\n1\n%endif\n", "1"),
            ("a \\\n  b", "a   b"),
            ("<%doc>\nx\n</%doc>y", "y"),
        ] {
            assert_eq!(rendered(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_is_unknown_is_an_error() {
        for template in [
            "${missing}",
            "<%def name='x()'></%def>",
            "<% print(1) %>",
            "<%\nx",
            "% if x",
        ] {
            assert!(rendered(template).is_err(), "{template}");
        }
    }
}
