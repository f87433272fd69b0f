//! TOML files become runbooks: parsing with places, the library of runbooks, inputs, lint, schema.

mod document;
mod reader;

pub use document::Document;
pub use reader::{Field, Form, Mistakes, TableReader};
