//! The statements on which SQLite and PostgreSQL agree. Each of the two includes this directory as a module of its own, with its
//! types in `super::dialect`: generic code over both would need a page of bounds for every function.
mod composes;
mod documents;
mod jobs;
mod rows;
mod workers;

use super::dialect;
