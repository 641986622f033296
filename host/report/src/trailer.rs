//! What is printed after a run without `--json`.

use crate::style::Colour;
use osbuild_wasm_manifest::model::Manifest;

/// A stage that `--checkpoint` named.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Id of the stage.
    pub id: String,
    /// Is its object in the store now?
    pub cached: bool,
}

/// The pipelines with their ids, and the checkpoints if any were asked for.
pub fn trailer(manifest: &Manifest, checkpoints: &[Checkpoint], colour: Colour) -> String {
    let pipelines = manifest.pipelines.iter().map(|pipeline| {
        let name = format!("{}:", pipeline.name);
        format!(
            "  {name:<10}\t{}\n",
            pipeline.id.as_deref().unwrap_or("None")
        )
    });
    let mut text = format!("\nPipelines\n{}", pipelines.collect::<String>());
    if !checkpoints.is_empty() {
        text += "\nCheckpoints\n";
    }
    for Checkpoint { id, cached } in checkpoints {
        let state = if *cached {
            colour.strong("cached")
        } else {
            colour.bad("not cached")
        };
        text += &format!("  {id}: {state}\n");
    }
    text
}
