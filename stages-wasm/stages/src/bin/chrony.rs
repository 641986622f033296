//! Configure time sources, leap second zone and refclocks in chrony.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Number, Result};
use osbuild_stage_common::fields::word;
use osbuild_stage_common::lines;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    timeservers: Option<Vec<String>>,
    servers: Option<Vec<Server>>,
    leapsectz: Option<String>,
    refclocks: Option<Vec<Clock>>,
}

#[derive(Deserialize)]
struct Server {
    hostname: String,
    minpoll: Option<Number>,
    maxpoll: Option<Number>,
    #[serde(default = "yes")]
    iburst: bool,
    #[serde(default)]
    prefer: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Clock {
    driver: Driver,
    poll: Option<Number>,
    dpoll: Option<Number>,
    offset: Option<Number>,
}

#[derive(Deserialize)]
#[serde(tag = "name")]
enum Driver {
    #[serde(rename = "PPS")]
    Pps {
        device: String,
        #[serde(default)]
        clear: bool,
    },
    #[serde(rename = "SHM")]
    Shm {
        segment: Number,
        perm: Option<String>,
    },
    #[serde(rename = "SOCK")]
    Sock { path: String },
    #[serde(rename = "PHC")]
    Phc(Phc),
}

#[derive(Deserialize)]
struct Phc {
    path: String,
    #[serde(default)]
    nocrossts: bool,
    #[serde(default)]
    extpps: bool,
    pin: Option<Number>,
    channel: Option<Number>,
    #[serde(default)]
    clear: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        check(&arguments.options)?;
        arguments.tree.edit("etc/chrony.conf", |text| {
            Ok(changed(&lines::unix(text), &arguments.options))
        })
    })
}

/// Names and paths are words of a line.
fn check(options: &Options) -> Result<()> {
    for host in options.timeservers.iter().flatten() {
        word("timeservers", host)?;
    }
    for server in options.servers.iter().flatten() {
        word("servers.hostname", &server.hostname)?;
    }
    if let Some(zone) = options.leapsectz.as_ref().filter(|zone| !zone.is_empty()) {
        word("leapsectz", zone)?;
    }
    let clocks = options.refclocks.iter().flatten();
    clocks
        .map(|clock| driver(&clock.driver))
        .try_for_each(|driver| {
            let (_, parameter) = driver.split_once(' ').unwrap_or_default();
            word("refclocks.driver", parameter)
        })
}

/// Drops the time sources of the file and puts what is given in front, the last kind first.
fn changed(text: &str, options: &Options) -> String {
    let mut dropped = vec!["server ", "pool ", "peer "];
    if options.leapsectz.is_some() {
        dropped.push("leapsectz ");
    }
    let kept = text.split('\n');
    let kept = kept.filter(|line| !dropped.iter().any(|start| line.starts_with(start)));
    let clocks = options.refclocks.iter().flatten().map(refclock);
    let leap = options.leapsectz.iter().filter(|zone| !zone.is_empty());
    let servers = options.servers.iter().flatten().map(server);
    let simple = options.timeservers.iter().flatten();
    let lines: Vec<String> = clocks
        .chain(leap.map(|zone| format!("leapsectz {zone}")))
        .chain(servers)
        .chain(simple.map(|host| format!("server {host} iburst")))
        .chain(kept.map(String::from))
        .collect();
    lines.join("\n")
}

fn server(server: &Server) -> String {
    let words = [
        Some(format!("server {}", server.hostname)),
        server.prefer.then(|| "prefer".into()),
        server.iburst.then(|| "iburst".into()),
        setting("minpoll", ' ', server.minpoll.as_ref()),
        setting("maxpoll", ' ', server.maxpoll.as_ref()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn refclock(clock: &Clock) -> String {
    let words = [
        Some(format!("refclock {}", driver(&clock.driver))),
        setting("poll", ' ', clock.poll.as_ref()),
        setting("dpoll", ' ', clock.dpoll.as_ref()),
        setting("offset", ' ', clock.offset.as_ref()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn driver(driver: &Driver) -> String {
    match driver {
        Driver::Pps { device, clear } => {
            format!("PPS {device}{}", if *clear { ":clear" } else { "" })
        }
        Driver::Shm { segment, perm } => {
            let perm = perm.as_ref().map(|perm| format!(":perm={perm}"));
            format!("SHM {segment}{}", perm.unwrap_or_default())
        }
        Driver::Sock { path } => format!("SOCK {path}"),
        Driver::Phc(phc) => {
            let options = phc_options(phc);
            let colon = if options.is_empty() { "" } else { ":" };
            format!("PHC {}{colon}{options}", phc.path)
        }
    }
}

fn phc_options(phc: &Phc) -> String {
    let options = [
        phc.nocrossts.then(|| "nocrossts".into()),
        phc.extpps.then(|| "extpps".into()),
        setting("pin", '=', phc.pin.as_ref()),
        setting("channel", '=', phc.channel.as_ref()),
        phc.clear.then(|| "clear".into()),
    ];
    options.into_iter().flatten().collect::<Vec<_>>().join(",")
}

fn setting(key: &str, separator: char, value: Option<&Number>) -> Option<String> {
    value.map(|value| format!("{key}{separator}{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &str, before: &str, after: &str) {
        let options = serde_json::from_str(options).unwrap();
        assert_eq!(changed(before, &options), after);
    }

    #[test]
    fn sources_of_the_file_are_dropped_and_the_last_kind_comes_first() {
        check(
            r#"{"timeservers": ["t"], "servers": [{"hostname": "s", "iburst": false, "minpoll": 0}], "leapsectz": "z",
                "refclocks": [{"driver": {"name": "SOCK", "path": "/s"}, "poll": 1}]}"#,
            "pool p\nservers x\nleapsectz y\n server z\n",
            "refclock SOCK /s poll 1\nleapsectz z\nserver s minpoll 0\nserver t iburst\nservers x\n server z\n",
        );
    }

    #[test]
    fn drivers_have_their_options_behind_a_colon() {
        for (json, text) in [
            (
                r#"{"name": "PPS", "device": "/d", "clear": true}"#,
                "PPS /d:clear",
            ),
            (r#"{"name": "SHM", "segment": 0}"#, "SHM 0"),
            (
                r#"{"name": "SHM", "segment": 1, "perm": "0644"}"#,
                "SHM 1:perm=0644",
            ),
            (r#"{"name": "PHC", "path": "/p"}"#, "PHC /p"),
            (
                r#"{"name": "PHC", "path": "/p", "clear": true, "pin": 0, "channel": 2, "extpps": true, "nocrossts": true}"#,
                "PHC /p:nocrossts,extpps,pin=0,channel=2,clear",
            ),
        ] {
            assert_eq!(driver(&serde_json::from_str(json).unwrap()), text);
        }
    }
}
