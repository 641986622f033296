//! What is refused before a virtual machine boots; `image` boots some.
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Ended, Program, Scratch, machine, manifest, paths, user};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a machine takes beside a kernel.
const TOOLS: [&str; 3] = ["qemu-system-x86_64", "mkfs.ext4", "modprobe"];

fn run(scratch: &Scratch, options: &str) -> Program {
    Program::new(&format!("run --in-vm tree --export tree {options}"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .env("OSBUILD_WASM_KERNEL", scratch.directory("root"))
}

#[test]
fn without_a_kernel_a_virtual_machine_is_refused_before_the_first_stage() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let ended = run(&scratch, "").arg(&file).run().expect(1);
    ended
        .says("--in-vm tree: there is no kernel for a virtual machine")
        .says("OSBUILD_WASM_KERNEL")
        .never_says("org.osbuild.hostname");
    assert!(!scratch.path("store/scratch").exists());
}

#[test]
fn a_kernel_of_somebody_else_is_not_booted() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let run = run(&scratch, "");
    std::os::unix::fs::chown(scratch.path("root"), Some(4242), None).unwrap();
    run.arg(&file).run().expect(1).says("4242");
}

/// Digest of no image.
const IMAGE: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A root directory with something that looks like a kernel.
fn kernel(scratch: &Scratch) {
    let modules = scratch.directory("root/lib/modules/6.1");
    std::fs::write(modules.join("vmlinuz"), "").unwrap();
    std::fs::write(modules.join("modules.dep"), "").unwrap();
    let names = [
        "virtio_pci",
        "virtio_blk",
        "virtio_console",
        "ext4",
        "9pnet_virtio",
        "9p",
    ];
    let builtin = names.map(|name| format!("kernel/{name}.ko\n")).concat();
    std::fs::write(modules.join("modules.builtin"), builtin).unwrap();
}

/// A stage that reaches the network.
fn dnf() -> Value {
    let repository = json!({ "baseurl": "http://127.0.0.1:9/" });
    let options = json!({ "releasever": "1", "basearch": "x86_64", "repos": [repository], "packages": ["bash"] });
    manifest::stage("org.osbuild.dnf", options)
}

/// A stage that reads this machine's container storage.
fn skopeo() -> Value {
    json!({
        "type": "org.osbuild.skopeo",
        "options": { "destination": { "type": "containers-storage" } },
        "inputs": { "images": {
            "type": "org.osbuild.containers-storage",
            "origin": "org.osbuild.source",
            "references": { (IMAGE): { "name": "x" } },
        } },
    })
}

#[test]
fn what_does_not_reach_into_a_virtual_machine_is_refused_with_it() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    kernel(&scratch);
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let ended = run(&scratch, "--break=*").arg(&file).run();
    ended.expect(2).says("--break does not reach");
    for (stage, what) in [
        (dnf(), "it reaches the network"),
        (skopeo(), "it reads this machine's container storage"),
    ] {
        let mut document = manifest::tree(json!([manifest::hostname("vm"), stage]));
        let image =
            json!({ "name": "x", "digest": IMAGE, "containers-transport": "containers-storage" });
        let items = json!({ (IMAGE): { "image": image } });
        document["sources"] = json!({ "org.osbuild.skopeo": { "items": items } });
        let file = scratch.json("m", &document);
        let ended = run(&scratch, "").arg(&file).run().expect(1);
        ended
            .says(&format!("{what}, and no virtual machine does"))
            .never_says("org.osbuild.hostname");
        let planned = plan(&scratch, "--format json").arg(&file).run();
        let lacks = &planned.expect(1).json()["pipelines"][0]["stages"][1]["lacks"];
        assert!(lacks.to_string().contains(what), "{lacks}");
    }
}

