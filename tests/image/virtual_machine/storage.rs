//! What needs a kernel with all of its modules, built in one virtual machine by an ordinary user, and read back in another that boots
//! one of the disks: volumes on LUKS, and as further disks the rest.
use super::system_disk::{BOOT, LINUX, ROOT, SEALED, on, part, system_disk, table, truncate};
use super::trees::{attributes, bring, input, odd_image, source};
use super::{LIMIT, TOOLS, esp, kernel, loopback, luks, read_back, system, volume};
use crate::console::{Disk, Machine};
use osbuild_wasm_tests::{Scratch, machine, manifest, paths, user};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// UUIDs of what is made.
const SUBVOLUMES: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3573";
const FAR: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3574";
const SWAP: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3575";
const LARGE_SECTORS: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3576";

/// First sectors of partitions behind 2 TiB, of 512 bytes each.
const AT_2_5_TIB: u64 = 5 << 30;
const AT_2_75_TIB: u64 = 11 << 29;

/// The pipeline that is built in the machine, by its place in the manifest.
const IMAGE: usize = 5;

/// A stage that copies a file of the tree to a mounted file system; `how` are options of the mount.
fn bring_to(to: &str, module: &str, how: Value, devices: &Value) -> Value {
    json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": "tree:///from-volume", "to": format!("mount://it/{to}") }] },
        "devices": devices,
        "mounts": [{ "name": "it", "type": module, "source": "it", "target": "/", "options": how }],
    })
}

/// Stages behind those of the sample: its file systems are read back; then volumes on the bare disk, sources and trees.
fn volumes() -> Vec<Value> {
    let efi = part("disk.img", 2048, 20480);
    let sealed = json!({ "disk": part("disk.img", 22528, 196_608), "sealed": luks("disk"), "it": volume("sealed", "root") });
    let plain = json!({ "disk": loopback("plain.img"), "it": volume("disk", "data-a") });
    let plain_device = json!({ "disk": loopback("plain.img"), "device": volume("disk", "data-a") });
    let on_plain = json!({ "device": loopback("plain.img") });
    vec![
        read_back("etc/hostname", "from-volume", "org.osbuild.ext4", &sealed),
        read_back(
            "HOSTNAME",
            "from-fat",
            "org.osbuild.fat",
            &json!({ "it": efi }),
        ),
        // Large enough for blocks that fs-verity takes.
        truncate("plain.img", "640M"),
        on(
            "org.osbuild.lvm2.create",
            json!({ "volumes": [{ "name": "data-a", "extents": "100%FREE" }] }),
            on_plain.clone(),
        ),
        on(
            "org.osbuild.lvm2.metadata",
            json!({ "vg_name": "plain-vg" }),
            on_plain,
        ),
        on(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3561", "verity": true }),
            plain_device,
        ),
        bring_to("again", "org.osbuild.ext4", json!({}), &plain),
        read_back("again", "from-plain", "org.osbuild.ext4", &plain),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [
                { "from": format!("input://fetched/{}", manifest::HELLO), "to": "tree:///from-source" },
                { "from": "input://built/etc/hostname", "to": "tree:///from-pipeline" },
            ] },
            "inputs": {
                "fetched": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] },
                "built": { "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { "name:tree": { "file": "etc/hostname" } } },
            },
        }),
    ]
}

