//! A store in one file. One connection writes, others read; what happens wakes those who wait in this process.
mod dialect;
#[path = "../sql/mod.rs"]
mod sql;

use crate::error::{Error, Result};
use crate::migration::{self, LAST_STEP, Schema, Step};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

const STEPS: [Step; 2] = [
    (
        1,
        "start",
        include_str!("../../migrations/sqlite/0001_start.sql"),
    ),
    (
        2,
        "counts",
        include_str!("../../migrations/sqlite/0002_counts.sql"),
    ),
];

/// Readers do not wait for the writer; a handful of them suffices for a machine's cores.
const READERS: u32 = 4;

/// A database in a file.
pub(crate) struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    wakes: watch::Sender<()>,
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let cannot =
            |why: &dyn std::fmt::Display| Error::Open(format!("{}: {why}", path.display()));
        private_file(path).map_err(|error| cannot(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered survives a loss of power, not only of the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await;
        let writer = writer.map_err(|error| cannot(&error))?;
        migration::migrate(&writer, &STEPS).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await;
        Ok(Self {
            writer,
            reader: reader.map_err(|error| cannot(&error))?,
            wakes: watch::Sender::new(()),
        })
    }

    /// Wakes those who wait for a job; it is called after the commit.
    fn wake(&self) {
        self.wakes.send_replace(());
    }
}

/// How far the file at `path` is.
pub(crate) async fn schema(path: &Path) -> Result<Schema> {
    if !path.exists() {
        return Ok(Schema::of(0, &STEPS));
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let tables = "SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'";
    if sqlx::query(tables)
        .fetch_optional(&mut connection)
        .await?
        .is_none()
    {
        return Ok(Schema::of(0, &STEPS));
    }
    let row = sqlx::query(LAST_STEP).fetch_one(&mut connection).await?;
    let done: Option<i64> = row.try_get("version")?;
    Ok(Schema::of(done.unwrap_or_default(), &STEPS))
}

/// Results and requests can hold secrets: the file is its owner's from the first moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the directory is the service's own"
)]
fn private_file(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
