//! Brings a database to this program's version. Steps are numbered files, carried out in order and never edited afterwards.
use crate::error::{Error, Result};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Acquire, AssertSqlSafe, SqlSafeStr};
use std::borrow::Cow;

/// A step: its number, what it is for, and its statements.
pub(crate) type Step = (i64, &'static str, &'static str);

/// Carries out the steps that are missing. Processes that start at the same time wait for each other.
pub(crate) async fn migrate<'a, A>(database: A, steps: &[Step]) -> Result<()>
where
    A: Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: Migrate,
{
    let steps = steps.iter().map(|&(version, description, statements)| {
        let statements = AssertSqlSafe(statements).into_sql_str();
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            statements,
            false,
        )
    });
    let migrator = Migrator {
        migrations: Cow::Owned(steps.collect()),
        ..Migrator::DEFAULT
    };
    migrator.run(database).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) => Error::Newer,
        error => Error::Open(error.to_string()),
    })
}

/// How far a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The last step that was carried out; 0 if there was none.
    pub done: i64,
    /// The last step that this program knows.
    pub known: i64,
}

impl Schema {
    pub(crate) fn of(done: i64, steps: &[Step]) -> Self {
        let known = steps.last().map_or(0, |(version, ..)| *version);
        Self { done, known }
    }
}

/// The last step of a database. One that was never used has no table of steps.
pub(crate) const LAST_STEP: &str =
    "SELECT MAX(version) AS version FROM _sqlx_migrations WHERE success";
