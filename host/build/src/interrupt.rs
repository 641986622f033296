//! The end of a run before its time.
use osbuild_wasm_component::Cancel;
use osbuild_wasm_protocol::{CancelHandle, Session};
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

/// Ways to cut off what runs now; fired when the run is interrupted or a stage's time is up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancellations(Arc<Mutex<Vec<CancelHandle>>>);

impl Cancellations {
    pub(crate) fn add(&self, session: &Session) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session.cancel_handle());
    }

    /// Whether both are the same list.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn fire(&self) {
        for handle in self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            handle.cancel();
        }
    }
}
