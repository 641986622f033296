//! A store that many processes share. What happens is told by NOTIFY to those who wait, in whichever process they are.
mod dialect;
#[path = "../sql/mod.rs"]
mod sql;

use crate::error::{Error, Result};
use crate::migration::{self, LAST_STEP, Schema, Step};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const STEPS: [Step; 2] = [
    (
        1,
        "start",
        include_str!("../../migrations/postgres/0001_start.sql"),
    ),
    (
        2,
        "counts",
        include_str!("../../migrations/postgres/0002_counts.sql"),
    ),
];

/// The channel of NOTIFY.
const CHANNEL: &str = "jobs";

/// No statement of ours takes long: one that does waits for a lock.
const STATEMENT_TIMEOUT: &str = "30s";

/// How long a call waits for a connection: a server that restarts is back by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the listener waits after its connection could not be made.
const RECONNECT: Duration = Duration::from_secs(1);

/// A database of a server.
pub(crate) struct PostgresStore {
    pool: PgPool,
    wakes: watch::Sender<()>,
    listener: JoinHandle<()>,
}

impl PostgresStore {
    /// Connects to the database at `url`.
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self> {
        // The URL has a password in it, so no error repeats it.
        let cannot = |error: sqlx::Error| Error::Open(error.to_string());
        let options = PgConnectOptions::from_str(url).map_err(cannot)?;
        let options = options
            .options([("statement_timeout", STATEMENT_TIMEOUT)])
            .application_name("osbuild-wasm");
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await
            .map_err(cannot)?;
        migration::migrate(&pool, &STEPS).await?;
        let wakes = watch::Sender::new(());
        let listener = tokio::spawn(listen(pool.clone(), wakes.clone()));
        Ok(Self {
            pool,
            wakes,
            listener,
        })
    }
}

/// How far the database at `url` is.
pub(crate) async fn schema(url: &str) -> Result<Schema> {
    // The URL has a password in it, so no error repeats it.
    let cannot = |error: sqlx::Error| Error::Open(error.to_string());
    let options = PgConnectOptions::from_str(url).map_err(cannot)?;
    let mut connection = PgConnection::connect_with(&options).await.map_err(cannot)?;
    let table = "SELECT to_regclass('_sqlx_migrations')::text AS name";
    let row = sqlx::query(table).fetch_one(&mut connection).await?;
    if row.try_get::<Option<String>, _>("name")?.is_none() {
        return Ok(Schema::of(0, &STEPS));
    }
    let row = sqlx::query(LAST_STEP).fetch_one(&mut connection).await?;
    let done: Option<i64> = row.try_get("version")?;
    Ok(Schema::of(done.unwrap_or_default(), &STEPS))
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Passes on what other processes tell. A connection that was lost and came back counts as a wake: something may have been missed.
async fn listen(pool: PgPool, wakes: watch::Sender<()>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            wakes.send_replace(());
            while listener
                .try_recv()
                .await
                .is_ok_and(|notification| notification.is_some())
            {
                wakes.send_replace(());
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}
