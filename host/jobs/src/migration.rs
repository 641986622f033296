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
