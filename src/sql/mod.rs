//! What a piece of SQL may do, by parsing it. The reading is a whitelist: what is not known to be harmless takes the worst
//! reading, because neither a read-only transaction nor `PRAGMA query_only` stops everything. Nothing here runs SQL.

mod analysis;
mod calls;
mod change;
mod condition;
mod ended;
mod functions;
mod lexer;
mod names;
mod parameters;
mod placeholder;
mod pragma;
mod script;
mod statement;
#[cfg(test)]
mod tests;
mod texts;
mod way;

pub use analysis::{Analysis, Dialect, UNPARSED, effect, effect_in_any};
pub use change::{
    Change, Column, Constraint, ConstraintKind, Filled, Index, TableChange, changes, copied,
};
pub use ended::ended;
pub use lexer::Unended;
pub use names::{quoted, quoted_parts};
pub use parameters::{
    part_of, with_dollars, with_exact, with_literals, with_values, without_semicolon,
};
pub use placeholder::{Placeholder, placeholder};
pub use pragma::setting;
pub use script::{Piece, Unwrapped, pieces, unwrapped, whole_pieces};
pub use statement::{Deletion, TableName};
pub use texts::{without_heading, without_texts};
pub use way::Way;
