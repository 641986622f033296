//! An installed program: in a prefix, with its helper and compiled code.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

/// What the manifest below needs.
const MODULES: [&str; 2] = ["org.osbuild.hostname", "org.osbuild.mkdir"];

/// Installs the program into the scratch directory, with the code of two modules.
fn install(scratch: &Scratch) -> PathBuf {
    let program = scratch.directory("prefix/bin").join("osbuild-wasm");
    let helper = scratch.directory("prefix/libexec/osbuild-wasm");
    let name = "osbuild-wasm-helper";
    fs::copy(paths::program(), &program).expect("the program");
    fs::copy(paths::program().with_file_name(name), helper.join(name)).expect("its helper");
    // Whatever the umask: what others could write would not be used.
    Program::of("sh", "-c")
        .arg("umask 0; exec \"$0\" \"$@\"")
        .arg(&program)
        .arg("compile")
        .arg(scratch.path("prefix/lib/osbuild-wasm/compiled"))
        .args(MODULES)
        .run()
        .expect(0);
    program
}

/// The entries of the installed code.
fn installed(scratch: &Scratch) -> Vec<PathBuf> {
    let directory = scratch.path("prefix/lib/osbuild-wasm/compiled");
    let entries = fs::read_dir(directory).expect("compiled code").flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Runs the installed program as a user who has no cache yet; how many components it had to compile.
#[track_caller]
fn compiled_by_a_run(scratch: &Scratch, program: &PathBuf) -> usize {
    for made in ["out", "cache"] {
        _ = fs::remove_dir_all(scratch.path(made));
    }
    Program::of(program, "run --export tree --quiet")
        .env("XDG_CACHE_HOME", scratch.path("cache"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest::two_modules("installed")))
        .run()
        .expect(0);
    assert_eq!(scratch.read("out/tree/etc/hostname"), "installed\n");
    let kept = fs::read_dir(scratch.path("cache/osbuild-wasm")).expect("the cache");
    kept.flatten()
        .filter(|entry| entry.file_name() != "key")
        .count()
}

#[test]
fn the_first_run_of_an_installed_program_compiles_nothing() {
    let scratch = Scratch::new();
    let program = install(&scratch);
    assert_eq!(installed(&scratch).len(), MODULES.len());
    assert_eq!(compiled_by_a_run(&scratch, &program), 0);
    Program::of(&program, "doctor")
        .run()
        .says("prefix/libexec/osbuild-wasm/osbuild-wasm-helper");
}

#[test]
fn installed_code_that_others_can_write_is_not_run() {
    let scratch = Scratch::new();
    let program = install(&scratch);
    let mode = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
    };
    for entry in installed(&scratch) {
        mode(&entry, 0o664);
    }
    assert_eq!(compiled_by_a_run(&scratch, &program), MODULES.len());
    for entry in installed(&scratch) {
        mode(&entry, 0o644);
    }
    let directory = scratch.path("prefix/lib/osbuild-wasm/compiled");
    mode(&directory, 0o777);
    assert_eq!(compiled_by_a_run(&scratch, &program), MODULES.len());
    mode(&directory, 0o755);
    assert_eq!(compiled_by_a_run(&scratch, &program), 0);
}

#[test]
fn installed_code_of_another_owner_is_not_run() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let program = install(&scratch);
    for entry in installed(&scratch) {
        chown(entry, Some(65534), None).expect("root changes owners");
    }
    assert_eq!(compiled_by_a_run(&scratch, &program), MODULES.len());
}

#[test]
fn only_what_is_built_in_is_compiled() {
    let scratch = Scratch::new();
    Program::new("compile")
        .arg(scratch.path("compiled"))
        .arg("org.example.stage")
        .run()
        .expect(2)
        .says("org.example.stage is not built in");
    assert!(!scratch.path("compiled").exists());
}

#[test]
fn make_install_puts_everything_below_the_prefix() {
    let scratch = Scratch::new();
    let release = paths::program();
    let target = release.parent().and_then(std::path::Path::parent);
    Program::of(paths::workspace().join("tools/install"), "")
        .env("CARGO_TARGET_DIR", target.expect("a target directory"))
        .arg(scratch.path("prefix"))
        .limit(std::time::Duration::from_secs(300))
        .run()
        .expect(0);
    let program = scratch.path("prefix/bin/osbuild-wasm");
    let listed = Program::of(&program, "stage list").run().expect(0).stdout;
    assert_eq!(installed(&scratch).len(), listed.lines().count());
    assert_eq!(compiled_by_a_run(&scratch, &program), 0);
    for file in [
        "man/man1/osbuild-wasm.1",
        "bash-completion/completions/osbuild-wasm",
        "zsh/site-functions/_osbuild-wasm",
        "fish/vendor_completions.d/osbuild-wasm.fish",
        "man/man1/osbuild-wasm-build.1",
        "man/man1/image-builder.1",
        "man/man1/image-builder-manifest.1",
        "man/man1/bootc-image-builder-build.1",
        "bash-completion/completions/image-builder",
        "zsh/site-functions/_bootc-image-builder",
        "fish/vendor_completions.d/image-builder.fish",
    ] {
        let file = scratch.path("prefix/share").join(file);
        assert!(file.is_file(), "{}", file.display());
    }
    // The solver's library came along: another one of this machine is not asked.
    let solver = scratch.path("prefix/libexec/osbuild-wasm/osbuild-wasm-solver");
    let library = scratch.path("prefix/libexec/osbuild-wasm/libsolv.so.1");
    Program::of("ldd", "")
        .arg(solver)
        .run()
        .expect(0)
        .says(&library.display().to_string());
}
