//! comps.xml: groups of packages, and environments, which are groups of groups.
use super::Result;
use super::xml::{self, Listener, Start};

/// When a member of a group is installed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Always.
    Mandatory,
    /// Unless somebody says otherwise.
    Default,
    /// When somebody asks for it.
    Optional,
    /// When another package is there.
    Conditional,
}

impl Kind {
    /// The kind with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "mandatory" => Self::Mandatory,
            "default" => Self::Default,
            "optional" => Self::Optional,
            "conditional" => Self::Conditional,
            _ => return None,
        })
    }
}

/// A package of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Name of the package.
    pub(crate) name: String,
    /// When it is installed.
    pub(crate) kind: Kind,
    /// The package that a conditional one waits for.
    pub(crate) requires: String,
    /// Only of the main architecture.
    pub(crate) basearch_only: bool,
}

/// A group of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// How it is called for.
    pub(crate) id: String,
    /// How people call it.
    pub(crate) name: String,
    /// Its packages.
    pub(crate) members: Vec<Member>,
}

/// A group of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// How it is called for.
    pub(crate) id: String,
    /// How people call it.
    pub(crate) name: String,
    /// Ids of the groups that it always has.
    pub(crate) groups: Vec<String>,
}

/// The groups and environments of all repositories.
#[derive(Debug, Default)]
pub(crate) struct Comps {
    pub(crate) groups: Vec<Group>,
    pub(crate) environments: Vec<Environment>,
}

impl Comps {
    /// Adds what a document has: to a group that is there, its packages.
    ///
    /// # Errors
    /// When it is no comps.xml.
    pub(crate) fn add(&mut self, text: &str) -> Result<()> {
        let mut reader = CompsReader::default();
        xml::read(text.as_bytes(), &mut reader)?;
        if !reader.is_comps {
            return Err("it is not a list of groups".to_owned());
        }
        for group in reader.comps.groups {
            match self.groups.iter_mut().find(|known| known.id == group.id) {
                Some(known) => merge(known, group),
                None => self.groups.push(group),
            }
        }
        for environment in reader.comps.environments {
            match self
                .environments
                .iter_mut()
                .find(|known| known.id == environment.id)
            {
                Some(known) => {
                    let new = environment.groups.into_iter();
                    let new: Vec<_> = new.filter(|id| !known.groups.contains(id)).collect();
                    known.groups.extend(new);
                }
                None => self.environments.push(environment),
            }
        }
        Ok(())
    }
}

fn merge(known: &mut Group, other: Group) {
    for member in other.members {
        known.members.retain(|old| old.name != member.name);
        known.members.push(member);
    }
}

#[derive(Default)]
struct CompsReader {
    comps: Comps,
    is_comps: bool,
    group: Option<Group>,
    environment: Option<Environment>,
    member: Option<Member>,
    in_options: bool,
    /// A translated name is not the name.
    is_translated: bool,
}

impl Listener for CompsReader {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        match start.name() {
            b"comps" => self.is_comps = true,
            b"group" => self.group = Some(Group::default()),
            b"environment" => self.environment = Some(Environment::default()),
            b"optionlist" => self.in_options = true,
            b"packagereq" => {
                let kind = start.attribute(b"type")?;
                let flag = start.attribute(b"basearchonly")?;
                self.member = Some(Member {
                    name: String::new(),
                    kind: kind
                        .and_then(|kind| Kind::parse(&kind))
                        .unwrap_or(Kind::Mandatory),
                    requires: start.attribute(b"requires")?.unwrap_or_default(),
                    basearch_only: flag.is_some_and(|flag| flag == "true"),
                });
            }
            b"name" => self.is_translated = start.attribute(b"lang")?.is_some(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], text: &str) -> Result<()> {
        let text = text.trim();
        match name {
            b"group" => self.comps.groups.extend(self.group.take()),
            b"environment" => self.comps.environments.extend(self.environment.take()),
            b"optionlist" => self.in_options = false,
            b"packagereq" => {
                let member = self.member.take().map(|member| Member {
                    name: text.to_owned(),
                    ..member
                });
                if let Some(group) = &mut self.group {
                    group.members.extend(member);
                }
            }
            b"id" | b"name" => self.label(name == b"id", text),
            b"groupid" if !self.in_options => {
                if let Some(environment) = &mut self.environment {
                    environment.groups.push(text.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl CompsReader {
    fn label(&mut self, is_id: bool, text: &str) {
        if !is_id && self.is_translated {
            return;
        }
        let (id, name) = match (&mut self.environment, &mut self.group) {
            (Some(environment), _) => (&mut environment.id, &mut environment.name),
            (None, Some(group)) => (&mut group.id, &mut group.name),
            (None, None) => return,
        };
        text.clone_into(if is_id { id } else { name });
    }
}
