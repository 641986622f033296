//! A system that OSTree updates: its disk boots, and upgrades itself to the next commit.
use crate::repository::{TOOLS, repository, with_sample};
use base64::{Engine, engine::general_purpose::STANDARD};
use osbuild_wasm_tests::{Program, Scratch, machine, paths};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::process::Command;
use std::time::Duration;

const REFERENCE: &str = "demo/x86_64/stable";

/// What the system says of itself on its serial console whenever it boots. The first version upgrades itself and boots again.
const PROOF: &str = r#"#!/bin/bash
dmesg --console-level emerg
version=$(ostree admin status | sed -n '/^[*]/,/Version:/s/.*Version: //p')
# A console that is kept open is hung up when its login prompt comes.
tell() { echo "SYSTEM $version $*" >/dev/ttyS0; }
tell deployment $(ostree admin status | sed -n 's/^[*] //p')
tell root $(findmnt --noheadings --output FSTYPE /sysroot) $(touch /usr/written 2>&1)
tell boot $(findmnt --noheadings --output FSTYPE,SOURCE /boot)
echo $version >>/var/lib/versions && tell var $(cat /var/lib/versions)
tell user $(id demo) of $(stat --format %U /home/demo)
tell first boot $(stat --format %U /var/lib/first-boot-was-here)
tell update $(cat /usr/share/update 2>&1)
if [ $version = 1 ]; then
    device=$(ls /sys/class/net | grep --invert-match lo)
    ip link set $device up && ip address add 10.0.2.15/24 dev $device
    said=$(ostree admin upgrade 2>&1) && tell upgraded && systemctl reboot || tell failed $said
fi
tell end
"#;

/// The sample as a JSON document, with its pipelines by name.
struct Sample(Value);

impl Sample {
    fn read() -> Self {
        let text = std::fs::read_to_string(paths::sample("ostree-image.json")).expect("a sample");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    fn pipelines(&mut self) -> &mut Vec<Value> {
        self.0["pipelines"].as_array_mut().expect("pipelines")
    }

    fn stages(&mut self, pipeline: &str) -> &mut Vec<Value> {
        let mut pipelines = self.pipelines().iter_mut();
        let found = pipelines.find(|one| one["name"] == pipeline);
        found.expect("a pipeline")["stages"]
            .as_array_mut()
            .expect("stages")
    }

    /// Puts the proof and its service into the deployment's /etc, which upgrades carry along.
    fn prove(&mut self) {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(PROOF)));
        let item = json!({ "encoding": "base64", "data": STANDARD.encode(PROOF) });
        self.0["sources"]["org.osbuild.inline"] = json!({ "items": { &digest: item } });
        let files = json!({ "files": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } });
        let copied =
            json!([{ "from": format!("input://files/{digest}"), "to": "tree:///etc/proof" }]);
        let unit = json!({
            "filename": "proof.service",
            "unit-path": "etc",
            "config": {
                "Unit": { "Description": "Proof", "After": ["osbuild-first-boot.service", "demo-marker.service"] },
                "Service": { "Type": "oneshot", "ExecStart": ["/usr/bin/bash /etc/proof"] },
                "Install": { "WantedBy": ["multi-user.target"] },
            },
        });
        let deployment = json!({ "deployment": { "osname": "demo", "ref": REFERENCE } });
        let mounts = json!([{ "name": "deployment", "type": "org.osbuild.ostree.deployment", "options": deployment }]);
        self.stages("deployment").extend([
            json!({ "type": "org.osbuild.copy", "options": { "paths": copied }, "inputs": files, "mounts": mounts }),
            json!({ "type": "org.osbuild.systemd.unit.create", "options": unit, "mounts": mounts }),
            json!({ "type": "org.osbuild.systemd", "options": { "enabled_services": ["proof.service"] }, "mounts": mounts }),
        ]);
    }

    /// Adds the commit after `parent`, of the same system with one file more.
    fn update(&mut self, parent: &str) {
        let tree = |name: &str| json!({ "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{name}")] } });
        let copied = json!([{ "from": "input://tree/", "to": "tree:///" }]);
        let news =
            json!([{ "from": "input://tree/etc/hostname", "to": "tree:///usr/share/update" }]);
        let commit = json!({ "ref": REFERENCE, "os_version": "2", "parent": parent });
        let news_stages =
            json!([{ "type": "org.osbuild.hostname", "options": { "hostname": "news" } }]);
        let next = json!([
            { "type": "org.osbuild.copy", "options": { "paths": copied }, "inputs": tree("os") },
            { "type": "org.osbuild.copy", "options": { "paths": news }, "inputs": tree("news") },
        ]);
        let update = json!([
            { "type": "org.osbuild.ostree.init", "options": { "path": "/repo" } },
            { "type": "org.osbuild.ostree.commit", "options": commit, "inputs": tree("next") },
        ]);
        self.pipelines().extend([
            json!({ "name": "news", "stages": news_stages }),
            json!({ "name": "next", "build": "name:build", "stages": next }),
            json!({ "name": "update", "build": "name:build", "stages": update }),
        ]);
    }

    /// Builds pipelines of it and exports them.
    fn build(&self, scratch: &Scratch, exports: &str) {
        let sample = scratch.json("template.json", &self.0);
        let script = format!(
            r#""$0" run "$MANIFEST" --store "$STORE" --output-directory "$SCRATCH/out" --checkpoint build --checkpoint os --checkpoint commit {exports}"#
        );
        let program = with_sample(scratch, "ostree-image.json", &script)
            .env("SAMPLE", sample)
            .env("STORE", paths::kept("image-store"));
        program.limit(Duration::from_secs(600)).run().expect(0);
    }
}

