//! Whether what a run changed is what the module document declares.
use super::Ran;
use crate::error::{PluginError, Result};
use osbuild_stage_test::tree::{Effect, Kind};
use osbuild_wasm_capability::{Right, Rights, Verb};
use serde_json::Value;

/// The changes of a run that no declared right covers.
pub(super) fn undeclared(rights: &[Right], options: &Value, ran: &Ran) -> Result<Vec<String>> {
    let rights = Rights::everything()
        .narrowed(rights, options)
        .map_err(|error| PluginError::Document {
            path: "osbuild:module".into(),
            cause: error.to_string(),
        })?;
    let mut problems = Vec::new();
    for change in ran.changes() {
        let path = format!("/run/osbuild/tree{}", change.path.display());
        let may = |verb| rights.allow(verb, &path);
        let is_directory = ran
            .after
            .0
            .get(&change.path)
            .is_some_and(|object| object.kind == Kind::Directory);
        let replaced = change.effects.contains(&Effect::Replaced);
        for effect in &change.effects {
            let declared = match effect {
                Effect::Created => {
                    may(Verb::Create) || is_directory && rights.lead_to(Verb::Create, &path)
                }
                Effect::Node => may(Verb::Node),
                Effect::Removed => may(Verb::Remove),
                // Either in place or as something new.
                Effect::Replaced => may(Verb::Replace) || may(Verb::Remove) && may(Verb::Create),
                // What is put in place of something has its own.
                Effect::Mode | Effect::Owner | Effect::Xattrs if replaced => true,
                Effect::Mode => may(Verb::Chmod) || may(Verb::Replace),
                Effect::Owner => may(Verb::Chown) || may(Verb::Replace),
                Effect::Xattrs => may(Verb::Xattr),
            };
            if !declared {
                problems.push(format!(
                    "{} {}, which no right covers",
                    change.path.display(),
                    effect.name()
                ));
            }
        }
    }
    Ok(problems)
}
