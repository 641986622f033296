//! `links = "refuse"` of a policy: no path leads through a link.
use super::{assert_fits, shown};
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest};
use serde_json::{Value, json};

/// A tree with directories /usr/etc and /srv, where /etc and /www lead, and links to files and to nothing.
fn stages() -> Vec<Value> {
    let paths = ["/usr/etc/d", "/srv"].map(|path| json!({ "path": path, "parents": true }));
    let link = |(name, text): (&str, &str)| json!({ "target": text, "link_name": format!("tree://{name}"), "symbolic": true });
    let links = [
        ("/etc", "usr/etc"),
        ("/www", "/srv"),
        ("/usr/etc/file", "../../srv/there"),
        ("/usr/etc/nowhere", "/srv/absent"),
    ]
    .map(link);
    let made = manifest::stage(
        "org.osbuild.truncate",
        json!({ "filename": "srv/there", "size": "1" }),
    );
    vec![
        manifest::stage("org.osbuild.mkdir", json!({ "paths": paths })),
        made,
        manifest::stage("org.osbuild.ln", json!({ "paths": links })),
    ]
}

/// Builds the tree, and one stage more, under a policy whose rules have these lines more.
fn run(stage: Value, lines: &str) -> Ended {
    let scratch = Scratch::new();
    let mut stages = stages();
    stages.push(stage);
    let rule = |modules: &str, lines: &str| {
        format!("[[rule]]\nmodules = ['{modules}']\ntier = 'elevated'\n{lines}\n")
    };
    let policy = rule("*", lines);
    Program::new("run --export tree")
        .arg(scratch.json("manifest.json", &manifest::tree(stages.into())))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option(
            "--policy",
            scratch.write("policy.toml", format!("version = 1\n{policy}")),
        )
        .run()
}

const REFUSED: &str = "leads through a symbolic link";

#[test]
fn a_policy_that_refuses_links_refuses_every_path_that_leads_through_one() {
    let mode = |path: &str| json!({ "items": { path: { "mode": "0600" } } });
    for (module, options, by_place) in [
        ("hostname", json!({ "hostname": "h" }), None),
        (
            "mkdir",
            json!({ "paths": [{ "path": "/www/d" }] }),
            Some(json!({ "paths": [{ "path": "/srv/d" }] })),
        ),
        (
            "truncate",
            json!({ "filename": "usr/etc/file", "size": "2" }),
            Some(json!({ "filename": "srv/there", "size": "2" })),
        ),
        (
            "truncate",
            json!({ "filename": "usr/etc/nowhere", "size": "2" }),
            None,
        ),
        ("chmod", mode("/www/there"), Some(mode("/srv/there"))),
        ("chmod", mode("/usr/etc/file"), Some(mode("/usr/etc/d"))),
    ] {
        let stage = |options| manifest::stage(&format!("org.osbuild.{module}"), options);
        run(stage(options.clone()), "").expect(0);
        run(stage(options.clone()), "links = 'follow'").expect(0);
        run(stage(options), "links = 'refuse'")
            .expect(1)
            .says(REFUSED);
        if let Some(options) = by_place {
            run(stage(options), "links = 'refuse'").expect(0);
        }
    }
}

#[test]
fn no_call_of_a_component_leads_through_a_link_where_links_are_refused() {
    let tree = |text: &str| text.replace('@', "/run/osbuild/tree");
    // A step is told without where it goes.
    let told = |step: &str| {
        let words: Vec<_> = step.split(' ').take(3).collect();
        tree(&words.join(" "))
    };
    let refused = [
        "tree read @/usr/etc/file",
        "tree write @/usr/etc/file",
        "tree write @/usr/etc/nowhere",
        "tree append @/usr/etc/file",
        "tree list @/etc",
        "tree mkdir @/etc/new",
        "tree stat @/usr/etc/file",
        "tree remove @/www/there",
        "tree rename @/www/there @/srv/x",
        "tree rename @/srv/there @/www/x",
        "tree copy @/srv/there @/usr/etc/file",
        "tree copy @/srv/there @/www/copy",
        "tree copy @/srv/there @/www",
        "tree copy @/www @/srv/copy",
        "std read @/usr/etc/file",
        "std write @/usr/etc/file",
        "std list @/etc",
        "std mkdir @/etc/new",
    ];
    let fine = [
        "tree read @/srv/there",
        "tree write @/usr/etc/d/new",
        "tree copy @/usr/etc/d @/srv/copy",
        "tree remove @/usr/etc/nowhere",
        "std read-link @/etc",
    ];
    let steps = refused.iter().chain(&fine);
    let steps: Vec<_> = steps.map(|step| hostile::step(&tree(step))).collect();
    let stage = manifest::stage("test.files", json!({ "steps": steps }));
    let said = run(stage, "links = 'refuse'").expect(1).all();
    for step in refused {
        let ok = format!("{}: ok", told(step));
        assert!(!said.contains(&ok), "{step}\n{said}");
    }
    for step in fine {
        let ok = format!("{}: ok", told(step));
        assert!(said.contains(&ok), "{step}\n{said}");
    }
}

