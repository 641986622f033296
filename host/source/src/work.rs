//! Work that waits: for servers, for programs. One thread waits for all, and ends at once when it is cancelled.

use crate::FetchContext;
use std::time::Duration;

/// How often the request to stop is looked for.
const CANCEL_INTERVAL: Duration = Duration::from_millis(20);

/// Threads for what cannot wait on that thread: writing, flushing, looking names up.
const THREADS: usize = 2;

/// Does `work` until it is done.
pub(crate) fn run(work: impl Future<Output = ()>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .max_blocking_threads(THREADS)
        .build();
    let runtime = runtime.map_err(|error| format!("cannot start fetching: {error}"))?;
    runtime.block_on(work);
    // Name look-ups cannot be interrupted; the run does not wait for them.
    runtime.shutdown_background();
    Ok(())
}

/// Does `work` that has one result.
pub(crate) fn one<T>(
    context: &FetchContext<'_>,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let mut result = Err("the download was interrupted".to_owned());
    run(unless_cancelled(context, async { result = work.await }))?;
    result
}

/// Does `work` until it is done or cancelled; what it had not finished then is dropped.
pub(crate) async fn unless_cancelled(context: &FetchContext<'_>, work: impl Future<Output = ()>) {
    let cancelled = async {
        while !context.is_cancelled() {
            tokio::time::sleep(CANCEL_INTERVAL).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = cancelled => {}
    }
}
