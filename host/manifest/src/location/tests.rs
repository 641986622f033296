use super::*;

fn url(text: &str) -> String {
    Location::parse(text).unwrap().url().to_string()
}

#[test]
fn paths_are_encoded_once() {
    let cases = [
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/a ", "http://h/a%20"),
        ("http://h/a%20b", "http://h/a%20b"),
        ("http://h/libstdc++-1.rpm", "http://h/libstdc%2B%2B-1.rpm"),
        ("http://h/100%", "http://h/100%25"),
        ("http://h/100%zz", "http://h/100%25zz"),
        ("http://h/a~1^2.rpm", "http://h/a~1%5E2.rpm"),
        (
            "http://h/!$&'()*,-.:;=@_~\"<>[\\]^`{|}%5e",
            "http://h/!$&'()*,-.:;=@_~%22%3C%3E%5B%5C%5D%5E%60%7B%7C%7D%5e",
        ),
        (
            "http://h/a?b[]=^|\\{`}&c=%5b/?:@+",
            "http://h/a?b%5B%5D=%5E%7C%5C%7B%60%7D&c=%5b/?:@+",
        ),
        ("http://[::1]:8080/[x]", "http://[::1]:8080/%5Bx%5D"),
        ("file:///tmp/a^b[c]\\d", "file:///tmp/a%5Eb%5Bc%5D%5Cd"),
        ("http://h/\u{e4}", "http://h/%C3%A4"),
        ("http://h/a\\b", "http://h/a%5Cb"),
        ("http://h/a?x=1+2%", "http://h/a?x=1+2%"),
        ("http://h", "http://h/"),
        ("http://u+x:p@h:81/a+b", "http://u+x:p@h:81/a%2Bb"),
        ("file:///tmp/a+b", "file:///tmp/a+b"),
    ];
    for (given, expected) in cases {
        assert_eq!(url(given), expected, "{given}");
    }
}

#[test]
fn paths_go_below_the_path_of_a_base() {
    let cases = [
        ("http://h", "a/b.rpm", "http://h/a/b.rpm"),
        ("http://h/os/", "/a+b c.rpm", "http://h/os/a%2Bb%20c.rpm"),
        ("http://h/os//", "a?b#c%20", "http://h/os/a%3Fb%23c%20"),
        ("http://h/os?key=1", "a", "http://h/os/a?key=1"),
        (
            "http://h/a^|?b^",
            "c[d]^|",
            "http://h/a%5E%7C/c%5Bd%5D%5E%7C?b%5E",
        ),
        ("file:///srv/os", "a/b.rpm", "file:///srv/os/a/b.rpm"),
    ];
    for (base, path, expected) in cases {
        let base = Location::parse(base).unwrap();
        assert_eq!(base.below(path).unwrap().url().as_str(), expected);
        for path in [
            "../x",
            "a/../../x",
            "a/%2e%2E/x",
            ".%2e",
            "a\\..\\x",
            "a/%2f/x",
        ] {
            let below = base.below(path);
            let is_file = base.file().is_some();
            assert!(below.is_err() || (path == "a/%2f/x" && !is_file), "{path}");
        }
    }
}

#[test]
fn what_is_no_url_is_an_error_without_its_password() {
    for text in [
        "",
        "nonsense",
        "http://",
        "ftp://h/x",
        "http://user:secret@:bad/x",
    ] {
        let error = Location::parse(text).unwrap_err();
        assert!(!error.is_empty() && !error.contains("secret"), "{error}");
    }
}

#[test]
fn users_passwords_and_queries_are_not_shown() {
    let location = Location::parse("https://user:secret@h/path?token=secret#secret").unwrap();
    assert_eq!(location.shown(), "https://h/path?...");
}

/// What a policy judges is what is contacted, however it is written.
#[test]
fn every_spelling_of_a_host_is_that_host_or_an_error() {
    let cases = [
        ("HTTP://Evil.Example/x", Some("evil.example:80")),
        ("hTTps://evil.example", Some("evil.example:443")),
        ("http://evil.example./x", Some("evil.example:80")),
        ("http://good@evil.example/", Some("evil.example:80")),
        ("http://good:80@evil.example:81/", Some("evil.example:81")),
        ("http://a@good@evil.example/", Some("evil.example:80")),
        ("http://%65vil.example/", Some("evil.example:80")),
        ("http://evil.example:0080/", Some("evil.example:80")),
        ("http://[::1]/x", Some("[::1]:80")),
        ("http://[0:0:0:0:0:0:0:1]:81/x", Some("[::1]:81")),
        ("http://0x7f.1/", Some("127.0.0.1:80")),
        ("http://2130706433/", Some("127.0.0.1:80")),
        ("http://\u{ff45}vil.example/", Some("evil.example:80")),
        (
            "http://b\u{fc}cher.example/",
            Some("xn--bcher-kva.example:80"),
        ),
        ("http://evil.example?x@good", Some("evil.example:80")),
        ("http://evil.example#@good/", Some("evil.example:80")),
        ("http:evil.example/x", None),
        ("http:/evil.example/x", None),
        ("http:///evil.example/x", None),
        ("http:\\\\evil.example\\x", None),
        ("http:/\\evil.example/x", None),
        ("http://evil.example\\@good/", None),
        ("http://good\\evil.example/", None),
        ("ht\ttp://evil.example/", None),
        ("http://evil\n.example/", None),
        ("\u{1}http://evil.example/", None),
        (" http://evil.example/", None),
        ("http://evil .example/", None),
        ("http://*/", None),
        ("http://*.example/", None),
        ("http://a?b@h/", Some("a:80")),
        ("http://a,b/", None),
        ("http://evil.example../", None),
        ("http://./", None),
        ("http://%2fevil/", None),
        ("http://evil%00.example/", None),
        ("http://[fe80::1%25eth0]/", None),
        ("http://user@/x", None),
        ("http://h:99999/", None),
        ("//evil.example/x", None),
        ("gopher://evil.example/x", None),
    ];
    for (text, expected) in cases {
        let host = Location::parse(text)
            .ok()
            .and_then(|location| location.host());
        assert_eq!(host.as_deref(), expected, "{text:?}");
    }
}

