//! What Ctrl-C does. A command may do one thing after another; it stops the one at hand.
use std::sync::{Mutex, Once, PoisonError};

/// What is done at the moment.
static AT_HAND: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);
static LISTENING: Once = Once::new();

/// From now on Ctrl-C does this, and nothing else that was said before. Where signals cannot be handled it ends the program.
pub(crate) fn on_interrupt(action: impl Fn() + Send + 'static) {
    *AT_HAND.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
    LISTENING.call_once(|| {
        _ = ctrlc::set_handler(|| {
            if let Some(action) = &*AT_HAND.lock().unwrap_or_else(PoisonError::into_inner) {
                action();
            }
        });
    });
}
