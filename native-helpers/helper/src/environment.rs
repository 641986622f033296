//! Variables that a stage gives to its programs.
//!
//! A name of a program means little when a variable can make it load something else: dynamic linker, interpreters and libraries have
//! dozens of these, and the list grows. So the module's document names the variables that its stage sets, and those that make any
//! program run other code are refused even then.

use osbuild_wasm_protocol::{Failure, changes_code};

use crate::failure::{denied, invalid};

/// In a module's document: any variable. For programs that run whatever they are given anyway.
const ANY: &str = "*";

/// Refuses variables that are none, that the document does not name, or that would change which code runs.
pub fn check(named: &[String], variables: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in variables {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || value.contains('\0') {
            let detail = "this is no name or value of an environment variable";
            return Err(invalid(name, detail));
        }
        if changes_code(name) {
            let detail = "this variable changes which code programs run: no stage sets it";
            return Err(denied(name, detail));
        }
        if !named.iter().any(|known| known == ANY || known == name) {
            let detail =
                "the module's metadata does not name this variable: add it to `environment` there";
            return Err(denied(name, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_protocol::ErrorCode;

    fn code(named: &[&str], name: &str, value: &str) -> Option<ErrorCode> {
        let named: Vec<_> = named.iter().map(ToString::to_string).collect();
        let variables = [(name.to_owned(), value.to_owned())];
        check(&named, &variables).err().map(|failure| failure.code)
    }

    #[test]
    fn only_variables_that_the_document_names_are_set() {
        assert_eq!(code(&["A"], "A", "1"), None);
        assert_eq!(code(&["*"], "ANY_THING", "1"), None);
        assert_eq!(code(&["A"], "B", "1"), Some(ErrorCode::Denied));
        for odd in ["", "1A", "A B", "A=B", "Ä"] {
            assert_eq!(code(&["*"], odd, "1"), Some(ErrorCode::Invalid), "{odd}");
        }
        assert_eq!(code(&["A"], "A", "x\0"), Some(ErrorCode::Invalid));
    }

    #[test]
    fn variables_that_change_which_code_runs_are_never_set() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "GCONV_PATH",
            "GLIBC_TUNABLES",
            "BASH_ENV",
            "ENV",
            "PERL5OPT",
            "PYTHONPATH",
            "PATH",
            "OPENSSL_CONF",
            "RUBYOPT",
            "PS4",
            "LOCPATH",
        ] {
            assert_eq!(
                code(&["*", name], name, "x"),
                Some(ErrorCode::Denied),
                "{name}"
            );
        }
    }
}