/// Disks that the system then reads: subvolumes, partitions behind 2 TiB, sectors of 4 KiB, hashes, a container without a key.
fn other_disks() -> Vec<Value> {
    let subvolumes = json!({ "it": loopback("subvolumes.img") });
    let far = json!({ "it": part("far.img", AT_2_5_TIB, 655_360) });
    let swap = json!({ "device": part("far.img", AT_2_75_TIB, 32_768) });
    let of_4k = |options: Value| {
        let mut options = options;
        options["filename"] = "sectors.img".into();
        options["sector-size"] = 4096.into();
        json!({ "type": "org.osbuild.loopback", "options": options })
    };
    let large = of_4k(json!({ "start": 256, "size": 15_000 }));
    let device = |of: &Value| json!({ "device": of["it"] });
    let closed = json!({ "device": loopback("closed.img") });
    vec![
        truncate("subvolumes.img", "256M"),
        on(
            "org.osbuild.mkfs.btrfs",
            json!({ "uuid": SUBVOLUMES, "label": "sub" }),
            device(&subvolumes),
        ),
        json!({
            "type": "org.osbuild.btrfs.subvol",
            "options": { "subvolumes": [{ "name": "root" }, { "name": "home/deep" }] },
            "devices": subvolumes,
            "mounts": [{ "name": "it", "type": "org.osbuild.btrfs", "source": "it", "target": "/" }],
        }),
        bring_to(
            "in-root",
            "org.osbuild.btrfs",
            json!({ "subvol": "root", "compress": "zstd" }),
            &subvolumes,
        ),
        truncate("far.img", "3T"),
        table(
            &[
                (AT_2_5_TIB, 655_360, LINUX),
                (AT_2_75_TIB, 32_768, "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"),
            ],
            loopback("far.img"),
        ),
        on(
            "org.osbuild.mkfs.xfs",
            json!({ "uuid": FAR, "label": "far" }),
            device(&far),
        ),
        on(
            "org.osbuild.mkswap",
            json!({ "uuid": SWAP, "label": "page" }),
            swap,
        ),
        bring_to("far-away", "org.osbuild.xfs", json!({}), &far),
        truncate("sectors.img", "64M"),
        table(&[(256, 15_000, LINUX)], of_4k(json!({}))),
        on(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": LARGE_SECTORS, "label": "large" }),
            json!({ "device": large }),
        ),
        bring_to(
            "on-large",
            "org.osbuild.ext4",
            json!({}),
            &json!({ "it": large }),
        ),
        truncate("data.img", "4M"),
        on(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3577" }),
            json!({ "device": loopback("data.img") }),
        ),
        bring_to(
            "verified",
            "org.osbuild.ext4",
            json!({}),
            &json!({ "it": loopback("data.img") }),
        ),
        truncate("hashes.img", "1M"),
        on(
            "org.osbuild.dmverity",
            json!({ "root_hash_file": "root-hash" }),
            json!({ "data_device": loopback("data.img"), "hash_device": loopback("hashes.img") }),
        ),
        truncate("closed.img", "32M"),
        on(
            "org.osbuild.luks2.format",
            json!({ "passphrase": "once", "uuid": "0194fdc2-fa2f-4cc0-81d3-ff12045b73ca", "pbkdf": { "method": "pbkdf2", "iterations": 1000 } }),
            closed.clone(),
        ),
        on(
            "org.osbuild.luks2.remove-key",
            json!({ "passphrase": "once" }),
            closed,
        ),
    ]
}

/// What the booted system does with the further disks.
const CHECKS: &str = r#"
echo "VOLUME $(lvm lvs --noheadings -o lv_full_name,devices | xargs)"
echo "TYPES $(dmsetup table | sed 's/^[^ ]* [0-9]* [0-9]* //; s/ .*//' | sort | xargs)"
for module in btrfs xfs dm-verity; do modprobe $module; done
mkdir -p /mnt
it=$(disk subvolumes)
mount -t btrfs "$it" /mnt; echo "BTRFS $(btrfs subvolume list /mnt | awk '{ print $NF }' | sort | xargs) $(cat /mnt/root/in-root)"
umount /mnt
it=$(disk far)
echo "FAR $(sfdisk --json "$it" | awk -F: '/"start"/ { print $2 }' | xargs) $(blkid -s LABEL -o value "$it"1) $(blkid -s TYPE -o value "$it"2) $(blkid -s UUID -o value "$it"2)"
mount -t xfs "$it"1 /mnt; echo "XFS $(cat /mnt/far-away) $(xfs_spaceman -c info /mnt | awk '/^data/ { print $4 }')"; umount /mnt
swapon "$it"2; echo "SWAP $(awk 'NR > 1 { print $3 }' /proc/swaps)"; swapoff "$it"2
it=$(disk sectors)
echo "SECTORS $(cat /sys/block/${it##*/}/queue/logical_block_size) $(sfdisk --json "$it" | awk -F: '/"sectorsize"|"start"/ { print $2 }' | xargs) $(blkid -s UUID -o value "$it"1)"
mount "$it"1 /mnt; echo "LARGE $(cat /mnt/on-large)"; umount /mnt
veritysetup verify "$(disk data)" "$(disk hashes)" "$hash" && echo "VERIFIED"
veritysetup open "$(disk data)" verified "$(disk hashes)" "$hash"
mount -o ro /dev/mapper/verified /mnt; echo "VERITY $(cat /mnt/verified)"; umount /mnt
echo once | cryptsetup open "$(disk closed)" closed || echo "CLOSED $(cryptsetup luksDump "$(disk closed)" | grep -c 'luks2$')"
"#;