#[test]
fn no_bind_of_a_program_leads_through_a_link_where_links_are_refused() {
    if !machine::offers(&["cat"]) {
        return;
    }
    let shown = |directory: &str| {
        let bind = [
            format!("/run/osbuild/tree/{directory}"),
            "/run/shown".into(),
        ];
        let run = json!({ "program": "cat", "arguments": ["/run/shown/there"], "bind": bind });
        manifest::stage("test.programs", json!({ "runs": [run] }))
    };
    let programs = "programs = ['cat']\nasked-not-granted = 'withhold'\n";
    let refuse = format!("{programs}links = 'refuse'");
    run(shown("www"), programs).expect(0);
    run(shown("srv"), &refuse).expect(0);
    run(shown("www"), &refuse).expect(1).says(REFUSED);
}

#[test]
fn no_path_that_a_program_is_given_leads_through_a_link_where_links_are_refused() {
    if !machine::offers(&["cat"]) {
        return;
    }
    let run_of = |program: &str, arguments: &[&str]| {
        let at = |word: &&str| word.replace('@', "/run/osbuild/tree");
        let arguments: Vec<_> = arguments.iter().map(at).collect();
        let run = json!({ "program": program, "arguments": arguments });
        manifest::stage("test.programs", json!({ "runs": [run] }))
    };
    let programs = "programs = ['cat', 'true']\nasked-not-granted = 'withhold'\n";
    let refuse = format!("{programs}links = 'refuse'");
    for (program, by_link, by_place) in [
        ("cat", vec!["@/etc/file"], vec!["@/srv/there"]),
        ("cat", vec!["@/usr/etc/file"], vec!["@/srv/there"]),
        (
            "true",
            vec!["cat '@/etc/file'; :"],
            vec!["cat '@/srv/there'; :"],
        ),
        ("true", vec!["--file=@/etc/new"], vec!["--file=@/srv/new"]),
        ("true", vec!["-I@/etc:@/srv"], vec!["-I@/srv:@/srv"]),
    ] {
        run(run_of(program, &by_link), programs).expect(0);
        run(run_of(program, &by_place), &refuse).expect(0);
        run(run_of(program, &by_link), &refuse)
            .expect(1)
            .says(REFUSED);
    }
    let run_in_tree = |path: &str| {
        let run = json!({ "program": "true", "arguments": [path], "in_tree": true });
        manifest::stage("test.programs", json!({ "runs": [run] }))
    };
    run(run_in_tree("/etc/file"), &refuse)
        .expect(1)
        .says(REFUSED);
}

