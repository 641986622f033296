//! `osbuild-wasm describe`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::format::DocumentFormat;
use crate::image::{TargetArguments, wrong};
use clap::Args;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_distro::{Distro, ImageType, Kind};
use osbuild_wasm_generator::content::Content;
use osbuild_wasm_generator::customizations::nodes::LocalFiles;
use osbuild_wasm_generator::plan::Plan;
use osbuild_wasm_generator::request::{Options, OstreeOptions, Request};
use osbuild_wasm_report::Diagnostic;
use serde_json::{Map, Value, json};

const EXAMPLES: &str = "\
Examples:
  # Packages, partitions, services, kernel options, and which customizations it takes
  osbuild-wasm describe qcow2 --distro centos-10 --arch aarch64

  # The packages of the system alone
  osbuild-wasm describe qcow2 --distro fedora-43 --format json | jq '.packages.os.include[]'";

/// Say what an image type is made of
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, visible_alias = "describe-image")]
pub(crate) struct DescribeArguments {
    /// Image type: a name or an alias that `osbuild-wasm list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    target: TargetArguments,
    /// How to show it
    #[arg(long, value_enum, default_value_t = DocumentFormat::Yaml)]
    format: DocumentFormat,
}

impl Command for DescribeArguments {
    fn run(self) -> Result {
        let description = describe(&self.target, &self.image_type)?;
        self.format.print(&description);
        Ok(Exit::Done)
    }
}

/// What an image type is made of.
pub(crate) fn describe(target: &TargetArguments, image_type: &str) -> Result<Value> {
    let invalid = |error| CommandError::invalid(wrong(error));
    let definitions = target.definitions.load()?;
    let distro = target.distro(&definitions)?;
    let arch = target.arch()?;
    let image_type = definitions
        .image_type(&distro, arch, image_type)
        .map_err(invalid)?;
    let (blueprint, options, files) = (
        blueprint(&image_type),
        options(&image_type),
        LocalFiles::new(),
    );
    let plan = Plan::new(Request {
        distro: &distro,
        arch,
        image_type: &image_type,
        blueprint: &blueprint,
        options: &options,
        repositories: &[],
        local_files: &files,
        bootc: None,
        bootc_build: None,
        seed: 0,
    });
    let plan = plan.map_err(|error| CommandError::failed(Diagnostic::from_error(&error)))?;
    Ok(description(
        &distro,
        arch.name(),
        &image_type,
        &plan.content(),
    ))
}

/// What a type that needs a commit is described with: the place of the commit changes nothing of what is shown.
/// The smallest blueprint that the type takes.
fn blueprint(image_type: &ImageType) -> Blueprint {
    let mut blueprint = Blueprint::default();
    if image_type.kind == Kind::OstreeSimplifiedInstaller {
        blueprint.customizations.installation_device = Some("/dev/vda".into());
    }
    blueprint
}

fn options(image_type: &ImageType) -> Options {
    let brought = image_type
        .ostree
        .as_ref()
        .filter(|ostree| ostree.url.is_empty());
    Options {
        ostree: brought.map(|_| OstreeOptions {
            url: "http://example.com/repo".into(),
            ..OstreeOptions::default()
        }),
        ..Options::default()
    }
}

fn description(
    distro: &Distro,
    arch: &str,
    image_type: &ImageType,
    needs: &[(String, Content)],
) -> Value {
    let names = needs.iter().map(|(name, _)| name.as_str());
    let (build, payload): (Vec<&str>, Vec<&str>) = names.partition(|name| *name == "build");
    let config = &image_type.image_config;
    let mut described = json!({
        "distro": distro.name,
        "type": image_type.name,
        "aliases": image_type.aliases,
        "arch": arch,
        "os_version": distro.os_version,
        "bootmode": image_type.platform.boot_mode().name(),
        "partition_type": image_type.partition_table.as_ref().map(|table| json!(table.kind)),
        "default_filename": image_type.filename,
        "mime_type": image_type.mime_type,
        "default_size": image_type.default_size,
        "exports": image_type.exports,
        "build_pipelines": build,
        "payload_pipelines": payload,
        "kernel_options": config.kernel_options,
        "services": {
            "enabled": config.enabled_services,
            "disabled": config.disabled_services,
            "masked": config.masked_services,
            "target": config.default_target,
        },
        "packages": packages(needs),
        "partition_table": image_type.partition_table,
        "blueprint": {
            "supported_options": image_type.supported_options,
            "required_options": image_type.required_options,
        },
    });
    remove_empty(&mut described);
    described
}

/// What the solver is asked for, by pipeline.
fn packages(needs: &[(String, Content)]) -> Value {
    let mut pipelines = Map::new();
    for (name, content) in needs
        .iter()
        .filter(|(_, content)| !content.transactions.is_empty())
    {
        let list = |of: fn(&osbuild_wasm_generator::content::Transaction) -> &Vec<String>| {
            let mut names: Vec<&String> = content.transactions.iter().flat_map(of).collect();
            names.sort();
            names.dedup();
            json!(names)
        };
        let include = list(|transaction| &transaction.include);
        pipelines.insert(
            name.clone(),
            json!({"include": include, "exclude": list(|transaction| &transaction.exclude)}),
        );
    }
    pipelines.into()
}

/// Leaves out what says nothing.
fn remove_empty(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(remove_empty);
        members.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(set) => *set,
            Value::Number(number) => number.as_u64() != Some(0),
        });
    }
    if let Value::Array(items) = value {
        items.iter_mut().for_each(remove_empty);
    }
}
