//! Commits as container images. Debian does not have rpm-ostree; what stands for it here makes an image that has what readers look for: a layer with the
//! system and, at `sysroot/ostree/repo`, a repository, and labels that name the commit and that layer.
use super::{archive, build, root_with, script};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::{Value, json};

/// `rpm-ostree compose container-encapsulate COMMIT oci-archive:FILE --format-version N --repo DIR [--label L]...`
const RPM_OSTREE: &str = r#"#!/usr/bin/busybox sh
set -eu
b=/usr/bin/busybox
if [ "$1" = --version ]; then $b printf "rpm-ostree:\n Version: '2024.3'\n Git: 0\n"; exit; fi
[ "$1 $2" = "compose container-encapsulate" ]
commit=$3 file=${4#oci-archive:}
shift 4
labels= command=
while [ $# -gt 0 ]; do
    case $1 in
    --format-version) [ "$2" = 1 ] ;;
    --repo) repository=$2 ;;
    --label) labels="$labels, \"${2%%=*}\": \"${2#*=}\"" ;;
    --cmd) command=$2 ;;
    --copymeta) labels="$labels, \"$2\": \"$(ostree --repo="$repository" show --print-metadata-key="$2" "$commit" | $b tr -d "'")\"" ;;
    --max-layers) [ "$2" -ge 1 ] ;;
    *) exit 64 ;;
    esac
    shift 2
done
work=$($b mktemp -d /var/tmp/encapsulate.XXXXXX)
trap '$b rm -rf "$work"' EXIT
cd "$work"
$b mkdir -p root/sysroot/ostree image/blobs/sha256
ostree init --repo=root/sysroot/ostree/repo --mode=archive
ostree pull-local --repo=root/sysroot/ostree/repo "$repository" "$commit"
ostree checkout --repo=root/sysroot/ostree/repo --union --user-mode "$commit" root
$b mv root/usr/etc root/etc
$b tar -C root -cf layer .
add() { set -- "$1" "$($b sha256sum "$1" | $b cut -d ' ' -f 1)" "$($b wc -c <"$1")"; $b mv "$1" "image/blobs/sha256/$2"; descriptor="\"digest\": \"sha256:$2\", \"size\": $3"; digest=$2; }
add layer
layer=$descriptor
$b cat >config <<END
{ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ["sha256:$digest"] },
  "config": { "Cmd": ["$command"], "Labels": { "ostree.commit": "$commit", "ostree.final-diffid": "sha256:$digest", "containers.bootc": "1"$labels } },
  "history": [{ "created_by": "ostree export of commit $commit" }] }
END
add config
$b cat >manifest <<END
{ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": { "ostree.commit": "$commit" },
  "config": { "mediaType": "application/vnd.oci.image.config.v1+json", $descriptor },
  "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", $layer }] }
END
add manifest
echo '{ "imageLayoutVersion": "1.0.0" }' >image/oci-layout
echo "{ \"schemaVersion\": 2, \"manifests\": [{ \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", $descriptor }] }" >image/index.json
$b tar -C image -cf "$file" .
"#;

/// A repository of this machine with a commit; the commit.
fn commit(scratch: &Scratch) -> String {
    let make = r#"mkdir -p system/usr/bin system/usr/etc
        echo program >system/usr/bin/program; chmod 4755 system/usr/bin/program; ln -s program system/usr/bin/link; echo name >system/usr/etc/hostname
        ostree init --repo=upstream/repo --mode=archive
        ostree commit --repo=upstream/repo --branch=main --subject=x --add-metadata-string=version=41.3 --owner-uid=0 --owner-gid=0 --tree=dir=system"#;
    let said = script(scratch, &format!("mkdir upstream; {make}"), &[]);
    said.stdout.trim().to_owned()
}

/// The image of the commit, and its copy into a directory by skopeo.
fn document(scratch: &Scratch, commit: &str) -> Value {
    let programs = ["/usr/bin/ostree", "/usr/bin/busybox", "/usr/bin/skopeo"];
    let build_root = root_with(scratch, &programs, ("rpm-ostree", RPM_OSTREE));
    let (mut sources, unpack) = archive(scratch, &build_root);
    let url = format!("file://{}", scratch.path("upstream/repo").display());
    sources["org.osbuild.ostree"] = json!({ "items": { commit: { "remote": { "url": url } } } });
    let encapsulate = json!({
        "type": "org.osbuild.ostree.encapsulate",
        "inputs": { "commit": { "type": "org.osbuild.ostree", "origin": "org.osbuild.source", "references": [commit] } },
        "options": {
            "filename": "system.ociarchive", "cmd": ["/sbin/init"], "copymeta": ["version"],
            "labels": ["org.example.title=a system"], "max_layers": 64,
        },
    });
    let image = json!({ "name:image": { "name": "localhost/system:1" } });
    let copy = json!({
        "type": "org.osbuild.skopeo",
        "inputs": { "images": { "type": "org.osbuild.containers", "origin": "org.osbuild.pipeline", "references": image } },
        "options": { "destination": { "type": "dir", "path": "/image" } },
    });
    json!({ "version": "2", "sources": sources, "pipelines": [
        { "name": "build", "stages": [unpack] },
        { "name": "image", "build": "name:build", "stages": [encapsulate] },
        { "name": "copied", "build": "name:build", "stages": [copy] },
    ] })
}

#[test]
fn a_commit_becomes_a_container_image_that_skopeo_reads_and_ostree_finds_it_in() {
    if !machine::offers(&["busybox", "ostree", "skopeo", "tar"]) {
        return;
    }
    let scratch = Scratch::new();
    let commit = commit(&scratch);
    let document = document(&scratch, &commit);
    build(&scratch, &document, &["image", "copied"])
        .run()
        .expect(0);
    let inspect = "skopeo inspect --config oci-archive:out/image/system.ociarchive";
    let config: Value = serde_json::from_str(&script(&scratch, inspect, &[]).stdout).unwrap();
    let layer = &config["rootfs"]["diff_ids"][0];
    assert_eq!(
        config["config"],
        json!({ "Cmd": ["/sbin/init"], "Labels": {
            "containers.bootc": "1", "org.example.title": "a system", "ostree.commit": commit, "ostree.final-diffid": layer, "version": "41.3",
        } })
    );
    // As a reader of such images does: the repository of the last layer has the commit, whole.
    let digest = layer.as_str().unwrap().trim_start_matches("sha256:");
    let read = format!(
        "mkdir read; tar -C read -xf out/copied/image/{digest}; repository=read/sysroot/ostree/repo
        ostree fsck --repo=$repository >&2; ostree show --repo=$repository --print-metadata-key=version {commit}
        ostree ls --repo=$repository {commit} /usr/bin/program; cat read/etc/hostname read/usr/bin/link"
    );
    let said = script(&scratch, &read, &[]).stdout;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "'41.3'",
            "-04755 0 0      8 /usr/bin/program",
            "name",
            "program"
        ]
    );
    machine::assert_nothing_left(scratch.root());
}
