//! What a component costs before it runs anything: compiling it, its stack, and the instances of its modules, which no limiter of wasmtime
//! counts.
use crate::engine::WASM_STACK;
use crate::limits::MAX_INSTANCES;
use wasmparser::{ComponentInstance, Instance, Parser, Payload};

/// Bytes of an instance of a module that has nothing.
const INSTANCE: usize = 4 << 10;
/// Bytes of the largest thing that an instance holds: a reference to a function.
const ITEM: usize = 32;

/// What is counted of a binary.
#[derive(Default)]
struct Count {
    /// Things of the largest module.
    largest: usize,
    /// Instances that the outermost component makes of modules, and those that the components inside of it make each time.
    own: usize,
    inner: usize,
    /// Instances of components, at all depths.
    components: usize,
    depth: u32,
}

/// Bytes that a component needs to start. Errors: what the parser says of a malformed one.
pub(crate) fn weight(bytes: &[u8]) -> wasmparser::Result<usize> {
    let mut count = Count::default();
    // The things of each module or component that is being read.
    let mut open = vec![0];
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                open.push(0);
                count.depth = count
                    .depth
                    .max(u32::try_from(open.len()).unwrap_or(u32::MAX));
            }
            Payload::End(_) => count.largest = count.largest.max(open.pop().unwrap_or_default()),
            _ => {}
        }
        count.instances(&payload, open.len() <= 1)?;
        if let Some(things) = open.last_mut() {
            *things += things_of(&payload);
        }
    }
    Ok(count.bytes())
}

/// Bytes of a component that are compiled: neither data nor what is there for people and tools, such as names. Errors: what the parser says
/// of a malformed one.
pub(crate) fn code_size(bytes: &[u8]) -> wasmparser::Result<usize> {
    let mut size = bytes.len();
    for payload in Parser::new(0).parse_all(bytes) {
        let other = match payload? {
            Payload::CustomSection(section) => section.range(),
            Payload::DataSection(section) => section.range(),
            _ => continue,
        };
        let length = other.end.saturating_sub(other.start);
        size = size.saturating_sub(usize::try_from(length).unwrap_or(usize::MAX));
    }
    Ok(size)
}

/// How many things of a section each instance of the module holds.
fn things_of(payload: &Payload<'_>) -> usize {
    let count = match payload {
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        _ => 0,
    };
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Count {
    fn instances(&mut self, payload: &Payload<'_>, outermost: bool) -> wasmparser::Result<()> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if matches!(instance?, Instance::Instantiate { .. }) {
                        match outermost {
                            true => self.own += 1,
                            false => self.inner += 1,
                        }
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    let made = matches!(instance?, ComponentInstance::Instantiate { .. });
                    self.components += usize::from(made);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Components inside of components may be instantiated at each depth as often as there are instances of components.
    fn bytes(&self) -> usize {
        let times = self.components.saturating_pow(self.depth);
        let instances = self.own.saturating_add(self.inner.saturating_mul(times));
        let one = INSTANCE.saturating_add(self.largest.saturating_mul(ITEM));
        let all = one.saturating_mul(instances.min(MAX_INSTANCES));
        all.saturating_add(WASM_STACK)
    }
}