/// The sample, with more stages; a pipeline that is built outside from what was built inside; the system.
fn document(scratch: &Scratch) -> Value {
    let text = std::fs::read_to_string(paths::sample("encrypted-volumes.json")).expect("a sample");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let (odd, _) = odd_image(scratch);
    let [system, directories] = system::archives(scratch.root());
    let (mut sources, [system, directories, odd]) = source([&system, &directories, &odd]);
    sources["org.osbuild.inline"] = manifest::hello_source()["org.osbuild.inline"].take();
    document["sources"] = sources;
    let pipelines = document["pipelines"].as_array_mut().expect("pipelines");
    let crypttab = json!({ "volumes": [{ "volume": "sealed", "uuid": SEALED }] });
    let fstab = json!({ "filesystems": [
        { "uuid": ROOT, "vfs_type": "ext4", "path": "/" },
        { "uuid": BOOT, "vfs_type": "ext4", "path": "/boot" },
    ] });
    // The kernel makes no directory of which the archive has a file first.
    let archived = |tree: &str, append: bool| {
        let tree = json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{tree}")] });
        let options = json!({ "filename": "initrd.cpio", "append": append });
        json!({ "type": "org.osbuild.cpio.out", "options": options, "inputs": { "tree": tree } })
    };
    let before = [
        esp::content(),
        json!({ "name": "system", "stages": [
            { "type": "org.osbuild.untar", "inputs": input(&system) },
            manifest::hostname("on-a-volume"),
            manifest::stage("org.osbuild.crypttab", crypttab),
            manifest::stage("org.osbuild.fstab", fstab),
        ] }),
        json!({ "name": "directories", "stages": [{ "type": "org.osbuild.untar", "inputs": input(&directories) }] }),
        json!({ "name": "initrd", "stages": [archived("directories", false), archived("system", true)] }),
    ];
    for pipeline in before.into_iter().rev() {
        pipelines.insert(0, pipeline);
    }
    let image = pipelines[IMAGE]["stages"].as_array_mut().expect("stages");
    image.extend(volumes());
    image.extend(system_disk("system.img", "systemvg", true));
    image.extend(system_disk("volumes.img", "volumesvg", false));
    image.extend(other_disks());
    image.extend(esp::stages());
    image.extend([
        bring(&odd, "odd.img"),
        read_back(
            "odd/plain",
            "",
            "org.osbuild.ext4",
            &json!({ "it": loopback("odd.img") }),
        ),
    ]);
    pipelines.push(json!({ "name": "outside", "stages": [{
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": "input://image/from-plain", "to": "tree:///taken" }] },
        "inputs": { "image": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:image"] } },
    }] }));
    document
}

#[test]
fn an_ordinary_user_builds_volumes_and_containers_in_a_virtual_machine_and_they_boot() {
    if !machine::offers(&[&TOOLS[..], &user::PROGRAMS, &system::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let document = document(&scratch);
    let stages = document["pipelines"][IMAGE]["stages"]
        .as_array()
        .map(Vec::len);
    let file = scratch.json("manifest.json", &document);
    let build = user::machine(&scratch).build(
        "--json --in-vm image --export image --export outside --checkpoint org.osbuild.lvm2.metadata",
    );
    let ended = build
        .env("OSBUILD_WASM_KERNEL", kernel())
        .arg(&file)
        .limit(LIMIT)
        .run()
        .expect(0);
    machine::assert_nothing_left(scratch.root());
    for name in [
        "image/from-volume",
        "image/from-fat",
        "image/from-plain",
        "outside/taken",
    ] {
        assert_eq!(scratch.read(&format!("out/{name}")), "sealed\n", "{name}");
    }
    assert_eq!(scratch.read("out/image/from-source"), "hello\n");
    assert_eq!(scratch.read("out/image/from-pipeline"), "sealed\n");
    // The result document has the stages as any other.
    let result = ended.json();
    assert_eq!(result["log"]["image"].as_array().map(Vec::len), stages);
    // The trees after stages in the middle are in the store: four stages have that type.
    let objects = std::fs::read_dir(scratch.path("store/objects")).expect("objects");
    assert_eq!(objects.count(), 4);
    // As the kernel has it for root of a user namespace: a capability of version 3, with the id of that root (capabilities(7)).
    let of_ping = attributes(&scratch.path("out/image/plain/ping"));
    let [(name, value)] = &of_ping[..] else {
        panic!("{of_ping:?}");
    };
    assert_eq!((&**name, value[3]), ("security.capability", 3));
    assert_eq!(value[20..], user::ID.to_le_bytes());
    esp::is_as_without_kernel(&scratch, "out/image");
    assert_volumes_boot(&scratch);
    assert_container_boots(&scratch);
}

/// What the system does that boots from a volume on a bare partition.
const CHECKS_OF_VOLUMES: &str = r#"
echo "VOLUME $(lvm lvs --noheadings -o lv_full_name,devices | xargs) $(dmsetup table | awk '{ print $4 }' | xargs)"
"#;

/// A disk with what the system runs.
fn checks_disk(scratch: &Scratch, name: &str, script: &str) -> PathBuf {
    let file = scratch.write(name, script);
    std::fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_len(1 << 16))
        .expect("a disk of whole sectors");
    file
}

/// Boots the first of the disks, answers what it asks, and looks for these lines.
fn assert_boots(disks: &[Disk<'_>], asks: bool, lines: &[&str]) {
    let mut machine = Machine::boot(disks);
    if asks {
        machine.shows("Enter passphrase for");
        machine.types_until("open sesame", "INSIDE ");
    }
    let shown = machine.shows("CHECKS DONE").replace('\r', "");
    for line in lines {
        assert!(shown.contains(line), "{line:?} is missing in:\n{shown}");
    }
}

fn disk<'a>(name: &'a str, file: &'a Path, sector: u32) -> Disk<'a> {
    Disk { name, file, sector }
}

/// The disk with the volume on a partition boots without being asked.
fn assert_volumes_boot(scratch: &Scratch) {
    let checks = checks_disk(scratch, "checks-of-volumes", CHECKS_OF_VOLUMES);
    let system = scratch.path("out/image/volumes.img");
    let disks = [disk("system", &system, 512), disk("checks", &checks, 512)];
    let lines = [
        "INSIDE on-a-volume, root /dev/mapper/volumesvg-root",
        "VOLUME volumesvg/root /dev/vda3(0) linear",
    ];
    assert_boots(&disks, false, &lines);
}

/// The disk with the container asks for its passphrase, boots, and its tools and kernel find on the others what was put there.
fn assert_container_boots(scratch: &Scratch) {
    let hash = scratch.read("out/image/root-hash");
    let script = format!("hash={}\n{CHECKS}", hash.trim());
    let checks = checks_disk(scratch, "checks", &script);
    let names = ["subvolumes", "far", "sectors", "data", "hashes", "closed"];
    let image = |name: &str| scratch.path(&format!("out/image/{name}.img"));
    let files = names.map(image);
    let system = image("system");
    let mut disks = vec![disk("system", &system, 512), disk("checks", &checks, 512)];
    for (name, file) in names.iter().zip(&files) {
        let sector = if *name == "sectors" { 4096 } else { 512 };
        disks.push(disk(name, file, sector));
    }
    let lines = [
        "INSIDE on-a-volume, root /dev/mapper/systemvg-root",
        "VOLUME systemvg/root /dev/mapper/sealed(0)",
        "TYPES crypt linear",
        "BTRFS home/deep root sealed",
        &format!("FAR {AT_2_5_TIB}, {AT_2_75_TIB}, far swap {SWAP}"),
        "XFS sealed blocks=81920,",
        "SWAP 16380",
        &format!("SECTORS 4096 4096, 256, {LARGE_SECTORS}"),
        "LARGE sealed",
        "VERIFIED",
        "VERITY sealed",
        "CLOSED 0",
    ];
    assert_boots(&disks, true, &lines);
}
