//! A plan as tables: one for the sources, one for each pipeline.
use super::words::{
    bounds, bounds_of_source, component, interfaces, list, refused_wasi, rights, size,
    unbounded_programs,
};
use super::{Cell, Part, Severity, Table};
use crate::text::{self, count};
use osbuild_wasm_capability::plan::{Ask, Plan, Planned, PlannedPipeline, VirtualMachine};
use osbuild_wasm_capability::policy::{CONTAINER_STORAGE, Decision, Links};

/// The tables of a plan.
pub fn plan_table(plan: &Plan) -> Table {
    let denied = plan
        .all()
        .filter(|planned| !planned.decision.granted())
        .count();
    let mut facts = vec![
        (
            "policy".to_owned(),
            plan.policy
                .clone()
                .unwrap_or("none: everything that is asked for is granted".into()),
        ),
        (
            "contract".to_owned(),
            format!("osbuild:stage {}", plan.contract),
        ),
        (
            "decision".to_owned(),
            match denied {
                0 => "granted".to_owned(),
                denied => format!("denied: {} cannot run", count(denied, "module")),
            },
        ),
    ];
    facts.extend(of_machine(plan));
    let limits = plan
        .pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.stages)
        .next();
    if let (None, Some(stage)) = (&plan.policy, limits) {
        facts.push((
            "limits of each stage".into(),
            format!(
                "{}; {}",
                bounds(&stage.decision.limits),
                unbounded_programs(&stage.decision.limits)
            ),
        ));
    }
    let with_policy = plan.policy.is_some();
    let mut parts: Vec<_> = (!plan.sources.is_empty())
        .then(|| sources(plan, with_policy))
        .into_iter()
        .collect();
    parts.extend(
        plan.pipelines
            .iter()
            .map(|built| pipeline(built, with_policy)),
    );
    Table {
        title: format!("Plan of {}", shown(&plan.manifest)),
        facts,
        parts,
    }
}

/// How disks come to be, what runs in virtual machines, and what cannot.
fn of_machine(plan: &Plan) -> Vec<(String, String)> {
    let way = plan.devices.as_deref().map(|way| match way {
        "loop" => "loop: loop devices and mounts of the kernel",
        _ => "none: files stand for loop devices, directories for mounted file systems",
    });
    let mut facts: Vec<_> = way
        .map(|way| ("devices".to_owned(), way.to_owned()))
        .into_iter()
        .collect();
    let machines = plan.pipelines.iter();
    let machines = machines.filter(|pipeline| pipeline.virtual_machine.is_some());
    let names: Vec<_> = machines.map(|pipeline| &*pipeline.name).collect();
    if !names.is_empty() {
        facts.push(("in virtual machines".to_owned(), names.join(", ")));
    }
    if !facts.is_empty() {
        let lacking = plan.all().filter(|planned| !planned.lacks.is_empty());
        let machine = match lacking.count() {
            0 if plan.is_possible() => "nothing is known to be missing".to_owned(),
            0 => "refused: a virtual machine cannot be booted here".to_owned(),
            count => format!("refused: {} cannot run here", text::count(count, "module")),
        };
        facts.push(("this machine".to_owned(), machine));
    }
    facts
}

/// What a pipeline's machine boots, ready to be appended to a sentence.
fn machine(machine: &VirtualMachine) -> String {
    let VirtualMachine {
        kernel,
        initrd,
        memory,
        lacks,
    } = machine;
    let refused = match lacks.as_str() {
        "" => String::new(),
        lacks => format!("; refused: {lacks}"),
    };
    format!(
        "; runs in a virtual machine with {} of memory; kernel: {kernel}; initial RAM disk: {initrd}{refused}",
        size(*memory)
    )
}

fn shown(manifest: &str) -> &str {
    if manifest == "-" {
        "standard input"
    } else {
        manifest
    }
}

fn sources(plan: &Plan, with_policy: bool) -> Part {
    let row = |planned: &Planned| {
        let name = std::iter::once(planned.ask.module.name.clone());
        let module = Cell::new(name.chain(planned.ask.settings.iter().cloned()));
        vec![
            module,
            network(&planned.ask),
            files(&planned.ask),
            decision(&planned.decision, with_policy, false),
        ]
    };
    Part {
        title: "Sources".into(),
        note: "fetched by this program before the first stage, each item with its checksum".into(),
        header: vec!["Source", "Network", "Reads of this machine", "Policy"],
        rows: plan.sources.iter().map(row).collect(),
    }
}

fn pipeline(pipeline: &PlannedPipeline, with_policy: bool) -> Part {
    let programs = match &pipeline.build {
        Some(build) => format!("programs come from pipeline {build}"),
        None => "programs come from this machine".into(),
    };
    let epoch = pipeline
        .source_epoch
        .map(|epoch| format!("; the time is {epoch}"));
    let rows = pipeline.stages.iter().enumerate();
    Part {
        title: format!("Pipeline {}", pipeline.name),
        note: format!(
            "{programs}, prepared by {}{}{}{}",
            pipeline.runner,
            prepared_by(&pipeline.runner_programs),
            epoch.unwrap_or_default(),
            pipeline
                .virtual_machine
                .as_ref()
                .map(machine)
                .unwrap_or_default()
        ),
        header: vec![
            "Stage",
            "May call",
            "May touch",
            "Is given",
            "Network",
            "Policy",
        ],
        rows: rows
            .map(|(index, planned)| stage(index, planned, with_policy))
            .collect(),
    }
}

