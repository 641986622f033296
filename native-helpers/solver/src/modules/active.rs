//! Which streams are active: those that are enabled or the default, and what they need. That is solved as packages are.
use super::Container;
use crate::metadata::Stream;
use osbuild_wasm_solver_sys::{
    Filler, Id, Job, Operator, Package, Pool, Problem, Relation, SolvError,
};
use std::collections::{BTreeMap, BTreeSet};

/// Versions of a stream that need the same are active together.
type Key<'a> = (&'a str, &'a str, &'a str, String);

impl Container {
    /// Finds the active streams anew.
    ///
    /// # Errors
    /// One sentence when what is enabled and what is the default cannot all be active at once; then as much as possible is.
    pub(super) fn resolve(&mut self) -> Result<(), String> {
        if self.streams.is_empty() {
            return Ok(());
        }
        let broken = |error: SolvError| format!("modules: {error}");
        let mut pool = Pool::new(&self.arch).map_err(broken)?;
        let groups = self.fill(&mut pool).map_err(broken)?;
        pool.prepare();
        self.hide_others(&mut pool, &groups);
        let mut problem = None;
        // What can be left out: nothing, then defaults, then anything.
        for (defaults, enabled) in [(false, false), (true, false), (true, true)] {
            let jobs = self.jobs(&mut pool, defaults, enabled);
            match pool.solve(&jobs, false) {
                Ok(solution) => {
                    let chosen = solution
                        .packages
                        .iter()
                        .filter_map(|(package, _)| groups.get(package));
                    self.active = chosen.flatten().copied().collect();
                    break;
                }
                Err(problems) => problem = problem.or(Some(sentence(&problems))),
            }
        }
        problem.map_or(Ok(()), Err)
    }

    fn key(&self, place: usize) -> Key<'_> {
        let stream = &self.streams[place];
        (&stream.name, &stream.stream, &stream.arch, needs(stream))
    }

    /// Makes a package of each group of versions; returns their places.
    fn fill(&self, pool: &mut Pool) -> Result<BTreeMap<Package, Vec<usize>>, SolvError> {
        let repository = pool.add_repository("modules", 0, 0)?;
        let mut filler = pool.fill(repository)?;
        if let Some(platform) = &self.platform {
            let (name, stream) = platform.split_once(':').unwrap_or((platform, ""));
            filler.package();
            filler.identity(platform, "noarch", "0", "");
            provide(&mut filler, name, stream);
        }
        let mut groups: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
        for place in 0..self.streams.len() {
            groups.entry(self.key(place)).or_default().push(place);
        }
        let mut packages = BTreeMap::new();
        for ((name, stream, arch, _), places) in groups {
            let package = filler.package();
            let arch = if arch.is_empty() { "noarch" } else { arch };
            filler.identity(&format!("{name}:{stream}"), arch, "0", "");
            provide(&mut filler, name, stream);
            // One stream of each module.
            let conflict = filler.pool().intern(&format!("module({name})"));
            filler.relate(Relation::Conflicts, conflict, false);
            let requires = places.first().map(|place| &self.streams[*place].requires);
            for (module, wanted) in requires.into_iter().flatten().flatten() {
                require(&mut filler, module, wanted);
            }
            packages.insert(package, places);
        }
        Ok(packages)
    }

    /// Other streams of what is enabled are not there.
    fn hide_others(&self, pool: &mut Pool, groups: &BTreeMap<Package, Vec<usize>>) {
        let last = pool.packages().last().map_or(0, Package::index);
        let mut visible = vec![true; last + 1];
        for (package, places) in groups {
            let is_other = |place: &usize| {
                let stream = &self.streams[*place];
                self.enabled
                    .get(&stream.name)
                    .is_some_and(|enabled| *enabled != stream.stream)
            };
            visible[package.index()] = !places.iter().any(is_other);
        }
        pool.consider(Some(&visible));
    }

    /// Streams that are enabled or the default, some of which may be left out.
    fn jobs(&self, pool: &mut Pool, defaults: bool, enabled: bool) -> Vec<Job> {
        let mut wanted: BTreeSet<(&str, &str, bool)> = BTreeSet::new();
        for stream in &self.streams {
            let default = self
                .defaults
                .get(&stream.name)
                .and_then(|default| default.stream.as_ref());
            let (chosen, optional) = match (self.enabled.get(&stream.name), default) {
                (Some(chosen), _) => (chosen, enabled),
                (None, Some(chosen)) => (chosen, defaults),
                (None, None) => continue,
            };
            if *chosen == stream.stream {
                wanted.insert((&stream.name, &stream.stream, optional));
            }
        }
        let job = |(name, stream, optional): (&str, &str, bool)| Job::Providing {
            dependency: pool.intern(&format!("module({name}:{stream})")),
            optional,
        };
        wanted.into_iter().map(job).collect()
    }
}

/// What a stream needs, as a text; of versions that need different things the one with the first text is chosen, as by dnf.
fn needs(stream: &Stream) -> String {
    let modules = stream
        .requires
        .iter()
        .flatten()
        .filter(|(module, _)| *module != "platform");
    let modules = modules.map(|(module, streams)| format!("{module}:[{}]", streams.join(",")));
    modules.collect::<Vec<_>>().join(",")
}

fn provide(filler: &mut Filler<'_>, name: &str, stream: &str) {
    for text in [
        format!("module({name})"),
        format!("module({name}:{stream})"),
    ] {
        let id = filler.pool().intern(&text);
        filler.relate(Relation::Provides, id, false);
    }
}

/// One of some streams of a module, none of those with a minus; any, when none is named.
fn require(filler: &mut Filler<'_>, module: &str, streams: &[String]) {
    let (without, with): (Vec<_>, Vec<_>) =
        streams.iter().partition(|stream| stream.starts_with('-'));
    for stream in without {
        let id = filler
            .pool()
            .intern(&format!("module({module}:{})", &stream[1..]));
        filler.relate(Relation::Conflicts, id, false);
    }
    let names = with
        .iter()
        .map(|stream| format!("module({module}:{stream})"));
    let ids: Vec<Id> = names.map(|name| filler.pool().intern(&name)).collect();
    let any = filler.pool().intern(&format!("module({module})"));
    let one = ids
        .into_iter()
        .reduce(|one, other| filler.pool().relation(one, Operator::Or, other));
    filler.relate(Relation::Requires, one.unwrap_or(any), false);
}

fn sentence(problems: &[Problem]) -> String {
    let rules = problems.iter().flat_map(|problem| &problem.rules);
    let mut texts: Vec<_> = rules.map(|rule| rule.text.as_str()).collect();
    texts.dedup();
    format!("modules cannot be enabled together: {}", texts.join(", "))
}
