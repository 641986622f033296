//! `osbuild:stage/grub`: GRUB as the build root has it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use osbuild_wasm_protocol::{Bytes, CoreImage, ErrorCode, Failure, MAX_BLOB};
use rustix::fs::OFlags;

use crate::access::open_inside;
use crate::failure::{About, invalid};
use crate::sandbox;
use crate::session::Session;
use crate::tool::{Tool, WORK, Work};

/// Where the modules of all platforms are.
const MODULES: &str = "/usr/lib/grub";

/// The two names that distributions give to the program.
const PROGRAMS: [&str; 2] = ["grub2-mkimage", "grub-mkimage"];

/// Bytes of an environment block.
const BLOCK: usize = 1024;

/// Makes a core image.
pub fn core_image(session: &mut Session, core: &CoreImage) -> Result<Bytes, Failure> {
    check_platform(&core.platform)?;
    let program = program(session, &core.program)?;
    let work = Work::new(session)?;
    let mut arguments: Vec<OsString> = vec![
        "--verbose".into(),
        "--directory".into(),
        format!("{MODULES}/{}", core.platform).into(),
    ];
    arguments.extend(
        [
            "--prefix",
            &core.prefix,
            "--format",
            &core.format,
            "--compression",
            "auto",
        ]
        .map(OsString::from),
    );
    arguments.extend(["--output".into(), format!("{WORK}/grub2-core.img").into()]);
    if let Some(odd) = core
        .modules
        .iter()
        .find(|module| module.is_empty() || module.starts_with('-'))
    {
        return Err(invalid(odd, "this is no name of a GRUB module"));
    }
    arguments.extend(core.modules.iter().map(OsString::from));
    let finished = session.run(Tool {
        shown: vec![work.shown()?],
        without_grant: true,
        ..Tool::new(&program, arguments)
    })?;
    if finished.status != 0 {
        let detail = format!(
            "making the GRUB core image failed with status {}; the reason is in the log",
            finished.status
        );
        return Err(Failure::new(ErrorCode::Io, program, detail));
    }
    work.read("grub2-core.img").map(Bytes)
}

/// The program that the build root has: Debian leaves the 2 out.
fn program(session: &Session, wanted: &str) -> Result<String, Failure> {
    let usual = PROGRAMS.contains(&wanted);
    let names = match usual {
        true => PROGRAMS.to_vec(),
        false => vec![wanted],
    };
    session.access.require(&names)?;
    let root = sandbox::root_directory(&session.access)?;
    let there = |name: &str| sandbox::find_program(&root, name).is_some();
    if usual && !there(wanted) {
        return Ok(PROGRAMS
            .into_iter()
            .find(|name| there(name))
            .unwrap_or(wanted)
            .to_owned());
    }
    Ok(wanted.to_owned())
}

/// The boot image of a platform.
pub fn boot_image(session: &Session, platform: &str) -> Result<Bytes, Failure> {
    check_platform(platform)?;
    let path = format!("{MODULES}/{platform}/boot.img");
    let root = sandbox::root_directory(&session.access)?;
    let missing = |failure: Failure| match failure.code {
        ErrorCode::NotFound => {
            let detail = "the build root has no boot image of this platform: install grub-pc-bin (Debian) or grub2-pc-modules (Fedora) there";
            Failure::new(ErrorCode::NotFound, &path, detail)
        }
        _ => failure,
    };
    let file = open_inside(&root, Path::new(&path), OFlags::RDONLY | OFlags::NONBLOCK)
        .about(&path, "open")
        .map_err(missing)?;
    let mut bytes = Vec::new();
    File::from(file)
        .take(MAX_BLOB as u64)
        .read_to_end(&mut bytes)
        .about(&path, "read")?;
    Ok(Bytes(bytes))
}

fn check_platform(platform: &str) -> Result<(), Failure> {
    let plain = !platform.is_empty()
        && platform
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if plain {
        Ok(())
    } else {
        Err(invalid(platform, "this is no name of a GRUB platform"))
    }
}

/// An environment block: a header line, `NAME=VALUE` lines, and `#` up to its full size.
pub fn environment_block(variables: &[(String, String)]) -> Result<Bytes, Failure> {
    let mut block = b"# GRUB Environment Block\n".to_vec();
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\n', '#']) {
            return Err(invalid(name, "this is no name of a GRUB variable"));
        }
        // As GRUB reads it: a backslash takes the next character, a line end too, as it is.
        let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
        block.extend_from_slice(format!("{name}={value}\n").as_bytes());
    }
    if block.len() > BLOCK {
        let detail = format!(
            "the GRUB environment needs {} bytes and has {BLOCK}",
            block.len()
        );
        return Err(Failure::new(ErrorCode::NoSpace, "", detail));
    }
    block.resize(BLOCK, b'#');
    Ok(Bytes(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_block_has_its_size_and_the_variables_in_order() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let Bytes(block) =
            environment_block(&[pair("kernelopts", "root=LABEL=x ro"), pair("a", "b\\c")]).unwrap();
        assert_eq!(block.len(), 1024);
        assert!(
            block
                .starts_with(b"# GRUB Environment Block\nkernelopts=root=LABEL=x ro\na=b\\\\c\n##")
        );
        assert!(block.ends_with(b"###"));
        let failure = environment_block(&[pair("long", &"x".repeat(1024))]).unwrap_err();
        assert_eq!(failure.code, ErrorCode::NoSpace);
        assert_eq!(
            environment_block(&[pair("a=b", "")]).unwrap_err().code,
            ErrorCode::Invalid
        );
    }

    #[test]
    fn a_platform_is_a_plain_name() {
        assert!(check_platform("i386-pc").is_ok());
        for odd in ["", "..", "../x", "a/b"] {
            assert!(check_platform(odd).is_err(), "{odd}");
        }
    }
}
