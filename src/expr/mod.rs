//! Templates and expressions: what is written between `{{ }}` and in conditions, and how a value is escaped for where it lands.

mod argument;
mod compare;
mod error;
mod evaluator;
mod filters;
mod judge;
mod landing;
mod machine;
mod names;
mod phrase;
mod pieces;
mod scope;
mod syntax;
#[cfg(test)]
mod testing;
mod thresholds;
mod unknown;
mod value;

pub use argument::{Argument, Judgement, QueryText, ShellText, SqlText};
pub use error::EvalError;
pub use evaluator::Evaluator;
pub use filters::{FILTERS, FUNCTIONS, TESTS};
pub use landing::sql_skeleton;
pub use names::{NameUse, names_in_expression, names_in_template};
pub use scope::Scope;
pub use syntax::{check_expression, check_template};
pub use thresholds::Threshold;
pub use unknown::{KNOWN_AFTER_RUN, holds_unknown, told_unknown, unknown_argument};
pub use value::{secret_value, trusted_url};
