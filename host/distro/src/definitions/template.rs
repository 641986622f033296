//! Variables in texts of definitions: `{{version}}`.
use serde_json::Value;

/// Names and their values for one distribution, and one architecture where there is one.
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// Of a distribution `name` in `version`: `name`, `version`, `major`, `minor`.
    pub fn of(name: &str, version: &str) -> Self {
        let (major, minor) = version.split_once('.').unwrap_or((version, ""));
        Self(vec![
            ("name", name.into()),
            ("version", version.into()),
            ("major", major.into()),
            ("minor", minor.into()),
        ])
    }

    /// One more.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The text with all variables replaced.
    ///
    /// # Errors
    /// The text of what is wrong: a variable that does not exist, or braces that do not close.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("{text:?}: {{{{ is not closed by }}}}"))?;
            let known = self.0.iter().find(|(known, _)| *known == name.trim());
            let (_, value) = known.ok_or_else(|| {
                let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
                format!(
                    "{text:?}: there is no {}; known: {}",
                    name.trim(),
                    names.join(", ")
                )
            })?;
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Fills all texts of a value.
    ///
    /// # Errors
    /// As `fill`.
    pub fn fill_all(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) if text.contains("{{") => *text = self.fill(text)?,
            Value::Array(values) => values
                .iter_mut()
                .try_for_each(|value| self.fill_all(value))?,
            Value::Object(values) => values
                .values_mut()
                .try_for_each(|value| self.fill_all(value))?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Variables;

    #[test]
    fn a_variable_that_does_not_exist_is_an_error() {
        let variables = Variables::of("rhel", "9.4").with("arch", "x86_64");
        assert_eq!(
            variables
                .fill("RHEL-{{major}}-{{ minor }}-{{arch}}")
                .as_deref(),
            Ok("RHEL-9-4-x86_64")
        );
        assert!(
            variables
                .fill("{{oops}}")
                .is_err_and(|error| error.contains("there is no oops"))
        );
        assert!(variables.fill("{{major").is_err());
    }
}