fn rev_parse(scratch: &Scratch, pipeline: &str, name: &str) -> String {
    let repository = scratch.path(&format!("out/{pipeline}/repo"));
    let words = format!("rev-parse --repo={} {name}", repository.display());
    let ended = Program::of("ostree", &words).run().expect(0);
    ended.stdout.trim().to_owned()
}

#[test]
fn an_ostree_system_boots_and_upgrades_itself_to_the_next_commit() {
    if !machine::offers(&[&TOOLS[..], &["ostree", "busybox"]].concat()) {
        return;
    }
    repository();
    let scratch = Scratch::new();
    let mut sample = Sample::read();
    sample.prove();
    sample.build(&scratch, "--export commit --export image");
    let first = rev_parse(&scratch, "commit", REFERENCE);
    sample.update(&first);
    sample.build(&scratch, "--export update");
    let second = rev_parse(&scratch, "update", REFERENCE);
    assert_eq!(
        rev_parse(&scratch, "update", &format!("{REFERENCE}^")),
        first
    );
    machine::assert_nothing_left(scratch.root());
    let console = boot(&scratch);
    let expected = [
        format!("OSBUILD-WASM-BOOT-OK demo {first}.0"),
        format!("SYSTEM 1 deployment demo {first}.0"),
        "SYSTEM 1 root ext4 touch: cannot touch '/usr/written': Read-only file system".into(),
        "SYSTEM 1 boot ext4 /dev/vda2".into(),
        "SYSTEM 1 var 1".into(),
        "SYSTEM 1 user uid=1501(demo) gid=1501(demo) groups=1501(demo) of demo".into(),
        "SYSTEM 1 first boot root".into(),
        "SYSTEM 1 upgraded".into(),
        format!("OSBUILD-WASM-BOOT-OK demo {second}.0"),
        format!("SYSTEM 2 deployment demo {second}.0"),
        "SYSTEM 2 var 1 2".into(),
        "SYSTEM 2 user uid=1501(demo) gid=1501(demo) groups=1501(demo) of demo".into(),
        "SYSTEM 2 update news".into(),
    ];
    for line in expected {
        assert!(
            console.contains(&line),
            "{line:?} is missing in:\n{console}"
        );
    }
}

/// Boots the disk, with the update served, until the second version has said all; gives its console.
fn boot(scratch: &Scratch) -> String {
    let booted = Command::new(paths::sample("boot"))
        .args([
            "--timeout",
            "600",
            "--reboot",
            "--marker",
            "SYSTEM 2 end",
            "--serve",
        ])
        .args([
            scratch.path("out/update"),
            scratch.path("out/image/disk.img"),
        ])
        .output()
        .expect("boot");
    let console = String::from_utf8_lossy(&booted.stdout).into_owned();
    assert!(booted.status.success(), "{console}");
    println!(
        "ostree-image.json: {}",
        console.lines().last().unwrap_or_default()
    );
    console
}
