//! Repositories and wishes by chance, the same for the same number.
use crate::repository::{Dep, Package, Repository};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Numbers by chance (xorshift).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

const VERSIONS: [&str; 14] = [
    "1", "1.0", "1.0.1", "1.0~rc1", "1.0^git1", "1.1", "1.1~beta", "2", "2.0", "2.0a", "10",
    "1.10", "0.9", "1.0^",
];
const RELEASES: [&str; 4] = ["1", "2", "1.fc1", "10"];
const ARCHES: [&str; 10] = [
    "noarch", "noarch", "noarch", "x86_64", "x86_64", "x86_64", "x86_64", "i686", "i686", "aarch64",
];
const OPERATORS: [&str; 5] = ["EQ", "GE", "LE", "LT", "GT"];

/// A case: repositories by id, and a request about them without their addresses.
pub struct Case {
    pub repositories: Vec<(String, Repository)>,
    pub repos: Vec<Value>,
    pub transactions: Value,
}

/// What a case may use.
struct World {
    names: usize,
    capabilities: usize,
}

impl World {
    fn name(&self, chance: &mut Chance) -> String {
        format!("p{}", chance.below(self.names))
    }

    fn target(&self, chance: &mut Chance) -> String {
        match chance.below(10) {
            0..=4 => self.name(chance),
            5..=7 => format!("c{}", chance.below(self.capabilities)),
            8 => format!("/usr/bin/f{}", chance.below(4)),
            _ => format!("/opt/g{}", chance.below(4)),
        }
    }

    fn dependency(&self, chance: &mut Chance) -> Dep {
        if chance.percent(12) {
            return (self.rich(chance), None);
        }
        let name = self.target(chance);
        if name.starts_with('/') || chance.percent(65) {
            return (name, None);
        }
        (name, Some((chance.of(&OPERATORS), evr(chance))))
    }

    fn operand(&self, chance: &mut Chance) -> String {
        let name = self.target(chance);
        match name.starts_with('/') || chance.percent(75) {
            true => name,
            false => format!("{name} {} {}", chance.of(&[">=", "<", "="]), evr(chance)),
        }
    }

    fn rich(&self, chance: &mut Chance) -> String {
        let [a, b, c] = [(); 3].map(|()| self.operand(chance));
        match chance.below(9) {
            0 => format!("({a} and {b})"),
            1 => format!("({a} or {b})"),
            2 => format!("({a} or {b} or {c})"),
            3 => format!("({a} if {b})"),
            4 => format!("({a} if {b} else {c})"),
            5 => format!("({a} unless {b})"),
            6 => format!("({a} with {b})"),
            7 => format!("({a} without {b})"),
            _ => format!("(({a} or {b}) if {c})"),
        }
    }

    fn package(&self, chance: &mut Chance) -> Package {
        let mut package = Package {
            name: self.name(chance),
            epoch: if chance.percent(12) { 1 } else { 0 },
            version: chance.of(&VERSIONS).to_owned(),
            release: chance.of(&RELEASES).to_owned(),
            arch: chance.of(&ARCHES).to_owned(),
            ..Package::default()
        };
        for (kind, percent) in [
            ("provides", 45),
            ("requires", 55),
            ("requires", 30),
            ("conflicts", 8),
            ("obsoletes", 7),
            ("recommends", 22),
            ("suggests", 12),
            ("supplements", 8),
            ("enhances", 8),
        ] {
            if chance.percent(percent) {
                let dependency = match kind {
                    "provides" => (
                        format!("c{}", chance.below(self.capabilities)),
                        chance.percent(60).then(|| ("EQ", evr(chance))),
                    ),
                    "obsoletes" => (
                        self.name(chance),
                        chance.percent(70).then(|| ("LT", evr(chance))),
                    ),
                    _ => self.dependency(chance),
                };
                package.relations.push((kind, dependency));
            }
        }
        if chance.percent(20) {
            package.files.push(format!("/usr/bin/f{}", chance.below(4)));
        }
        if chance.percent(20) {
            package
                .other_files
                .push(format!("/opt/g{}", chance.below(4)));
        }
        package
    }
}

