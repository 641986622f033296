//! The programs that calls of typed interfaces start: what a grant must have, and what a record says.
use osbuild_wasm_protocol::{CoreImage, Database, ErrorCode, Failure, Request};

/// The program that a call starts; several where distributions have different names for it.
pub(crate) fn of(request: &Request) -> Vec<String> {
    match request {
        Request::ImportKey(call) => keys(&call.database),
        Request::Verify(call) => keys(&call.database),
        Request::Install(_) | Request::Query(_) => vec!["rpm".into()],
        Request::Conversion(_) | Request::Create(_) | Request::Info(_) => vec!["qemu-img".into()],
        Request::CoreImage(call) => mkimage(call),
        _ => Vec::new(),
    }
}

/// Fails when a call starts a program that is not granted, as those of `command` must be, by name or by a path with that name.
pub(crate) fn check(request: &Request, grant: &[String]) -> Result<(), Failure> {
    let programs = of(request);
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_granted = |program: &String| grant.iter().any(|named| base(named) == base(program));
    if programs.is_empty() || programs.iter().any(is_granted) {
        return Ok(());
    }
    let detail = format!(
        "program {} was not granted, which {} runs",
        programs.join(" or "),
        request.interfaces()[0]
    );
    Err(Failure::new(ErrorCode::Denied, "", detail))
}

/// The program for keys: rpm's own, or another that the stage names.
fn keys(database: &Database) -> Vec<String> {
    let named = database.keys_program.clone();
    vec![named.unwrap_or_else(|| "rpmkeys".into())]
}

/// The program for core images: as the stage calls it, and as distributions do.
fn mkimage(core: &CoreImage) -> Vec<String> {
    let mut names = vec![core.program.clone()];
    for name in ["grub2-mkimage", "grub-mkimage"] {
        if core.program != name {
            names.push(name.into());
        }
    }
    names
}
