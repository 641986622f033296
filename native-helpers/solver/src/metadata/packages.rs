//! primary.xml and filelists.xml: packages with what relates them to others, and their files.
use super::xml::{self, Listener, Start};
use super::{Result, rich};
use osbuild_wasm_solver_sys::{
    Filler, Id, Number, Operator, Package, Pool, Relation, SolvError, Text,
};
use std::collections::HashMap;
use std::io::BufRead;

/// Reads packages into a repository; with their main files, unless all files come from elsewhere.
///
/// Returns the packages by the checksums that file lists call them by.
pub(crate) fn primary(
    source: &mut dyn BufRead,
    filler: &mut Filler<'_>,
    with_files: bool,
) -> Result<HashMap<String, Package>> {
    let mut primary = Primary {
        filler,
        with_files,
        is_primary: false,
        package: None,
        relation: None,
        by_checksum: HashMap::new(),
    };
    xml::read(source, &mut primary)?;
    match primary.is_primary {
        true => Ok(primary.by_checksum),
        false => Err("it is not a list of packages".to_owned()),
    }
}

/// Reads the files of packages.
pub(crate) fn filelists(
    source: &mut dyn BufRead,
    filler: &mut Filler<'_>,
    by_checksum: &HashMap<String, Package>,
) -> Result<()> {
    let mut lists = FileLists {
        filler,
        by_checksum,
        is_list: false,
        package: None,
    };
    xml::read(source, &mut lists)?;
    match lists.is_list {
        true => Ok(()),
        false => Err("it is not a list of files".to_owned()),
    }
}

fn solv(error: SolvError) -> String {
    error.to_string()
}

/// What is known of the package that is read.
#[derive(Default)]
struct ParsedPackage {
    name: String,
    arch: String,
    evr: String,
    vendor: String,
    checksum: (String, String),
    location: String,
    source: String,
    texts: Vec<(Text, String)>,
    numbers: Vec<(Number, u64)>,
    relations: [Vec<(Id, bool)>; Relation::ALL.len()],
    files: Vec<String>,
}

struct Primary<'a, 'b> {
    filler: &'a mut Filler<'b>,
    with_files: bool,
    is_primary: bool,
    package: Option<ParsedPackage>,
    relation: Option<usize>,
    by_checksum: HashMap<String, Package>,
}

/// Place of a relation in [`Relation::ALL`] by the name of its element.
fn relation(name: &[u8]) -> Option<usize> {
    let names: [&[u8]; 8] = [
        b"provides",
        b"requires",
        b"conflicts",
        b"obsoletes",
        b"recommends",
        b"suggests",
        b"supplements",
        b"enhances",
    ];
    names.iter().position(|known| *known == name)
}

impl Listener for Primary<'_, '_> {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        let name = start.name();
        match name {
            b"metadata" => self.is_primary = true,
            b"package" if self.is_primary => {
                let is_rpm = start.attribute(b"type")?.is_none_or(|kind| kind == "rpm");
                self.package = is_rpm.then(ParsedPackage::default);
            }
            _ => {}
        }
        let Some(parsed) = &mut self.package else {
            return Ok(());
        };
        match name {
            b"entry" => {
                if let Some(relation) = self.relation {
                    let found = entry(start, self.filler.pool())?;
                    parsed.relations[relation].extend(found);
                }
            }
            b"version" => parsed.evr = Version::read(start)?.evr(),
            b"checksum" => parsed.checksum.0 = start.attribute(b"type")?.unwrap_or_default(),
            b"location" => start.each(|name, value| match name {
                b"href" => parsed.location = value.into_owned(),
                b"base" => parsed.texts.push((Text::Base, value.into_owned())),
                _ => {}
            })?,
            b"time" => number(start, b"build", Number::BuildTime, parsed)?,
            b"size" => {
                number(start, b"package", Number::DownloadSize, parsed)?;
                number(start, b"installed", Number::InstallSize, parsed)?;
            }
            _ => self.relation = relation(name).or(self.relation),
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], text: &str) -> Result<()> {
        let Some(parsed) = &mut self.package else {
            return Ok(());
        };
        match name {
            b"package" => return self.finish(),
            b"name" => text.clone_into(&mut parsed.name),
            b"arch" => text.clone_into(&mut parsed.arch),
            b"checksum" => text.trim().clone_into(&mut parsed.checksum.1),
            b"vendor" => text.clone_into(&mut parsed.vendor),
            b"sourcerpm" => text.clone_into(&mut parsed.source),
            b"summary" => parsed.texts.push((Text::Summary, text.to_owned())),
            b"description" => parsed.texts.push((Text::Description, text.to_owned())),
            b"packager" => parsed.texts.push((Text::Packager, text.to_owned())),
            b"url" => parsed.texts.push((Text::Url, text.to_owned())),
            b"license" => parsed.texts.push((Text::License, text.to_owned())),
            b"group" => parsed.texts.push((Text::Group, text.to_owned())),
            b"file" if self.with_files => parsed.files.push(text.to_owned()),
            _ if relation(name).is_some() => self.relation = None,
            _ => {}
        }
        Ok(())
    }
}

