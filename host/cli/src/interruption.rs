//! What Ctrl-C does. A command may do one thing after another; it stops the one at hand.
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};

/// What is done at the moment.
static AT_HAND: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);
static LISTENING: Once = Once::new();
/// Whether it came while it had to wait.
static CAME: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on Ctrl-C does this, and nothing else that was said before; at once, if it came while it had to wait. Where signals cannot be
/// handled it ends the program.
pub(crate) fn on_interrupt(action: impl Fn() + Send + 'static) {
    *at_hand() = Some(Box::new(action));
    LISTENING.call_once(|| _ = ctrlc::set_handler(act));
    if CAME.swap(false, Ordering::Relaxed) {
        act();
    }
}

/// From now on Ctrl-C waits for the next thing that it can stop: what is made before that has to be removed. Until then there is no
/// thread that listens, which could not be isolated.
pub(crate) fn wait_for_next() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // One that cannot be handled ends the program.
        _ = flag::register(signal, CAME.clone());
    }
}

fn act() {
    if let Some(action) = &*at_hand() {
        action();
    }
}

fn at_hand() -> MutexGuard<'static, Option<Box<dyn Fn() + Send>>> {
    AT_HAND.lock().unwrap_or_else(PoisonError::into_inner)
}
