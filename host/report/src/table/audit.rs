//! An audit as tables: the components, and what is inside of those that contain others.
use super::words::{component, interfaces, list, refused_wasi, rights, size};
use super::{Cell, Part, Severity, Table};
use crate::text::count;
use osbuild_wasm_capability::audit::{Audit, Audited, Inner, InnerImport, Supply};

/// The tables of an audit.
pub fn audit_table(audit: &Audit) -> Table {
    let components = Part {
        title: "Components".into(),
        note: "what each asks for; nothing was executed".into(),
        header: vec!["Component", "May call", "May touch", "Network", "Notes"],
        rows: audit.components.iter().map(row).collect(),
    };
    let composed = audit
        .components
        .iter()
        .filter(|audited| !audited.inner.is_empty());
    let mut parts = vec![components];
    // What a compiler's adapter adds is inside of every component, and not the author's choice.
    parts.extend(
        composed
            .filter(|audited| audited.inner.iter().any(is_telling))
            .map(inner),
    );
    Table {
        title: format!("Audit of {}", count(audit.components.len(), "component")),
        facts: vec![(
            "contract".to_owned(),
            format!("osbuild:stage {}", audit.contract),
        )],
        parts,
    }
}

fn is_telling(inner: &Inner) -> bool {
    inner.modules > 0
        || inner
            .imports
            .iter()
            .any(|import| import.supplied.is_empty())
}

fn row(audited: &Audited) -> Vec<Cell> {
    let profile = &audited.profile;
    let kind = if profile.kind.is_empty() {
        "component"
    } else {
        &profile.kind
    };
    let name = format!("{} ({kind})", profile.name);
    let mut touch = rights(profile.rights.as_deref());
    touch.extend(
        profile
            .reads
            .iter()
            .map(|path| format!("read: build://{path}")),
    );
    let places = profile.places_of_programs();
    let places = places.iter().flat_map(|places| places.shown(|_| true));
    touch.extend(places.map(|place| format!("programs: {place}")));
    let network = match profile.network {
        true => "the hosts of its options, through a proxy",
        false => "none",
    };
    let entropy = profile.entropy.then(|| "real random numbers".to_owned());
    let inner = match audited
        .inner
        .iter()
        .filter(|inner| is_telling(inner))
        .count()
    {
        0 => None,
        inner => Some(format!("contains {}", count(inner, "component"))),
    };
    let notes = audited
        .problems
        .iter()
        .map(|problem| format!("cannot run: {problem}"));
    let severity = if audited.problems.is_empty() {
        Severity::Plain
    } else {
        Severity::Bad
    };
    vec![
        Cell::new(
            std::iter::once(name)
                .chain(component(profile))
                .chain([size(audited.size)]),
        ),
        Cell::new([
            interfaces(profile),
            if profile.has_wasi_files() {
                "wasi:filesystem".into()
            } else {
                String::new()
            },
            list("programs", &profile.programs),
            list("Linux capabilities", &profile.linux_capabilities),
            list("as strong as root", &profile.privileged_programs),
            list("variables", &profile.environment),
            refused_wasi(profile),
            list("unknown imports", &profile.foreign),
        ]),
        Cell::new(touch),
        Cell::new([network.to_owned()]),
        Cell::new(notes.chain(inner).chain(entropy)).severity(severity),
    ]
}

fn inner(audited: &Audited) -> Part {
    let row = |inner: &Inner| {
        let imports = inner.imports.iter().map(import);
        let unsatisfied = inner
            .imports
            .iter()
            .any(|import| import.supplied.is_empty());
        let severity = if unsatisfied {
            Severity::Bad
        } else {
            Severity::Plain
        };
        vec![
            Cell::new([inner.place.clone()]),
            Cell::new(imports).severity(severity),
            Cell::new([count(inner.modules, "core module")]),
            Cell::new(inner.sections.iter().cloned()),
        ]
    };
    Part {
        title: format!("Inside of {}", audited.profile.name),
        note: "what the components in it import, and who gives it them".into(),
        header: vec!["Inner component", "Imports", "Code", "Custom sections"],
        rows: audited
            .inner
            .iter()
            .filter(|inner| is_telling(inner))
            .map(row)
            .collect(),
    }
}

fn import(import: &InnerImport) -> String {
    let supplies: Vec<_> = import
        .supplied
        .iter()
        .map(|supply| match supply {
            Supply::Import(name) if *name == import.name => "from outside".to_owned(),
            Supply::Import(name) => format!("from outside, as {name}"),
            Supply::Component(place) => format!("from inner component {place}"),
            Supply::Around => "from the component around it".to_owned(),
        })
        .collect();
    match supplies.is_empty() {
        true => format!("{}: satisfied by nothing", import.name),
        false => format!("{}: {}", import.name, supplies.join(", ")),
    }
}
