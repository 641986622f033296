//! Where the items of sources come from, read once: what a plan shows and a policy judges is what is fetched.
use crate::json::Value;
use crate::location::{Location, is_plain_path};
use crate::model::Source;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The registry of an image whose name has none, and another name of it.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_REGISTRY_ALIAS: &str = "index.docker.io";

/// What stands for the hosts that a list of mirrors names.
pub const ANY_HOST: &str = "*";

/// What a source reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// `HOST:PORT` of servers; [`ANY_HOST`] where a list of mirrors names them.
    pub hosts: BTreeSet<String>,
    /// The servers that it names, which decide through which proxy they are asked: scheme, host and port of each.
    pub servers: BTreeSet<Location>,
    /// What it reads of this machine.
    pub files: BTreeSet<LocalPlace>,
}

/// Something of this machine that a source reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalPlace {
    /// One file.
    File(PathBuf),
    /// Everything below a directory.
    Below(PathBuf),
    /// The container storage, wherever the settings of this machine say that it is.
    ContainerStorage,
}

impl Reach {
    /// What all items of a source reach together. What cannot be read is not fetched either, and reaches nothing.
    pub fn of(source: &Source) -> Self {
        let mut reach = Self::default();
        for (_, item) in source.items.as_object().into_iter().flatten() {
            reach.add_item(source, item);
        }
        if source.module == "org.osbuild.librepo" {
            let mirrors = source.options.get("mirrors").and_then(Value::as_object);
            for (_, mirror) in mirrors.into_iter().flatten() {
                reach.add_remote(&Remote::of_mirror(mirror));
            }
        }
        reach
    }

    /// What one item of a source reaches; of an item below a mirror, the mirror.
    pub fn of_item(source: &Source, item: &Value) -> Self {
        let mut reach = Self::default();
        reach.add_item(source, item);
        if let Some(mirror) = item.get("mirror").and_then(Value::as_str) {
            let mirror = source
                .options
                .get("mirrors")
                .and_then(|all| all.get(mirror));
            mirror
                .into_iter()
                .for_each(|mirror| reach.add_remote(&Remote::of_mirror(mirror)));
        }
        reach
    }

    fn add_item(&mut self, source: &Source, item: &Value) {
        match source.module.as_str() {
            "org.osbuild.curl" => {
                if let Ok(location) = url(item) {
                    self.add_document(&location);
                }
            }
            "org.osbuild.ostree" => {
                let remote = item.get("remote");
                for member in ["url", "contenturl"] {
                    let text = remote.and_then(|remote| remote.get(member)?.as_str());
                    text.into_iter()
                        .for_each(|text| self.add_remote(&Remote::of_ostree(text)));
                }
            }
            "org.osbuild.skopeo" | "org.osbuild.skopeo-index" => self.add_image(item),
            "org.osbuild.containers-storage" => {
                self.files.insert(LocalPlace::ContainerStorage);
            }
            _ => {}
        }
    }

    /// Adds one document or file.
    pub fn add_document(&mut self, location: &Location) {
        self.files.extend(location.file().map(LocalPlace::File));
        self.add_server(location);
    }

    fn add_remote(&mut self, remote: &Result<Remote, String>) {
        let Ok(remote) = remote else { return };
        if remote.list.is_some() {
            self.hosts.insert(ANY_HOST.to_owned());
            self.files
                .extend(remote.location.file().map(LocalPlace::File));
        } else {
            self.files
                .extend(remote.location.file().map(LocalPlace::Below));
        }
        self.add_server(&remote.location);
    }

    fn add_server(&mut self, location: &Location) {
        self.hosts.extend(location.host());
        self.servers.extend(location.server());
    }

    fn add_image(&mut self, item: &Value) {
        let Some(image) = item.get("image") else {
            return;
        };
        match ImageOrigin::read(image) {
            Ok(ImageOrigin::Registry { host, .. }) => {
                let insecure = image.get("tls-verify").and_then(Value::as_bool) == Some(false);
                for scheme in std::iter::once("https").chain(insecure.then_some("http")) {
                    self.servers
                        .extend(Location::parse(&format!("{scheme}://{host}/")));
                }
                self.hosts.insert(host);
            }
            Ok(ImageOrigin::Storage { location, .. }) => {
                let place = location.map_or(LocalPlace::ContainerStorage, LocalPlace::Below);
                self.files.insert(place);
            }
            _ => {}
        }
    }
}

/// Where an item of `org.osbuild.curl` is.
///
/// # Errors
/// It has no URL, or one that is wrong.
pub fn url(item: &Value) -> Result<Location, String> {
    let text = item.as_str().or_else(|| item.get("url")?.as_str());
    Location::parse(text.ok_or("it has no \"url\"")?)
}

/// A kind of list that names the servers of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// RFC 5854, or its predecessor.
    Metalink,
    /// A base URL per line.
    Mirrorlist,
}

/// A place below which files are, or a list of such places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The place, or where the list is.
    pub location: Location,
    /// None: the location itself is the place.
    pub list: Option<ListKind>,
}

