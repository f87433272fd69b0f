//! Templates and expressions: what is written between `{{ }}` and in conditions, and how a value is escaped for where it lands.

mod argument;
mod scope;

pub use argument::{Argument, Judgement, ShellText, SqlText};
pub use scope::Scope;
