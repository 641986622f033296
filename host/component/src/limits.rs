//! Bounds on memory.
use wasmtime::ResourceLimiter;

/// Counts linear memory of all instances of one run.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    /// Growing was refused once: explains the crash that usually follows.
    pub(crate) exceeded: bool,
}

/// Instances, tables and memories of one component with its adapters; far above what compilers make.
const MAX_INSTANCES: usize = 256;
/// Elements of one table.
const MAX_TABLE: usize = 1 << 20;

impl MemoryLimit {
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            exceeded: false,
        }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit || maximum.is_some_and(|maximum| desired > maximum) {
            self.exceeded |= used > self.limit;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}
