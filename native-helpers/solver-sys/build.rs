//! Compiles the macros and inline functions of libsolv's headers (src/shim.c), and links its core.
use std::path::Path;

/// Which packages have what is linked and compiled here.
const HINT: &str =
    "libsolv's headers are missing: `make tools` installs Debian's libsolv-dev and libsolvext-dev";

fn main() {
    println!("cargo::rerun-if-changed=src/shim.c");
    // The header of the writer is part of the second package, its code is in libsolv itself.
    let headers = ["solv/solver.h", "solv/repo_write.h"];
    if let Some(missing) = headers
        .iter()
        .find(|header| !Path::new("/usr/include").join(header).exists())
    {
        println!("cargo::error=/usr/include/{missing}: {HINT}");
        return;
    }
    cc::Build::new()
        .file("src/shim.c")
        .warnings(true)
        .compile("osbuild_wasm_solv");
    println!("cargo::rustc-link-lib=dylib=solv");
}
