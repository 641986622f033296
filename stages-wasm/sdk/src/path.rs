//! Paths as text: contract paths are `/`-separated on every host.

/// `path` below `root`: its leading slashes are dropped, `..` is left for the host to resolve inside of the granted directory.
pub fn join(root: &str, path: &str) -> String {
    let below = path.trim_start_matches('/');
    match root.trim_end_matches('/') {
        root if below.is_empty() && !root.is_empty() => root.into(),
        root => format!("{root}/{below}"),
    }
}

/// The absolute path with `.`, `..` and repeated slashes resolved in the text.
pub fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Everything before the last component; `/` for a path of one component. Slashes at the end do not count.
pub fn parent(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.rfind('/') {
        Some(0) => "/",
        Some(slash) => path[..slash].trim_end_matches('/'),
        None => "",
    }
}

/// The last component. Slashes at the end do not count.
pub fn name(path: &str) -> &str {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_drops_leading_slashes() {
        assert_eq!(join("/t", "//etc/x"), "/t/etc/x");
        assert_eq!(join("/t/", "/"), "/t");
        assert_eq!(join("/", "etc"), "/etc");
        assert_eq!(join("/", "/"), "/");
    }

    #[test]
    fn parents_and_names() {
        for (path, up, last) in [
            ("/a/b", "/a", "b"),
            ("/a", "/", "a"),
            ("a", "", "a"),
            ("/a//b/", "/a", "b"),
        ] {
            assert_eq!((parent(path), name(path)), (up, last), "{path}");
        }
    }

    #[test]
    fn normal_paths_do_not_climb_above_the_root() {
        assert_eq!(normal("/../a/./b/../c//"), "/a/c");
    }
}
