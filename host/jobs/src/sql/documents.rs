//! Named values.
use super::dialect::{Db, Row, Store};
use super::rows;
use crate::error::{Error, Result};
use crate::model::{Document, Expectation, Write};
use crate::store::DocumentStore;
use async_trait::async_trait;
use sqlx::{Row as _, Transaction};

#[async_trait]
impl DocumentStore for Store {
    async fn document(&self, channel: &str, kind: &str, name: &str) -> Result<Option<Document>> {
        let query = "SELECT * FROM documents WHERE channel = $1 AND kind = $2 AND name = $3";
        let query = sqlx::query(query).bind(channel).bind(kind).bind(name);
        query
            .fetch_optional(self.reader())
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    async fn documents(&self, channel: &str, kind: &str) -> Result<Vec<Document>> {
        let query =
            sqlx::query("SELECT * FROM documents WHERE channel = $1 AND kind = $2 ORDER BY seq")
                .bind(channel);
        query
            .bind(kind)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    async fn write(&self, channel: &str, changes: &[Write]) -> Result<()> {
        let mut transaction = self.begin().await?;
        for change in changes {
            apply(&mut transaction, channel, change).await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn apply(
    transaction: &mut Transaction<'static, Db>,
    channel: &str,
    change: &Write,
) -> Result<()> {
    let (kind, name, body, expect) = match change {
        Write::Put {
            kind,
            name,
            body,
            expect,
        } => (kind, name, body, *expect),
        Write::Delete { kind, name } => {
            let delete =
                sqlx::query("DELETE FROM documents WHERE channel = $1 AND kind = $2 AND name = $3");
            delete
                .bind(channel)
                .bind(kind)
                .bind(name)
                .execute(&mut **transaction)
                .await?;
            return Ok(());
        }
    };
    let put = match expect {
        Expectation::Any => {
            "INSERT INTO documents (channel, kind, name, body, revision) VALUES ($1, $2, $3, $4, 1) \
            ON CONFLICT (channel, kind, name) DO UPDATE SET body = excluded.body, revision = documents.revision + 1"
        }
        Expectation::Absent => {
            "INSERT INTO documents (channel, kind, name, body, revision) VALUES ($1, $2, $3, $4, 1) ON CONFLICT DO NOTHING"
        }
        Expectation::Revision(_) => {
            "UPDATE documents SET body = $4, revision = revision + 1 \
            WHERE channel = $1 AND kind = $2 AND name = $3 AND revision = $5"
        }
    };
    let mut put = sqlx::query(put)
        .bind(channel)
        .bind(kind)
        .bind(name)
        .bind(body.to_string());
    if let Expectation::Revision(revision) = expect {
        put = put.bind(i64::try_from(revision).map_err(|_| Error::Damaged("number"))?);
    }
    if put.execute(&mut **transaction).await?.rows_affected() == 0 {
        return Err(Error::Changed {
            kind: kind.clone(),
            name: name.clone(),
        });
    }
    Ok(())
}

fn read(row: &Row) -> Result<Document> {
    Ok(Document {
        name: row.try_get("name")?,
        revision: rows::count(row, "revision")?,
        body: rows::json(row, "body")?,
    })
}
