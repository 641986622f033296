//! The links in etc/systemd/system that make up which units are enabled.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use super::{Install, UnitName};
use osbuild_stage::{Context, Error, FileType, Result, Tree, bail, path};
use std::collections::BTreeSet;

/// Where an administrator's units and links are.
const CONFIG: &str = "/etc/systemd/system";
/// Where units are looked for, the strongest first.
const SEARCH: [&str; 7] = [
    "/etc/systemd/system.control",
    CONFIG,
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Longest chain of aliases.
const MOST_ALIASES: usize = 64;

/// The system units of a tree.
#[derive(Debug)]
pub struct Units<'a> {
    tree: &'a Tree,
}

/// A unit that was found: under its own name, after following aliases.
struct Unit {
    name: UnitName,
    path: String,
    install: Install,
}

/// What is known by a name.
enum Found {
    Regular(Unit),
    /// By the file with this path, which is empty or a link to /dev/null.
    Masked(String),
    Missing,
}

impl<'a> Units<'a> {
    /// The units of `tree`.
    pub fn new(tree: &'a Tree) -> Self {
        Self { tree }
    }

    /// Makes the links that the unit's `[Install]` section asks for, and those of the units in its `Also=`. A unit without such a
    /// section is left alone.
    pub fn enable(&self, name: &str) -> Result<()> {
        let name = UnitName::given(name, "service")?;
        let first = self.regular(&name)?;
        self.link(&first)
            .with_context(|| format!("cannot enable {}", first.name))?;
        let mut seen = BTreeSet::from([first.name.clone()]);
        let mut todo = vec![first];
        while let Some(unit) = todo.pop() {
            for also in self.also(&unit)? {
                // What another unit names, and the tree does not have or cannot enable, is no reason to fail.
                let Ok(Found::Regular(found)) = self.find(&also) else {
                    eprintln!(
                        "{also}, which {} names, cannot be enabled: ignored",
                        unit.name
                    );
                    continue;
                };
                if seen.insert(found.name.clone()) {
                    if let Err(error) = self.link(&found) {
                        eprintln!("{}: {error}: ignored", found.name);
                    }
                    todo.push(found);
                }
            }
        }
        Ok(())
    }

    /// Removes the links that lead to the unit, and to the units that it and they name in `Also=`. A unit that is missing only loses
    /// what is left of its links, a masked one nothing.
    pub fn disable(&self, name: &str) -> Result<()> {
        let mut todo = vec![UnitName::given(name, "service")?];
        let mut names = BTreeSet::new();
        let mut masked = BTreeSet::new();
        while let Some(name) = todo.pop() {
            if names.contains(&name) || masked.contains(&name) {
                continue;
            }
            match self.find(&name) {
                Ok(Found::Regular(unit)) => {
                    todo.extend(self.also(&unit)?);
                    todo.push(unit.name);
                }
                Ok(Found::Masked(path)) => {
                    eprintln!("unit file {path} is masked: ignored");
                    masked.insert(name);
                    continue;
                }
                Ok(Found::Missing) => eprintln!("{}", missing(&name)),
                Err(error) => eprintln!("{error}: ignored"),
            }
            names.insert(name);
        }
        // A removed alias may itself have been what other links lead to.
        while self.remove_links(&mut names)? {}
        Ok(())
    }

    /// The units that this one names in `Also=`.
    fn also(&self, unit: &Unit) -> Result<Vec<UnitName>> {
        let mut names = Vec::new();
        for also in &unit.install.also {
            names.extend(UnitName::parse(&unit.name.expand(also)?));
        }
        Ok(names)
    }

    /// Makes the unit a link to /dev/null. It need not exist.
    pub fn mask(&self, name: &str) -> Result<()> {
        let name = UnitName::given(name, "service")?;
        self.symlink("/dev/null", &format!("{CONFIG}/{name}"), false)
    }

    /// Makes a target the one that is booted into.
    pub fn set_default(&self, name: &str) -> Result<()> {
        let name = UnitName::given(name, "target")?;
        if name.kind() != "target" || name.as_str() == "default.target" {
            bail!("`{name}` cannot be the default target");
        }
        let unit = self.regular(&name)?;
        self.symlink(&unit.path, &format!("{CONFIG}/default.target"), true)
    }

    /// The unit, which must be there and not masked.
    fn regular(&self, name: &UnitName) -> Result<Unit> {
        match self.find(name)? {
            Found::Regular(unit) => Ok(unit),
            Found::Masked(path) => bail!("unit file {path} is masked"),
            Found::Missing => Err(missing(name)),
        }
    }

