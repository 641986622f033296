//! Home directories.
use super::Settings;
use osbuild_stage::{CopyOptions, Result, Tree, path};

/// Makes a home directory with the content of the skeleton, everything owned by the user; says whether it was missing.
pub fn create_home(
    tree: &Tree,
    home: &str,
    uid: u32,
    gid: u32,
    settings: &Settings,
) -> Result<bool> {
    if tree.exists_itself(home)? {
        return Ok(false);
    }
    tree.create_dir_all(path::parent(home))?;
    tree.create_dir_with_mode(home, settings.home_mode())?;
    if tree.is_dir(settings.skeleton())? {
        let content = format!("{}/.", settings.skeleton().trim_end_matches('/'));
        tree.copy(
            &content,
            home,
            CopyOptions {
                remove_destination: false,
                follow: false,
            },
        )?;
        // Copying a directory's content copies what the directory itself is, too.
        tree.set_mode(home, settings.home_mode())?;
    }
    tree.set_owner(home, Some(uid), Some(gid))?;
    tree.walk(home, &mut |path, _| {
        tree.set_owner_itself(path, Some(uid), Some(gid))
    })?;
    Ok(true)
}
