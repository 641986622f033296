//! Programs that the module's metadata names, run by the host in a sealed sandbox.
use crate::bindings::osbuild::stage::command as wit;
use crate::{Error, Result};

/// One program to run.
///
/// By default it sees the build root as `/`, reads nothing and writes to the stage's log.
#[derive(Debug, Clone)]
pub struct Command {
    request: wit::Request,
}

impl Command {
    /// A program by base name, or by absolute path inside of its root.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            request: wit::Request {
                program: program.into(),
                arguments: Vec::new(),
                root: wit::Root::BuildRoot,
                environment: Vec::new(),
                directory: None,
                input: wit::Input::None,
                output: wit::Output::Log,
                binds: Vec::new(),
            },
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.request.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.request
            .arguments
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds values of the option `option` of the stage, which the program takes as names, not as options of its own.
    ///
    /// # Errors
    /// A value begins with `-`, which the program would take for one.
    pub fn operands<'a>(
        self,
        option: &str,
        values: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self> {
        values.into_iter().try_fold(self, |command, value| {
            if value.starts_with('-') {
                return Err(Error::new(format!(
                    "options.{option}: {value:?} begins with `-`, as what changes the work of the program does"
                )));
            }
            Ok(command.arg(value))
        })
    }

    /// Adds `flag` and `value` when there is a value.
    #[must_use]
    pub fn option(self, flag: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.arg(flag).arg(value),
            None => self,
        }
    }

    /// Adds the argument when the condition holds.
    #[must_use]
    pub fn flag(self, argument: &str, when: bool) -> Self {
        if when { self.arg(argument) } else { self }
    }

    /// Runs it with the tree as `/`, with /proc, /sys and a minimal /dev of the sandbox.
    #[must_use]
    pub fn in_tree(mut self) -> Self {
        self.request.root = wit::Root::Tree;
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, path: impl Into<String>) -> Self {
        self.request.directory = Some(path.into());
        self
    }

    /// Gives it these bytes on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.request.input = wit::Input::Bytes(bytes.into());
        self
    }

    /// Gives it a file on standard input, by contract path.
    #[must_use]
    pub fn stdin_file(mut self, path: impl Into<String>) -> Self {
        self.request.input = wit::Input::File(path.into());
        self
    }

    /// Sends its standard output to a file of the tree, by contract path.
    #[must_use]
    pub fn stdout_file(mut self, path: impl Into<String>) -> Self {
        self.request.output = wit::Output::File(path.into());
        self
    }

    /// Throws its standard output away.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.request.output = wit::Output::Discard;
        self
    }

    /// Shows it `source` under the path `target`.
    #[must_use]
    pub fn bind(
        mut self,
        source: impl Into<String>,
        target: impl Into<String>,
        read_only: bool,
    ) -> Self {
        self.request.binds.push(wit::Bind {
            source: source.into(),
            target: target.into(),
            read_only,
        });
        self
    }

    /// Runs it; a status other than 0 is an error.
    pub fn run(self) -> Result<()> {
        let program = self.request.program.clone();
        match self.status()? {
            0 => Ok(()),
            status => Err(failed(&program, status)),
        }
    }

    /// Runs it and returns its exit status (128 + N after signal N).
    pub fn status(self) -> Result<i32> {
        Ok(wit::run(&self.request)?.status)
    }

    /// Runs it and returns what it wrote, up to 16 MiB; a status other than 0 is an error.
    pub fn capture(mut self) -> Result<Vec<u8>> {
        self.request.output = wit::Output::Capture;
        let outcome = wit::run(&self.request)?;
        match outcome.status {
            0 => Ok(outcome.output),
            status => Err(failed(&self.request.program, status)),
        }
    }

    /// As [`Command::capture`] for text.
    pub fn capture_text(self) -> Result<String> {
        let program = self.request.program.clone();
        String::from_utf8(self.capture()?)
            .map_err(|error| Error::new(format!("{program} wrote no UTF-8: {error}")))
    }
}

fn failed(program: &str, status: i32) -> Error {
    let how = if status > 128 {
        format!("was ended by signal {}", status - 128)
    } else {
        format!("ended with status {status}")
    };
    Error::new(format!("{program} {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_their_order() {
        let command = Command::new("x")
            .arg("a")
            .option("-L", Some("l"))
            .option("-U", None::<&str>)
            .flag("-c", true)
            .flag("-d", false);
        assert_eq!(command.request.arguments, ["a", "-L", "l", "-c"]);
    }

    #[test]
    fn a_signal_is_told_from_a_status() {
        assert_eq!(failed("x", 2).to_string(), "x ended with status 2");
        assert_eq!(failed("x", 137).to_string(), "x was ended by signal 9");
    }
}
