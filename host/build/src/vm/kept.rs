//! What trees keep that leave a virtual machine for an ordinary user: inside, everything can be made, and outside not all of it. Whoever
//! looks only at the end has lost all that the machine did, and does not know which stage it was.
use crate::failure::{BuildError, Result};
use crate::machine::keeps_labels;
use crate::user_namespace::{is_root_of_machine, mapped_ids};
use osbuild_wasm_files::{Beyond, Reach, first_beyond, name_to_text};
use osbuild_wasm_protocol::TrustedValue;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Labels of SELinux.
const LABEL: &[u8] = b"security.selinux";

/// What this user can give to files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Owners and groups below this number.
    ids: u32,
    /// SELinux labels.
    labels: bool,
}

impl Kept {
    /// What this process can give to files in a directory; none: everything.
    pub(super) fn here(directory: &Path) -> Option<Self> {
        (!is_root_of_machine()).then(|| Self {
            ids: mapped_ids(),
            labels: keeps_labels(directory),
        })
    }

    /// Refuses a tree that has more; `trusted` is what it has in `trusted.*`, which nobody sees who could look at the rest.
    pub(crate) fn check(&self, tree: &Path, trusted: &[TrustedValue]) -> Result<()> {
        let attribute = |name: &OsStr| match name.as_bytes() {
            b"security.capability" => true,
            LABEL => self.labels,
            name => !name.starts_with(b"security."),
        };
        let reach = Reach {
            ids: self.ids,
            attribute: &attribute,
        };
        let of_root = trusted.first().map(|of| {
            let below = Path::new(OsStr::from_bytes(&of.below.0)).to_owned();
            (below, Beyond::Attribute((&of.name).into()))
        });
        let Some((below, what)) = first_beyond(tree, reach)?.or(of_root) else {
            return Ok(());
        };
        let what = match what {
            Beyond::Device => "device nodes are".to_owned(),
            Beyond::Id(id) => format!("the owner or group {id} is"),
            Beyond::Attribute(name) => {
                format!("the attribute {} is", name_to_text(name.as_bytes()))
            }
        };
        let place = format!("/{}", name_to_text(below.as_os_str().as_bytes()));
        Err(BuildError::manifest(
            place,
            format!(
                "{what} made by root of the machine only, and its tree leaves the virtual machine: build it as root, or in a file system of an image"
            ),
        ))
    }
}
