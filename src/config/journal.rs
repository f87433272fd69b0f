//! `[journal]`: how long runs are kept.

use crate::base::Span;
use crate::book::TableReader;

/// The table.
const TABLE: &str = "journal";

/// `[journal]` and its `retention`.
pub(super) fn retention(root: &TableReader<'_>) -> Option<Span> {
    let table = root
        .optional(TABLE)
        .and_then(|field| field.table(format!("`{TABLE}`")))?;
    let retention = table
        .optional("retention")
        .and_then(|field| field.positive_duration());
    table.finish();
    retention
}
