//! What shells complete.
use osbuild_wasm_tests::{Program, Scratch, paths};

/// What an interactive bash offers for the last word of a command line.
fn offered(scratch: &Scratch, line: &str) -> Vec<String> {
    let program = line.split(' ').next().unwrap_or_default();
    let script = Program::new("completions bash --program")
        .arg(program)
        .run()
        .expect(0);
    let script = scratch.write(program, script.stdout);
    // What programmable completion does: the function of the command with the words so far.
    let complete = "source \"$1\"; line=$2; COMP_WORDS=(${line}); [[ $line == *' ' ]] && COMP_WORDS+=(''); \
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$line; COMP_POINT=${#line}; \
        function=$(complete -p \"${COMP_WORDS[0]}\" | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
        \"$function\" \"${COMP_WORDS[0]}\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let ended = Program::of("bash", "--norc -i -c")
        .arg(complete)
        .arg("bash")
        .arg(script)
        .arg(line)
        .run();
    ended.expect(0).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_distributions_and_image_types() {
    let scratch = Scratch::new();
    for (line, expected) in [
        ("osbuild-wasm dep", "depsolve"),
        ("osbuild-wasm build qco", "qcow2"),
        ("osbuild-wasm manifest minimal-", "minimal-raw-zst"),
        ("osbuild-wasm describe ami --distro centos-", "centos-10"),
        ("osbuild-wasm depsolve --distro fedora-4", "fedora-43"),
        ("osbuild-wasm manifest qcow2 --arch aar", "aarch64"),
        ("osbuild-wasm list --format y", "yaml"),
        ("image-builder build qco", "qcow2"),
        (
            "image-builder manifest qcow2 --distro fedora-4",
            "fedora-43",
        ),
        ("bootc-image-builder build --type qco", "qcow2"),
        ("bootc-image-builder build --target-arch aar", "aarch64"),
    ] {
        let found = offered(&scratch, line);
        let word = line.rsplit(' ').next().unwrap_or_default();
        assert!(
            found.iter().any(|name| name == expected),
            "{line}: {found:?}"
        );
        assert!(
            found.iter().all(|name| name.starts_with(word)),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn every_shell_knows_distributions_and_types_and_those_of_own_definitions() {
    for shell in ["bash", "zsh", "fish"] {
        let own = Program::new("completions")
            .arg(shell)
            .option("--definitions", paths::sample("definitions"))
            .run()
            .expect(0);
        for name in ["fedora-43", "qcow2", "image-installer", "demo-1"] {
            assert!(own.stdout.contains(name), "{shell}: {name}");
        }
    }
    Program::new("completions bash --program osbild")
        .run()
        .expect(2)
        .says("osbuild-wasm, image-builder, bootc-image-builder");
}
