//! Compiled code on disk.
//!
//! Loading compiled code runs it natively, so an entry counts only when it carries the right HMAC under a key that only this user
//! can read, bound to the component's digest and the engine's configuration.
use hmac::{Hmac, KeyInit, Mac};
use osbuild_wasm_files::resolve::make_private_directory;
use osbuild_wasm_files::{own_directory, write_new_file};
use sha2::Sha256;
use std::io;
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// A directory of authenticated compiled code.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    key: [u8; KEY_BYTES],
}

impl Cache {
    /// The directory of this user: `$XDG_CACHE_HOME/osbuild-wasm`, else `~/.cache/osbuild-wasm`, else `/var/cache/osbuild-wasm`. Places of
    /// another user, which root may find in its environment, do not count.
    pub fn default_directory() -> PathBuf {
        own_directory("XDG_CACHE_HOME", ".cache")
            .unwrap_or_else(|| PathBuf::from("/var/cache"))
            .join("osbuild-wasm")
    }

    /// Opens or makes a cache. The directory must belong to this user and be closed to others; an error means "run without".
    pub fn open(directory: &Path) -> io::Result<Self> {
        let stat = rustix::fs::fstat(make_private_directory(directory)?)?;
        let own = stat.st_uid == rustix::process::geteuid().as_raw();
        if !own || stat.st_mode & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} is not a private directory of this user",
                directory.display()
            )));
        }
        let key = read_or_make_key(&directory.join("key"))?;
        Ok(Self {
            directory: directory.to_owned(),
            key,
        })
    }

    /// The compiled code stored under `name`, if its tag is right.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut entry = std::fs::read(self.directory.join(name)).ok()?;
        let tag = entry.split_off(entry.len().checked_sub(TAG_BYTES)?);
        self.mac(name, &entry)?.verify_slice(&tag).ok()?;
        Some(entry)
    }

    /// Stores compiled code; failing to do so only costs time later.
    pub(crate) fn put(&self, name: &str, code: &[u8]) {
        let Some(mac) = self.mac(name, code) else {
            return;
        };
        let mut entry = code.to_vec();
        entry.extend_from_slice(&mac.finalize().into_bytes());
        let temporary = self
            .directory
            .join(format!(".{name}.{}", std::process::id()));
        let written = write_new_file(&temporary, 0o600, &entry)
            .and_then(|()| std::fs::rename(&temporary, self.directory.join(name)));
        if written.is_err() {
            _ = std::fs::remove_file(&temporary);
        }
    }

    fn mac(&self, name: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(code);
        Some(mac)
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Ok(key) = std::fs::read(path) {
        return key
            .try_into()
            .map_err(|_| io::Error::other(format!("{} is not a key: remove it", path.display())));
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    write_new_file(&temporary, 0o600, &key)?;
    // Another process may have been faster: its key counts.
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_make_key(path),
        other => other.map(|()| key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_only_with_its_own_name_and_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("c")).unwrap();
        cache.put("a", b"code");
        assert_eq!(cache.get("a").as_deref(), Some(&b"code"[..]));
        std::fs::copy(directory.path().join("c/a"), directory.path().join("c/b")).unwrap();
        assert_eq!(
            cache.get("b"),
            None,
            "an entry under another name is a forgery"
        );
        let mut bytes = std::fs::read(directory.path().join("c/a")).unwrap();
        bytes[0] ^= 1;
        std::fs::write(directory.path().join("c/a"), bytes).unwrap();
        assert_eq!(cache.get("a"), None, "a changed entry is a forgery");
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Cache::open(directory.path()).is_err());
    }
}
