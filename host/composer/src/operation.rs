//! The id of a request, by which an error that was answered is found in the log.
use uuid::Uuid;

tokio::task_local! {
    static ID: Uuid;
}

/// The id of the request that is being answered; a new one outside of any.
#[must_use]
pub fn id() -> Uuid {
    ID.try_with(|id| *id).unwrap_or_else(|_| Uuid::new_v4())
}

/// Answers a request under a new id.
pub async fn run<T>(answer: impl Future<Output = T>) -> T {
    ID.scope(Uuid::new_v4(), answer).await
}
