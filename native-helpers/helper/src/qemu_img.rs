//! `osbuild:stage/qemu-img`: disk images by the build root's qemu-img.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{
    Conversion, Create, ErrorCode, Failure, ImageFormat, ImageInfo, Info, Steps,
};
use serde_json::Value;

use crate::access::{Access, Need};
use crate::failure::invalid;
use crate::sandbox::Shown;
use crate::session::Session;
use crate::tool::Tool;

const PROGRAM: &str = "qemu-img";

/// Where the program sees an image that it reads, and the directory of one that it writes.
const SOURCE: &str = "/run/osbuild/files/source";
const TARGET: &str = "/run/osbuild/files/target";

/// Converts a raw image.
pub fn convert(
    session: &mut Session,
    conversion: &Conversion,
    [source, to, directory]: [OwnedFd; 3],
) -> Result<(), Failure> {
    session.access.require(&[PROGRAM])?;
    if conversion.compress && !matches!(conversion.format, ImageFormat::Qcow2 | ImageFormat::Vmdk) {
        return Err(invalid(
            conversion.format.as_str(),
            "only qcow2 and vmdk can be compressed",
        ));
    }
    let (source, shown) = reads(&session.access, source, &conversion.source)?;
    let (to, target) = writes(&session.access, to, directory, &conversion.to)?;
    // The source's format is told, never guessed: a raw image that looks like a qcow2 could name other files as its backing.
    let mut arguments = words(&["convert", "-f", "raw", "-O", conversion.format.as_str()]);
    if conversion.compress {
        arguments.push("-c".into());
    }
    arguments.extend(format_options(&conversion.options)?);
    let steps = Steps::of(session.access.grant.runner.as_deref())?;
    let usual = (cfg!(target_arch = "aarch64") && steps.one_coroutine).then_some(1);
    if let Some(coroutines) = conversion.coroutines.or(usual) {
        arguments.extend(words(&["-m", &coroutines.to_string()]));
    }
    arguments.extend([source.into(), to.into()]);
    let shown = target.into_iter().chain([shown]).collect();
    let tool = Tool {
        shown,
        without_grant: true,
        ..Tool::new(PROGRAM, arguments)
    };
    check(session.run(tool)?.status, &conversion.to)
}

/// Makes an empty image.
pub fn create(
    session: &mut Session,
    create: &Create,
    [to, directory]: [OwnedFd; 2],
) -> Result<(), Failure> {
    session.access.require(&[PROGRAM])?;
    let (path, shown) = writes(&session.access, to, directory, &create.path)?;
    let mut arguments = words(&["create", "-q", "-f", create.format.as_str()]);
    arguments.extend(format_options(&create.options)?);
    arguments.extend([path.into(), create.size.to_string().into()]);
    let tool = Tool {
        shown: shown.into(),
        without_grant: true,
        ..Tool::new(PROGRAM, arguments)
    };
    check(session.run(tool)?.status, &create.path)
}

/// Looks at an image.
pub fn info(
    session: &mut Session,
    info: &Info,
    [image]: [OwnedFd; 1],
) -> Result<ImageInfo, Failure> {
    session.access.require(&[PROGRAM])?;
    let (path, shown) = reads(&session.access, image, &info.path)?;
    let mut arguments = words(&["info", "--output=json"]);
    arguments.push(path.into());
    let tool = Tool {
        shown: vec![shown],
        without_grant: true,
        ..Tool::new(PROGRAM, arguments).captured()
    };
    let finished = session.run(tool)?;
    check(finished.status, &info.path)?;
    let document: Value = serde_json::from_slice(&finished.output).unwrap_or_default();
    let number = |name: &str| document.get(name).and_then(Value::as_u64);
    let known = || {
        let format = document.get("format")?.as_str()?.to_owned();
        Some(ImageInfo {
            format,
            virtual_size: number("virtual-size")?,
            actual_size: number("actual-size")?,
        })
    };
    known().ok_or_else(|| {
        Failure::new(
            ErrorCode::Io,
            &info.path,
            "qemu-img's answer lacks format or sizes",
        )
    })
}

/// Shows an image to be read, under its own name.
fn reads(access: &Access, file: OwnedFd, path: &str) -> Result<(PathBuf, Shown), Failure> {
    access.holds(&file, path, Need::Read)?;
    let target = Path::new(SOURCE).join(name(path)?);
    let shown = Shown::File {
        file,
        target: target.clone(),
        read_only: true,
    };
    Ok((target, shown))
}

/// Shows an image to be written, under its own name and in its directory: some formats have further files there.
fn writes(
    access: &Access,
    file: OwnedFd,
    directory: OwnedFd,
    path: &str,
) -> Result<(PathBuf, [Shown; 2]), Failure> {
    access.holds(&file, path, Need::Write)?;
    access.holds(&directory, path, Need::Write)?;
    let target = Path::new(TARGET).join(name(path)?);
    let shown = |file: OwnedFd, target: &Path| Shown::File {
        file,
        target: target.to_owned(),
        read_only: false,
    };
    let shown = [shown(directory, Path::new(TARGET)), shown(file, &target)];
    Ok((target, shown))
}

fn name(path: &str) -> Result<&OsStr, Failure> {
    let name = Path::new(path).file_name();
    name.ok_or_else(|| invalid(path, "the path of an image ends in a name"))
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// `-o a,b`; options that name other files are refused.
fn format_options(options: &[String]) -> Result<Vec<OsString>, Failure> {
    for option in options {
        let name = option.split('=').next().unwrap_or_default();
        let plain = option
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"=._-".contains(&byte));
        if name.is_empty()
            || !plain
            || ["backing", "data_file", "encrypt", "encryption"]
                .iter()
                .any(|odd| name.starts_with(odd))
        {
            return Err(invalid(
                option,
                "this is no format option that can be given here",
            ));
        }
    }
    Ok(if options.is_empty() {
        Vec::new()
    } else {
        words(&["-o", &options.join(",")])
    })
}

fn check(status: i32, path: &str) -> Result<(), Failure> {
    if status == 0 {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Io,
        path,
        format!("qemu-img failed with status {status}; the reason is in the log"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_cannot_name_other_files() {
        let options = |option: &str| format_options(&[option.to_owned()]);
        for fine in [
            "compat=1.1",
            "force_size",
            "subformat=streamOptimized",
            "adapter_type=lsilogic",
        ] {
            assert!(options(fine).is_ok(), "{fine}");
        }
        for odd in [
            "backing_file=/etc/passwd",
            "data_file=x",
            "a,backing_file=x",
            "",
            "=x",
        ] {
            assert!(options(odd).is_err(), "{odd}");
        }
        assert!(format_options(&[]).unwrap().is_empty());
    }
}
