//! Versions of blueprints: `MAJOR.MINOR.PATCH`, with what may follow.

/// The version of a blueprint that has none.
pub(super) const FIRST: &str = "0.0.0";

/// The version after this one: the patch number plus one, as osbuild-composer counts; what follows it is dropped.
pub(super) fn next(version: &str) -> String {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let Some((head, patch)) = numbers.rsplit_once('.') else {
        return version.to_owned();
    };
    match patch
        .parse::<u64>()
        .ok()
        .and_then(|patch| patch.checked_add(1))
    {
        Some(patch) => format!("{head}.{patch}"),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_patch_number_grows() {
        for (version, after) in [
            ("0.0.0", "0.0.1"),
            ("1.2.9", "1.2.10"),
            ("1.0.0-rc.1+b", "1.0.1"),
        ] {
            assert_eq!(next(version), after);
        }
    }
}
