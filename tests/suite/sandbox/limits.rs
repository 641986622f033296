//! Limits of a policy hold for a stage as a whole: its component, what the host does for it, what it runs, and compiling it.
use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest, user};
use serde_json::{Value, json};

/// The limits of the tests.
const LIMITS: &str = "written-bytes = '1 MiB', memory = '64 MiB', log-bytes = '64 KiB'";

/// Runs one hostile module in a pipeline under these limits.
fn run(scratch: &Scratch, library: &std::path::Path, module: &str, options: Value) -> Ended {
    within(scratch, library, module, options, "10min")
}

/// The same in so much time.
fn within(
    scratch: &Scratch,
    library: &std::path::Path,
    module: &str,
    options: Value,
    time: &str,
) -> Ended {
    // The sandbox of a program has files of its own.
    let inodes = if module == "test.programs" { 2000 } else { 20 };
    let policy = format!(
        "version = 1\n[[rule]]\nname = \"tests\"\nmodules = [\"test.*\"]\ntier = \"elevated\"\nprograms = [\"*\"]\nlimits = {{ {LIMITS}, created-inodes = {inodes}, time = '{time}' }}\n"
    );
    let manifest = manifest::tree(json!([manifest::stage(module, options)]));
    Program::new("run --quiet --export tree")
        .option("--policy", scratch.write("policy.toml", policy))
        .option("--libdir", library)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest.json", &manifest))
        .run()
}

fn take(scratch: &Scratch, what: &str) -> Ended {
    run(
        scratch,
        hostile::library(),
        "test.resources",
        json!({ "take": what }),
    )
}

#[test]
fn what_the_host_writes_for_a_stage_counts() {
    for (what, limit) in [
        ("copies", "limit of written bytes"),
        ("trees", "limit of written inodes"),
        ("links", "limit of written inodes"),
        ("attributes", "limit of written bytes"),
    ] {
        take(&Scratch::new(), what).expect(1).says(limit);
    }
}

#[test]
fn what_could_not_be_made_does_not_count() {
    take(&Scratch::new(), "directories").expect(0);
}

#[test]
fn open_files_of_a_stage_are_few() {
    take(&Scratch::new(), "handles")
        .expect(1)
        .says("resource table");
}

#[test]
fn what_programs_write_counts() {
    if !machine::offers(&["cat"]) {
        return;
    }
    let scratch = Scratch::new();
    let copy = |number: u32| {
        json!({
            "program": "cat",
            "arguments": ["/usr/bin/bash", "/usr/bin/bash"],
            "stdout": format!("/run/osbuild/tree/copy-{number}"),
        })
    };
    let runs = json!({ "runs": [copy(0), copy(1), copy(2)] });
    run(&scratch, hostile::library(), "test.programs", runs)
        .expect(1)
        .says("programs of the stage wrote more than its limit");
}

#[test]
fn what_programs_print_counts() {
    if !machine::offers(&["cat"]) {
        return;
    }
    let scratch = Scratch::new();
    let runs = json!({ "runs": [{
        "program": "cat",
        "arguments": ["/usr/bin/bash"],
        "to_log": true,
    }] });
    let ended = run(&scratch, hostile::library(), "test.programs", runs).expect(1);
    let printed = ended.stdout.len() + ended.stderr.len();
    assert!(printed < 1 << 20, "{printed} bytes of log");
    ended.says("bytes of log");
}

/// A directory for `--libdir` with a component of this text as module `test.made`.
fn library_of(scratch: &Scratch, component: &[u8]) -> std::path::PathBuf {
    let mut document = hostile::document("made");
    document["programs"] = json!([]);
    let library = scratch.directory("library");
    scratch.write(
        "library/made.wasm",
        embed(component, document.to_string().as_bytes()),
    );
    library
}

/// A component whose main program is core module `$main`, with this text before it.
fn component(modules: &str, instances: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {modules}
            (core module $main (func (export "run") (result i32) (i32.const 0)))
            {instances}
            (core instance $main (instantiate $main))
            (func $run (result (result)) (canon lift (core func $main "run")))
            (instance $program (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $program)))"#
    );
    wat::parse_str(text).expect("a component")
}

