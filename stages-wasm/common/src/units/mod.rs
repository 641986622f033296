//! Enabling, disabling and masking units as `systemctl --root` does.

mod definition;
mod links;
mod name;

pub use definition::Install;
pub use links::Units;
pub use name::UnitName;
