//! The list of installed packages, as rpm writes it and as it is read back.
//!
//! What stands in a package's tags is its author's. rpm quotes texts as for a shell (`:shescape`, which every rpm has; `:json` came with
//! 4.19), so that no text ends its field, and what would do something to a reader is refused.
use osbuild_wasm_protocol::Package;
use std::collections::BTreeSet;

/// Tags that are texts or numbers, in the order of [`Reader::package`]; the first three every package has.
const TEXTS: [&str; 11] = [
    "NAME",
    "VERSION",
    "RELEASE",
    "EPOCH",
    "ARCH",
    "SHA1HEADER",
    "SHA256HEADER",
    "SHA3_256HEADER",
    "LICENSE",
    "VENDOR",
    "SOURCERPM",
];

/// Tags that are bytes, which rpm writes in hex.
const BYTES: [&str; 3] = ["SIGMD5", "SIGPGP", "SIGGPG"];

/// Only whether it is there counts.
const FILES: &str = "BASENAMES";

/// The format of `--qf`: fields of the tags that this rpm knows, each with a blank behind it; unset and unknown ones stay empty behind a
/// leading mark. A package is a line.
pub(super) fn query_format(known: &BTreeSet<&str>) -> String {
    let field = |tag: &str, value: String| match known.contains(tag) {
        true => format!("%|{tag}?{{={value}}}:{{}}| "),
        false => " ".to_owned(),
    };
    let texts = TEXTS.map(|tag| field(tag, format!("%{{{tag}:shescape}}")));
    let bytes = BYTES.map(|tag| field(tag, format!("%{{{tag}}}")));
    let files = field(FILES, "1".to_owned());
    format!("{}{}{files}\\n", texts.concat(), bytes.concat())
}

/// Reads what rpm wrote by [`query_format`].
pub(super) fn read(text: &str) -> Result<Vec<Package>, String> {
    let mut reader = Reader(text);
    let mut packages = Vec::new();
    while !reader.0.is_empty() {
        let package = reader
            .package()
            .ok_or("rpm's list of packages cannot be understood")?;
        check(&package)?;
        packages.push(package);
    }
    Ok(packages)
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn package(&mut self) -> Option<Package> {
        let package = Package {
            name: self.field()??,
            version: self.field()??,
            release: self.field()??,
            epoch: self.field()?,
            arch: self.field()?,
            sha1header: self.field()?,
            sha256header: self.field()?,
            sha3_256header: self.field()?,
            license: self.field()?,
            vendor: self.field()?,
            sourcerpm: self.field()?,
            sigmd5: self.field()?,
            sigpgp: self.field()?,
            siggpg: self.field()?,
            owns_files: self.field()?.is_some(),
        };
        self.0 = self.0.strip_prefix('\n')?;
        Some(package)
    }

    /// The value of the next field, without quotes; none within when it is unset.
    fn field(&mut self) -> Option<Option<String>> {
        if let Some(rest) = self.0.strip_prefix(' ') {
            self.0 = rest;
            return Some(None);
        }
        let mut rest = self.0.strip_prefix('=')?;
        let mut value = String::new();
        loop {
            let mut characters = rest.chars();
            match characters.next()? {
                ' ' => break rest = characters.as_str(),
                '\'' => {
                    let (quoted, after) = characters.as_str().split_once('\'')?;
                    value += quoted;
                    rest = after;
                    continue;
                }
                '\\' => value.push(characters.next()?),
                '\n' => return None,
                other => value.push(other),
            }
            rest = characters.as_str();
        }
        self.0 = rest;
        Some(Some(value))
    }
}

/// Refuses control characters: no package needs them, and reports and bills of materials repeat what a package says.
fn check(package: &Package) -> Result<(), String> {
    // Licences of some packages have several lines.
    let lines = |text: &Option<String>| {
        text.as_deref()
            .unwrap_or_default()
            .replace(['\n', '\t'], "")
    };
    let (license, vendor) = (lines(&package.license), lines(&package.vendor));
    let optional = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let fields = [
        ("NAME", package.name.clone()),
        ("VERSION", package.version.clone()),
        ("RELEASE", package.release.clone()),
        ("EPOCH", optional(&package.epoch)),
        ("ARCH", optional(&package.arch)),
        ("SOURCERPM", optional(&package.sourcerpm)),
        ("LICENSE", license),
        ("VENDOR", vendor),
    ];
    match fields
        .iter()
        .find(|(_, value)| value.contains(char::is_control))
    {
        None => Ok(()),
        Some((tag, value)) => Err(format!(
            "package {:?}: its tag {tag} has a control character, {value:?}: such a package is not listed, so do not install it",
            package.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_tags_are_not_asked_for_and_unset_ones_are_none() {
        let known = TEXTS
            .into_iter()
            .filter(|tag| *tag != "SHA3_256HEADER")
            .collect();
        let format = query_format(&known);
        assert!(
            format.starts_with("%|NAME?{=%{NAME:shescape}}:{}| ") && !format.contains("SHA3"),
            "{format}"
        );
        let packages = read("='bash' ='5.2' ='1'  ='x86_64' ='ab'   ='MIT'   =ff   =1 \n").unwrap();
        let [package] = packages.as_slice() else {
            panic!("{packages:?}")
        };
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("bash", "5.2")
        );
        assert_eq!(
            (package.epoch.as_deref(), package.arch.as_deref()),
            (None, Some("x86_64"))
        );
        assert_eq!(
            (package.license.as_deref(), package.sigmd5.as_deref()),
            (Some("MIT"), Some("ff"))
        );
        assert!(package.owns_files);
        assert!(read("='bash' ").is_err() && read("='bash").is_err() && read("bash\n").is_err());
    }

    #[test]
    fn no_text_of_a_package_ends_its_field() {
        let line = |vendor: &str| {
            let quoted = vendor.replace('\'', "'\\''");
            format!("='a' ='1' ='1'       ='{quoted}'      \n")
        };
        for vendor in ["it's", "a b =c", "' ='x' ", "a\n='b' ='1'", "\\'\\n"] {
            let packages = read(&line(vendor)).unwrap();
            assert_eq!(packages.len(), 1, "{packages:?}");
            assert_eq!(packages[0].vendor.as_deref(), Some(vendor));
        }
        for vendor in ["a\u{1f}b", "a\u{1e}=bash\u{1f}=5", "\u{1b}[2J", "\u{9b}"] {
            let error = read(&line(vendor)).unwrap_err();
            assert!(error.contains("VENDOR has a control character"), "{error}");
        }
    }
}
