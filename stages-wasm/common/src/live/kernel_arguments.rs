//! Kernel arguments in the configuration of boot loaders, with space for those that are added to the medium later.
//!
//! A file has `@@KERNEL-ARGS@@` where the arguments go. When a comment of number signs that ends in `COREOS_KARG_EMBED_AREA` follows, all
//! from the arguments to its last number sign can be written over: arguments, a newline, number signs.
use super::json;
use osbuild_stage::{Result, Tree, bail};
use serde::Serialize;

const PLACE: &str = "@@KERNEL-ARGS@@";
const END: &str = "# COREOS_KARG_EMBED_AREA\n";
const PAD: char = '#';

/// The areas of a medium.
#[derive(Debug, Default, Serialize)]
pub struct Areas {
    default: String,
    files: Vec<Area>,
    size: usize,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Area {
    end: char,
    offset: usize,
    pad: char,
    path: String,
}

impl Areas {
    /// Puts the arguments into the text of the file `path` and notes its area.
    pub fn fill(&mut self, path: &str, text: &str, arguments: &str) -> Result<String> {
        let Some(start) = text.find(PLACE) else {
            return Ok(text.to_owned());
        };
        let filled = text.replace(PLACE, arguments);
        let Some(end) = filled[start..].find(END) else {
            return Ok(filled);
        };
        let area = &filled[start..start + end];
        let default = area.trim_end_matches(PAD).trim_end();
        if default.contains('\n') {
            bail!("{path}: other lines are between the kernel arguments and the space for more");
        }
        if self.files.is_empty() {
            self.default = default.to_owned();
            self.size = area.len();
        } else if (self.default.as_str(), self.size) != (default, area.len()) {
            bail!(
                "{path}: the kernel arguments `{default}` with {} bytes for them differ from those of {}: `{}`, {} bytes",
                area.len(),
                self.files[0].path,
                self.default,
                self.size
            );
        }
        self.files.push(Area {
            end: '\n',
            offset: start,
            pad: PAD,
            path: path.to_owned(),
        });
        Ok(filled)
    }

    /// A file has another path now.
    pub fn moved(&mut self, from: &str, to: &str) {
        let files = self.files.iter_mut();
        for area in files.filter(|area| area.path == from) {
            to.clone_into(&mut area.path);
        }
    }

    /// What tools need to know of the areas in files that are still in `tree`, as JSON.
    pub fn describe(mut self, tree: &Tree) -> Result<String> {
        let mut there = Vec::new();
        for area in self.files {
            if tree.exists(&area.path)? {
                there.push(area);
            }
        }
        there.sort_by(|a, b| a.path.cmp(&b.path));
        self.files = there;
        json(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MENU: &str =
        "label x\n  append initrd=i @@KERNEL-ARGS@@ more\n##### COREOS_KARG_EMBED_AREA\nend\n";

    #[test]
    fn an_area_begins_with_the_arguments_and_leaves_one_number_sign() {
        let mut areas = Areas::default();
        let text = areas.fill("a", MENU, "x=1 y").unwrap();
        assert_eq!(
            text,
            "label x\n  append initrd=i x=1 y more\n##### COREOS_KARG_EMBED_AREA\nend\n"
        );
        assert_eq!((areas.default.as_str(), areas.size), ("x=1 y more", 15));
        assert_eq!(areas.files[0].offset, 26);
        assert_eq!(&text[26..26 + areas.size], "x=1 y more\n####");
    }

    #[test]
    fn files_without_an_area_are_filled_and_not_noted() {
        let mut areas = Areas::default();
        assert_eq!(areas.fill("a", "x", "k").unwrap(), "x");
        assert_eq!(
            areas.fill("a", "x @@KERNEL-ARGS@@\n", "k").unwrap(),
            "x k\n"
        );
        assert!(areas.files.is_empty());
    }

    #[test]
    fn areas_must_agree() {
        let mut areas = Areas::default();
        areas.fill("a", MENU, "k").unwrap();
        areas.fill("b", &format!("longer\n{MENU}"), "k").unwrap();
        areas.moved("b", "c");
        assert_eq!(areas.files[1].path, "c");
        for other in [MENU.replace("more", "less"), MENU.replace("#####", "####")] {
            assert!(areas.fill("c", &other, "k").is_err(), "{other}");
        }
        let far = MENU.replace("more", "more\nother");
        assert!(Areas::default().fill("a", &far, "k").is_err());
    }
}
