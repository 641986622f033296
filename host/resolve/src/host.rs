//! What this machine is.
use osbuild_wasm_files::os_release_of_host;
use osbuild_wasm_manifest::runner::os_release_value;

/// The distribution of this machine as os-release(5) names it: `ID-VERSION_ID`; none where it does not say.
pub fn host_distro() -> Option<String> {
    let text = os_release_of_host();
    let value = |key| os_release_value(&text, key);
    Some(format!("{}-{}", value("ID")?, value("VERSION_ID")?))
}
