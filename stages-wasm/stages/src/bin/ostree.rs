//! Create an ostree sysroot, deploy a commit, configure remotes and SELinux labels.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree};
use osbuild_stage_common::ostree::{self, Kernel, REPOSITORY, Remote};
use osbuild_stage_common::selinux;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    mounts: Vec<Mount>,
    osname: String,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(default)]
    remotes: Vec<Remote>,
    #[serde(default)]
    populate_var: bool,
}

#[derive(Deserialize)]
struct Mount {
    path: String,
    mode: Option<u32>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let input = arguments.input("commit")?;
        let commit = ostree::only_commit(input)?;
        admin(tree, &["init-fs", "--modern", tree.root()]).run()?;
        ostree::pull(tree, REPOSITORY, input, &commit, None)?;
        admin(tree, &["os-init"])
            .operands("osname", [&options.osname])?
            .run()?;
        deploy(tree, options, &commit.reference)?;
        let state = format!("ostree/deploy/{}", options.osname);
        if options.populate_var {
            ostree::fill_var(tree, &state, &format!("{state}/var"))?;
        }
        let repository = format!("--repo={}", tree.path(REPOSITORY));
        Command::new("ostree")
            .args(["config", "set", "sysroot.readonly", "true", &repository])
            .run()?;
        let checksum = ostree::commit(tree, REPOSITORY, &commit.reference)?;
        let deployment = format!("{state}/deploy/{checksum}.0");
        if let Some(contexts) = selinux::file_contexts(tree, &deployment)? {
            selinux::label_deployment(tree, &contexts, &deployment, &state)?;
        }
        let mut remotes = options.remotes.iter();
        remotes.try_for_each(|remote| remote.add(tree, REPOSITORY))
    })
}

/// `ostree admin` on the tree.
fn admin(tree: &Tree, words: &[&str]) -> Command {
    Command::new("ostree")
        .arg("admin")
        .args(words.iter().copied())
        .arg(format!("--sysroot={}", tree.root()))
}

fn deploy(tree: &Tree, options: &Options, reference: &String) -> Result<()> {
    for mount in &options.mounts {
        tree.create_dir_all(&mount.path)?;
        tree.set_mode(&mount.path, mount.mode.unwrap_or(0o755))?;
    }
    let root = options.kernel.rootfs.as_ref();
    let root = root.map(ostree::RootFs::argument).transpose()?;
    let arguments = options.kernel.kernel_opts.iter();
    let command = Command::new("ostree")
        .args(["admin", "deploy"])
        .operands("ref", [reference])?
        .args(root.map(|root| format!("--karg={root}")))
        .args(arguments.map(|argument| format!("--karg-append={argument}")))
        .arg(format!("--sysroot={}", tree.root()))
        .arg(format!("--os={}", options.osname));
    let mounts = options.mounts.iter().map(|mount| mount.path.as_str());
    ostree::with_mounts(command, tree, mounts).run()
}