impl Primary<'_, '_> {
    fn finish(&mut self) -> Result<()> {
        let Some(parsed) = self.package.take() else {
            return Ok(());
        };
        if parsed.name.is_empty() || parsed.arch.is_empty() || parsed.evr.is_empty() {
            return Err(format!(
                "a package lacks its name, architecture or version: {:?}",
                parsed.name
            ));
        }
        let package = self.filler.package();
        self.filler
            .identity(&parsed.name, &parsed.arch, &parsed.evr, &parsed.vendor);
        for (relation, dependencies) in Relation::ALL.into_iter().zip(&parsed.relations) {
            // Those of scriptlets come last.
            for pre in [false, true] {
                let some = dependencies.iter().filter(|dependency| dependency.1 == pre);
                some.for_each(|(id, pre)| self.filler.relate(relation, *id, *pre));
            }
            if relation == Relation::Provides && !matches!(&*parsed.arch, "src" | "nosrc") {
                let own = self_provide(self.filler.pool(), &parsed);
                self.filler.relate(relation, own, false);
            }
        }
        self.describe(package, &parsed).map_err(solv)?;
        if !parsed.checksum.1.is_empty() {
            self.by_checksum.insert(parsed.checksum.1, package);
        }
        Ok(())
    }

    fn describe(
        &mut self,
        package: Package,
        parsed: &ParsedPackage,
    ) -> std::result::Result<(), SolvError> {
        for (key, text) in &parsed.texts {
            self.filler.text(*key, text)?;
        }
        for (key, number) in &parsed.numbers {
            self.filler.number(*key, *number);
        }
        self.filler
            .checksum(&parsed.checksum.0, &parsed.checksum.1)?;
        self.filler.location(&parsed.location)?;
        self.filler.source_package(&parsed.source)?;
        parsed
            .files
            .iter()
            .try_for_each(|path| self.filler.file(package, path))
    }
}

/// Every package provides itself.
fn self_provide(pool: &mut Pool, parsed: &ParsedPackage) -> Id {
    let (name, evr) = (pool.intern(&parsed.name), pool.intern(&parsed.evr));
    pool.relation(name, Operator::Equal, evr)
}

fn number(start: &Start<'_>, name: &[u8], key: Number, parsed: &mut ParsedPackage) -> Result<()> {
    let number = start
        .attribute(name)?
        .and_then(|number| number.parse().ok());
    parsed.numbers.extend(number.map(|number| (key, number)));
    Ok(())
}

/// Epoch, version and release of an element.
#[derive(Default)]
struct Version {
    epoch: String,
    version: String,
    release: String,
}

impl Version {
    fn read(start: &Start<'_>) -> Result<Self> {
        let mut found = Self::default();
        start.each(|name, value| found.set(name, &value))?;
        Ok(found)
    }

    fn set(&mut self, name: &[u8], value: &str) {
        match name {
            b"epoch" => value.clone_into(&mut self.epoch),
            b"ver" => value.clone_into(&mut self.version),
            b"rel" => value.clone_into(&mut self.release),
            _ => {}
        }
    }

    /// `[epoch:]version[-release]`, without an epoch of 0, as libsolv compares them.
    fn evr(&self) -> String {
        let mut evr = String::new();
        if !matches!(&*self.epoch, "" | "0") {
            evr = format!("{}:", self.epoch);
        }
        evr += &self.version;
        if !self.release.is_empty() {
            evr = format!("{evr}-{}", self.release);
        }
        evr
    }
}

/// A dependency, and whether scriptlets need it; none for what has no name.
fn entry(start: &Start<'_>, pool: &mut Pool) -> Result<Option<(Id, bool)>> {
    let (mut name, mut flags, mut pre, mut version) =
        (String::new(), String::new(), false, Version::default());
    start.each(|key, value| match key {
        b"name" => name = value.into_owned(),
        b"flags" => flags = value.into_owned(),
        b"pre" => pre = value == "1",
        other => version.set(other, &value),
    })?;
    if name.is_empty() {
        return Ok(None);
    }
    if flags.is_empty() && name.starts_with('(') {
        return Ok(rich::parse(pool, &name).map(|id| (id, pre)));
    }
    let id = pool.intern(&name);
    let operator = match &*flags {
        "GT" => Operator::Greater,
        "EQ" => Operator::Equal,
        "GE" => Operator::GreaterOrEqual,
        "LT" => Operator::Less,
        "NE" => Operator::NotEqual,
        "LE" => Operator::LessOrEqual,
        _ => return Ok(Some((id, pre))),
    };
    let evr = pool.intern(&version.evr());
    Ok(Some((pool.relation(id, operator, evr), pre)))
}

struct FileLists<'a, 'b> {
    filler: &'a mut Filler<'b>,
    by_checksum: &'a HashMap<String, Package>,
    is_list: bool,
    package: Option<Package>,
}

impl Listener for FileLists<'_, '_> {
    fn start(&mut self, start: &Start<'_>) -> Result<()> {
        match start.name() {
            b"filelists" => self.is_list = true,
            b"package" => {
                let id = start.attribute(b"pkgid")?.unwrap_or_default();
                self.package = self.by_checksum.get(&id).copied();
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], text: &str) -> Result<()> {
        match (name, self.package) {
            (b"file", Some(package)) => self.filler.file(package, text).map_err(solv),
            _ => Ok(()),
        }
    }
}