    /// Finds a unit, or the template of an instance, and follows aliases.
    fn find(&self, name: &UnitName) -> Result<Found> {
        let mut name = name.clone();
        for _ in 0..MOST_ALIASES {
            let Some((path, is_link)) = self.look_up(&name)? else {
                return Ok(Found::Missing);
            };
            if !is_link {
                if self.tree.lstat(&path)?.size == 0 {
                    return Ok(Found::Masked(path));
                }
                let install = self.read_install(&name, &path)?;
                return Ok(Found::Regular(Unit {
                    name,
                    path,
                    install,
                }));
            }
            let target = self.tree.read_link(&path)?;
            if target == "/dev/null" {
                return Ok(Found::Masked(path));
            }
            let Some(next) = UnitName::parse(path::name(&target)) else {
                bail!("unit file {path} is a link to {target}, which is no unit");
            };
            // An alias to a template stands for the same instance of it.
            let instance = name
                .instance()
                .filter(|instance| !instance.is_empty() && next.is_template());
            let next = instance.map_or(next.clone(), |instance| next.with_instance(instance));
            if next == name {
                // A unit outside of the search path, linked under its own name.
                let path = absolute(&path, &target);
                let install = self.read_install(&name, &path)?;
                return Ok(Found::Regular(Unit {
                    name,
                    path: path::normal(&path),
                    install,
                }));
            }
            name = next;
        }
        bail!("unit {name}: too many aliases")
    }

    /// The strongest file of that name, otherwise of its template, and whether it is a link.
    fn look_up(&self, name: &UnitName) -> Result<Option<(String, bool)>> {
        for candidate in [Some(name.clone()), name.template()].into_iter().flatten() {
            for directory in self.search_path()? {
                let path = format!("{directory}/{candidate}");
                if self.tree.exists_itself(&path)? {
                    let link = self.tree.lstat(&path)?.kind == FileType::SymbolicLink;
                    return Ok(Some((path, link)));
                }
            }
        }
        Ok(None)
    }