fn evr(chance: &mut Chance) -> String {
    let epoch = if chance.percent(8) { "1:" } else { "" };
    let version = chance.of(&VERSIONS);
    match chance.percent(30) {
        true => format!("{epoch}{version}-{}", chance.of(&RELEASES)),
        false => format!("{epoch}{version}"),
    }
}

/// The case with a number.
pub fn case(number: u64) -> Case {
    let mut chance = Chance::new(number + 1);
    let chance = &mut chance;
    let world = World {
        names: 4 + chance.below(22),
        capabilities: 2 + chance.below(8),
    };
    let (mut repositories, mut repos) = (Vec::new(), Vec::new());
    for place in 0..1 + chance.below(3) {
        let mut repository = Repository {
            packing: chance.below(4) as u32,
            ..Repository::default()
        };
        for _ in 0..4 + chance.below(40) {
            let package = world.package(chance);
            let is_new = repository
                .packages
                .iter()
                .all(|known| known.nevra() != package.nevra());
            repository.packages.extend(is_new.then_some(package));
        }
        let id = format!("r{place}");
        let mut repo = json!({"id": id});
        if chance.percent(25) {
            repo["priority"] = chance.of(&[50, 90, 99, 100]).into();
        }
        if chance.percent(20) {
            repo["cost"] = chance.of(&[100, 1000, 2000]).into();
        }
        if number % 4 == 1 && place == 0 {
            repository.comps = Some(comps(&world, chance));
        }
        if number % 5 == 2 {
            repository.modules = modules(&repository.packages, chance);
            if chance.percent(15) {
                repo["module_hotfixes"] = true.into();
            }
        }
        repositories.push((id, repository));
        repos.push(repo);
    }
    let transactions = transactions(number, &world, &repositories, chance);
    Case {
        repositories,
        repos,
        transactions,
    }
}

fn comps(world: &World, chance: &mut Chance) -> String {
    let mut text = "<?xml version=\"1.0\"?>\n<comps>\n".to_owned();
    for group in 0..2 {
        write!(text, "<group><id>g{group}</id><name>Group {group}</name><name xml:lang=\"de\">Gruppe</name><default>true</default><packagelist>").unwrap();
        let mut names: Vec<_> = (0..1 + chance.below(4))
            .map(|_| world.name(chance))
            .collect();
        names.push("absent".to_owned());
        names.sort();
        names.dedup();
        for name in names {
            let kind = chance.of(&[
                "mandatory",
                "mandatory",
                "default",
                "optional",
                "conditional",
            ]);
            let requires = match kind {
                "conditional" => format!(" requires=\"{}\"", world.name(chance)),
                _ => String::new(),
            };
            write!(
                text,
                "<packagereq type=\"{kind}\"{requires}>{name}</packagereq>"
            )
            .unwrap();
        }
        text.push_str("</packagelist></group>\n");
    }
    text + "<environment><id>e0</id><name>Environment</name><grouplist><groupid>g0</groupid></grouplist>\
        <optionlist><groupid default=\"true\">g1</groupid></optionlist></environment>\n</comps>\n"
}

