//! Word of what a component does.
use osbuild_wasm_capability::{Interface, Verb};

/// Hears what a component does while it does it. Calls come from the component's thread.
pub trait Recorder: Send + Sync {
    /// `verb` was done to `path`, where the object really is, and to what is below it if `below`.
    fn did(&self, verb: Verb, path: &str, below: bool);
    /// `verb` was allowed on `path`, and on what is below it if `below`, and came to nothing: mostly because there is no such object.
    fn tried(&self, verb: Verb, path: &str, below: bool);
    /// An interface that no helper carries out was called, and not for a path.
    fn used(&self, interface: Interface);
    /// Something was refused; `path` is as it was asked for.
    fn denied(&self, path: &str, message: &str);
}
