//! What a piece of SQL may do, by parsing it. The reading is a whitelist: what is not known to be harmless takes the worst
//! reading, because neither a read-only transaction nor `PRAGMA query_only` stops everything. Nothing here runs SQL.

mod analysis;
mod calls;
mod condition;
mod functions;
mod parameters;
mod pragma;
mod statement;
#[cfg(test)]
mod tests;
mod texts;

pub use analysis::{Analysis, Dialect, UNPARSED, effect, effect_in_any};
pub use parameters::{part_of, with_dollars, with_literals, without_semicolon};
pub use texts::without_texts;
