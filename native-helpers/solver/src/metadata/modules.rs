//! modules.yaml: streams of modules, and which of them are the default.
use super::Result;
use granit_parser::{Event, Parser};
use std::collections::BTreeMap;

/// How deep a document may be nested; those that are there have 6 levels.
const DEEPEST: usize = 32;

/// One version of a stream of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) stream: String,
    pub(crate) version: u64,
    pub(crate) context: String,
    pub(crate) arch: String,
    /// Streams that it needs, by module; an empty list: any. Each of these maps has to be fulfilled.
    pub(crate) requires: Vec<BTreeMap<String, Vec<String>>>,
    /// Names of packages, by profile.
    pub(crate) profiles: BTreeMap<String, Vec<String>>,
    /// Packages, by `name-epoch:version-release.arch`.
    pub(crate) artifacts: Vec<String>,
    /// Names of packages that are no longer part of the module.
    pub(crate) demodularized: Vec<String>,
    /// The document.
    pub(crate) text: String,
}

/// Which stream and which profiles a module has by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Default {
    pub(crate) stream: Option<String>,
    /// Names of profiles, by stream.
    pub(crate) profiles: BTreeMap<String, Vec<String>>,
}

/// The streams of a repository.
#[derive(Debug, std::default::Default)]
pub(crate) struct Streams {
    pub(crate) streams: Vec<Stream>,
    /// By module.
    pub(crate) defaults: BTreeMap<String, Default>,
}

impl Streams {
    /// Adds what the documents of a file have; kinds of documents that are not about streams are left out.
    ///
    /// # Errors
    /// When one of them is no YAML, or has no name.
    pub(crate) fn add(&mut self, text: &str) -> Result<()> {
        documents(text).try_for_each(|document| self.add_document(document))
    }

    fn add_document(&mut self, text: &str) -> Result<()> {
        let Some(document) = Node::parse(text)? else {
            return Ok(());
        };
        let data = document.get("data");
        match document.text("document") {
            "modulemd" => self.add_stream(stream(data, text)?),
            "modulemd-defaults" => {
                let stream = data.text("stream").to_owned();
                let defaults = Default {
                    stream: Some(stream).filter(|stream| !stream.is_empty()),
                    profiles: data.get("profiles").lists(),
                };
                self.defaults
                    .insert(data.text("module").to_owned(), defaults);
            }
            _ => {}
        }
        Ok(())
    }

    /// Of two documents about one version of a stream the first one counts.
    fn add_stream(&mut self, stream: Stream) {
        let is_known = |known: &Stream| {
            (
                &known.name,
                &known.stream,
                known.version,
                &known.context,
                &known.arch,
            ) == (
                &stream.name,
                &stream.stream,
                stream.version,
                &stream.context,
                &stream.arch,
            )
        };
        if !self.streams.iter().any(is_known) {
            self.streams.push(stream);
        }
    }
}

fn stream(data: &Node, text: &str) -> Result<Stream> {
    let name = data.text("name").to_owned();
    if name.is_empty() || data.text("stream").is_empty() {
        return Err(format!("a module lacks its name or its stream: {name:?}"));
    }
    let version = data.text("version");
    let dependencies = match data.get("dependencies") {
        Node::List(all) => all.iter().map(|one| one.get("requires").lists()).collect(),
        one => vec![one.get("requires").lists()],
    };
    let profiles = data.get("profiles").entries();
    Ok(Stream {
        stream: data.text("stream").to_owned(),
        version: version.parse().map_err(|_| {
            format!("the module {name} has the version {version:?}, which is no number")
        })?,
        context: data.text("context").to_owned(),
        arch: data.text("arch").to_owned(),
        requires: dependencies,
        profiles: profiles
            .map(|(name, profile)| (name.clone(), profile.get("rpms").texts()))
            .collect(),
        artifacts: data.get("artifacts").get("rpms").texts(),
        demodularized: data.get("demodularized").get("rpms").texts(),
        text: text.to_owned(),
        name,
    })
}

/// The documents of a stream of YAML, each as it stands there.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut begins: Vec<_> = text.match_indices("\n---").map(|(at, _)| at + 1).collect();
    begins.insert(0, 0);
    let ends: Vec<_> = begins.iter().skip(1).copied().chain([text.len()]).collect();
    begins
        .into_iter()
        .zip(ends)
        .map(move |(begin, end)| &text[begin..end])
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What is not there.
const NOTHING: &Node = &Node::Text(String::new());

impl Node {
    /// Reads a document; none when it is empty.
    fn parse(text: &str) -> Result<Option<Self>> {
        let mut open = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.map_err(|error| error.to_string())?;
            let done = match event {
                Event::Scalar(text, ..) => Self::Text(text.into_owned()),
                Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEEPEST => {
                    return Err(format!("it is nested more than {DEEPEST} levels deep"));
                }
                Event::SequenceStart(..) => {
                    open.push(Open::List(Vec::new()));
                    continue;
                }
                Event::MappingStart(..) => {
                    open.push(Open::Map(Vec::new(), None));
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(open) => open.close(),
                    None => continue,
                },
                Event::Alias(_) => {
                    return Err("it has an alias, which metadata never has".to_owned());
                }
                _ => continue,
            };
            match open.last_mut() {
                Some(last) => last.add(done)?,
                None => return Ok(Some(done)),
            }
        }
        Ok(None)
    }

    fn get(&self, key: &str) -> &Self {
        let found = self.entries().find(|(name, _)| name == key);
        found.map_or(NOTHING, |(_, node)| node)
    }

    fn entries(&self) -> impl Iterator<Item = &(String, Self)> {
        let entries: &[_] = match self {
            Self::Map(entries) => entries,
            _ => &[],
        };
        entries.iter()
    }

    fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// A list of texts; a single text is a list of one.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::List(list) => list.iter().flat_map(Self::texts).collect(),
            Self::Text(text) if !text.is_empty() => vec![text.clone()],
            _ => Vec::new(),
        }
    }

    fn lists(&self) -> BTreeMap<String, Vec<String>> {
        self.entries()
            .map(|(name, list)| (name.clone(), list.texts()))
            .collect()
    }
}

/// A list or a map that has not ended yet.
enum Open {
    List(Vec<Node>),
    Map(Vec<(String, Node)>, Option<String>),
}

impl Open {
    fn add(&mut self, node: Node) -> Result<()> {
        match (self, node) {
            (Self::List(list), node) => list.push(node),
            (Self::Map(_, key @ None), Node::Text(text)) => *key = Some(text),
            (Self::Map(_, None), _) => return Err("a key is no text".to_owned()),
            (Self::Map(entries, key), node) => entries.extend(key.take().map(|key| (key, node))),
        }
        Ok(())
    }

    fn close(self) -> Node {
        match self {
            Self::List(list) => Node::List(list),
            Self::Map(entries, _) => Node::Map(entries),
        }
    }
}