#[test]
fn every_spelling_of_a_file_is_that_file_or_an_error() {
    let cases = [
        ("file:///etc/shadow", Some("/etc/shadow")),
        ("FILE:///etc/shadow", Some("/etc/shadow")),
        ("file:/etc/shadow", Some("/etc/shadow")),
        ("file:////etc//shadow", Some("/etc/shadow")),
        ("file://localhost/etc/shadow", Some("/etc/shadow")),
        ("file://LOCALHOST/etc/shadow", Some("/etc/shadow")),
        ("file:///srv/../etc/./shadow", Some("/etc/shadow")),
        ("file:///srv/%2e%2E/etc/shadow", Some("/etc/shadow")),
        ("file:///etc/%73hadow", Some("/etc/shadow")),
        ("file:///srv/a b+c%25", Some("/srv/a b+c%")),
        ("file:///srv/*", Some("/srv/*")),
        ("file:///srv%2F..%2Fetc/shadow", None),
        ("file:etc/shadow", None),
        ("file:", None),
        ("file://", None),
        ("file:\\\\\\etc\\shadow", None),
        ("file://other/etc/shadow", None),
        ("file:///etc/shadow?x", None),
        ("file:///etc/shadow%00.rpm", None),
        ("file:///etc/%1b", None),
        ("file:///etc/%ff", None),
        ("fi\tle:///etc/shadow", None),
    ];
    for (text, expected) in cases {
        let file = Location::parse(text)
            .ok()
            .and_then(|location| location.file());
        assert_eq!(file.as_deref(), expected.map(Path::new), "{text:?}");
    }
}

#[test]
fn a_redirect_leads_to_servers_only_and_never_to_less_security() {
    let from = Location::parse("https://user:pass@a.example/dir/x").unwrap();
    let cases = [
        ("y", Some("https://user:pass@a.example/dir/y")),
        ("//a.example/y", Some("https://user:pass@a.example/y")),
        ("https://a.example:8443/y", Some("https://a.example:8443/y")),
        ("https://me:pw@b.example./y", Some("https://b.example/y")),
        ("http://a.example/y", None),
        ("file:///etc/shadow", None),
        ("FILE:/etc/shadow", None),
        ("ftp://b.example/", None),
        ("data:,x", None),
    ];
    for (target, expected) in cases {
        let next = from.redirected(target).map(|next| next.url().to_string());
        assert_eq!(next.ok().as_deref(), expected, "{target}");
    }
}

#[test]
fn a_login_is_told_to_servers_of_the_same_name_only_and_not_in_clear() {
    let cases = [
        ("https://quay.io", "https://quay.io/v2/auth", true),
        ("https://docker.io", "https://auth.docker.io/token", true),
        (
            "https://registry.gitlab.com",
            "https://gitlab.com/jwt/auth",
            true,
        ),
        ("https://r.example:5000", "https://r.example/auth", true),
        ("https://quay.io", "http://quay.io/v2/auth", false),
        ("https://quay.io", "https://evil.example/auth", false),
        ("https://quay.io", "https://evilquay.io/auth", false),
        (
            "https://quay.io",
            "https://quay.io.evil.example/auth",
            false,
        ),
        ("https://example.co.uk", "https://co.uk/auth", true),
        ("https://example.co.uk", "https://evil.co.uk/auth", false),
        ("https://quay.io", "https://io/auth", false),
        (
            "https://registry.example.com",
            "https://other.example.com/auth",
            false,
        ),
        ("https://localhost:5000", "https://a.localhost/auth", false),
        ("http://localhost:5000", "http://localhost:5001/auth", true),
        ("http://localhost:5000", "http://127.0.0.1:5001/auth", false),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/auth", true),
        ("https://10.0.0.1", "http://10.0.0.1/auth", false),
        ("https://10.0.0.1", "https://10.0.0.1:8443/auth", true),
        ("https://10.0.0.1", "https://10.0.0.2/auth", false),
        ("https://quay.io", "file:///etc/passwd", false),
    ];
    for (registry, realm, expected) in cases {
        let [registry, realm] = [registry, realm].map(|text| Location::parse(text).unwrap());
        assert_eq!(
            registry.is_trusted_with(&realm),
            expected,
            "{registry:?} {realm:?}"
        );
    }
}

#[test]
fn a_tunnel_is_asked_for_by_host_and_port_alone() {
    let cases = [
        ("Evil.example:443", Some("evil.example:443")),
        ("[::1]:443", Some("[::1]:443")),
        ("evil.example.:443", Some("evil.example:443")),
        ("evil.example", None),
        ("good@evil.example:443", None),
        ("evil.example:443/x", None),
        ("evil.example\\@good:443", None),
    ];
    for (text, expected) in cases {
        assert_eq!(authority(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_redirect_is_encoded_like_what_was_asked_for() {
    let asked = Location::parse("https://h/a").unwrap();
    let next = asked.redirected("/b^[c]|d+e%5E?f=[g]^").unwrap();
    assert_eq!(
        next.url().as_str(),
        "https://h/b%5E%5Bc%5D%7Cd+e%5E?f=%5Bg%5D%5E"
    );
}
