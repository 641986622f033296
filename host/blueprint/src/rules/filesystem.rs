//! File systems beside those of the image type.

use super::form::wrong_path;
use super::{Once, Rules, place};
use crate::diagnostic::dotted;
use crate::document::Syntax;
use crate::model::Size;
use osbuild_wasm_manifest::problem::Path;

impl Rules<'_> {
    /// File systems beside those of the image type.
    pub(super) fn filesystem(&mut self) {
        let mut mount_points = Once::new("mount point");
        for (index, filesystem) in self.customizations().filesystem.iter().enumerate() {
            let path = place!["filesystem", index, "mountpoint"];
            self.mount_point(path.clone(), &filesystem.mountpoint);
            mount_points.note(self, filesystem.mountpoint.as_str(), path);
            // Writers of JSON leave out nothing: there 0 is as good as not given.
            if self.syntax == Syntax::Toml {
                self.positive(place!["filesystem", index, "minsize"], filesystem.minsize);
            }
        }
        let sizes = self
            .customizations()
            .filesystem
            .iter()
            .map(|filesystem| filesystem.minsize);
        self.sum(place!["filesystem"], sizes);
    }

    pub(super) fn mount_point(&mut self, path: Path, mount_point: &str) {
        let place = dotted(&path);
        if let Some((reason, hint)) = wrong_path(mount_point) {
            let message = format!("`{place}` {mount_point:?} {reason}");
            self.error(path, message, "expected an absolute path", hint);
        } else if let Some(entry) = self.paths.mount_points.denied_by(mount_point) {
            let message = format!("`{place}` {mount_point:?} is not allowed as a mount point");
            let hint = if entry == mount_point {
                "choose another directory: the system itself needs this one".to_owned()
            } else {
                format!("nothing below `{entry}` can be a file system of its own")
            };
            self.error(path, message, "not allowed", hint);
        }
    }

    pub(super) fn positive(&mut self, path: Path, size: Size) {
        if size == Size(0) {
            let message = format!("`{}` must be greater than 0", dotted(&path));
            self.error(
                path,
                message,
                "expected a size",
                "give the size at least, such as \"10 GiB\"",
            );
        }
    }

    /// Sizes are added up; together they must still be a size.
    pub(super) fn sum(&mut self, path: Path, sizes: impl Iterator<Item = Size>) {
        let sum = sizes.map(|size| u128::from(size.bytes())).sum::<u128>();
        if i64::try_from(sum).is_err() {
            let message = format!("the sizes in `{}` are too large together", dotted(&path));
            self.error(
                path,
                message,
                "expected less than 8 EiB",
                "give the sizes at least that are needed",
            );
        }
    }
}