fn stage(index: usize, planned: &Planned, with_policy: bool) -> Vec<Cell> {
    let (ask, granted) = (&planned.ask, &planned.decision);
    let module = &ask.module;
    let name = format!("{} {}", index + 1, module.name);
    let mut touch = rights(module.rights.as_deref());
    let granted_reads = granted.reads.iter();
    touch.extend(granted_reads.map(|path| format!("read: build://{path}")));
    let refused = module
        .reads
        .iter()
        .filter(|path| !granted.reads.contains(path));
    touch.extend(refused.map(|path| format!("refused: read build://{path}")));
    touch.extend(planned.touched_by_programs());
    if granted.links == Links::Refuse {
        touch.push("policy: no path that leads through a link".into());
    }
    if let Some(policy) = &granted.rights {
        touch.extend(
            rights(Some(policy))
                .into_iter()
                .map(|line| format!("policy: {line}")),
        );
    }
    let parts = [
        ("input", &ask.inputs),
        ("device", &ask.devices),
        ("mount", &ask.mounts),
    ];
    let parts = parts.into_iter().flat_map(|(kind, parts)| {
        parts.iter().map(move |part| {
            let of = if part.of.is_empty() {
                String::new()
            } else {
                format!(": {}", part.of)
            };
            let by = match part.by.as_str() {
                "" => String::new(),
                by => format!("; by {by}"),
            };
            let helpers = list("; helpers may run", &part.programs).replacen(": ", " ", 1);
            format!("{kind} {} ({}){of}{by}{helpers}", part.name, part.module)
        })
    });
    let entropy = module.entropy.then(|| "real random numbers".to_owned());
    vec![
        Cell::new(std::iter::once(name).chain(component(module))),
        Cell::new([
            interfaces(module),
            if module.has_wasi_files() && granted.wasi_filesystem {
                "wasi:filesystem".into()
            } else {
                String::new()
            },
            list("programs", &module.programs),
            list("Linux capabilities", &module.linux_capabilities),
            list("as strong as root", &module.privileged_programs),
            list("variables", &module.environment),
            refused_wasi(module),
        ]),
        Cell::new(touch),
        Cell::new(parts.chain(entropy)),
        network(ask),
        verdict(planned, with_policy),
    ]
}

/// The programs of a runner.
fn prepared_by(programs: &[String]) -> String {
    match programs.is_empty() {
        true => String::new(),
        false => format!(" ({}, which see nothing of a stage)", programs.join(", ")),
    }
}

/// What a source reads of this machine.
fn files(ask: &Ask) -> Cell {
    let shown = |file: &String| match file.as_str() {
        CONTAINER_STORAGE => "its container storage".to_owned(),
        path => path.to_owned(),
    };
    match ask.files.is_empty() {
        true => Cell::new(["nothing".into()]),
        false => Cell::new(ask.files.iter().map(shown)),
    }
}

fn network(ask: &Ask) -> Cell {
    match ask.hosts.is_empty() {
        true => Cell::new(["none".into()]),
        false => {
            let hosts = ask.hosts.iter().map(|host| match host.as_str() {
                "*" => "any host that a list of mirrors names".to_owned(),
                host => host.to_owned(),
            });
            let proxies = ask.proxies.iter().map(|proxy| format!("{proxy} (proxy)"));
            Cell::new(hosts.chain(proxies))
        }
    }
}

/// The decision about a stage, and why it cannot run whatever that is.
fn verdict(planned: &Planned, with_policy: bool) -> Cell {
    let decided = decision(&planned.decision, with_policy, true);
    match planned.lacks.as_str() {
        "" => decided,
        lacks => decided
            .and(format!("cannot run here: {lacks}"))
            .severity(Severity::Bad),
    }
}

fn decision(decision: &Decision, with_policy: bool, is_stage: bool) -> Cell {
    if !decision.granted() {
        let denials = decision
            .denials
            .iter()
            .map(|denial| format!("{}: {}", denial.capability, denial.reason));
        return Cell::new(std::iter::once("denied".to_owned()).chain(denials))
            .severity(Severity::Bad);
    }
    if !with_policy {
        return Cell::new(["no policy".into()]);
    }
    let rule = decision.rule.as_ref();
    let limits = match is_stage {
        true => bounds(&decision.limits),
        false => bounds_of_source(&decision.limits),
    };
    let runs_programs = !(decision.programs.is_empty() && decision.privileged_programs.is_empty());
    let programs = match runs_programs {
        true => unbounded_programs(&decision.limits),
        false => String::new(),
    };
    Cell::new([
        rule.map(|rule| format!("granted by {rule}"))
            .unwrap_or_default(),
        list("withheld", &decision.withheld),
        limits,
        programs,
    ])
    .severity(Severity::Good)
}
