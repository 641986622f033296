//! Archives that the kernel unpacks, one behind another.
use crate::efi;
use osbuild_stage::{Command, Result, Tree};

/// The kernel looks for the next archive at multiples of this.
const UNIT: u64 = 4;

/// A directory that becomes an archive.
#[derive(Debug)]
pub struct Archive<'a> {
    /// Where both are.
    pub tree: &'a Tree,
    /// The directory.
    pub directory: &'a str,
}

impl Archive<'_> {
    /// Writes the archive to the file `to`; the member `first` comes before all others.
    pub fn write(&self, to: &str, first: Option<&str>) -> Result<()> {
        let mut names: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
        let content = self.tree.below(self.directory);
        content.walk("", &mut |path, _| {
            let name = path.trim_start_matches('/');
            if Some(name) != first {
                names.push(name.to_owned());
            }
            Ok(())
        })?;
        let list: String = names.iter().map(|name| format!("{name}\0")).collect();
        Command::new("cpio")
            .args(["-o", "-H", "newc", "-R", "root:root", "--quiet"])
            .args(["--reproducible", "--force-local", "--null", "-D"])
            .arg(content.root())
            .stdin(list)
            .stdout_file(self.tree.path(to))
            .run()
    }
}

/// Fills a file up with zeros to where the kernel looks for the next archive.
pub fn pad(tree: &Tree, file: &str) -> Result<()> {
    let size = tree.stat(file)?.size;
    tree.open_as(file, osbuild_stage::OpenMode::Update)?
        .set_size(size.next_multiple_of(UNIT))
}

/// Adds a compressed archive behind those of `file`.
pub fn append(tree: &Tree, file: &str, archive: &str) -> Result<()> {
    efi::append(tree, file, &tree.path(archive))?;
    pad(tree, file)
}
