//! The end of a run before its time.
use crate::helpers::Cancellations;
use osbuild_wasm_component::Cancel;
use std::sync::{Arc, Mutex, PoisonError};

/// Ends a run at once: components at their next instruction, tools by a signal.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    pub(crate) cancel: Cancel,
    /// What devices, mounts and exports do.
    pub(crate) sessions: Cancellations,
    watched: Arc<Mutex<Vec<Cancellations>>>,
}

impl Interrupt {
    /// Ends everything.
    pub fn fire(&self) {
        self.cancel.cancel();
        self.sessions.fire();
        for sessions in self
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            sessions.fire();
        }
    }

    /// Whether [`Interrupt::fire`] was called.
    pub fn fired(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Ends these too, for as long as the returned guard lives.
    pub(crate) fn watch(&self, sessions: Cancellations) -> impl Drop + use<> {
        struct Guard(Arc<Mutex<Vec<Cancellations>>>, Cancellations);
        impl Drop for Guard {
            fn drop(&mut self) {
                let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                watched.retain(|other| !other.is(&self.1));
            }
        }
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sessions.clone());
        Guard(self.watched.clone(), sessions)
    }
}
