//! Activate TuneD profiles.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, bail};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    profiles: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, profiles) = (&arguments.tree, &arguments.options.profiles);
        let known = [known(tree, "usr/lib/tuned")?, known(tree, "etc/tuned")?].concat();
        if let Some(profile) = profiles.iter().find(|profile| !known.contains(profile)) {
            bail!("TuneD profile '{profile}' does not exist");
        }
        if let Some(profile) = profiles.iter().find(|profile| !is_read(profile)) {
            bail!(
                "options.profiles: {profile:?}: TuneD takes names of letters, digits, `_`, `.` and `-`, and drops others"
            );
        }
        tree.write(
            "etc/tuned/active_profile",
            format!("{}\n", profiles.join(" ")),
        )?;
        tree.write("etc/tuned/profile_mode", "manual\n")
    })
}

/// Whether TuneD takes this for the name of a profile (its tuned/profiles/loader.py and locator.py): it drops others, and what begins
/// with a hyphen is the profile of the name behind it, if there is one.
fn is_read(profile: &str) -> bool {
    let is_one = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !profile.starts_with('-') && profile.chars().all(is_one)
}

/// Profiles below a directory; newer releases of TuneD keep them in one of its own.
fn known(tree: &Tree, directory: &str) -> Result<Vec<String>> {
    if !tree.is_dir(directory)? {
        return Ok(Vec::new());
    }
    let own = format!("{directory}/profiles");
    let directory = if tree.is_dir(&own)? { &own } else { directory };
    let mut names = Vec::new();
    for entry in tree.list(directory)? {
        if tree.is_file(&format!("{directory}/{}/tuned.conf", entry.name))? {
            names.push(entry.name);
        }
    }
    Ok(names)
}
