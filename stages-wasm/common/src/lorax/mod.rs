//! Scripts of lorax: templates whose lines are commands.
mod template;
mod words;

pub use template::render;
pub use words::{Line, lines};