fn modules(packages: &[Package], chance: &mut Chance) -> Option<String> {
    let mut text = String::new();
    for module in 0..2 {
        for stream in 0..2 {
            let mut versions = vec![1];
            if chance.percent(40) {
                versions.push(2);
            }
            for version in versions {
                let artifacts: Vec<_> = packages.iter().filter(|_| chance.percent(12)).collect();
                let requires = match chance.percent(30) && module == 1 {
                    true => format!(
                        "platform: [p1]\n      m0: [{}]",
                        chance.of(&["s0", "s1", ""])
                    ),
                    false => "platform: [p1]".to_owned(),
                };
                let name = artifacts
                    .first()
                    .map_or("absent".to_owned(), |package| package.name.clone());
                write!(
                    text,
                    "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m{module}\n  stream: \"s{stream}\"\n  version: {version}\n  context: c0ffee\n  arch: x86_64\n  \
                     summary: A module\n  description: A module\n  license:\n    module: [MIT]\n  dependencies:\n  - requires:\n      {requires}\n  \
                     profiles:\n    default:\n      rpms: [{name}]\n"
                )
                .unwrap();
                if !artifacts.is_empty() {
                    text.push_str("  artifacts:\n    rpms:\n");
                    for package in artifacts {
                        writeln!(text, "    - {}", package.nevra()).unwrap();
                    }
                }
                text.push_str("...\n");
            }
        }
    }
    if chance.percent(50) {
        text.push_str("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: m0\n  stream: \"s0\"\n  profiles:\n    s0: [default]\n...\n");
    }
    Some(text)
}

fn transactions(
    number: u64,
    world: &World,
    repositories: &[(String, Repository)],
    chance: &mut Chance,
) -> Value {
    let count = 1 + chance.below(10) / 6 + chance.below(10) / 8;
    let transactions = (0..count).map(|_| {
        let words: Vec<_> = (0..1 + chance.below(3))
            .map(|_| word(number, world, repositories, chance))
            .collect();
        let mut transaction =
            json!({"package-specs": words, "install_weak_deps": chance.percent(50)});
        if chance.percent(25) {
            transaction["exclude-specs"] = json!([exclude(world, repositories, chance)]);
        }
        if number % 5 == 2 && chance.percent(40) {
            transaction["module-enable-specs"] =
                json!([format!("m{}:s{}", chance.below(2), chance.below(2))]);
        }
        transaction
    });
    let mut transactions: Vec<_> = transactions.collect();
    if repositories.len() > 1 && chance.percent(15) {
        transactions[0]["repo-ids"] = json!([repositories[0].0]);
    }
    // Between transactions dnf forgets which streams are the default.
    for later in transactions.iter_mut().skip(1) {
        let words = later["package-specs"].as_array_mut().into_iter().flatten();
        for word in words.filter(|word| **word == "@m0") {
            *word = "@m0:s0/default".into();
        }
    }
    transactions.into()
}

fn word(
    number: u64,
    world: &World,
    repositories: &[(String, Repository)],
    chance: &mut Chance,
) -> String {
    if number % 4 == 1 && chance.percent(45) {
        return chance
            .of(&["@g0", "@g1", "@e0", "@Group 1", "@g0/optional"])
            .to_owned();
    }
    if number % 5 == 2 && chance.percent(25) {
        return chance
            .of(&["@m0:s0/default", "@m0:s1/default", "@m1:s0/default", "@m0"])
            .to_owned();
    }
    let (_, repository) = chance.of(repositories);
    let package = chance.of(&repository.packages);
    match chance.below(16) {
        0 => format!("{}.{}", package.name, package.arch),
        1 => package.nevra(),
        2 => format!("{}-{}", package.name, package.version),
        3 => format!("{}-{}-{}", package.name, package.version, package.release),
        4 => format!("c{}", chance.below(world.capabilities)),
        5 => format!(
            "{} {} {}",
            package.name,
            chance.of(&[">=", "<", "="]),
            package.version
        ),
        6 => format!("/usr/bin/f{}", chance.below(4)),
        7 => format!("/opt/g{}", chance.below(4)),
        8 => format!("{}*", package.name),
        9 => format!("{}-{}*", package.name, &package.version[..1]),
        _ => package.name,
    }
}

fn exclude(world: &World, repositories: &[(String, Repository)], chance: &mut Chance) -> String {
    let (_, repository) = chance.of(repositories);
    let package = chance.of(&repository.packages);
    match chance.below(4) {
        0 => package.nevra(),
        1 => format!("p{}*", 1 + chance.below(2)),
        2 => format!("{}.{}", package.name, package.arch),
        _ => world.name(chance),
    }
}
