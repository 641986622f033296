//! `run --learn`: from what a run did to the narrowest policy that allows it.
use super::RunCommand;
use crate::command_error::Result;
use crate::output_file;
use osbuild_wasm_build::Records;
use osbuild_wasm_capability::plan::Plan;
use osbuild_wasm_capability::policy::learn;
use osbuild_wasm_capability::record::StageRecord;

impl RunCommand {
    /// Writes the policy, if that was asked for; that of a run that failed would not be enough.
    pub(super) fn learn(
        &self,
        plan: &Plan,
        records: Option<&Records>,
        stages: &[(String, StageRecord)],
        success: bool,
    ) -> Result<()> {
        let Some(path) = self.learn.as_ref().filter(|_| success) else {
            return Ok(());
        };
        let stages: Vec<_> = stages.iter().map(|(_, stage)| stage.clone()).collect();
        let mut plan = plan.clone();
        for source in plan.sources.iter_mut().map(|planned| &mut planned.ask) {
            let asked = records.map(|records| records.asked(&source.id));
            source.hosts.extend(asked.unwrap_or_default());
        }
        output_file::write(path, learn(&plan, &stages).as_bytes())
    }
}
