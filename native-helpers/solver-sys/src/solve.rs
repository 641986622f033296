//! Solving: which packages fulfil all wishes.
use crate::pool::{Id, Package, Pool, owned};
use crate::queue::Queue;
use crate::raw;

// Numbers of solver.h.
const INSTALL: i32 = 0x0100;
const MULTIVERSION: i32 = 0x0500;
const WEAK: i32 = 0x01_0000;
const SET_EVR: i32 = 0x0200_0000;
const SET_ARCH: i32 = 0x0400_0000;
const PROVIDES: i32 = 0x03;
const ONE_OF: i32 = 0x04;
const IGNORE_RECOMMENDED: i32 = 7;
/// Flags that dnf sets: nothing but these decides which solution is found.
const FLAGS: [i32; 6] = [
    1,  // SOLVER_FLAG_ALLOW_DOWNGRADE
    3,  // SOLVER_FLAG_ALLOW_VENDORCHANGE
    11, // SOLVER_FLAG_KEEP_EXPLICIT_OBSOLETES
    12, // SOLVER_FLAG_BEST_OBEY_POLICY
    18, // SOLVER_FLAG_KEEP_ORPHANS
    21, // SOLVER_FLAG_YUM_OBSOLETES
];
const REASON_UNIT_RULE: i32 = 1;
const REASON_RESOLVE_JOB: i32 = 3;
const REASON_WEAK: i32 = 7;

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// One of these is there.
    OneOf {
        /// The candidates.
        packages: Vec<Package>,
        /// Whether it may be left out when that cannot be.
        optional: bool,
    },
    /// What a dependency asks for is there.
    Providing {
        /// The dependency.
        dependency: Id,
        /// Whether it may be left out when that cannot be.
        optional: bool,
    },
    /// Packages that provide this do not replace one another.
    Multiversion(Id),
}

/// Why a package is part of a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A wish, by its place among the jobs.
    Job(usize),
    /// Another one needs it.
    Dependency,
    /// It goes well with another one.
    Weak,
}

/// The packages that fulfil all wishes, in the order in which they were decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// Each with its reason.
    pub packages: Vec<(Package, Reason)>,
}

/// Why wishes cannot be fulfilled: rules that exclude one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// All rules that have a part in it.
    pub rules: Vec<Rule>,
}

/// A rule of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it says.
    pub kind: RuleKind,
    /// The wish it comes from, by its place among the jobs.
    pub job: Option<usize>,
    /// The package that it is about.
    pub from: Option<Package>,
    /// Another package that it is about.
    pub to: Option<Package>,
    /// The dependency that it is about.
    pub dependency: Option<Id>,
    /// libsolv's own words.
    pub text: String,
}

/// What a rule says; numbers of rules.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// A wish.
    Job,
    /// A package cannot be installed on this architecture, or is hidden.
    NotInstallable,
    /// Nobody provides what a package requires.
    NothingProvides,
    /// A package requires something that others provide.
    Requires,
    /// A package conflicts with what it provides itself.
    SelfConflict,
    /// A package conflicts with another one.
    Conflicts,
    /// Two versions of one package.
    SameName,
    /// A package obsoletes another one.
    Obsoletes,
    /// Anything else.
    Other,
}

impl RuleKind {
    fn of(number: i32) -> Self {
        match number {
            0x101 => Self::NotInstallable,
            0x102 => Self::NothingProvides,
            0x103 => Self::Requires,
            0x104 => Self::SelfConflict,
            0x105 => Self::Conflicts,
            0x106 => Self::SameName,
            0x107..=0x109 => Self::Obsoletes,
            0x400..=0x4ff => Self::Job,
            _ => Self::Other,
        }
    }
}

/// A `Solver`; freed when dropped.
struct Solver(*mut raw::Solver);

impl Drop for Solver {
    fn drop(&mut self) {
        // SAFETY: it is there, and it is not used afterwards.
        unsafe { raw::solver_free(self.0) }
    }
}