#[test]
fn no_file_that_a_manifest_names_lies_behind_a_link_where_links_are_refused() {
    let input = |file: &str| {
        let reference = json!({ "name:tree": { "file": file } });
        json!({ "files": { "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": reference } })
    };
    let image = manifest::stage(
        "org.osbuild.truncate",
        json!({ "filename": "srv/disk", "size": "4M" }),
    );
    let link = json!({ "target": "srv/disk", "link_name": "tree:///disk", "symbolic": true });
    let link = manifest::stage("org.osbuild.ln", json!({ "paths": [link] }));
    for (links, by_link) in [("follow", 0), ("refuse", 1)] {
        for (file, code) in [
            ("/www/there", by_link),
            ("/usr/etc/file", by_link),
            ("/srv/there", 0),
        ] {
            let from = format!("input://files{file}");
            let options = json!({ "paths": [{ "from": from, "to": "tree:///copy" }] });
            let copy =
                json!({ "type": "org.osbuild.copy", "inputs": input(file), "options": options });
            let pipelines = json!([{ "name": "tree", "stages": stages() }, { "name": "copy", "stages": [copy] }]);
            let ended = build(pipelines, "copy", links).expect(code);
            assert_eq!(ended.all().contains(REFUSED), code == 1, "{file}");
        }
        for (file, code) in [("disk", by_link), ("srv/disk", 0)] {
            let device = json!({ "type": "org.osbuild.loopback", "options": { "filename": file } });
            let made = json!({ "type": "org.osbuild.mkswap", "options": { "uuid": "11111111-2222-3333-4444-555555555555" },
                "devices": { "device": device } });
            let mut stages = stages();
            stages.extend([image.clone(), link.clone(), made]);
            let pipelines = json!([{ "name": "tree", "stages": stages }]);
            let ended = build(pipelines, "tree", links).expect(code);
            assert_eq!(ended.all().contains(REFUSED), code == 1, "{file}");
        }
    }
}

#[test]
fn no_mount_is_seen_behind_a_link_where_links_are_refused() {
    if !machine::offers(&["mkfs.ext4"]) {
        return;
    }
    let device =
        json!({ "device": { "type": "org.osbuild.loopback", "options": { "filename": "disk" } } });
    for (links, target, code) in [
        ("follow", "www", 0),
        ("refuse", "www", 1),
        ("refuse", "srv", 0),
    ] {
        let mut stages = stages();
        stages.push(manifest::stage(
            "org.osbuild.truncate",
            json!({ "filename": "disk", "size": "16M" }),
        ));
        stages.push(json!({ "type": "org.osbuild.mkfs.ext4", "devices": device,
            "options": { "uuid": "11111111-2222-3333-4444-555555555555" } }));
        let mounts = json!([
            { "name": "root", "type": "org.osbuild.ext4", "source": "device", "target": "/" },
            { "name": "bound", "type": "org.osbuild.bind", "target": format!("tree:///{target}"), "options": { "source": "mount:///" } },
        ]);
        stages.push(json!({ "type": "org.osbuild.mkdir", "devices": device, "mounts": mounts,
            "options": { "paths": [{ "path": format!("tree:///{target}/inside").replace("www", "srv") }] } }));
        let pipelines = json!([{ "name": "tree", "stages": stages }]);
        let ended = build(pipelines, "tree", links).expect(code);
        assert_eq!(ended.all().contains(REFUSED), code == 1, "{target}");
    }
}

fn build(pipelines: Value, export: &str, links: &str) -> Ended {
    let scratch = Scratch::new();
    let policy = format!(
        "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'privileged'\nprograms = ['mkfs.ext4']\nlinks = '{links}'\n"
    );
    Program::new("run --devices=none --export")
        .arg(export)
        .arg(scratch.json(
            "manifest.json",
            &json!({ "version": "2", "pipelines": pipelines }),
        ))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--policy", scratch.write("policy.toml", policy))
        .run()
}

#[test]
fn a_plan_says_that_links_are_refused_and_other_words_are_errors() {
    let scratch = Scratch::new();
    let policy = |links: &str| {
        let text = format!("version = 1\n[[rule]]\nmodules = ['*']\nlinks = '{links}'\n");
        scratch.write(&format!("{links}.toml"), text)
    };
    let document = scratch.json("manifest.json", &manifest::two_modules("x"));
    let plan = |links: &str, format: &str| {
        Program::new("plan --format")
            .arg(format)
            .option("--policy", policy(links))
            .arg(&document)
            .run()
    };
    let table = plan("refuse", "table").expect(0);
    assert!(shown(&table, &scratch).contains("policy: no path that leads"));
    let json = plan("refuse", "json").expect(0).json();
    assert_fits("plan", &json);
    assert_eq!(
        json["pipelines"][0]["stages"][0]["decision"]["links"],
        "refuse"
    );
    let followed = plan("follow", "json").expect(0).json();
    let (old, new) = (scratch.json("old", &json), scratch.json("new", &followed));
    let differs = Program::new("audit diff").arg(old).arg(new).run();
    differs.expect(1).says("paths that lead through links");
    plan("resolve", "table").expect(2).says("line 4");
}