impl Remote {
    /// A mirror of the options of `org.osbuild.librepo`.
    ///
    /// # Errors
    /// Its URL or its type is missing or wrong.
    pub fn of_mirror(mirror: &Value) -> Result<Self, String> {
        let text = |member: &str| {
            let text = mirror.get(member).and_then(Value::as_str);
            text.ok_or_else(|| format!("it has no {member:?}"))
        };
        let list = match text("type")? {
            "baseurl" => None,
            "metalink" => Some(ListKind::Metalink),
            "mirrorlist" => Some(ListKind::Mirrorlist),
            other => {
                return Err(format!(
                    "the type {other:?} is not known; known are baseurl, metalink, mirrorlist"
                ));
            }
        };
        let location = Location::parse(text("url")?)?;
        Ok(Self { location, list })
    }

    /// A URL of a repository as OSTree writes it: a list of mirrors has `metalink=` or `mirrorlist=` before it.
    ///
    /// # Errors
    /// The URL is wrong.
    pub fn of_ostree(text: &str) -> Result<Self, String> {
        let lists = [
            ("metalink=", ListKind::Metalink),
            ("mirrorlist=", ListKind::Mirrorlist),
        ];
        let list = lists
            .into_iter()
            .find_map(|(prefix, kind)| Some((text.strip_prefix(prefix)?, kind)));
        let (text, list) = list.map_or((text, None), |(text, kind)| (text, Some(kind)));
        let location = Location::parse(text)?;
        Ok(Self { location, list })
    }
}

/// Where a container image, or a list of images, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOrigin {
    /// In a registry.
    Registry {
        /// `HOST:PORT`.
        host: String,
        /// The name as the manifest has it.
        name: String,
    },
    /// In a container storage of this machine.
    Storage {
        /// Its directory; none: the one of the settings of this machine.
        location: Option<PathBuf>,
        /// The name as the manifest has it.
        name: String,
    },
}

impl ImageOrigin {
    /// Reads the member `image` of an item.
    ///
    /// # Errors
    /// A member is missing, or is not what its place in a command line is for.
    pub fn read(image: &Value) -> Result<Self, String> {
        let text = |name: &str| image.get(name).and_then(Value::as_str);
        let name = text("name").ok_or("its image has no \"name\"")?;
        let host = registry(name).ok_or_else(|| {
            format!("{name:?} is no name of an image: write HOST/PATH in lower case, without tag and digest")
        })?;
        let name = name.to_owned();
        match text("containers-transport").unwrap_or("docker") {
            "docker" => Ok(Self::Registry { host, name }),
            "containers-storage" => {
                let location = text("storage-location").map(storage_location).transpose()?;
                Ok(Self::Storage { location, name })
            }
            other => Err(format!(
                "the transport {other:?} is not known; known are docker, containers-storage"
            )),
        }
    }

    /// The name as the manifest has it.
    pub fn name(&self) -> &str {
        match self {
            Self::Registry { name, .. } | Self::Storage { name, .. } => name,
        }
    }
}

/// A directory that can stand in containers-storage:[...] (containers-transports(5)), where some characters begin options.
fn storage_location(text: &str) -> Result<PathBuf, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if is_plain_path(text) && text.bytes().all(fits) {
        return Ok(PathBuf::from(text).components().collect());
    }
    Err(format!(
        "the storage-location {text:?} is refused: write the absolute path of a directory, of letters, digits, `/`, `.`, `_`, `-`"
    ))
}

