//! What this machine is.
use osbuild_wasm_manifest::runner::os_release_value;

/// What this machine says it is (os-release(5)); empty where it says nothing.
pub fn os_release_of_host() -> String {
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    release.unwrap_or_default()
}

/// The distribution of this machine as os-release(5) names it: `ID-VERSION_ID`; none where it does not say.
pub fn host_distro() -> Option<String> {
    let text = os_release_of_host();
    let value = |key| os_release_value(&text, key);
    Some(format!("{}-{}", value("ID")?, value("VERSION_ID")?))
}
