//! repomd.xml: which files a repository has.
use super::Result;
use super::xml::{self, Listener, Start};
use std::collections::BTreeMap;

/// A file that repomd.xml names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Algorithm and digits.
    pub(crate) checksum: (String, String),
    /// Where it is, relative to the repository.
    pub(crate) href: String,
}

impl Entry {
    /// Its name in the directory `repodata`.
    pub(crate) fn file_name(&self) -> &str {
        self.href.rsplit('/').next().unwrap_or_default()
    }
}

/// Files by what they tell of: `primary`, `filelists`, `group`, `modules`.
#[derive(Debug, Default)]
pub(crate) struct Repomd {
    entries: BTreeMap<String, Entry>,
}

impl Repomd {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is no repomd.xml.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut reader = RepomdReader::default();
        let read = xml::read(text, &mut reader);
        read.map_err(|problem| format!("repodata/repomd.xml: {problem}"))?;
        match reader.is_repomd {
            true => Ok(reader.repomd),
            false => Err("repodata/repomd.xml: it is not the index of a repository".to_owned()),
        }
    }

    /// Packages, which every repository has.
    pub(crate) fn primary(&self) -> Result<&Entry> {
        let entry = self.entries.get("primary");
        entry.ok_or_else(|| {
            "repodata/repomd.xml: it names no `primary`, the list of packages".to_owned()
        })
    }

    /// Lists of all files.
    pub(crate) fn filelists(&self) -> Option<&Entry> {
        self.entries.get("filelists")
    }

    /// Groups; some repositories have them twice, compressed and not.
    pub(crate) fn comps(&self) -> Option<&Entry> {
        let compressed = ["group_xz", "group_zst", "group_gz"];
        let compressed = compressed.iter().find_map(|kind| self.entries.get(*kind));
        self.entries.get("group").or(compressed)
    }

    /// Streams of modules.
    pub(crate) fn modules(&self) -> Option<&Entry> {
        self.entries.get("modules")
    }
}

#[derive(Default)]
struct RepomdReader {
    repomd: Repomd,
    is_repomd: bool,
    kind: String,
    entry: Entry,
}

impl Listener for RepomdReader {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        match start.name() {
            b"repomd" => self.is_repomd = true,
            b"data" => {
                self.kind = start.attribute(b"type")?.unwrap_or_default();
                self.entry = Entry::default();
            }
            b"checksum" => self.entry.checksum.0 = start.attribute(b"type")?.unwrap_or_default(),
            b"location" => self.entry.href = start.attribute(b"href")?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], text: &str) -> Result<()> {
        match name {
            b"checksum" => self.entry.checksum.1 = text.trim().to_owned(),
            b"data" => {
                let entry = std::mem::take(&mut self.entry);
                self.repomd
                    .entries
                    .insert(std::mem::take(&mut self.kind), entry);
            }
            _ => {}
        }
        Ok(())
    }
}