#[test]
fn tables_memories_and_instances_count_as_memory() {
    let table = "(table 1000000 funcref)";
    let grown = "(table $t 1 1000000 funcref) (func $grow (drop (table.grow $t (ref.null func) (i32.const 999999)))) (start $grow)";
    let globals = "(global i64 (i64.const 1))".repeat(90_000);
    let module = |content: &str| format!("(core module $m {content})");
    let instance = |count| "(core instance (instantiate $m))".repeat(count);
    let nested = format!("(component $c (core module $m {globals}) {})", instance(20));
    for (what, component) in [
        (
            "tables",
            component(&module(&table.repeat(60)), &instance(1)),
        ),
        (
            "tables of instances",
            component(&module(table), &instance(60)),
        ),
        (
            "memories",
            component(&module("(memory 1000)"), &instance(60)),
        ),
        ("globals", component(&module(&globals), &instance(200))),
        (
            "instances of components",
            component(&nested, &"(instance (instantiate $c))".repeat(10)),
        ),
    ] {
        let scratch = Scratch::new();
        let library = library_of(&scratch, &component);
        let ended = run(&scratch, &library, "test.made", json!({})).expect(1);
        assert!(
            ended.stderr.contains("bytes of memory"),
            "{what}: {}",
            ended.all()
        );
    }
    // One that cannot grow goes on without.
    let scratch = Scratch::new();
    let growing = component(&module(grown), &instance(60));
    let library = library_of(&scratch, &growing);
    run(&scratch, &library, "test.made", json!({})).expect(0);
}

#[test]
fn a_component_of_some_tables_and_instances_runs() {
    let scratch = Scratch::new();
    let module = "(core module $m (table 1000 funcref) (memory 1) (global i32 (i32.const 1)))";
    let component = component(module, &"(core instance (instantiate $m))".repeat(50));
    let library = library_of(&scratch, &component);
    run(&scratch, &library, "test.made", json!({})).expect(0);
}

/// 1 MB of small functions: compiling them took seconds and nearly a gigabyte.
#[test]
fn compiling_a_component_is_bounded() {
    let scratch = Scratch::new();
    let function = "(func (param i32) (result i32) local.get 0)";
    let module = format!("(core module $m {})", function.repeat(170_000));
    let library = library_of(&scratch, &component(&module, ""));
    run(&scratch, &library, "test.made", json!({}))
        .expect(1)
        .says("test.made cannot be compiled: it takes more than ")
        .never_says("internal error");
}

/// The component with a section of names of that many bytes.
fn with_names(mut component: Vec<u8>, size: usize) -> Vec<u8> {
    let length = size + 5;
    component.push(0);
    // LEB128 of five bytes.
    component.extend((0..4).map(|part| (length >> (7 * part)) as u8 | 0x80));
    component.push((length >> 28) as u8);
    component.extend(b"\x04name");
    component.extend(vec![b'a'; size]);
    component
}

