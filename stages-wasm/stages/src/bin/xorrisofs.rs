//! Create an ISO 9660 image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, Tree, bail, path};
use serde::Deserialize;
use std::process::ExitCode;

const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BASIC_DATA: &str = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";

#[derive(Deserialize)]
struct Options {
    filename: String,
    volid: String,
    sysid: Option<String>,
    #[serde(rename = "pub")]
    publisher: Option<String>,
    appid: Option<String>,
    prep: Option<String>,
    boot: Option<Boot>,
    efi: Option<String>,
    grub2mbr: Option<String>,
    isohybridmbr: Option<String>,
    isolevel: Option<u32>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    rational_rock: bool,
    #[serde(default)]
    untranslated_filenames: bool,
    #[serde(default)]
    full_filenames: bool,
    volset: Option<String>,
    chrp_boot: Option<bool>,
}

#[derive(Deserialize)]
struct Boot {
    image: String,
    catalog: String,
    #[serde(default)]
    nobootinfo: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let input = &arguments.input("tree")?.path;
        if let Some(mbr) = given(options.grub2mbr.as_ref())
            && options.chrp_boot.is_none()
            && matches!(Tree::contract().stat(mbr), Err(error) if error.is_not_found())
        {
            bail!("{mbr} is missing from the buildroot");
        }
        let mut command = Command::new("xorrisofs").args(arguments_for(options, input)?);
        for pattern in &options.exclude {
            command = command.args(["-exclude", pattern]);
        }
        command
            .args(["-o", &arguments.tree.path(&options.filename), input])
            .run()
    })
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Arguments up to what is common to all media.
fn arguments_for(options: &Options, input: &str) -> Result<Vec<String>> {
    let grub = given(options.grub2mbr.as_ref());
    let mut out = vec!["-verbose".to_owned()];
    if options.chrp_boot.is_some() || grub.is_some() {
        out.extend(words("-rock -joliet"));
    }
    let level = options.isolevel.map(|level| level.to_string());
    for (flag, value) in [
        ("-iso-level", level.as_ref()),
        ("-V", Some(&options.volid)),
        ("-sysid", options.sysid.as_ref()),
        ("-publisher", options.publisher.as_ref()),
        ("-appid", options.appid.as_ref()),
        ("-preparer", options.prep.as_ref()),
    ] {
        if let Some(value) = given(value) {
            out.extend([flag.into(), value.into()]);
        }
    }
    out.extend(match (options.chrp_boot, grub) {
        (Some(chrp), _) => ppc64le(options, chrp)?,
        (None, Some(mbr)) => grub2(options, mbr, input),
        (None, None) => syslinux(options),
    });
    Ok(out)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(' ').map(Into::into)
}

fn ppc64le(options: &Options, chrp: bool) -> Result<Vec<String>> {
    if given(options.efi.as_ref()).is_some() {
        bail!("UEFI is not supported on PPC64LE");
    }
    let mut out = Vec::new();
    for (flag, wanted) in [
        ("-rational-rock", options.rational_rock),
        ("-untranslated-filenames", options.untranslated_filenames),
        ("-full-iso9660-filenames", options.full_filenames),
    ] {
        out.extend(wanted.then(|| flag.into()));
    }
    if let Some(set) = given(options.volset.as_ref()) {
        out.extend(["-volset".into(), set.into()]);
        out.extend(words("-volset-size 1 -volset-seqno 1"));
    }
    out.extend(chrp.then(|| "-chrp-boot".into()));
    Ok(out)
}

fn grub2(options: &Options, mbr: &str, input: &str) -> Vec<String> {
    let efi = given(options.efi.as_ref());
    let mut out = vec!["--grub2-mbr".into(), mbr.into()];
    if let Some(image) = efi {
        out.extend(words(
            "-partition_offset 16 -appended_part_as_gpt -append_partition 2",
        ));
        out.extend([EFI_SYSTEM.into(), path::join(input, image)]);
    }
    out.extend(["-iso_mbr_part_type".into(), BASIC_DATA.into()]);
    if let Some(boot) = &options.boot {
        out.extend(boot.image());
        out.extend(words("-no-emul-boot -boot-load-size 4"));
        if !boot.nobootinfo {
            out.extend(words("-boot-info-table --grub2-boot-info"));
        }
        if efi.is_some() {
            out.extend(words(
                "-eltorito-alt-boot -e --interval:appended_partition_2:all::",
            ));
        }
    }
    out.push("-no-emul-boot".into());
    out
}

fn syslinux(options: &Options) -> Vec<String> {
    let mut out = Vec::new();
    let hybrid = given(options.isohybridmbr.as_ref());
    if let Some(mbr) = hybrid {
        out.extend(["-isohybrid-mbr".into(), mbr.into()]);
    }
    if let Some(boot) = &options.boot {
        out.extend(boot.image());
        out.extend(words("-boot-load-size 4"));
        out.extend((!boot.nobootinfo).then(|| "-boot-info-table".into()));
        out.push("-no-emul-boot".into());
    }
    out.extend(words("-rock -joliet"));
    if let Some(image) = given(options.efi.as_ref()) {
        out.extend([
            "-eltorito-alt-boot".into(),
            "-e".into(),
            image.into(),
            "-no-emul-boot".into(),
        ]);
        out.extend(hybrid.map(|_| "-isohybrid-gpt-basdat".into()));
    }
    out
}

impl Boot {
    fn image(&self) -> [String; 5] {
        [
            "-b",
            &self.image,
            "-c",
            &self.catalog,
            "--boot-catalog-hide",
        ]
        .map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(options: &str) -> Result<String> {
        let text = format!(r#"{{"filename": "f", "volid": "V"{options}}}"#);
        let options: Options = serde_json::from_str(&text).unwrap();
        Ok(arguments_for(&options, "/in")?.join(" "))
    }

    #[test]
    fn each_boot_loader_has_its_arguments() {
        let boot = r#", "boot": {"image": "a", "catalog": "b"}, "efi": "/e""#;
        assert_eq!(
            arguments(boot).unwrap(),
            "-verbose -V V -b a -c b --boot-catalog-hide -boot-load-size 4 -boot-info-table -no-emul-boot -rock -joliet -eltorito-alt-boot -e /e -no-emul-boot"
        );
        assert_eq!(
            arguments(&format!(r#"{boot}, "grub2mbr": "/m""#)).unwrap(),
            "-verbose -rock -joliet -V V --grub2-mbr /m -partition_offset 16 -appended_part_as_gpt -append_partition 2 \
             C12A7328-F81F-11D2-BA4B-00A0C93EC93B /in/e -iso_mbr_part_type EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 -b a -c b \
             --boot-catalog-hide -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info -eltorito-alt-boot -e \
             --interval:appended_partition_2:all:: -no-emul-boot"
        );
        assert_eq!(
            arguments(r#", "chrp_boot": true, "volset": "S", "rational_rock": true"#).unwrap(),
            "-verbose -rock -joliet -V V -rational-rock -volset S -volset-size 1 -volset-seqno 1 -chrp-boot"
        );
    }

    #[test]
    fn ppc64le_has_no_uefi() {
        assert!(arguments(r#", "chrp_boot": false, "efi": "e""#).is_err());
    }
}
