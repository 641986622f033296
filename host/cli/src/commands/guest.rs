//! The inner side of a virtual machine: this very program, started there for one pipeline.
use crate::command_error::Exit;
use crate::components::{BUILTINS, engine};
use crate::document::runner_of_host;
use osbuild_wasm_build::{Guest, Plan, PlanRequest};
use osbuild_wasm_capability::Policy;
use osbuild_wasm_component::{Installed, Registry};
use osbuild_wasm_manifest::json;
use osbuild_wasm_manifest::load::{LoadOptions, load};

/// Builds what the outer side wants; all that is to be heard is said on standard output.
pub(crate) fn serve() -> Exit {
    let built = build();
    if let Err(error) = &built {
        Guest::fail(error.to_string());
    }
    match built {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}

/// The outer side has checked all of this; here it is read once more.
fn build() -> anyhow::Result<()> {
    let installed = Installed::of_program();
    let guest = Guest::begin()?;
    let mut registry = Registry::new(BUILTINS);
    guest.add_components(&mut registry)?;
    let document = json::parse(guest.document().as_bytes())?;
    let options = LoadOptions {
        host_runner: runner_of_host(),
    };
    let manifest = load(&document, &options)?;
    let policy = guest.policy();
    let policy = policy.map(|(name, text)| Policy::parse(text).map(|policy| (name, policy)));
    let policy = policy.transpose()?;
    let exports = [guest.pipeline().to_owned()];
    let request = PlanRequest {
        registry: &registry,
        manifest: &manifest,
        name: guest.name().to_owned(),
        exports: Some(&exports),
        policy: policy.as_ref().map(|(name, policy)| (*name, policy)),
    };
    let plan = Plan::new(&request)?.authorize()?;
    guest.build(&plan, || engine(installed))?;
    Ok(())
}
