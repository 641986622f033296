//! The programs that calls of typed interfaces start: what a grant must have, and what a record says.
use osbuild_wasm_component::bindings::{grub, rpm};

/// The program for packages.
pub(crate) fn rpm() -> Vec<String> {
    vec!["rpm".into()]
}

/// The program for keys: rpm's own, or another that the stage names.
pub(crate) fn keys(database: &rpm::Database) -> Vec<String> {
    let named = database.keys_program.clone();
    vec![named.unwrap_or_else(|| "rpmkeys".into())]
}

/// The program for disk images.
pub(crate) fn qemu_img() -> Vec<String> {
    vec!["qemu-img".into()]
}

/// The program for core images: as the stage calls it, and as distributions do.
pub(crate) fn mkimage(core: &grub::Core) -> Vec<String> {
    let mut names = vec![core.program.clone()];
    for name in ["grub2-mkimage", "grub-mkimage"] {
        if core.program != name {
            names.push(name.into());
        }
    }
    names
}

/// Whether one of these is granted, by name or by a path with that name.
pub(crate) fn granted(programs: &[String], grant: &[String]) -> bool {
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_granted = |program: &String| grant.iter().any(|named| base(named) == base(program));
    programs.iter().any(is_granted)
}
