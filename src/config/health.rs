//! `[health]`: how checks are run and how long their samples are kept.

use crate::book::TableReader;

use super::estate::Health;

/// The table.
const TABLE: &str = "health";

/// The most checks that run at the same time.
const MOST_AT_ONCE: i64 = 10_000;

/// `[health]`, or what is usual.
pub(super) fn read(root: &TableReader<'_>) -> Health {
    let usual = Health::default();
    let Some(table) = root
        .optional(TABLE)
        .and_then(|field| field.table(format!("`{TABLE}`")))
    else {
        return usual;
    };
    let number = |key, usual| {
        let number = table
            .optional(key)
            .and_then(|field| field.integer_in(1..=MOST_AT_ONCE));
        number
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(usual)
    };
    let duration = |key, usual| {
        let duration = table
            .optional(key)
            .and_then(|field| field.positive_duration());
        duration.unwrap_or(usual)
    };
    let health = Health {
        concurrency: number("concurrency", usual.concurrency),
        per_host: number("per_host", usual.per_host),
        keep: duration("keep", usual.keep),
        history: duration("history", usual.history),
    };
    table.finish();
    health
}
