//! Variables of programs that no stage sets.

/// Variables that change which code a program runs.
const CODE: [&str; 13] = [
    "BASHOPTS",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "IFS",
    "LOCPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "SHELLOPTS",
    "TAR_OPTIONS",
];

/// Beginnings of others that do.
const FAMILIES: [&str; 14] = [
    "BASH_",
    "DYLD_",
    "GIO_",
    "GLIBC_",
    "GST_PLUGIN",
    "GTK_",
    "JAVA_TOOL",
    "JDK_JAVA",
    "LD_",
    "MALLOC_",
    "OPENSSL_",
    "PERL",
    "PYTHON",
    "RUBY",
];

/// Whether a variable makes programs run other code than their own, so that no stage may set it.
#[must_use]
pub fn changes_code(name: &str) -> bool {
    CODE.contains(&name) || FAMILIES.iter().any(|start| name.starts_with(start))
}
