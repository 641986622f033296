//! What the helpers of a run are started for.
use crate::plan::{SinglePlan, StagePlan};
use osbuild_wasm_capability as capability;
use osbuild_wasm_component::Module;
use osbuild_wasm_protocol::{Charter, Grant, Limits, Offer};
use serde_json::Value;
use std::path::PathBuf;

/// The charter of helpers that serve one component with each of these options, and touch these directories. With options that its
/// document cannot be filled in with it does not run at all.
pub fn charter_of_module(
    module: &Module,
    options: impl IntoIterator<Item = Value>,
    scopes: impl IntoIterator<Item = PathBuf>,
) -> Charter {
    let mut charter = Charter::of_scopes(scopes);
    for options in options {
        if let Ok(plan) = SinglePlan::new(module, &options.into()) {
            charter.add(&grant_of(plan.stage()));
        }
    }
    charter
}

/// Lets a user of the run have a program beside any of its stages, with their capabilities and all that they are given.
pub fn add_beside_stages(charter: &mut Charter, program: &str) {
    let offers = charter.offers.iter();
    let beside = offers.map(|offer| Offer {
        capabilities: offer.capabilities.clone(),
        ..Offer::of_programs([program])
    });
    let beside: Vec<_> = beside.collect();
    charter.offers.extend(beside);
}

/// What a stage's programs may do, as its helpers are told at their start and again with each session.
pub(crate) fn grant_of(plan: StagePlan<'_>) -> Grant {
    let (decision, mounts) = (plan.decision, plan.rights.mounts());
    let places = |places: &capability::Places| {
        let places = places.of_run(mounts).into_iter();
        let place = |place: capability::ProgramPlace| osbuild_wasm_protocol::ProgramPlace {
            path: place.path,
            writable: place.writable,
        };
        places.map(place).collect()
    };
    Grant {
        programs: decision.programs.clone(),
        capabilities: decision.linux_capabilities.clone(),
        privileged: decision.privileged_programs.clone(),
        environment: plan.module.metadata.environment.clone(),
        places: decision.programs_touch.as_ref().map(places),
        limits: limits_of_programs(&decision.limits.programs),
        ..Grant::default()
    }
}

fn limits_of_programs(limits: &capability::ProgramLimits) -> Limits {
    Limits {
        memory: limits.memory,
        written_bytes: limits.written_bytes,
        created_inodes: limits.created_inodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osbuild_wasm_capability::plan::Ask;
    use osbuild_wasm_capability::{Limits, Policy};

    fn of_programs(rules: &str) -> Option<osbuild_wasm_protocol::Limits> {
        let policy = Policy::parse(&format!("version = 1\n{rules}")).ok()?;
        let mut ask = Ask::default();
        ask.module.name = "org.osbuild.x".into();
        Some(limits_of_programs(&policy.decide(&ask).limits.programs))
    }

    #[test]
    fn limits_of_a_policy_hold_for_programs_even_where_they_are_the_usual_ones() {
        let usual = Limits::default();
        let rules = "[limits]\nmemory = '1 GiB'\nwritten-bytes = '64 GiB'\n[[rule]]\nmodules = ['*']\nlimits = { created-inodes = 4000000 }";
        let expected = osbuild_wasm_protocol::Limits {
            memory: Some(usual.memory as u64),
            written_bytes: Some(usual.written_bytes),
            created_inodes: Some(usual.created_inodes),
        };
        assert_eq!(of_programs(rules), Some(expected));
        let silent = of_programs("[[rule]]\nmodules = ['*']");
        assert_eq!(silent, Some(osbuild_wasm_protocol::Limits::default()));
    }
}
