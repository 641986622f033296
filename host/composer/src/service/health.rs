//! Whether the service can work, and its numbers.
use super::{Result, Service};
use crate::telemetry::Metrics;

/// What the service needs for its work, and whether it can be used.
#[derive(Debug)]
pub struct Readiness {
    /// The database answers.
    pub database: Result<()>,
    /// The directory for what workers send can be written.
    pub artefacts: Result<()>,
}

impl Service {
    /// Tries what the service needs.
    pub async fn readiness(&self) -> Readiness {
        Readiness {
            database: self.store().workers().await.map(drop).map_err(Into::into),
            artefacts: self.artefacts.try_out().await,
        }
    }

    /// What is counted in this process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is counted in this process and what is in the database, for Prometheus.
    ///
    /// # Errors
    /// The store failed.
    pub async fn metrics_text(&self) -> Result<String> {
        let (jobs, workers) = (self.store().counts().await?, self.store().workers().await?);
        Ok(self.metrics.text(&jobs, &workers, self.clock.now()))
    }
}