#[test]
fn what_an_ordinary_users_tree_cannot_keep_is_refused_before_its_virtual_machine_boots() {
    if !machine::offers(&[&TOOLS[..], &user::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    kernel(&scratch);
    let labels = json!({ "file_contexts": "etc/selinux/targeted/contexts/files/file_contexts" });
    let label = manifest::stage("org.osbuild.selinux", labels);
    let file = scratch.json(
        "m",
        &manifest::tree(json!([manifest::hostname("vm"), label])),
    );
    let user = user::machine(&scratch);
    let outside = user.build("--export tree --quiet").arg(&file).run();
    if !outside.all().contains("needs SELinux labels") {
        // Kernels without security modules let everybody set them.
        return;
    }
    let build = user.build("--in-vm tree --export tree").arg(&file);
    let ended = build.env("OSBUILD_WASM_KERNEL", scratch.path("root")).run();
    ended
        .expect(1)
        .says(".pipelines[0].stages[1] (org.osbuild.selinux): its tree has SELinux labels")
        .says("build it as root")
        .never_says("org.osbuild.hostname");
    let plan = user.run("plan --in-vm tree --devices auto --format json");
    let plan = plan
        .arg(&file)
        .env("OSBUILD_WASM_KERNEL", scratch.path("root"));
    let planned = plan.run().expect(1).json();
    let lacks = &planned["pipelines"][0]["stages"][1]["lacks"];
    assert!(lacks.to_string().contains("SELinux labels"), "{lacks}");
}

fn plan(scratch: &Scratch, options: &str) -> Program {
    Program::new(&format!("plan --in-vm tree {options}"))
        .env("OSBUILD_WASM_KERNEL", scratch.directory("root"))
}

#[test]
fn a_plan_says_what_runs_in_a_virtual_machine_with_which_kernel_and_memory() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let document = manifest::of(json!([
        { "name": "build", "stages": [manifest::hostname("build")] },
        { "name": "tree", "build": "name:build", "stages": [manifest::hostname("vm")] },
    ]));
    let file = scratch.json("m", &document);
    // Nothing is there yet: no run would get so far.
    let without = plan(&scratch, "").arg(&file).run().expect(1);
    without.says("refused: there is no kernel for a virtual machine");
    kernel(&scratch);
    let named = plan(&scratch, "").arg(&file).run().expect(0);
    named
        .says("in virtual machines: tree")
        .says("runs in a virtual machine with 3 GiB of memory")
        .says("6.1 of /")
        .says("OSBUILD_WASM_KERNEL names");
    // A build root may bring its own.
    let of_build = plan(&scratch, "--devices=none").env("OSBUILD_WASM_KERNEL", "");
    let of_build = of_build.arg(&file).run().expect(0);
    of_build.says("kernel: that of pipeline build");
    let json = plan(&scratch, "--format json").arg(&file).run().json();
    assert_eq!(json["pipelines"][0]["virtual_machine"], Value::Null);
    assert_eq!(
        json["pipelines"][1]["virtual_machine"]["memory"],
        3_u64 << 30
    );
}

#[test]
fn a_plan_that_leaves_its_virtual_machine_has_grown() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    kernel(&scratch);
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let inside = plan(&scratch, "--format json").arg(&file).run().expect(0);
    let outside = Program::new("plan --format json")
        .arg(&file)
        .run()
        .expect(0);
    let inside = scratch.write("inside", inside.all());
    let outside = scratch.write("outside", outside.all());
    let diff = |old, new| Program::new("audit diff").arg(old).arg(new).run();
    let grown = diff(&inside, &outside).expect(1);
    grown.says("programs of this machine");
}

#[test]
fn neither_a_plan_nor_a_run_takes_a_virtual_machine_of_a_pipeline_that_is_not_there() {
    for command in ["plan", "run"] {
        let ended = Program::new(&format!("{command} --in-vm archiv"))
            .arg(paths::sample("tar.json"))
            .run()
            .expect(2);
        ended
            .says("--in-vm archiv: the manifest has no such pipeline")
            .says("archive");
    }
}

#[test]
fn osbuild_passes_over_virtual_machines_of_pipelines_that_are_not_there() {
    let scratch = Scratch::new();
    Program::new("osbuild --in-vm other --export archive")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(paths::sample("tar.json"))
        .run()
        .expect(0);
}

/// A run whose emulator says these lines, as one would that has been taken over.
fn run_by(scratch: &Scratch, manifest: &Path, said: &str, options: &str) -> Ended {
    run_script(
        scratch,
        manifest,
        &format!("cat <<'EOF'\n{said}EOF\n"),
        options,
    )
}

