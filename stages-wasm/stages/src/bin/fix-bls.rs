//! Repair paths in boot loader entries that were written inside of a container.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::{bls, replacement::Replacement};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
#[serde(default)]
struct Options {
    prefix: String,
    require_boot_prefix: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "/boot".into(),
            require_boot_prefix: true,
        }
    }
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let Options {
            prefix,
            require_boot_prefix,
        } = &arguments.options;
        let prefix = Replacement::python(prefix)?;
        bls::entries(&arguments.tree, "boot")?
            .iter()
            .try_for_each(|path| {
                let text = arguments.tree.read_to_string(path)?;
                let lines: Vec<String> = text
                    .split_inclusive('\n')
                    .map(|line| fix(line, &prefix, *require_boot_prefix))
                    .collect::<Result<_>>()?;
                arguments.tree.write(path, lines.concat())
            })
    })
}

/// Replaces everything from the first `/` of the line to the end of its last `/boot`. With `required` there must be something
/// before that `/boot`.
fn fix(line: &str, prefix: &Replacement, required: bool) -> Result<String> {
    let (Some(start), Some(boot)) = (line.find('/'), line.rfind("/boot")) else {
        return Ok(line.into());
    };
    if required && start == boot {
        return Ok(line.into());
    }
    let end = boot + "/boot".len();
    let new = prefix.expand(&[&line[start..end], &line[start..boot]]);
    Ok(format!("{}{new}{}", &line[..start], &line[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_before_the_last_boot_is_replaced() {
        let prefix = Replacement::python("/boot").unwrap();
        for (line, required, expected) in [
            (
                "linux /run/osbuild/tree/boot/vmlinuz\n",
                true,
                "linux /boot/vmlinuz\n",
            ),
            ("linux /boot/vmlinuz\n", true, "linux /boot/vmlinuz\n"),
            ("options a=/x b=/boot c\n", true, "options a=/boot c\n"),
            ("title x\n", false, "title x\n"),
        ] {
            assert_eq!(fix(line, &prefix, required).unwrap(), expected, "{line}");
        }
        let empty = Replacement::python("").unwrap();
        assert_eq!(fix("linux /boot/x", &empty, false).unwrap(), "linux /x");
        assert_eq!(fix("linux /boot/x", &empty, true).unwrap(), "linux /boot/x");
        assert_eq!(
            fix(
                "initrd /a/boot/x",
                &Replacement::python(r"\1").unwrap(),
                true
            )
            .unwrap(),
            "initrd /a/x"
        );
    }
}
