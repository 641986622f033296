//! Convert a raw image to another disk format.
#![forbid(unsafe_code)]
use osbuild_stage::qemu_img::{self, Conversion};
use osbuild_stage::{Arguments, Context};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    format: Format,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Format {
    Qcow2 {
        compression: Option<bool>,
        compat: Option<String>,
    },
    Vdi,
    Vmdk {
        adapter_type: Option<String>,
        compat6: Option<bool>,
        compression: Option<bool>,
        subformat: Option<String>,
    },
    Vpc {
        force_size: Option<bool>,
        subformat: Option<String>,
    },
    Vhdx,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let source = arguments
            .input("image")?
            .single_file()
            .context("input `image`")?;
        qemu_img::convert(
            &source,
            &arguments.tree.path(&arguments.options.filename),
            &conversion(arguments.options.format),
        )
    })
}

fn conversion(format: Format) -> Conversion {
    let some = |name: &str, value: Option<String>| {
        value
            .filter(|value| !value.is_empty())
            .map(|value| format!("{name}={value}"))
    };
    let (format, compress, options) = match format {
        Format::Qcow2 {
            compression,
            compat,
        } => (
            qemu_img::Format::Qcow2,
            compression.unwrap_or(true),
            vec![some("compat", compat)],
        ),
        Format::Vmdk {
            adapter_type,
            compat6,
            compression,
            subformat,
        } => {
            let compat6 = compat6.unwrap_or(false).then(|| "compat6".into());
            let options = vec![
                some("adapter_type", adapter_type),
                compat6,
                some("subformat", subformat),
            ];
            (qemu_img::Format::Vmdk, compression.unwrap_or(true), options)
        }
        Format::Vpc {
            force_size,
            subformat,
        } => {
            let force_size = force_size.unwrap_or(true).then(|| "force_size".into());
            let subformat = subformat.unwrap_or_else(|| "fixed".into());
            (
                qemu_img::Format::Vpc,
                false,
                vec![some("subformat", Some(subformat)), force_size],
            )
        }
        Format::Vdi => (qemu_img::Format::Vdi, false, vec![]),
        Format::Vhdx => (qemu_img::Format::Vhdx, false, vec![]),
    };
    Conversion {
        format,
        compress,
        options: options.into_iter().flatten().collect(),
        coroutines: None,
    }
}
