//! A tree of files in memory, as far as the calls need it: what path_resolution(7) says of a process whose root it is.
use super::Call;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

type Node = usize;
type Outcome<T = ()> = Result<T, Wrong>;

/// Why a call does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Something on the way is missing.
    Missing,
    /// Anything else.
    Other,
}

/// Links that are followed in one path.
const LINKS: usize = 40;

#[derive(Debug, Clone)]
enum Kind {
    Directory(BTreeMap<String, Node>),
    File(Vec<u8>),
    Link(String),
}

#[derive(Debug, Clone)]
struct Object {
    kind: Kind,
    /// Permission bits; those of links say nothing.
    mode: u32,
}

impl Object {
    /// As the calls make it.
    fn new(kind: Kind) -> Self {
        let mode = match kind {
            Kind::Directory(_) => 0o755,
            Kind::File(_) => 0o644,
            Kind::Link(_) => 0o777,
        };
        Self { kind, mode }
    }
}

/// All objects that ever were; the first is the root.
#[derive(Debug, Clone)]
pub(super) struct Files {
    nodes: Vec<Object>,
}

/// Where a path leads.
enum Place {
    Found(Node),
    /// Nothing has this name in this directory.
    Missing(Node, String),
}

/// What a tree looks like: for each path what it is, and the first path of the same object.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Listing(BTreeMap<String, (String, String)>);

impl Listing {
    /// Of a directory of this machine; empty when there is none.
    pub(super) fn of(directory: &Path) -> Self {
        match std::fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir()) {
            true => Files::read(directory).listing(),
            false => Self::default(),
        }
    }

    /// Whether a text is the content of a file.
    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.values().any(|(content, _)| content.contains(text))
    }
}

impl Default for Files {
    fn default() -> Self {
        Self {
            nodes: vec![Object::new(Kind::Directory(BTreeMap::new()))],
        }
    }
}

impl Files {
    /// A directory of this machine.
    pub(super) fn read(directory: &Path) -> Self {
        let mut files = Self::default();
        files.read_below(directory, 0, &mut HashMap::new());
        files
    }