/// `HOST:PORT` of the registry that a name leads to (github.com/distribution/reference: the grammar of names); none for what is
/// no name.
pub(crate) fn registry(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    // As for docker: without dot or port it is part of the name.
    let is_host = first.contains(['.', ':']) || first == "localhost";
    let path = if is_host { rest } else { name };
    if !path.split('/').all(is_component) {
        return None;
    }
    let host = match first {
        DEFAULT_REGISTRY_ALIAS => DEFAULT_REGISTRY,
        first if is_host => first,
        _ => DEFAULT_REGISTRY,
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(&byte);
    let (name, port) =
        address.unwrap_or_else(|| host.split_at(host.find(':').unwrap_or(host.len())));
    if !name.bytes().all(fits) || !(port.is_empty() || port.starts_with(':')) {
        return None;
    }
    let location = Location::parse(&format!("https://{host}/")).ok()?.host()?;
    // What the program contacts is what is judged: nothing that is written in two ways.
    let written = if port.is_empty() {
        format!("{host}:443")
    } else {
        host.to_owned()
    };
    (location == written).then_some(location)
}

/// A part of a name between slashes.
fn is_component(part: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| is_letter(*first) && is_letter(*last))
        && bytes
            .iter()
            .all(|byte| is_letter(*byte) || b"._-".contains(byte))
        && !part.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn reach(module: &str, items: &str, options: &str) -> (Vec<String>, Vec<LocalPlace>) {
        let reach = Reach::of(&Source {
            module: module.into(),
            items: parse(items.as_bytes()).unwrap(),
            options: parse(options.as_bytes()).unwrap(),
            id: String::new(),
        });
        (
            reach.hosts.into_iter().collect(),
            reach.files.into_iter().collect(),
        )
    }

    fn file(path: &str) -> LocalPlace {
        LocalPlace::File(path.into())
    }

    fn below(path: &str) -> LocalPlace {
        LocalPlace::Below(path.into())
    }

    #[test]
    fn urls_name_hosts_and_files() {
        let items = r#"{"a": {"url": "HTTPS://A.example/x"}, "b": "http://evil@b.example:8080/y", "c": "FILE:/etc//shadow"}"#;
        let (hosts, files) = reach("org.osbuild.curl", items, "{}");
        assert_eq!(hosts, ["a.example:443", "b.example:8080"]);
        assert_eq!(files, [file("/etc/shadow")]);
    }

    #[test]
    fn mirrors_name_hosts_and_directories() {
        let of = |kind: &str, url: &str| {
            let options =
                format!(r#"{{"mirrors": {{"m": {{"url": "{url}", "type": "{kind}"}}}}}}"#);
            reach("org.osbuild.librepo", "{}", &options)
        };
        let host = "m.example:443".to_owned();
        let any = "*".to_owned();
        assert_eq!(
            of("baseurl", "https://m.example/os"),
            (vec![host.clone()], vec![])
        );
        for list in ["metalink", "mirrorlist"] {
            let found = of(list, "https://m.example/os");
            assert_eq!(found, (vec![any.clone(), host.clone()], vec![]));
            let found = of(list, "file:///etc/shadow");
            assert_eq!(found, (vec![any.clone()], vec![file("/etc/shadow")]));
        }
        assert_eq!(
            of("baseurl", "file:/srv/os/"),
            (vec![], vec![below("/srv/os")])
        );
    }

    #[test]
    fn remotes_of_commits_name_hosts_lists_and_directories() {
        let of = |remote: &str| {
            reach(
                "org.osbuild.ostree",
                &format!(r#"{{"c": {{"remote": {remote}}}}}"#),
                "{}",
            )
        };
        let found = of(r#"{"url": "https://o.example/repo", "contenturl": "http://c.example"}"#);
        assert_eq!(found.0, ["c.example:80", "o.example:443"]);
        for list in ["metalink", "mirrorlist"] {
            let found = of(&format!(r#"{{"url": "{list}=https://o.example/repo"}}"#));
            assert_eq!(found.0, ["*", "o.example:443"]);
            let found = of(&format!(
                r#"{{"url": "https://o.example/repo", "contenturl": "{list}=http://c.example"}}"#
            ));
            assert_eq!(found.0, ["*", "c.example:80", "o.example:443"]);
        }
        assert_eq!(
            of(r#"{"url": "file:///srv/repo"}"#),
            (vec![], vec![below("/srv/repo")])
        );
    }

    #[test]
    fn names_of_images_lead_to_one_registry_or_are_refused() {
        let of = |name: &str| {
            let items = format!(r#"{{"i": {{"image": {{"name": {name:?}}}}}}}"#);
            reach("org.osbuild.skopeo", &items, "{}").0
        };
        for (name, host) in [
            ("quay.io/fedora/fedora", "quay.io:443"),
            ("localhost:5000/x", "localhost:5000"),
            ("localhost/x", "localhost:443"),
            ("[::1]:5000/x", "[::1]:5000"),
            ("library/debian", "docker.io:443"),
            ("debian", "docker.io:443"),
            ("index.docker.io/library/debian", "docker.io:443"),
            ("h.example/a__b/c-d.e", "h.example:443"),
        ] {
            assert_eq!(of(name), [host], "{name}");
        }
        for name in [
            "",
            "/x",
            "quay.io/",
            "quay.io/x:tag",
            "quay.io/x@sha256:00",
            "good@evil.example/x",
            "evil.example\\@good/x",
            "Quay.io/x",
            "quay.io/../x",
            "quay.io./x",
            "quay.io:0443/x",
            "0x7f.1/x",
            "[overlay@/etc]x",
            "--authfile=x",
            "quay.io/x y",
        ] {
            assert!(of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_storage_is_a_directory_without_options() {
        let of = |location: &str| {
            let image = format!(
                r#"{{"name": "x", "containers-transport": "containers-storage", "storage-location": {location:?}}}"#
            );
            ImageOrigin::read(&parse(image.as_bytes()).unwrap())
        };
        let found = of("/srv//storage/").unwrap();
        let name = "x".to_owned();
        let location = Some("/srv/storage".into());
        assert_eq!(found, ImageOrigin::Storage { location, name });
        for location in [
            "", "srv", "/a+/b", "/a:b", "/a,b", "/a]b", "/a@b", "/a/../b", "/a b", "/a\n",
        ] {
            assert!(
                of(location).unwrap_err().contains("storage-location"),
                "{location:?}"
            );
        }
    }
}