#[test]
fn components_that_cost_more_than_they_say_end_at_their_limits() {
    let module = |content: &str| format!("(core module $m {content})");
    let instances = |count| "(core instance (instantiate $m))".repeat(count);
    let functions = "(func (param i32) (result i32) local.get 0)".repeat(400_000);
    let blocks = format!(
        "(func {}{})",
        "block ".repeat(200_000),
        "end ".repeat(200_000)
    );
    let data = format!("(memory 1) {}", "(data \"x\")".repeat(90_000));
    let types = (1..60).map(|level| format!("(type $t{level} (tuple $t{0} $t0))", level - 1));
    let doubled = (1..60).map(|level| format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    let types_of = |levels: String| format!("(type $t0 (tuple u8 u8)) {levels}");
    for (what, component, said) in [
        (
            "names beside functions",
            with_names(component(&module(&functions), ""), 50 << 20),
            "cannot be compiled: it takes more than ",
        ),
        (
            "names",
            with_names(component(&module(""), ""), 50 << 20),
            "",
        ),
        (
            "blocks",
            component(&module(&blocks), ""),
            "cannot be compiled: it takes more than ",
        ),
        (
            "memories",
            component(&module(&"(memory 1)".repeat(99)), &instances(50)),
            "memory count",
        ),
        (
            "one instance of 99 memories",
            component(&module(&"(memory 1)".repeat(99)), &instances(1)),
            "",
        ),
        (
            "instances",
            component(&module("(func)"), &instances(10_000)),
            "instances count exceeds limit",
        ),
        (
            "data",
            component(&module(&data), &instances(100)),
            "bytes of memory",
        ),
        (
            "types",
            component(&types_of(doubled.collect()), ""),
            "type size exceeds the limit",
        ),
        (
            "types one in another",
            component(&types_of(types.collect()), ""),
            "",
        ),
        (
            "start",
            component(&module("(func $f (loop (br 0))) (start $f)"), &instances(1)),
            "the time limit of a stage",
        ),
    ] {
        let scratch = Scratch::new();
        let library = library_of(&scratch, &component);
        let time = if what == "start" { "1s" } else { "10min" };
        let ended = within(&scratch, &library, "test.made", json!({}), time);
        assert_eq!(
            ended.code(),
            i32::from(!said.is_empty()),
            "{what}: {}",
            ended.all()
        );
        assert!(ended.stderr.contains(said), "{what}: {}", ended.all());
    }
}

/// What a program of an ordinary user without control groups comes to.
fn of_user(memory: &str, code: &str) -> Ended {
    let scratch = Scratch::new();
    let libraries = "import ctypes, mmap, os, socket, time\nlibc = ctypes.CDLL(None)";
    let types = "libc.mmap.restype = libc.shmat.restype = ctypes.c_void_p";
    let kept = "(ours, theirs), kept = socket.socketpair(), []";
    let python = format!("{libraries}\n{types}\n{kept}\n{code}");
    let run = json!({ "program": "python3", "arguments": ["-c", python] });
    let stage = manifest::stage("test.narrow", json!({ "runs": [run] }));
    let members = json!({ "programs": ["python3"], "rights": [] });
    let library = hostile::with_document(&scratch, "programs", &members);
    let rule = "[[rule]]\nmodules = ['*']\ntier = 'elevated'\nprograms = ['*']\n";
    let policy = format!("version = 1\n[limits]\nmemory = '{memory}'\n{rule}");
    user::machine(&scratch)
        .before("mount -t tmpfs none /sys/fs/cgroup")
        .run("run --export tree")
        .arg(scratch.json("manifest.json", &manifest::tree(json!([stage]))))
        .option("--libdir", library)
        .option("--policy", scratch.write("policy.toml", policy))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .run()
}

/// Memory that is in no process's own count: of files of which hardly anything is mapped, that are mapped and not open, or on their
/// way; and of none.
const OUT_OF_SIGHT: [&str; 4] = [
    "place = libc.mmap(None, size, 3, 0x21, -1, 0); ctypes.memset(place, 1, size); libc.munmap(ctypes.c_void_p(place + 4096), size - 4096)",
    "file = os.memfd_create('x'); os.write(file, bytes(size)); kept.append(mmap.mmap(file, 4096)); os.close(file)",
    "file = os.memfd_create('x'); os.write(file, bytes(size)); socket.send_fds(ours, [b'x'], [file]); os.close(file)",
    // There are no more than two of these.
    "block = libc.shmget(0, size, 0o600); place = libc.shmat(block, None, 0) if block >= 0 else kept.append(b'x' * size); place and (ctypes.memset(place, 1, size), libc.shmdt(ctypes.c_void_p(place)))",
];

#[test]
fn an_ordinary_users_programs_have_no_memory_out_of_sight() {
    if !machine::offers(&[&user::PROGRAMS[..], &["python3"]].concat()) {
        return;
    }
    for code in OUT_OF_SIGHT {
        let hide = format!("size = 40 << 20\nfor _ in range(4): {code}\ntime.sleep(600)");
        of_user("100 MiB", &hide)
            .expect(1)
            .says("its limit of 104857600 bytes");
    }
    let [unmapped, closed, ..] = OUT_OF_SIGHT;
    let little =
        format!("size = 1 << 20\nfor _ in range(4):\n  {unmapped}\n  {closed}\ntime.sleep(4)");
    of_user("4 GiB", &little).expect(0);
}