impl Pool {
    /// Finds packages that fulfil all jobs, with those that they recommend if `weak`.
    ///
    /// # Errors
    /// The problems, when there are none.
    pub fn solve(&mut self, jobs: &[Job], weak: bool) -> Result<Solution, Vec<Problem>> {
        if !self.is_prepared() {
            self.prepare();
        }
        let mut queue = self.job_queue(jobs);
        // SAFETY: the pool is there and is not changed while the solver lives; the queue has pairs of a job and what it is about.
        let (solver, problems) = unsafe {
            let solver = Solver(raw::solver_create(self.raw.as_ptr()));
            for flag in FLAGS {
                raw::solver_set_flag(solver.0, flag, 1);
            }
            raw::solver_set_flag(solver.0, IGNORE_RECOMMENDED, i32::from(!weak));
            let problems = raw::solver_solve(solver.0, queue.raw());
            (solver, problems)
        };
        if problems > 0 {
            return Err((1..=problems)
                .map(|problem| self.problem(&solver, problem))
                .collect());
        }
        Ok(self.solution(&solver))
    }

    fn job_queue(&mut self, jobs: &[Job]) -> Queue {
        let mut pairs = Vec::new();
        for job in jobs {
            let (how, what) = match job {
                Job::OneOf { packages, optional } => {
                    let packages = packages
                        .iter()
                        .map(|package| self.checked_package(*package));
                    let mut queue = Queue::new(&packages.collect::<Vec<_>>());
                    // SAFETY: it copies the queue into the pool.
                    let what =
                        unsafe { raw::pool_queuetowhatprovides(self.raw.as_ptr(), queue.raw()) };
                    let weak = if *optional { WEAK } else { 0 };
                    (INSTALL | ONE_OF | SET_EVR | SET_ARCH | weak, what)
                }
                Job::Providing {
                    dependency,
                    optional,
                } => {
                    let weak = if *optional { WEAK } else { 0 };
                    (INSTALL | PROVIDES | weak, self.checked(*dependency))
                }
                Job::Multiversion(id) => (MULTIVERSION | PROVIDES, self.checked(*id)),
            };
            pairs.extend([how, what]);
        }
        Queue::new(&pairs)
    }

    fn solution(&self, solver: &Solver) -> Solution {
        let mut queue = Queue::new(&[]);
        // SAFETY: the solver has solved.
        unsafe { raw::osw_installed(solver.0, queue.raw()) };
        let packages = queue.elements().iter();
        Solution {
            packages: packages
                .map(|p| (Package(*p), reason(solver, *p)))
                .collect(),
        }
    }

    fn problem(&self, solver: &Solver, problem: i32) -> Problem {
        let mut rules = Queue::new(&[]);
        // SAFETY: the solver has found as many problems.
        unsafe { raw::solver_findallproblemrules(solver.0, problem, rules.raw()) };
        Problem {
            rules: rules
                .elements()
                .iter()
                .map(|rule| self.rule(solver, *rule))
                .collect(),
        }
    }

    fn rule(&self, solver: &Solver, rule: i32) -> Rule {
        let (mut from, mut to, mut dependency) = (0, 0, 0);
        // SAFETY: the rule is one of this solver's.
        let (kind, text) = unsafe {
            let kind = raw::solver_ruleinfo(
                solver.0,
                rule,
                &raw mut from,
                &raw mut to,
                &raw mut dependency,
            );
            let text = raw::solver_problemruleinfo2str(solver.0, kind, from, to, dependency);
            (kind, owned(text).unwrap_or_default())
        };
        let package =
            |p: i32| Some(Package(p)).filter(|package| self.repository(*package).is_some());
        Rule {
            kind: RuleKind::of(kind),
            job: job_of(solver, rule),
            from: package(from),
            to: package(to),
            dependency: Some(Id(dependency)).filter(|id| *id != Id::NONE),
            text,
        }
    }
}

/// The place among the jobs of what a rule comes from.
fn job_of(solver: &Solver, rule: i32) -> Option<usize> {
    // SAFETY: the rule is one of this solver's; the result is the place in the queue plus one, which has two numbers for each job.
    let place = unsafe { raw::solver_rule2jobidx(solver.0, rule) };
    usize::try_from(place)
        .ok()?
        .checked_sub(1)
        .map(|place| place / 2)
}

fn reason(solver: &Solver, p: i32) -> Reason {
    let mut info = 0;
    // SAFETY: the package is one that this solver decided.
    let reason = unsafe { raw::solver_describe_decision(solver.0, p, &raw mut info) };
    match reason {
        REASON_WEAK => Reason::Weak,
        REASON_UNIT_RULE | REASON_RESOLVE_JOB if info > 0 => {
            job_of(solver, info).map_or(Reason::Dependency, Reason::Job)
        }
        _ => Reason::Dependency,
    }
}