    fn read_below(&mut self, directory: &Path, node: Node, known: &mut HashMap<u64, Node>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let found = std::fs::symlink_metadata(&path).expect("an object");
            if let Some(same) = known.get(&found.ino()) {
                let same = *same;
                self.entries(node).insert(name.into_owned(), same);
                continue;
            }
            let kind = match () {
                () if found.is_dir() => Kind::Directory(BTreeMap::new()),
                () if found.is_symlink() => {
                    let text = std::fs::read_link(&path).expect("a link");
                    Kind::Link(text.to_string_lossy().into_owned())
                }
                () => Kind::File(std::fs::read(&path).expect("a file")),
            };
            let new = self.add(node, &name, kind);
            self.nodes[new].mode = found.mode() & 0o7777;
            known.insert(found.ino(), new);
            if found.is_dir() {
                self.read_below(&path, new, known);
            }
        }
    }

    pub(super) fn listing(&self) -> Listing {
        let mut listing = Listing::default();
        self.list_below(0, "", &mut listing, &mut HashMap::new());
        listing
    }

    fn list_below(
        &self,
        node: Node,
        path: &str,
        listing: &mut Listing,
        first: &mut HashMap<Node, String>,
    ) {
        let Kind::Directory(entries) = &self.nodes[node].kind else {
            return;
        };
        for (name, node) in entries {
            let path = format!("{path}/{name}");
            let Object { kind, mode } = &self.nodes[*node];
            let what = match kind {
                Kind::Directory(_) => format!("directory {mode:o}"),
                Kind::File(content) => {
                    format!("file {mode:o} {}", String::from_utf8_lossy(content))
                }
                Kind::Link(text) => format!("link {text}"),
            };
            let same = first.entry(*node).or_insert_with(|| path.clone()).clone();
            listing.0.insert(path.clone(), (what, same));
            self.list_below(*node, &path, listing, first);
        }
    }

    /// What the call does here, and whether it succeeds; none where the model does not say.
    pub(super) fn expect(&mut self, call: &Call) -> Option<Outcome> {
        Some(match call {
            Call::Write(path, byte) => self.write(path, *byte),
            Call::Read(path) => self.found(path, true).and_then(|node| self.is_file(node)),
            Call::Replace(path, byte) => self.replace(path, *byte),
            Call::MakeDirectory(path) => self.make(path, Kind::Directory(BTreeMap::new())),
            Call::Symlink(text, path) => self.make(path, Kind::Link(text.clone())),
            Call::HardLink(path, to) => self.hard_link(path, to),
            Call::Rename(path, to) => self.rename(path, to),
            Call::Remove(path) => self.remove(path),
            Call::RemoveAll(path) => self.remove_all(path),
            Call::List(path) => self
                .found(path, true)
                .and_then(|node| self.is_directory(node).then_some(()).ok_or(Wrong::Other)),
            Call::Stat(path, follow) => self.found(path, *follow).map(drop),
            Call::Mode(path, mode) => self.found(path, true).map(|node| {
                self.nodes[node].mode = *mode;
            }),
            Call::Copy(..) => return None,
        })
    }

    fn write(&mut self, path: &str, byte: u8) -> Outcome {
        match self.resolve(path, true)? {
            Place::Found(node) => {
                self.is_file(node)?;
                self.nodes[node].kind = Kind::File(vec![byte]);
            }
            Place::Missing(directory, name) => {
                self.add(directory, &name, Kind::File(vec![byte]));
            }
        }
        Ok(())
    }

    fn replace(&mut self, path: &str, byte: u8) -> Outcome {
        let (directory, name) = self.slot(path)?;
        if self
            .named(directory, &name)
            .is_some_and(|node| self.is_directory(node))
        {
            return Err(Wrong::Other);
        }
        self.add(directory, &name, Kind::File(vec![byte]));
        Ok(())
    }

    fn make(&mut self, path: &str, kind: Kind) -> Outcome {
        let (directory, name) = self.free(path)?;
        self.add(directory, &name, kind);
        Ok(())
    }

    fn hard_link(&mut self, path: &str, to: &str) -> Outcome {
        let (directory, name) = self.slot(path)?;
        let node = self.named(directory, &name).ok_or(Wrong::Other)?;
        if self.is_directory(node) {
            return Err(Wrong::Other);
        }
        let (directory, name) = self.free(to)?;
        self.entries(directory).insert(name, node);
        Ok(())
    }

    fn rename(&mut self, path: &str, to: &str) -> Outcome {
        let (from, name) = self.slot(path)?;
        let (target, new) = self.slot(to)?;
        let node = self.named(from, &name).ok_or(Wrong::Other)?;
        let there = self.named(target, &new);
        if there == Some(node) {
            return Ok(());
        }
        if self.is_directory(node) && self.is_below(target, node) {
            return Err(Wrong::Other);
        }
        let fits = there.is_none_or(|there| match self.is_directory(node) {
            true => self.is_empty(there),
            false => !self.is_directory(there),
        });
        if !fits {
            return Err(Wrong::Other);
        }
        self.entries(from).remove(&name);
        self.entries(target).insert(new, node);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Outcome {
        let (directory, name) = self.slot(path)?;
        let node = self.named(directory, &name).ok_or(Wrong::Other)?;
        if self.is_directory(node) && !self.is_empty(node) {
            return Err(Wrong::Other);
        }
        self.entries(directory).remove(&name);
        Ok(())
    }

    /// That nothing is there is fine, but not that something is in the way.
    fn remove_all(&mut self, path: &str) -> Outcome {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name == ".." {
            return Err(Wrong::Other);
        }
        match self.found(parent, true) {
            Err(Wrong::Missing) => Ok(()),
            Ok(directory) if self.is_directory(directory) => {
                self.entries(directory).remove(name);
                Ok(())
            }
            _ => Err(Wrong::Other),
        }
    }

    fn add(&mut self, directory: Node, name: &str, kind: Kind) -> Node {
        let node = self.nodes.len();
        self.nodes.push(Object::new(kind));
        self.entries(directory).insert(name.to_owned(), node);
        node
    }

    fn entries(&mut self, node: Node) -> &mut BTreeMap<String, Node> {
        match &mut self.nodes[node].kind {
            Kind::Directory(entries) => entries,
            other => panic!("{other:?} is no directory"),
        }
    }

    fn named(&self, directory: Node, name: &str) -> Option<Node> {
        match &self.nodes[directory].kind {
            Kind::Directory(entries) => entries.get(name).copied(),
            _ => None,
        }
    }

    fn is_directory(&self, node: Node) -> bool {
        matches!(self.nodes[node].kind, Kind::Directory(_))
    }

    fn is_empty(&self, node: Node) -> bool {
        matches!(&self.nodes[node].kind, Kind::Directory(entries) if entries.is_empty())
    }

    fn is_file(&self, node: Node) -> Outcome {
        matches!(self.nodes[node].kind, Kind::File(_))
            .then_some(())
            .ok_or(Wrong::Other)
    }

    fn is_below(&self, node: Node, directory: Node) -> bool {
        let Kind::Directory(entries) = &self.nodes[directory].kind else {
            return false;
        };
        node == directory || entries.values().any(|inner| self.is_below(node, *inner))
    }

    fn found(&self, path: &str, follow: bool) -> Outcome<Node> {
        match self.resolve(path, follow)? {
            Place::Found(node) => Ok(node),
            Place::Missing(..) => Err(Wrong::Missing),
        }
    }

    /// The directory and the last name of a path that ends in one.
    fn slot(&self, path: &str) -> Outcome<(Node, String)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.found(parent, true)?;
        match name != ".." && self.is_directory(directory) {
            true => Ok((directory, name.to_owned())),
            false => Err(Wrong::Other),
        }
    }

    /// The same where nothing has the name.
    fn free(&self, path: &str) -> Outcome<(Node, String)> {
        let (directory, name) = self.slot(path)?;
        match self.named(directory, &name) {
            None => Ok((directory, name)),
            Some(_) => Err(Wrong::Other),
        }
    }

    fn resolve(&self, path: &str, follow: bool) -> Outcome<Place> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut here, mut links) = (vec![0], 0);
        while let Some(name) = left.pop() {
            let last = left.is_empty();
            let directory = here.last().copied().unwrap_or_default();
            match &*name {
                "" | "." => continue,
                ".." => {
                    if here.len() > 1 {
                        here.pop();
                    }
                    continue;
                }
                _ => {}
            }
            let Some(node) = self.named(directory, &name) else {
                return match last {
                    true => Ok(Place::Missing(directory, name)),
                    false => Err(Wrong::Missing),
                };
            };
            match &self.nodes[node].kind {
                Kind::Link(text) if follow || !last => {
                    links += 1;
                    if links > LINKS {
                        return Err(Wrong::Other);
                    }
                    if text.starts_with('/') {
                        here.truncate(1);
                    }
                    left.extend(text.split('/').rev().map(str::to_owned));
                }
                Kind::Directory(_) => here.push(node),
                _ if last => return Ok(Place::Found(node)),
                _ => return Err(Wrong::Other),
            }
        }
        Ok(Place::Found(here.last().copied().unwrap_or_default()))
    }
}
