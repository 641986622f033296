//! Directories of one test.
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A private directory that goes when the test ends.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Drop for Scratch {
    fn drop(&mut self) {
        // The standard library removes by recursion, and some trees here are deeper than its stack.
        _ = std::process::Command::new("rm")
            .arg("-rf")
            .arg(self.root())
            .status();
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// A directory on a disk rather than in memory: trees have owners, nodes and attributes.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("osbuild-wasm-test-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp can be written");
        Self(directory)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a directory with its parents.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("scratch directory");
        path
    }

    /// Writes a file, making its parents.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("scratch directory");
        fs::write(&path, content).expect("scratch file");
        path
    }

    /// Writes a JSON document.
    pub fn json(&self, name: &str, value: &Value) -> PathBuf {
        self.write(name, value.to_string())
    }

    /// Makes a symbolic link.
    pub fn link(&self, text: impl AsRef<Path>, name: &str) -> PathBuf {
        let path = self.path(name);
        std::os::unix::fs::symlink(text, &path).expect("scratch link");
        path
    }

    /// The content of a text file.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
