//! Repositories that have metadata and no packages.
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// A dependency: a name, or a name with `EQ`, `GE` and so on and a version as `[epoch:]version[-release]`.
pub type Dep = (String, Option<(&'static str, String)>);

/// A package.
#[derive(Debug, Clone, Default)]
pub struct Package {
    pub name: String,
    pub epoch: u32,
    pub version: String,
    pub release: String,
    pub arch: String,
    /// `provides`, `requires` and so on.
    pub relations: Vec<(&'static str, Dep)>,
    /// Files of the primary list.
    pub files: Vec<String>,
    /// Files of the full list only.
    pub other_files: Vec<String>,
}

impl Package {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            ..Self::default()
        }
    }

    /// Adds a dependency as it is written: `name`, `name >= 1`.
    pub fn with(mut self, relation: &'static str, text: &str) -> Self {
        let mut words = text.split(' ');
        let rich = text.starts_with('(');
        let name = if rich { text } else { words.next().unwrap() };
        let operator = match words.next().filter(|_| !rich) {
            Some("=") => Some("EQ"),
            Some(">=") => Some("GE"),
            Some("<=") => Some("LE"),
            Some("<") => Some("LT"),
            Some(">") => Some("GT"),
            _ => None,
        };
        let version = operator.map(|operator| (operator, words.next().unwrap().to_owned()));
        self.relations.push((relation, (name.to_owned(), version)));
        self
    }

    pub fn nevra(&self) -> String {
        format!(
            "{}-{}:{}-{}.{}",
            self.name, self.epoch, self.version, self.release, self.arch
        )
    }

    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.nevra()))
    }
}

/// A repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    pub packages: Vec<Package>,
    pub comps: Option<String>,
    pub modules: Option<String>,
    /// How its files are packed: 0 not at all, 1 gz, 2 zstd, 3 xz.
    pub packing: u32,
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn evr_attributes(evr: &str) -> String {
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    let (version, release) = rest
        .rsplit_once('-')
        .map_or((rest, None), |(version, release)| (version, Some(release)));
    let release = release.map_or(String::new(), |release| format!(" rel=\"{release}\""));
    format!(" epoch=\"{epoch}\" ver=\"{version}\"{release}")
}

fn relations(package: &Package) -> String {
    let mut text = String::new();
    for kind in [
        "provides",
        "requires",
        "conflicts",
        "obsoletes",
        "recommends",
        "suggests",
        "supplements",
        "enhances",
    ] {
        let some: Vec<_> = package
            .relations
            .iter()
            .filter(|(relation, _)| *relation == kind)
            .collect();
        let own = format!(
            "<rpm:entry name=\"{}\" flags=\"EQ\"{}/>",
            package.name,
            evr_attributes(&format!(
                "{}:{}-{}",
                package.epoch, package.version, package.release
            ))
        );
        if some.is_empty() && kind != "provides" {
            continue;
        }
        write!(text, "<rpm:{kind}>").unwrap();
        if kind == "provides" {
            text.push_str(&own);
        }
        for (_, (name, version)) in some {
            let version = version.as_ref().map_or(String::new(), |(flags, evr)| {
                format!(" flags=\"{flags}\"{}", evr_attributes(evr))
            });
            write!(text, "<rpm:entry name=\"{}\"{version}/>", escape(name)).unwrap();
        }
        write!(text, "</rpm:{kind}>").unwrap();
    }
    text
}

pub fn primary(packages: &[Package]) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n",
        packages.len()
    );
    for package in packages {
        let files: String = package
            .files
            .iter()
            .map(|file| format!("<file>{file}</file>"))
            .collect();
        let Package {
            name,
            arch,
            epoch,
            version,
            release,
            ..
        } = package;
        writeln!(
            text,
            "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><summary>The package {name} &amp; more</summary><description>About {name}</description>\
             <packager/><url>https://example.org/{name}</url><time file=\"1700000000\" build=\"1700000000\"/>\
             <size package=\"1000\" installed=\"2000\" archive=\"2100\"/><location href=\"Packages/{name}-{version}-{release}.{arch}.rpm\"/>\
             <format><rpm:license>MIT</rpm:license><rpm:vendor>Example</rpm:vendor><rpm:group>Unspecified</rpm:group>\
             <rpm:buildhost>host</rpm:buildhost><rpm:sourcerpm>{name}-{version}-{release}.src.rpm</rpm:sourcerpm>\
             <rpm:header-range start=\"100\" end=\"200\"/>{}{files}</format></package>",
            package.checksum(),
            relations(package),
        )
        .unwrap();
    }
    text + "</metadata>\n"
}

fn filelists(packages: &[Package]) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"{}\">\n",
        packages.len()
    );
    for package in packages {
        let files = package.files.iter().chain(&package.other_files);
        let files: String = files.map(|file| format!("<file>{file}</file>")).collect();
        let Package {
            name,
            arch,
            epoch,
            version,
            release,
            ..
        } = package;
        writeln!(
            text,
            "<package pkgid=\"{}\" name=\"{name}\" arch=\"{arch}\"><version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>{files}</package>",
            package.checksum()
        )
        .unwrap();
    }
    text + "</filelists>\n"
}

/// Packs a text; returns how the name of the file ends, too.
pub fn pack(text: &[u8], packing: u32) -> (Vec<u8>, &'static str) {
    match packing {
        1 => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text).unwrap();
            (packed.finish().unwrap(), ".gz")
        }
        2 => (zstd::encode_all(text, 1).unwrap(), ".zst"),
        3 => (xz(text), ".xz"),
        _ => (text.to_vec(), ""),
    }
}

fn xz(text: &[u8]) -> Vec<u8> {
    let mut child = Command::new("xz")
        .args(["-0", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || input.write_all(text).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

impl Repository {
    pub fn new(packages: impl IntoIterator<Item = Package>) -> Self {
        let packages = packages.into_iter().collect();
        Self {
            packages,
            ..Self::default()
        }
    }

    /// Writes the metadata below a directory.
    pub fn write(&self, directory: &Path) {
        let files = [
            ("primary", "primary.xml", Some(primary(&self.packages))),
            (
                "filelists",
                "filelists.xml",
                Some(filelists(&self.packages)),
            ),
            ("group", "comps.xml", self.comps.clone()),
            ("modules", "modules.yaml", self.modules.clone()),
        ];
        let files = files
            .into_iter()
            .filter_map(|(kind, name, text)| Some((kind, name, text?.into_bytes())));
        write_files(directory, files, self.packing);
    }
}

/// Writes files as metadata, and the repomd.xml that names them.
pub fn write_files<'a>(
    directory: &Path,
    files: impl Iterator<Item = (&'a str, &'a str, Vec<u8>)>,
    packing: u32,
) {
    let repodata = directory.join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    let mut repomd = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>\n".to_owned();
    for (kind, name, text) in files {
        let (packed, end) = pack(&text, packing);
        let sum = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let name = format!("{name}{end}");
        writeln!(
            repomd,
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum><open-checksum type=\"sha256\">{}</open-checksum>\
             <location href=\"repodata/{name}\"/><timestamp>1700000000</timestamp><size>{}</size><open-size>{}</open-size></data>",
            sum(&packed),
            sum(&text),
            packed.len(),
            text.len()
        )
        .unwrap();
        fs::write(repodata.join(name), packed).unwrap();
    }
    fs::write(repodata.join("repomd.xml"), repomd + "</repomd>\n").unwrap();
}
