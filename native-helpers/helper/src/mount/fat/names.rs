//! What a FAT file system can hold.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};

use super::plan::{Kind, Snapshot};

/// Most 16-bit units of a long name.
const LONGEST: usize = 255;

/// Fails with the first entry that FAT cannot hold.
pub fn check(files: &Snapshot) -> Result<(), Failure> {
    let mut seen: HashMap<PathBuf, &Path> = HashMap::new();
    for (path, entry) in files.entries() {
        let reason = match entry.kind {
            Kind::Other(what) => Some(format!("it has no {what}")),
            Kind::File if entry.size > u64::from(u32::MAX) => Some(format!(
                "this file has {} bytes, 4,294,967,295 are possible",
                entry.size
            )),
            Kind::File | Kind::Directory => refused_name(path),
        };
        if let Some(reason) = reason {
            return Err(cannot_hold(path, &reason));
        }
        // Upper and lower case are one to FAT.
        let folded = PathBuf::from(path.to_string_lossy().to_uppercase());
        if let Some(other) = seen.insert(folded, path) {
            let reason = format!("{} differs from it in case only", other.display());
            return Err(cannot_hold(path, &reason));
        }
    }
    Ok(())
}

fn cannot_hold(path: &Path, reason: &str) -> Failure {
    let detail = format!("a FAT file system cannot hold this: {reason}");
    Failure::new(ErrorCode::Unsupported, path.to_string_lossy(), detail)
}

fn refused_name(path: &Path) -> Option<String> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Some("its name is not UTF-8".to_owned());
    };
    let refused = |c: &char| c.is_control() || "\"*:<>?\\|".contains(*c);
    if let Some(character) = name.chars().find(refused) {
        return Some(format!("names have no {character:?}"));
    }
    if name.ends_with(['.', ' ']) {
        return Some("names do not end in a dot or blank".to_owned());
    }
    (name.encode_utf16().count() > LONGEST)
        .then(|| format!("names have at most {LONGEST} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fat_has_no_place_for_is_named() {
        let top = tempfile::tempdir().unwrap();
        let check_with = |name: &str, make: &dyn Fn(&Path)| {
            let path = top.path().join(name);
            make(&path);
            let checked = check(&Snapshot::of(top.path()).unwrap());
            std::fs::remove_file(&path).unwrap();
            checked.map_err(|failure| failure.to_string())
        };
        let file = |path: &Path| std::fs::write(path, "x").unwrap();
        let link = |path: &Path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        let large = |path: &Path| {
            std::fs::File::create(path)
                .unwrap()
                .set_len(1 << 32)
                .unwrap()
        };
        for fine in [
            "BOOTX64.EFI",
            "a b",
            ".hidden",
            "a[1]",
            "é",
            &"x".repeat(255),
        ] {
            assert_eq!(check_with(fine, &file), Ok(()), "{fine}");
        }
        for (name, reason) in [
            ("a:b", "no ':'"),
            ("a.", "dot or blank"),
            ("a\n", "no '\\n'"),
        ] {
            let message = check_with(name, &file).unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        let message = check_with("link", &link).unwrap_err();
        assert_eq!(
            message,
            "link: a FAT file system cannot hold this: it has no symbolic links"
        );
        let message = check_with("large", &large).unwrap_err();
        assert!(message.contains("4,294,967,295"), "{message}");
    }

    #[test]
    fn names_that_differ_in_case_only_are_refused() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir(top.path().join("efi")).unwrap();
        std::fs::write(top.path().join("EFI"), "").unwrap();
        let failure = check(&Snapshot::of(top.path()).unwrap()).unwrap_err();
        assert!(
            failure.detail.contains("differs from it in case only"),
            "{failure}"
        );
    }
}
