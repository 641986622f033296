//! Users and groups of a tree: the databases in /etc, and what useradd(8), usermod(8) and groupadd(8) do to them.

mod database;
mod home;
mod settings;
mod table;
mod user;

pub use database::Database;
pub use home::{create_home, create_missing_home};
pub use settings::Settings;
pub use table::Table;
pub use user::{NewUser, UserChanges};
