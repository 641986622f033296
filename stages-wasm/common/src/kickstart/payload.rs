//! Where the operating system comes from.
use super::Line;
use serde::Deserialize;

/// At most one of them is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    ostree: Option<Ostree>,
    ostreecontainer: Option<Container>,
    bootc: Option<Bootc>,
    liveimg: Option<LiveImage>,
}

#[derive(Debug, Clone, Deserialize)]
struct Ostree {
    osname: String,
    url: String,
    #[serde(rename = "ref")]
    reference: String,
    remote: Option<String>,
    gpg: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
struct Container {
    url: String,
    stateroot: Option<String>,
    transport: Option<String>,
    remote: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bootc {
    source_imgref: String,
    target_imgref: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct LiveImage {
    url: String,
}

impl Payload {
    /// A line for each that is given.
    pub fn lines(&self) -> Vec<String> {
        let lines = [
            self.ostree.as_ref().map(Ostree::line),
            self.ostreecontainer.as_ref().map(Container::line),
            self.bootc.as_ref().map(Bootc::line),
            self.liveimg
                .as_ref()
                .map(|image| Line::new("liveimg").value("--url ", &image.url).text()),
        ];
        lines.into_iter().flatten().collect()
    }
}

impl Ostree {
    fn line(&self) -> String {
        Line::new("ostreesetup")
            .value("--osname=", &self.osname)
            .value("--url=", &self.url)
            .value("--ref=", &self.reference)
            .option("--remote=", self.remote.as_ref())
            .flag("--nogpg", self.gpg == Some(false))
            .text()
    }
}

impl Container {
    fn line(&self) -> String {
        Line::new("ostreecontainer")
            .value("--url=", &self.url)
            .option("--stateroot=", self.stateroot.as_ref())
            .option("--transport=", self.transport.as_ref())
            .option("--remote=", self.remote.as_ref())
            .text()
    }
}

impl Bootc {
    fn line(&self) -> String {
        Line::new("bootc")
            .value("--source-imgref ", &self.source_imgref)
            .option("--target-imgref ", self.target_imgref.as_ref())
            .text()
    }
}
