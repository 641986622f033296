//! The functions of libsolv and of shim.c that are called, as they are.
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

/// `Pool` of pool.h.
#[repr(C)]
pub struct Pool {
    _opaque: [u8; 0],
}

/// `Repo` of repo.h.
#[repr(C)]
pub struct Repo {
    _opaque: [u8; 0],
}

/// `Repodata` of repodata.h.
#[repr(C)]
pub struct Repodata {
    _opaque: [u8; 0],
}

/// `Solver` of solver.h.
#[repr(C)]
pub struct Solver {
    _opaque: [u8; 0],
}

/// `Queue` of queue.h.
#[repr(C)]
pub struct Queue {
    pub elements: *mut c_int,
    pub count: c_int,
    pub alloc: *mut c_int,
    pub left: c_int,
}

/// `Reldep` of pooltypes.h.
#[repr(C)]
pub struct Relation {
    pub name: c_int,
    pub evr: c_int,
    pub flags: c_int,
}

unsafe extern "C" {
    pub fn pool_create() -> *mut Pool;
    pub fn pool_free(pool: *mut Pool);
    pub fn pool_setdisttype(pool: *mut Pool, kind: c_int) -> c_int;
    pub fn pool_set_flag(pool: *mut Pool, flag: c_int, value: c_int) -> c_int;
    pub fn pool_setarch(pool: *mut Pool, arch: *const c_char);
    pub fn pool_strn2id(
        pool: *mut Pool,
        text: *const c_char,
        length: c_uint,
        create: c_int,
    ) -> c_int;
    pub fn pool_id2str(pool: *const Pool, id: c_int) -> *const c_char;
    pub fn pool_rel2id(
        pool: *mut Pool,
        name: c_int,
        evr: c_int,
        flags: c_int,
        create: c_int,
    ) -> c_int;
    pub fn pool_dep2str(pool: *mut Pool, id: c_int) -> *const c_char;
    pub fn pool_evrcmp_str(
        pool: *const Pool,
        one: *const c_char,
        other: *const c_char,
        mode: c_int,
    ) -> c_int;
    pub fn pool_addfileprovides(pool: *mut Pool);
    pub fn pool_createwhatprovides(pool: *mut Pool);
    pub fn pool_queuetowhatprovides(pool: *mut Pool, queue: *mut Queue) -> c_int;
    pub fn pool_lookup_str(pool: *mut Pool, p: c_int, key: c_int) -> *const c_char;
    pub fn pool_lookup_num(pool: *mut Pool, p: c_int, key: c_int, none: c_ulonglong)
    -> c_ulonglong;

    pub fn repo_create(pool: *mut Pool, name: *const c_char) -> *mut Repo;
    pub fn repo_empty(repo: *mut Repo, reuse: c_int);
    pub fn repo_add_solvable(repo: *mut Repo) -> c_int;
    pub fn repo_add_repodata(repo: *mut Repo, flags: c_int) -> *mut Repodata;
    pub fn repo_internalize(repo: *mut Repo);
    pub fn repodata_set_str(data: *mut Repodata, p: c_int, key: c_int, text: *const c_char);
    pub fn repodata_set_poolstr(data: *mut Repodata, p: c_int, key: c_int, text: *const c_char);
    pub fn repodata_set_num(data: *mut Repodata, p: c_int, key: c_int, number: c_ulonglong);
    pub fn repodata_set_checksum(
        data: *mut Repodata,
        p: c_int,
        key: c_int,
        kind: c_int,
        hex: *const c_char,
    );
    pub fn repodata_set_location(
        data: *mut Repodata,
        p: c_int,
        medium: c_int,
        directory: *const c_char,
        file: *const c_char,
    );
    pub fn repodata_set_sourcepkg(data: *mut Repodata, p: c_int, name: *const c_char);
    pub fn solv_chksum_str2type(name: *const c_char) -> c_int;
    pub fn solv_chksum_type2str(kind: c_int) -> *const c_char;

    pub fn queue_init(queue: *mut Queue);
    pub fn queue_free(queue: *mut Queue);
    pub fn queue_insertn(queue: *mut Queue, position: c_int, count: c_int, elements: *const c_int);

    pub fn solver_create(pool: *mut Pool) -> *mut Solver;
    pub fn solver_free(solver: *mut Solver);
    pub fn solver_set_flag(solver: *mut Solver, flag: c_int, value: c_int) -> c_int;
    pub fn solver_solve(solver: *mut Solver, jobs: *mut Queue) -> c_int;
    pub fn solver_findallproblemrules(solver: *mut Solver, problem: c_int, rules: *mut Queue);
    pub fn solver_ruleinfo(
        solver: *mut Solver,
        rule: c_int,
        from: *mut c_int,
        to: *mut c_int,
        dependency: *mut c_int,
    ) -> c_int;
    pub fn solver_rule2jobidx(solver: *mut Solver, rule: c_int) -> c_int;
    pub fn solver_problemruleinfo2str(
        solver: *mut Solver,
        kind: c_int,
        from: c_int,
        to: c_int,
        dependency: c_int,
    ) -> *const c_char;
    pub fn solver_describe_decision(solver: *mut Solver, p: c_int, info: *mut c_int) -> c_int;

    pub fn osw_key(key: c_int) -> c_int;
    pub fn osw_strings(pool: *const Pool) -> c_int;
    pub fn osw_relations(pool: *const Pool) -> c_int;
    pub fn osw_solvables(pool: *const Pool) -> c_int;
    pub fn osw_relation(pool: *const Pool, id: c_int) -> Relation;
    pub fn osw_repo(pool: *const Pool, p: c_int) -> *mut Repo;
    pub fn osw_set_priority(repo: *mut Repo, priority: c_int, subpriority: c_int);
    pub fn osw_set_package(
        pool: *mut Pool,
        p: c_int,
        name: c_int,
        arch: c_int,
        evr: c_int,
        vendor: c_int,
    );
    pub fn osw_field(pool: *const Pool, p: c_int, field: c_int) -> c_int;
    pub fn osw_add_dependency(
        pool: *mut Pool,
        p: c_int,
        key: c_int,
        dependency: c_int,
        marker: c_int,
    );
    pub fn osw_dependencies(
        pool: *mut Pool,
        p: c_int,
        key: c_int,
        marker: c_int,
        queue: *mut Queue,
    );
    pub fn osw_location(pool: *mut Pool, p: c_int) -> *const c_char;
    pub fn osw_source_package(pool: *mut Pool, p: c_int) -> *const c_char;
    pub fn osw_checksum(pool: *mut Pool, p: c_int, kind: *mut c_int) -> *const c_char;
    pub fn osw_checksum_key() -> c_int;
    pub fn osw_add_file(
        data: *mut Repodata,
        p: c_int,
        directory: *const c_char,
        name: *const c_char,
    );
    pub fn osw_files(pool: *mut Pool, p: c_int, files: *mut c_void);
    pub fn osw_consider(pool: *mut Pool, bits: *const u8, length: c_int);
    pub fn osw_providers(pool: *mut Pool, dependency: c_int, queue: *mut Queue);
    pub fn osw_is_provided(pool: *const Pool, id: c_int) -> c_int;
    pub fn osw_matches(pool: *mut Pool, p: c_int, dependency: c_int) -> c_int;
    pub fn osw_write(repo: *mut Repo, descriptor: c_int) -> c_int;
    pub fn osw_read(repo: *mut Repo, descriptor: c_int) -> c_int;
    pub fn osw_installed(solver: *mut Solver, queue: *mut Queue);
}