/// A run whose emulator is a script of sh.
fn run_script(scratch: &Scratch, manifest: &Path, script: &str, options: &str) -> Ended {
    let fake = scratch.write("emulator", format!("#!/bin/sh\n{script}"));
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        r#"mount --bind "{}" /usr/bin/qemu-system-x86_64 && exec "$@""#,
        fake.display()
    );
    through_shell_in_namespace(
        &script,
        &format!("run --in-vm tree --export tree {options}"),
    )
    .option("--store", scratch.path("store"))
    .option("--output-directory", scratch.path("out"))
    .env("OSBUILD_WASM_KERNEL", scratch.path("root"))
    .arg(manifest)
    .run()
}

#[test]
fn what_a_virtual_machine_says_out_of_order_is_not_believed() {
    if !machine::offers(&[&TOOLS[..], &["unshare", "mount"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    kernel(&scratch);
    let stages = json!([manifest::hostname("a"), manifest::hostname("b")]);
    let file = scratch.json("manifest.json", &manifest::tree(stages));
    let inspected = Program::new("inspect").arg(&file).run().expect(0).json();
    let id = |at: usize| inspected["pipelines"][0]["stages"][at]["id"].clone();
    let [first, second] = [id(0), id(1)];
    let started = |id: &Value| json!({ "started": id });
    let done = |id: &Value, success: bool| {
        let duration = json!({ "secs": 0, "nanos": 0 });
        json!({ "finished": { "id": id, "success": success, "output": "", "error": null, "metadata": null, "duration": duration } })
    };
    let log = |id: &Value, text: &str| json!({ "log": { "id": id, "text": text } });
    let tree = |at: usize| json!({ "tree": { "position": at, "trusted": [] } });
    let other = json!("0".repeat(64));
    let (alive, end) = (json!("alive"), json!("done"));
    let long = log(&first, &"x".repeat(3 << 20));
    for messages in [
        vec![tree(1), end.clone()],
        vec![end.clone(), started(&first)],
        vec![started(&second)],
        vec![started(&other)],
        vec![done(&first, true)],
        vec![started(&first), started(&first)],
        vec![started(&first), done(&second, true)],
        vec![started(&first), done(&first, true), done(&first, true)],
        vec![started(&first), done(&first, true), log(&first, "late")],
        vec![started(&first), done(&first, true), tree(1)],
        vec![started(&first), done(&first, true), tree(0), tree(0)],
        vec![started(&first), done(&first, false), started(&second)],
        vec![started(&first), done(&first, false), tree(0)],
        vec![started(&first), long.clone(), long],
        vec![json!({ "unknown": 1 })],
    ] {
        let lines = std::iter::once(&alive).chain(&messages);
        let said: String = lines.map(|message| format!("{message}\n")).collect();
        let policy = "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'privileged'\nlimits = { log-bytes = '1MiB' }\n";
        let policy = scratch.write("policy.toml", policy);
        let options = format!("--quiet --policy {}", policy.display());
        run_by(&scratch, &file, &said, &options)
            .expect(1)
            .says("virtual machine of pipeline tree: ")
            .says("nothing that its inner side would say");
        assert!(!scratch.path("out/tree").exists(), "{said}");
    }
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn an_emulator_that_was_taken_over_shows_no_file_and_fills_no_memory() {
    if !machine::offers(&[&TOOLS[..], &["unshare", "mount"]].concat()) {
        return;
    }
    let scratch = Scratch::new();
    kernel(&scratch);
    let secret = scratch.write("secret", "of this machine");
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    let console = "/run/osbuild/vm/files/console";
    let link = format!("ln -sf {} {console}\n", secret.display());
    let pipe = format!("rm {console}; mkfifo {console}\n");
    let long = format!("truncate -s 1T {console}; echo the end >>{console}\n");
    for (script, said) in [(link, None), (pipe, None), (long, Some("the end"))] {
        let ended = run_script(&scratch, &file, &script, "--quiet").expect(1);
        let ended = ended.never_says("of this machine");
        if let Some(said) = said {
            ended.says(said);
        }
    }
    machine::assert_nothing_left(scratch.root());
}
