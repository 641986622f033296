//! Bounds on memory.
use wasmtime::ResourceLimiter;

/// Counts the memory of one run: stack, instances, linear memories and tables of all instances.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    /// Something was refused once: explains the crash that usually follows.
    pub(crate) exceeded: bool,
}

/// Instances, tables and memories of one component with its adapters; far above what compilers make.
pub(crate) const MAX_INSTANCES: usize = 256;
/// Elements of one table.
const MAX_TABLE: usize = 1 << 20;
/// Bytes of an element of a table: a pointer.
const ELEMENT: usize = size_of::<usize>();

impl MemoryLimit {
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// `taken` bytes are needed before anything runs.
    pub(crate) fn new(limit: usize, taken: usize) -> Self {
        Self {
            limit,
            used: taken,
            exceeded: taken > limit,
        }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let used = self.used.saturating_add(bytes);
        let fits = used <= self.limit;
        match fits {
            true => self.used = used,
            false => self.exceeded = true,
        }
        fits
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let possible = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(possible && self.take(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let possible = desired <= MAX_TABLE && maximum.is_none_or(|maximum| desired <= maximum);
        let more = desired.saturating_sub(current).saturating_mul(ELEMENT);
        Ok(possible && self.take(more))
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