    /// /lib only counts where it is not /usr/lib.
    fn search_path(&self) -> Result<impl Iterator<Item = &'static str>> {
        let merged = self.tree.exists_itself("/lib")?
            && self.tree.lstat("/lib")?.kind == FileType::SymbolicLink;
        Ok(SEARCH
            .into_iter()
            .filter(move |directory| !(merged && directory.starts_with("/lib/"))))
    }

    /// The unit's own section and those of its drop-ins; of drop-ins with equal names the strongest counts.
    fn read_install(&self, name: &UnitName, path: &str) -> Result<Install> {
        let mut install = Install::default();
        install.read(&self.tree.read_to_string(path)?);
        let mut drop_ins = std::collections::BTreeMap::new();
        for owner in [Some(name.clone()), name.template()].into_iter().flatten() {
            for directory in self.search_path()? {
                let directory = format!("{directory}/{owner}.d");
                if !self.tree.is_dir(&directory)? {
                    continue;
                }
                for entry in self
                    .tree
                    .list(&directory)?
                    .into_iter()
                    .filter(|entry| entry.name.ends_with(".conf"))
                {
                    drop_ins
                        .entry(entry.name.clone())
                        .or_insert_with(|| format!("{directory}/{}", entry.name));
                }
            }
        }
        for path in drop_ins.values() {
            if self.tree.is_file(path)? {
                install.read(&self.tree.read_to_string(path)?);
            }
        }
        Ok(install)
    }

    fn link(&self, unit: &Unit) -> Result<()> {
        let Unit {
            name,
            path,
            install,
        } = unit;
        let aliases = if name.may_have_aliases() {
            &*install.alias
        } else {
            &[]
        };
        for alias in aliases {
            let alias = alias_name(
                name,
                &name.expand(alias)?,
                install.default_instance.as_deref(),
            )?;
            if alias != *name {
                self.symlink(path, &format!("{CONFIG}/{alias}"), false)?;
            }
        }
        // A template is enabled as its default instance, and without one only for other templates.
        let linked = match (&install.default_instance, name.is_template()) {
            (Some(instance), true) => Some(name.with_instance(&name.expand(instance)?)),
            (None, true) => None,
            _ => Some(name.clone()),
        };
        let lists = [
            ("wants", &install.wanted_by),
            ("requires", &install.required_by),
            ("upholds", &install.upheld_by),
        ];
        // One target that cannot be does not keep the unit from the others.
        let mut done = Ok(());
        for (kind, targets) in lists {
            for target in targets {
                let linked = self.link_into(unit, linked.as_ref(), target, kind);
                done = done.and(linked);
            }
        }
        done
    }

    fn link_into(
        &self,
        unit: &Unit,
        linked: Option<&UnitName>,
        target: &str,
        kind: &str,
    ) -> Result<()> {
        let name = &unit.name;
        let target = linked.unwrap_or(name).expand(target)?;
        let Some(target) = UnitName::parse(&target) else {
            bail!("[Install] names `{target}`, which is no unit");
        };
        let Some(linked) = linked.or_else(|| target.is_template().then_some(name)) else {
            bail!("{target} is no template, as {name} is one without a default instance");
        };
        self.symlink(
            &unit.path,
            &format!("{CONFIG}/{target}.{kind}/{linked}"),
            true,
        )
    }

    /// Makes a link; one that is there must be equal, unless it may be replaced.
    fn symlink(&self, text: &str, link: &str, replace: bool) -> Result<()> {
        self.tree.create_dir_all(path::parent(link))?;
        if self.tree.exists_itself(link)? {
            let old = (self.tree.lstat(link)?.kind == FileType::SymbolicLink)
                .then(|| self.tree.read_link(link))
                .transpose()?;
            match old {
                Some(old) if old == text || self.is_equivalent(link, &old, text)? => return Ok(()),
                Some(_) if replace => self.tree.remove(link)?,
                Some(old) => bail!("{link} exists already and is a link to {old}"),
                None => bail!("{link} exists already"),
            }
        }
        self.tree.symlink(text, link)
    }

    /// Whether a link leads to the unit that another text leads to, in whichever directory of units.
    fn is_equivalent(&self, link: &str, old: &str, text: &str) -> Result<bool> {
        let old = path::normal(&absolute(link, old));
        let of_units = |path: &str| SEARCH.contains(&path::parent(path));
        Ok(path::name(&old) == path::name(text) && of_units(&old) && of_units(text))
    }

    /// Name of what a link leads to. Links that it leads to are followed unless their text begins at the root, as systemctl does.
    fn destination(&self, link: &str) -> Result<String> {
        let mut path = link.to_owned();
        for _ in 0..MOST_ALIASES {
            if !self.tree.exists_itself(&path)?
                || self.tree.lstat(&path)?.kind != FileType::SymbolicLink
            {
                break;
            }
            let text = self.tree.read_link(&path)?;
            path = path::normal(&absolute(&path, &text));
            if text.starts_with('/') {
                break;
            }
        }
        Ok(path::name(&path).to_owned())
    }

    /// Removes links in the configuration whose name or target is among `names`; adds names that only these links gave. Says
    /// whether there is more to do.
    fn remove_links(&self, names: &mut BTreeSet<UnitName>) -> Result<bool> {
        let mut again = false;
        let mut found = Vec::new();
        if self.tree.is_dir(CONFIG)? {
            self.tree.walk(CONFIG, &mut |path, metadata| {
                if metadata.kind == FileType::SymbolicLink {
                    found.push(path.to_owned());
                }
                Ok(())
            })?;
        }
        for link in found {
            let Some(own) = UnitName::parse(path::name(&link)) else {
                continue;
            };
            let marked = |name: &UnitName| {
                names.contains(name)
                    || name
                        .template()
                        .is_some_and(|template| names.contains(&template))
            };
            let leads = marked(&own)
                || UnitName::parse(&self.destination(&link)?)
                    .is_some_and(|target| names.contains(&target));
            if !leads {
                continue;
            }
            self.tree.remove(&link)?;
            let directory = path::parent(&link);
            if directory != CONFIG && self.tree.list(directory)?.is_empty() {
                self.tree.remove(directory)?;
            }
            again |= names.insert(own);
        }
        Ok(again)
    }
}

/// The path that the text of a link means.
fn absolute(link: &str, text: &str) -> String {
    match text.starts_with('/') {
        true => text.into(),
        false => path::join(path::parent(link), text),
    }
}

fn missing(name: &UnitName) -> Error {
    Error::new(format!("unit file {name} does not exist in the tree"))
}

/// The name of an alias: of the same type, and a template or an instance where the unit is one.
fn alias_name(unit: &UnitName, alias: &str, default_instance: Option<&str>) -> Result<UnitName> {
    let Some(name) = UnitName::parse(alias).filter(|name| name.kind() == unit.kind()) else {
        bail!("`{alias}` cannot be an alias of {unit}: both must be of one type");
    };
    match (unit.instance(), name.instance()) {
        (Some(instance), Some("")) if !instance.is_empty() => Ok(name.with_instance(instance)),
        (Some(""), None) if default_instance.is_none() => {
            bail!("`{alias}` cannot be an alias of the template {unit}")
        }
        (None, Some(_)) => bail!("`{alias}` cannot be an alias of {unit}, which has no instances"),
        _ => Ok(name),
    }
}
