//! What a component is made of, read from its bytes: imports, sections, and the components inside of it. Nothing is executed.
use crate::metadata::SECTION;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, Encoding,
    Parser, Payload,
};

/// Components inside of components, at most; compositions are a few deep.
const MAX_DEPTH: usize = 32;

/// A component and everything inside of it.
#[derive(Debug, Clone, Default)]
pub struct Graph<'a> {
    /// Names of the interfaces that the component wants from the host.
    pub imports: Vec<String>,
    /// The module document, if it carries one.
    pub document: Option<&'a [u8]>,
    /// The components inside, in the order of the binary.
    pub inner: Vec<Inner>,
}

/// A component inside of another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// Where it is: `2.0` is the first component in the third one.
    pub place: String,
    /// What it imports, and who gives it that.
    pub imports: Vec<InnerImport>,
    /// Core modules in it.
    pub modules: usize,
    /// Names of its custom sections. A module document here does not count: only the outermost does.
    pub sections: BTreeSet<String>,
}

/// One import of an inner component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerImport {
    /// Its name.
    pub name: String,
    /// Who gives it, one for each time the component is used; empty when none is given.
    pub supplied: BTreeSet<Supply>,
}

/// Who satisfies an import of an inner component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// The component around it passes on this import of its own: on the outermost level, the host.
    Import(String),
    /// Another inner component.
    Component(String),
    /// The component around it, from its own parts.
    Around,
}

impl<'a> Graph<'a> {
    /// Reads a component. Errors: it is no component, or cut off, or has two module documents; in one line.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader::default();
        for payload in Parser::new(0).parse_all(bytes) {
            // The parser adds a dump of the bytes.
            let first_line = |error: wasmparser::BinaryReaderError| {
                error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            payload
                .map_err(first_line)
                .and_then(|payload| reader.take(payload))?;
        }
        Ok(reader.graph)
    }
}

/// The state of reading: one frame for each component that is open.
#[derive(Default)]
struct Reader<'a> {
    frames: Vec<Frame>,
    graph: Graph<'a>,
}

/// A component (or core module) that is being read.
#[derive(Default)]
struct Frame {
    is_module: bool,
    /// Position in `inner`; none for the outermost.
    index: Option<usize>,
    place: String,
    children: usize,
    /// The index space of components: positions in `inner`; none for what came from elsewhere.
    components: Vec<Option<usize>>,
    /// The index space of instances.
    instances: Vec<Supply>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<(), String> {
        match payload {
            Payload::Version { encoding, .. } if self.frames.is_empty() => {
                if encoding != Encoding::Component {
                    return Err("it is a core module".into());
                }
                self.frames.push(Frame::default());
            }
            Payload::ModuleSection { .. } => self.open_module()?,
            Payload::ComponentSection { .. } => self.open_component()?,
            Payload::End(_) => _ = self.frames.pop(),
            Payload::CustomSection(custom) => self.section(custom.name(), custom.data())?,
            payload => self.definitions(payload).map_err(|error| {
                error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })?,
        }
        Ok(())
    }

    fn open_module(&mut self) -> Result<(), String> {
        if let Some(inner) = self.current() {
            inner.modules += 1;
        }
        self.push(Frame {
            is_module: true,
            ..Frame::default()
        })
    }

    fn open_component(&mut self) -> Result<(), String> {
        let index = self.graph.inner.len();
        let Some(frame) = self.frames.last_mut() else {
            return Err("a component outside of a component".into());
        };
        let place = match frame.index {
            None => frame.children.to_string(),
            Some(_) => format!("{}.{}", frame.place, frame.children),
        };
        frame.children += 1;
        frame.components.push(Some(index));
        self.graph.inner.push(Inner {
            place: place.clone(),
            ..Inner::default()
        });
        self.push(Frame {
            index: Some(index),
            place,
            ..Frame::default()
        })
    }

    fn push(&mut self, frame: Frame) -> Result<(), String> {
        if self.frames.len() > MAX_DEPTH {
            return Err(format!("components are nested more than {MAX_DEPTH} deep"));
        }
        self.frames.push(frame);
        Ok(())
    }

    /// The inner component that is being read.
    fn current(&mut self) -> Option<&mut Inner> {
        let index = self.frames.last()?.index?;
        self.graph.inner.get_mut(index)
    }

    fn section(&mut self, name: &str, data: &'a [u8]) -> Result<(), String> {
        let outermost = self.frames.len() <= 1;
        if outermost && name == SECTION && self.graph.document.replace(data).is_some() {
            return Err(format!("it has two sections `{SECTION}`"));
        }
        let in_component = self.frames.last().is_some_and(|frame| !frame.is_module);
        if in_component && let Some(inner) = self.current() {
            inner.sections.insert(name.to_owned());
        }
        Ok(())
    }

    fn definitions(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::ComponentImportSection(reader) => {
                for import in reader {
                    let import = import?;
                    self.import(import.name.name, import.ty.kind());
                }
            }
            Payload::ComponentInstanceSection(reader) => {
                for instance in reader {
                    self.instance(&instance?);
                }
            }
            Payload::ComponentAliasSection(reader) => {
                for alias in reader {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    self.export(export.kind, export.index);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: &str, kind: ComponentExternalKind) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        match kind {
            ComponentExternalKind::Instance => frame.instances.push(Supply::Import(name.into())),
            ComponentExternalKind::Component => frame.components.push(None),
            _ => {}
        }
        // Types are no capability: they come with the interface that they are of.
        let counts = kind != ComponentExternalKind::Type;
        match frame
            .index
            .and_then(|index| self.graph.inner.get_mut(index))
        {
            Some(inner) if counts => inner.imports.push(InnerImport {
                name: name.to_owned(),
                supplied: BTreeSet::new(),
            }),
            None if counts => self.graph.imports.push(name.to_owned()),
            _ => {}
        }
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let ComponentInstance::Instantiate {
            component_index,
            args,
        } = instance
        else {
            frame.instances.push(Supply::Around);
            return;
        };
        let component = frame.components.get(*component_index as usize).copied();
        let inner = component
            .flatten()
            .and_then(|index| self.graph.inner.get_mut(index));
        let made = match &inner {
            Some(inner) => Supply::Component(inner.place.clone()),
            None => Supply::Around,
        };
        for import in inner.into_iter().flat_map(|inner| &mut inner.imports) {
            let given = args.iter().find(|arg| arg.name == import.name);
            import.supplied.extend(given.map(|arg| match arg.kind {
                ComponentExternalKind::Instance => {
                    let known = frame.instances.get(arg.index as usize);
                    known.cloned().unwrap_or(Supply::Around)
                }
                _ => Supply::Around,
            }));
        }
        frame.instances.push(made);
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Instance,
                instance_index,
                ..
            } => {
                let whole = frame.instances.get(*instance_index as usize);
                let part = whole.cloned().unwrap_or(Supply::Around);
                frame.instances.push(part);
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            }
            | ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Component,
                ..
            } => frame.components.push(None),
            _ => {}
        }
    }

    /// What is exported gets an index of its own again.
    fn export(&mut self, kind: ComponentExternalKind, index: u32) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let index = index as usize;
        match kind {
            ComponentExternalKind::Instance => {
                let same = frame.instances.get(index).cloned();
                frame.instances.push(same.unwrap_or(Supply::Around));
            }
            ComponentExternalKind::Component => {
                let same = frame.components.get(index).copied().flatten();
                frame.components.push(same);
            }
            _ => {}
        }
    }
}
