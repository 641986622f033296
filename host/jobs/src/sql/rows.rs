//! Values as columns and back.
use super::dialect::Row;
use crate::error::{Error, Result};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row as _;
use std::str::FromStr;

/// A time as microseconds since 1970.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// An id of a column.
pub(super) fn id<T: FromStr>(row: &Row, column: &str) -> Result<T> {
    row.try_get::<&str, _>(column)?
        .parse()
        .map_err(|_| Error::Damaged("id"))
}

/// A time of a column that always has one.
pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp> {
    optional_time(row, column)?.ok_or(Error::Damaged("time"))
}

/// A time of a column that may be empty.
pub(super) fn optional_time(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    let micros: Option<i64> = row.try_get(column)?;
    micros
        .map(Timestamp::from_microsecond)
        .transpose()
        .map_err(|_| Error::Damaged("time"))
}

/// A JSON value of a column that always has one.
pub(super) fn json(row: &Row, column: &str) -> Result<Value> {
    optional_json(row, column)?.ok_or(Error::Damaged("value"))
}

/// A JSON value of a column that may be empty.
pub(super) fn optional_json(row: &Row, column: &str) -> Result<Option<Value>> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|_| Error::Damaged("value"))
}

/// A number that is never negative.
pub(super) fn count<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T> {
    row.try_get::<i64, _>(column)?
        .try_into()
        .map_err(|_| Error::Damaged("number"))
}

/// A list of texts as JSON, the form in which both databases take one.
pub(super) fn list<T: ToString>(values: &[T]) -> String {
    Value::from(values.iter().map(T::to_string).collect::<Vec<_>>()).to_string()
}
