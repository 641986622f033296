//! What each process of a run may do to the machine.
use osbuild_wasm_tests::machine;
use osbuild_wasm_tests::program::Program;
use serde_json::Value;

/// What the runtime keeps: enough to own files.
const OF_FILES: [&str; 8] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MKNOD",
    "CAP_SETFCAP",
];

fn processes() -> Vec<Value> {
    let ended = Program::new("doctor --privileges --json").run().expect(0);
    serde_json::from_str(&ended.stdout).expect("a list of processes")
}

fn words<'a>(process: &'a Value, name: &str) -> Vec<&'a str> {
    let words = process[name].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).collect()
}

#[test]
fn every_process_of_a_run_has_only_the_privileges_of_its_part() {
    if !machine::offers(&["bash"]) {
        return;
    }
    let processes = processes();
    let of = |role: &str| {
        let mut found = processes.iter().filter(|process| {
            let is = process["role"].as_str();
            is.is_some_and(|is| is.starts_with(role))
        });
        found
            .next()
            .unwrap_or_else(|| panic!("no {role} in {processes:?}"))
    };
    let runtime = of("runtime");
    let held = words(runtime, "capabilities");
    assert!(held.iter().all(|name| OF_FILES.contains(name)), "{held:?}");
    assert_eq!(runtime["own_mounts"], true);

    let program = of("program");
    let namespace = program["user_namespace"].as_str().unwrap_or_default();
    assert!(namespace.starts_with("its own: 0 0 "), "{namespace}");
    assert_eq!(program["no_new_privs"], true);
    assert!(program["seccomp_filters"].as_u64() >= Some(3), "{program}");
    assert!(!words(program, "capabilities").contains(&"CAP_SYS_ADMIN"));
    for place in ["/proc", "/sys", "/usr", "/dev/null"] {
        assert!(
            !words(program, "writable_mounts").contains(&place),
            "{place}"
        );
    }
    let groups = words(program, "control_groups");
    let own = |group: &&str| group.contains("/osbuild-wasm-");
    assert!(
        groups.iter().any(own) || std::env::var_os("CI").is_none(),
        "{groups:?}"
    );

    // It waits, and needs nothing any more.
    assert!(words(of("first process"), "capabilities").is_empty());
    for helper in ["helper tree", "helper command"] {
        assert!(
            of(helper)["seccomp_filters"].as_u64() >= Some(1),
            "{helper}"
        );
        let held = words(of(helper), "capabilities");
        assert!(
            !held.contains(&"CAP_SYS_MODULE") && !held.contains(&"CAP_SYS_RAWIO"),
            "{held:?}"
        );
    }
}

#[test]
fn privileges_are_shown_as_a_table() {
    if !machine::offers(&["bash"]) {
        return;
    }
    let ended = Program::new("doctor --privileges").run().expect(0);
    ended
        .says("runtime, components in it")
        .says("helper command")
        .says("its own: 0 0 ")
        .says("no new privileges");
}
