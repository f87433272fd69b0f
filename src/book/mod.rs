//! TOML files become runbooks: parsing with places, the library of runbooks, inputs, lint, schema.

mod builtin;
mod call;
mod children;
mod declaration;
mod document;
mod field;
mod headline;
mod heartbeat;
mod inputs;
mod library;
mod lint;
mod mistakes;
mod names;
mod node;
mod overlay;
mod pace;
mod reader;
mod references;
mod requirement;
mod resolve;
mod runbook;
pub mod schema;
mod shelf;
mod statement;
mod step;
#[cfg(test)]
mod testing;

pub use children::{Children, children};
pub use document::Document;
pub(crate) use document::read_text;
pub use field::{Field, Form};
pub use headline::Headline;
pub use heartbeat::parse_heartbeat;
pub use inputs::{LONGEST_SQL, parse_input};
pub use library::{Library, LibraryEntry, Origin};
pub use lint::{Lint, LintEstate, lint, lint_check, lint_source, lint_value};
pub use mistakes::Mistakes;
pub use reader::TableReader;
pub use references::check_references;
pub use resolve::{
    EstateNames, InputMistake, MissingInput, Resolved, given_texts, parse_given, resolve_inputs,
};
pub use runbook::parse_runbook;
pub use schema::runbook_schema;
pub use step::parse_step;
