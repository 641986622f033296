//! Repositories that have metadata and no packages, and a server for them that tells what it was asked for.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    name: String,
    version: String,
    requires: Vec<String>,
    files: Vec<String>,
}

impl Package {
    pub fn new(name: &str, version: &str) -> Self {
        let (requires, files) = Default::default();
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            requires,
            files,
        }
    }

    pub fn requires(mut self, name: &str) -> Self {
        self.requires.push(name.to_owned());
        self
    }

    /// A file that only the list of all files has.
    pub fn file(mut self, path: &str) -> Self {
        self.files.push(path.to_owned());
        self
    }

    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(format!("{}-{}", self.name, self.version)))
    }

    fn primary(&self) -> String {
        let Self { name, version, .. } = self;
        let requires: String = self
            .requires
            .iter()
            .map(|name| format!("<rpm:entry name=\"{name}\"/>"))
            .collect();
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch><version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><summary>About {name}</summary><size package=\"1024\" installed=\"2048\"/>\
             <location href=\"Packages/{name}.rpm\"/><format><rpm:license>MIT</rpm:license>\
             <rpm:provides><rpm:entry name=\"{name}\" flags=\"EQ\" epoch=\"0\" ver=\"{version}\" rel=\"1\"/></rpm:provides>\
             <rpm:requires>{requires}</rpm:requires></format></package>\n",
            self.checksum()
        )
    }

    fn filelist(&self) -> String {
        let files: String = self
            .files
            .iter()
            .map(|path| format!("<file>{path}</file>"))
            .collect();
        format!(
            "<package pkgid=\"{}\" name=\"{}\" arch=\"noarch\">{files}</package>\n",
            self.checksum(),
            self.name
        )
    }
}

/// Writes the metadata of a repository.
pub fn write(directory: &Path, packages: &[Package]) {
    let repodata = directory.join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    let list = |each: fn(&Package) -> String| packages.iter().map(each).collect::<String>();
    let primary = format!(
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n{}</metadata>\n",
        list(Package::primary)
    );
    let filelists = format!(
        "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\">\n{}</filelists>\n",
        list(Package::filelist)
    );
    let mut repomd = "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n".to_owned();
    for (kind, text) in [("primary", primary), ("filelists", filelists)] {
        let checksum = hex::encode(Sha256::digest(&text));
        writeln!(repomd, "<data type=\"{kind}\"><checksum type=\"sha256\">{checksum}</checksum><location href=\"repodata/{kind}.xml\"/></data>").unwrap();
        fs::write(repodata.join(format!("{kind}.xml")), text).unwrap();
    }
    fs::write(repodata.join("repomd.xml"), repomd + "</repomd>\n").unwrap();
}

/// Serves a directory to this machine, as long as the test runs. A file PATH.moved has the URL that PATH leads to.
#[derive(Debug)]
pub struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn new(directory: &Path) -> Self {
        Self::guarded(directory, "")
    }

    /// One that wants this login (`USER:PASSWORD`), if it is not empty.
    pub fn guarded(directory: &Path, login: &str) -> Self {
        let login = STANDARD.encode(login);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, directory) = (asked.clone(), directory.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, directory, login) = (log.clone(), directory.clone(), login.clone());
                thread::spawn(move || serve(&stream, &directory, &login, &log));
            }
        });
        Self { url, asked }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What was asked for since the last call: status and path, and whether somebody said who it is.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The checksum of a file, by which the server calls it too.
    pub fn hash(path: &Path) -> String {
        hex::encode(Sha256::digest(fs::read(path).unwrap()))
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, directory: &Path, login: &str, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(Ok(first)) = lines.next() else {
            return;
        };
        let headers: Vec<_> = lines
            .by_ref()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name));
        let told = header("authorization: ");
        let (status, more, body) = match login.is_empty() || told == Some(&format!("Basic {login}"))
        {
            true => answer(
                &directory.join(path.trim_start_matches('/')),
                header("if-none-match: "),
            ),
            false => (
                401,
                "WWW-Authenticate: Basic realm=x".to_owned(),
                Vec::new(),
            ),
        };
        let whose = told.map_or("", |_| " with a login");
        log.lock().unwrap().push(format!("{status} {path}{whose}"));
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body))
            .is_err()
        {
            return;
        }
    }
}

fn answer(path: &PathBuf, known: Option<&str>) -> (u32, String, Vec<u8>) {
    let moved = path.with_file_name(format!(
        "{}.moved",
        path.file_name().unwrap_or_default().display()
    ));
    if let Ok(target) = fs::read_to_string(moved) {
        return (302, format!("Location: {target}"), Vec::new());
    }
    let Ok(body) = fs::read(path) else {
        return (404, "ETag: \"\"".to_owned(), Vec::new());
    };
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
    match known == Some(tag.as_str()) {
        true => (304, format!("ETag: {tag}"), Vec::new()),
        false => (200, format!("ETag: {tag}"), body),
    }
}
