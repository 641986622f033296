//! Disks with sectors of 4096 bytes are the same without loop devices.
use super::same::{LIST, run_on, similar_lines};
use super::{by_root, can_run, tree};
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};

/// Bytes of a sector.
const SECTOR: u64 = 4096;

/// Of each file system the first sector and the number of sectors.
const PARTITIONS: [(&str, u64, u64); 4] = [
    ("fat", 256, 16384),
    ("ext4", 16640, 32768),
    ("btrfs", 49408, 32768),
    ("xfs", 82176, 81920),
];

fn device(part: Option<(u64, u64)>) -> Value {
    let mut options = json!({ "filename": "disk.img", "sector-size": SECTOR });
    if let Some((start, size)) = part {
        options["start"] = start.into();
        options["size"] = size.into();
    }
    json!({ "device": { "type": "org.osbuild.loopback", "options": options } })
}

fn partitions(kind: &str) -> Vec<Value> {
    let numbered = PARTITIONS.iter().enumerate();
    let partition = |(number, (_, start, size)): (usize, &(&str, u64, u64))| {
        let mut partition = json!({ "start": start, "size": size });
        if !kind.is_empty() {
            partition["type"] = kind.into();
        }
        if kind.contains('-') {
            partition["uuid"] = format!("6264d520-3fb9-423f-8ab8-7a0a8e3d356{number}").into();
        }
        partition
    };
    numbered.map(partition).collect()
}

/// Stages that make the table.
fn partitioners() -> Vec<Value> {
    let linux = "0fc63daf-8483-4772-8e79-3d69d8477de4";
    let uuid = "d209c89e-ea5e-4fbd-b161-b461cce297e0";
    let gpt = json!({ "label": "gpt", "uuid": uuid, "partitions": partitions(linux) });
    // The third one holds two logical partitions.
    let mut dos = partitions("83");
    dos[3]["type"] = "5".into();
    dos.push(json!({ "start": 82688, "size": 1024, "type": "83" }));
    dos.push(json!({ "start": 84224, "size": 2048, "type": "83" }));
    let dos = json!({ "label": "dos", "uuid": "0x14fc63d2", "partitions": dos });
    let parted = json!({ "label": "gpt", "partitions": partitions("") });
    [
        ("org.osbuild.sfdisk", gpt.clone()),
        ("org.osbuild.sfdisk", dos),
        ("org.osbuild.sgdisk", gpt),
        ("org.osbuild.parted", parted),
    ]
    .map(|(module, options)| json!({ "type": module, "options": options, "devices": device(None) }))
    .to_vec()
}

fn image() -> Value {
    manifest::stage(
        "org.osbuild.truncate",
        json!({ "filename": "disk.img", "size": "700M" }),
    )
}

#[test]
fn tables_of_large_sectors_are_the_same_without_loop_devices() {
    if !can_run() || !machine::offers(&["sgdisk", "parted"]) {
        return;
    }
    // All bytes of both tables, but for what parted and sgdisk make at random (UUIDs, and the checksums of these), and for the sectors
    // before logical partitions, whose place is the program's choice.
    let script = r#"set -eu
        disk=$(losetup --show -r -f --sector-size 4096 "$1")
        trap "losetup -d $disk" EXIT
        sfdisk -d $disk | sed "s|$disk|disk|; /^label-id/d; s/uuid=[^,]*//""#;
    let whole = format!("{script}\nsha256sum < \"$1\"");
    for (number, stage) in partitioners().into_iter().enumerate() {
        let scratch = Scratch::new();
        let document = manifest::of(json!([{ "name": "image", "stages": [image(), stage] }]));
        let file = scratch.json("manifest.json", &document);
        let looks = ["loop", "none"].map(|way| {
            by_root(&scratch, way, &file).expect(0);
            let image = scratch.path(&format!("{way}/image/disk.img"));
            run_on(&scratch, &image, if number == 0 { &whole } else { script })
        });
        assert!(looks[0].contains("start="), "{}", looks[0]);
        assert!(looks[0].contains("sector-size: 4096"), "{}", looks[0]);
        similar_lines(&looks[0], &looks[1]);
    }
}

fn document() -> Value {
    let uuid = "6264d520-3fb9-423f-8ab8-7a0a8e3d3562";
    let mut stages = vec![image(), partitioners()[0].clone()];
    for (kind, start, size) in PARTITIONS {
        let options = match kind {
            "fat" => json!({ "volid": "7B7795E7" }),
            _ => json!({ "uuid": uuid, "label": "data" }),
        };
        let devices = device(Some((start, size)));
        let from = match kind {
            "fat" => "input://tree/boot/efi/",
            _ => "input://tree/",
        };
        stages.push(json!({ "type": format!("org.osbuild.mkfs.{kind}"), "options": options, "devices": devices }));
        stages.push(json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": from, "to": "mount://root/" }] },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
            "devices": devices,
            "mounts": [{ "name": "root", "type": format!("org.osbuild.{kind}"), "source": "device", "target": "/" }],
        }));
    }
    manifest::of(json!([tree(), { "name": "image", "stages": stages }]))
}

#[test]
fn file_systems_of_large_sectors_are_the_same_without_loop_devices() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair"]) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document());
    let part = |(kind, start, size): (&str, u64, u64)| {
        let (start, size) = (start * SECTOR, size * SECTOR);
        let look = match kind {
            "fat" => "mdir -/ -b -i $part ::/; od -An -tx1 -N 64 $part".to_owned(),
            "ext4" => "dumpe2fs -h $part 2>/dev/null | grep -E 'UUID|volume name|Filesystem features|(Inode|Block) (count|size)|Reserved block count'; e2fsck -fn $part >/dev/null 2>&1".to_owned(),
            "xfs" => "xfs_db -r -f -c info $part; xfs_repair -n -f -o force_geometry $part >/dev/null 2>&1".to_owned(),
            _ => "btrfs inspect-internal dump-super $part | grep -E '^(sectorsize|nodesize|fsid|label|total_bytes)'; btrfs check $part >/dev/null 2>&1".to_owned(),
        };
        let options = if kind == "xfs" {
            "norecovery,nouuid"
        } else {
            "ro"
        };
        // Not every kernel has FAT.
        let list = match kind {
            "fat" => "mtype -i $part ::/EFI/loader".to_owned(),
            kind => format!(
                "mount -t {kind} -o loop,ro,{options} $part \"$2\"; list \"$2\"; umount \"$2\""
            ),
        };
        format!(
            "part=$2.{kind}; dd if=\"$1\" of=$part bs=1M iflag=skip_bytes,count_bytes skip={start} count={size} conv=sparse status=none\n\
             {look}\n {list}; rm $part\n"
        )
    };
    let script: String = PARTITIONS.into_iter().map(part).collect();
    let script = format!("set -eu\n{LIST}\nmkdir -p \"$2\"\n{script}");
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        let image = scratch.path(&format!("{way}/image/disk.img"));
        run_on(&scratch, &image, &script)
    });
    assert!(looks[0].contains("file|f|"), "{}", looks[0]);
    similar_lines(&looks[0], &looks[1]);
    machine::assert_nothing_left(scratch.root());
}
