//! `osbuild-wasm plan`.
use super::{assert_fits, manifest, plugin, shown};
use osbuild_wasm_tests::{Program, Scratch, manifest, paths};
use serde_json::{Value, json};

fn plan(scratch: &Scratch, options: &str) -> Program {
    Program::new(&format!("plan {options}"))
        .option("--libdir", plugin(scratch, json!({})))
        .arg(manifest(scratch))
}

#[test]
fn a_plan_shows_components_interfaces_paths_programs_devices_and_network() {
    let scratch = Scratch::new();
    plugin(&scratch, json!({}));
    // A path of a fixed length: cells of the table are wrapped.
    let ended = Program::new("plan --libdir plugins")
        .arg(manifest(&scratch))
        .directory(scratch.root())
        .run()
        .expect(0);
    insta::assert_snapshot!(shown(&ended, &scratch));
}

#[test]
fn a_plan_runs_fetches_and_writes_nothing() {
    let scratch = Scratch::new();
    let empty = scratch.directory("empty");
    // The source's host does not answer, and the plugin could not even be linked.
    plan(&scratch, "").directory(&empty).run().expect(0);
    assert_eq!(std::fs::read_dir(&empty).expect("a directory").count(), 0);
}

#[test]
fn the_json_of_a_plan_fits_its_schema() {
    let scratch = Scratch::new();
    let policy = scratch.write(
        "policy.toml",
        "version = 1\n[[rule]]\nmodules = ['com.*']\nrights = []\nlimits = { time = 5 }",
    );
    for (options, code) in [
        ("--format json".to_owned(), 0),
        (format!("--format json --policy {}", policy.display()), 1),
    ] {
        let ended = plan(&scratch, &options).run().expect(code);
        assert_fits("plan", &ended.json());
    }
    for sample in ["tar.json", "earliest-dnf.json"] {
        let ended = Program::new("plan --format json")
            .arg(paths::sample(sample))
            .run()
            .expect(0);
        assert_fits("plan", &ended.json());
    }
}

#[test]
fn a_plan_says_which_limits_hold_for_programs() {
    let scratch = Scratch::new();
    let of_all = "programs: no limit of memory, bytes written, inodes written";
    let without = plan(&scratch, "").run().expect(0);
    assert!(without.stdout.contains(of_all), "{}", without.all());
    for (limits, said) in [
        ("", of_all),
        (
            "limits = { memory = '1 GiB' }",
            "programs: no limit of bytes written, inodes written",
        ),
        (
            "limits = { memory = '1 GiB', written-bytes = '64 GiB', created-inodes = 4000000 }",
            "",
        ),
    ] {
        let rule = format!(
            "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'privileged'\nprograms = ['*']\nlinux-capabilities = ['*']\nhosts = ['*']\nreads = ['/**']\n{limits}\n"
        );
        let policy = scratch.write("policy.toml", rule);
        let planned = plan(&scratch, "--format html")
            .option("--policy", policy)
            .run();
        let planned = planned.expect(0);
        let shown = planned.stdout.contains("programs: no limit of");
        assert_eq!(shown, !said.is_empty(), "{limits}: {}", planned.all());
        assert!(planned.stdout.contains(said), "{limits}: {}", planned.all());
    }
}

#[test]
fn stages_have_no_network_and_sources_name_their_hosts() {
    let scratch = Scratch::new();
    let plan = plan(&scratch, "--format json").run().expect(0).json();
    assert_eq!(plan["sources"][0]["hosts"], json!(["127.0.0.1:9"]));
    // Its document asks for the network, so a proxy reaches the one host of its options.
    assert_eq!(
        plan["pipelines"][0]["stages"][0]["hosts"],
        json!(["mirror.example.org:443"])
    );
    let tar = Program::new("plan --format json")
        .arg(paths::sample("tar.json"))
        .run()
        .expect(0)
        .json();
    let stages = tar["pipelines"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|pipeline| pipeline["stages"].as_array().expect("a list"));
    for stage in stages {
        assert_eq!(stage["hosts"], Value::Null, "{stage}");
    }
}

#[test]
fn only_what_an_export_needs_is_planned() {
    let names = |export: &str| {
        let ended = Program::new("plan --format json --export")
            .arg(export)
            .arg(paths::sample("tar.json"))
            .run()
            .expect(0);
        let pipelines = ended.json()["pipelines"]
            .as_array()
            .expect("a list")
            .clone();
        pipelines
            .iter()
            .map(|pipeline| pipeline["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("tree"), ["tree"]);
    assert_eq!(names("archive"), ["tree", "archive"]);
    let ended = Program::new("plan --export archve")
        .arg(paths::sample("tar.json"))
        .run()
        .expect(2);
    ended.says("did you mean archive?");
}

#[test]
fn a_page_escapes_what_a_manifest_says() {
    let scratch = Scratch::new();
    let name = "<script>alert(1)</script>&\u{1b}[31m";
    let manifest = manifest::of(json!([{ "name": name, "stages": [manifest::hostname("x")] }]));
    let manifest = scratch.json("manifest", &manifest);
    let page = Program::new("plan --format html")
        .arg(&manifest)
        .run()
        .expect(0)
        .stdout;
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"),
        "{page}"
    );
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script"),
        "{page}"
    );
    assert!(
        !page.contains("src=") && !page.contains("href="),
        "the page needs nothing else"
    );
    let table = Program::new("plan").arg(&manifest).run().expect(0).stdout;
    assert!(!table.contains('\u{1b}'), "{table}");
}

#[test]
fn the_manifest_may_come_from_standard_input() {
    let script = format!("\"$0\" plan - < {}", paths::sample("tar.json").display());
    Program::shell(&script)
        .run()
        .expect(0)
        .says("Plan of standard input");
}

#[test]
fn a_plan_says_what_programs_may_touch_beside_the_rights_of_the_component() {
    let scratch = Scratch::new();
    let dracut = manifest::stage("org.osbuild.dracut", json!({ "kernel": ["6.1"] }));
    let document = manifest::tree(json!([dracut, manifest::hostname("x")]));
    let plan = Program::new("plan").arg(scratch.json("m", &document)).run();
    let plan = plan.expect(0).says("programs: the whole tree,");
    assert_eq!(plan.all().matches("programs: the whole tree").count(), 1);
}
