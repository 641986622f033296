//! The process that reads what repositories tell, and solves: it opens its files first, and then has no system call left that reaches
//! anything else.
use crate::failure::{Failure, Kind};
use crate::goal::depsolve;
use crate::load::{Source, load};
use crate::modules::Container;
use crate::protocol::{Command, Request, Version, depsolved, found, write_found};
use crate::sack::Sack;
use crate::seccomp;
use crate::work::{Header, Work};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Memory that reading and solving may take. Two distributions with all their files need one gigabyte.
pub(crate) const MEMORY: u64 = 4 << 30;

/// Reads the work from standard input, and writes a [`Header`] and the protocol's document to standard output.
pub(crate) fn run() -> ExitCode {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let answered = match answer() {
        Ok((mut answer, written)) => answer.write(written, &mut out),
        Err(failure) => write_failure(&failure, Vec::new(), &mut out),
    };
    match answered.and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What is answered, as soon as it is known that it can be.
enum Answer {
    Reply(Value),
    Dump(Sack, Version),
    Failure(Failure),
}

impl Answer {
    fn write(&mut self, written: Vec<usize>, out: &mut impl Write) -> io::Result<()> {
        let header = |out: &mut dyn Write| {
            write_line(
                &Header {
                    written: written.clone(),
                    success: true,
                },
                out,
            )
        };
        match self {
            Self::Failure(failure) => return write_failure(failure, written, out),
            Self::Reply(reply) => {
                header(out)?;
                serde_json::to_writer(&mut *out, reply)?;
            }
            Self::Dump(sack, version) => {
                header(out)?;
                write_found(sack, *version, &sack.visible(), &mut *out)?;
            }
        }
        out.write_all(b"\n")
    }
}

fn write_line(value: &impl serde::Serialize, mut out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}

fn write_failure(failure: &Failure, written: Vec<usize>, out: &mut impl Write) -> io::Result<()> {
    write_line(
        &Header {
            written,
            success: false,
        },
        out,
    )?;
    write_line(failure, out)
}

fn answer() -> Result<(Answer, Vec<usize>), Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(
            Kind::SolverError,
            format!("cannot start the solver: {error}"),
        )
    };
    let work: Work = serde_json::from_reader(io::stdin().lock()).map_err(|error| broken(&error))?;
    let request = Request::parse(work.request.as_bytes())?;
    let sources: io::Result<Vec<_>> = work.repositories.into_iter().map(Source::open).collect();
    let sources = sources.map_err(Failure::repository)?;
    let most = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::As, most).map_err(|error| broken(&error))?;
    seccomp::confine().map_err(|error| broken(&error))?;
    let (mut sack, written) = load(&request, sources)?;
    let answer = carry_out(&request, &mut sack);
    Ok((
        match answer {
            Ok(Some(reply)) => Answer::Reply(reply),
            Ok(None) => Answer::Dump(sack, request.version),
            Err(failure) => Answer::Failure(failure),
        },
        written,
    ))
}

/// The reply; none: all visible packages.
fn carry_out(request: &Request, sack: &mut Sack) -> Result<Option<Value>, Failure> {
    let mut modules = Container::new(
        &sack.streams,
        request.module_platform_id.as_deref(),
        &request.arch,
    );
    sack.hidden.modular = modules.hidden(sack);
    sack.apply_hidden();
    match &request.command {
        Command::Depsolve { transactions, sbom } => {
            let sets = depsolve(sack, &mut modules, transactions)?;
            let last = sets.last().into_iter().flat_map(|set| set.keys().copied());
            let enabled = modules.reply(sack, last);
            Ok(Some(depsolved(
                sack,
                request.version,
                &sets,
                enabled,
                *sbom,
            )))
        }
        Command::Search { packages, latest } => {
            let packages = packages.iter().flat_map(|word| search(sack, word, *latest));
            let packages: Vec<_> = packages.collect();
            Ok(Some(found(sack, request.version, &packages)))
        }
        Command::Dump => Ok(None),
    }
}

/// Packages by name: `*` at both ends and nowhere else asks for a part of the name, `*` elsewhere makes it a pattern.
fn search(sack: &Sack, word: &str, latest: bool) -> Vec<osbuild_wasm_solver_sys::Package> {
    let part = word
        .strip_prefix('*')
        .and_then(|rest| rest.strip_suffix('*'));
    let part = part.filter(|part| !part.contains('*'));
    let mut packages = sack.visible();
    packages.retain(|package| {
        let name = sack.pool.name(*package);
        match part {
            Some(part) => name.contains(part),
            None if word.contains('*') => crate::glob::matches(word, &name),
            None => name == word,
        }
    });
    if !latest {
        return packages;
    }
    let mut newest: BTreeMap<(String, String), String> = BTreeMap::new();
    let key = |package| {
        (
            sack.pool.name(package).into_owned(),
            sack.pool.arch(package).into_owned(),
        )
    };
    for package in &packages {
        let evr = sack.pool.evr(*package);
        let known = newest
            .entry(key(*package))
            .or_insert_with(|| evr.to_string());
        if sack.pool.compare(&evr, known).is_gt() {
            *known = evr.into_owned();
        }
    }
    packages.retain(|package| {
        let known = newest.get(&key(*package));
        known.is_some_and(|known| sack.pool.compare(&sack.pool.evr(*package), known).is_eq())
    });
    packages
}
