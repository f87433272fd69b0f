//! Which rows of other tables go or change with those that a statement deletes, as the references between the tables say.
//! Must only read; what triggers do, nobody knows beforehand.

mod references;

use serde_json::Value;

use crate::base::text::{count, fit, one_line, thousands};
use crate::engine::{ActionError, ErrorKind};
use crate::expr::SqlText;
use crate::sql::{Deletion, Dialect, quoted};

use super::system::DatabaseSystem;
use references::{Reference, names, of_postgres, of_sqlite};

/// So many tables are named and counted at most.
const MOST_TABLES: usize = 12;

/// The longest query that counts rows, in bytes: each table on the way stands in those behind it.
const LONGEST_COUNT: usize = 16 * 1024;

/// How much is told of why rows are not counted.
const LONGEST_OBSTACLE: usize = 100;

/// Rows of a table that go or change with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Along {
    /// The table.
    table: String,
    /// Why: `ON DELETE CASCADE`; none for a table that the statement itself names.
    why: Option<&'static str>,
    /// How many; none where that is not counted.
    rows: Option<u64>,
    /// Why not, where something kept from it.
    obstacle: Option<String>,
}

/// The rows that are deleted at the start, as the end of a query from its FROM on; none where they cannot be asked for.
pub(in crate::action) type Touched = Option<SqlText>;

/// The rows of other tables that a deletion takes along, counted where one query does that exactly; those of the tables
/// themselves too where it is no DELETE. Tables that lose and change no row are left out.
pub(in crate::action) async fn along(
    system: &dyn DatabaseSystem,
    dialect: Dialect,
    deletion: &Deletion,
    touched: Touched,
) -> Result<Vec<Along>, ActionError> {
    let (mut found, parameters) = followed(system, dialect, deletion, touched).await?;
    for (along, query) in found.iter_mut().take(MOST_TABLES) {
        let Some(text) = query.take() else {
            continue;
        };
        let parameters = parameters.clone();
        match counted(system, SqlText { text, parameters }).await {
            Ok(rows) => along.rows = rows,
            Err(error) => {
                along.obstacle = Some(fit(&one_line(&error.message), LONGEST_OBSTACLE));
                // What kept this one waiting keeps the others, too.
                if error.kind == ErrorKind::Late {
                    break;
                }
            }
        }
    }
    found.retain(|(along, _)| along.rows != Some(0));
    Ok(found.into_iter().map(|(along, _)| along).collect())
}

/// The tables whose rows a deletion may take along, uncounted.
pub(in crate::action) async fn tables(
    system: &dyn DatabaseSystem,
    dialect: Dialect,
    deletion: &Deletion,
) -> Result<Vec<Along>, ActionError> {
    let (found, _) = followed(system, dialect, deletion, None).await?;
    Ok(found.into_iter().map(|(along, _)| along).collect())
}

/// `25 rows of orders (ON DELETE CASCADE), rows of lines, not counted (ON DELETE CASCADE)`; none where nothing goes along.
pub(in crate::action) fn in_words(all: &[Along]) -> Option<String> {
    let told = all.iter().take(MOST_TABLES).map(|along| {
        let Along { table, .. } = along;
        let why = along
            .why
            .map_or_else(String::new, |why| format!(" ({why})"));
        match along.rows {
            Some(1) => format!("1 row of {table}{why}"),
            Some(rows) => format!("{} rows of {table}{why}", thousands(rows)),
            None => {
                let obstacle = along.obstacle.as_deref();
                let obstacle = obstacle.map_or_else(String::new, |told| format!(": {told}"));
                format!("rows of {table}, not counted{obstacle}{why}")
            }
        }
    });
    let told: Vec<String> = told.chain(more_tables(all)).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `25 more rows`, with the tables that they may be in: what a change of `changed` rows did that is `in_all` in all.
pub(in crate::action) fn more_in_words(changed: u64, in_all: u64, tables: &[Along]) -> String {
    let more = usize::try_from(in_all.saturating_sub(changed)).unwrap_or(usize::MAX);
    let named = tables.iter().take(MOST_TABLES);
    let named = named.map(|Along { table, why, .. }| match why {
        Some(why) => format!("{table}: {why}"),
        None => table.clone(),
    });
    let named: Vec<String> = named.chain(more_tables(tables)).collect();
    let by = match named.as_slice() {
        [] => "by triggers or references".to_owned(),
        named => named.join("; "),
    };
    format!("and with that {} ({by})", count(more, "more row"))
}

fn more_tables(all: &[Along]) -> Option<String> {
    let more = all.len().saturating_sub(MOST_TABLES);
    (more > 0).then(|| format!("rows of {}", count(more, "more table")))
}

/// How many rows of each table go, as a query.
type Query = Option<String>;

/// The tables whose rows go or change, each with the query that counts them, and the values of these queries.
async fn followed(
    system: &dyn DatabaseSystem,
    dialect: Dialect,
    deletion: &Deletion,
    touched: Touched,
) -> Result<(Vec<(Along, Query)>, Vec<Value>), ActionError> {
    let (roots, is_whole) = match deletion {
        Deletion::Rows(table) => (std::slice::from_ref(table), false),
        Deletion::Tables(tables) | Deletion::Truncation(tables, _) => (tables.as_slice(), true),
    };
    let (text, parameters) = match touched {
        Some(SqlText { text, parameters }) => (Some(text), parameters),
        None => (None, Vec::new()),
    };
    let mut found = Vec::new();
    let mut starts = Vec::new();
    for root in roots {
        let rows = match is_whole {
            true => Some(format!(" FROM {}", root.sql)),
            false => text.clone(),
        };
        if is_whole {
            let (table, why) = (root.sql.clone(), None);
            let along = Along {
                table,
                why,
                rows: None,
                obstacle: None,
            };
            found.push((along, rows.as_deref().map(counting)));
        }
        for name in names(system, dialect, root).await? {
            starts.push((name, rows.clone()));
        }
    }
    let references = match (dialect, deletion) {
        // Its references go with it, and the rows that they are in stay; or it is refused.
        (Dialect::Postgres, Deletion::Tables(_)) | (_, Deletion::Truncation(_, false)) => {
            Vec::new()
        }
        (Dialect::Postgres, Deletion::Truncation(_, true)) => {
            let mut all = of_postgres(system).await?;
            for reference in &mut all {
                (reference.why, reference.deletes) = ("TRUNCATE … CASCADE", true);
            }
            all
        }
        (Dialect::Postgres, Deletion::Rows(_)) => of_postgres(system).await?,
        // SQLite deletes the rows of a table before it drops it.
        (Dialect::Sqlite, _) => of_sqlite(system).await?,
    };
    let truncates = matches!(deletion, Deletion::Truncation(..));
    found.extend(spread(&starts, &references, truncates, dialect));
    Ok((found, parameters))
}

/// Rows that go, as the end of a query from its FROM on; none where they cannot be asked for.
type Rows = Option<String>;

/// The tables that rows go from, each with the rows.
type Known<'r> = Vec<(&'r str, Rows)>;

/// Follows the references from the tables that rows are deleted from, to the end.
fn spread(
    starts: &[(String, Rows)],
    references: &[Reference],
    truncates: bool,
    dialect: Dialect,
) -> Vec<(Along, Query)> {
    let reached = reached(starts, references);
    let followed: Vec<&Reference> = references
        .iter()
        .filter(|reference| !reference.why.is_empty() && reached.contains(&&*reference.parent))
        .collect();
    let known = match truncates {
        true => (reached.iter().copied())
            .map(|table| (table, Some(format!(" FROM {table}"))))
            .collect(),
        false => known(&reached, starts, &followed, dialect),
    };
    let mut found: Vec<(Along, Query)> = Vec::new();
    for Reference {
        table,
        why,
        deletes,
        ..
    } in followed.iter().copied()
    {
        let is_told = found
            .iter()
            .any(|(along, _)| along.table == *table && along.why == Some(*why));
        // What the statement names itself is told already.
        let is_own = truncates && starts.iter().any(|(own, _)| own == table);
        if is_told || is_own {
            continue;
        }
        let rows = match deletes {
            true => (known.iter())
                .find(|(name, _)| name == table)
                .and_then(|(_, rows)| rows.clone()),
            false => {
                let same = |other: &&&Reference| other.table == *table && other.why == *why;
                let same: Vec<&Reference> = followed.iter().filter(same).copied().collect();
                rows_of(table, &same, &known, dialect)
            }
        };
        let along = Along {
            table: table.clone(),
            why: Some(why),
            rows: None,
            obstacle: None,
        };
        found.push((along, rows.as_deref().map(counting)));
    }
    found
}

/// The tables that rows go from, those first that the statement names.
fn reached<'r>(starts: &'r [(String, Rows)], references: &'r [Reference]) -> Vec<&'r str> {
    let mut reached: Vec<&str> = starts.iter().map(|(name, _)| name.as_str()).collect();
    let mut next = 0;
    while let Some(parent) = reached.get(next).copied() {
        next += 1;
        for reference in references {
            let follows = reference.deletes && reference.parent == parent;
            if follows && !reached.contains(&&*reference.table) {
                reached.push(&reference.table);
            }
        }
    }
    reached
}

/// The rows that go from each table: they are known when those are of all tables that it follows. Of a ring nobody can say.
fn known<'r>(
    reached: &[&'r str],
    starts: &[(String, Rows)],
    followed: &[&Reference],
    dialect: Dialect,
) -> Known<'r> {
    let mut known: Known<'r> = Vec::new();
    loop {
        let settled = known.len();
        for table in reached {
            let is_known = |parent: &str| known.iter().any(|(name, _)| *name == parent);
            let into: Vec<&Reference> = (followed.iter().copied())
                .filter(|reference| reference.deletes && reference.table == *table)
                .collect();
            let start = starts.iter().find(|(name, _)| name == table);
            let rows = match start {
                _ if is_known(table) => continue,
                // More of them than those that meet the condition.
                Some(_) if !into.is_empty() => None,
                Some((_, rows)) => rows.clone(),
                None if into.iter().all(|reference| is_known(&reference.parent)) => {
                    rows_of(table, &into, &known, dialect)
                }
                None => continue,
            };
            known.push((table, rows));
        }
        if known.len() == settled {
            return known;
        }
    }
}

/// The rows of a table that refer to rows that go, as the end of a query; none where those are not known.
fn rows_of(table: &str, references: &[&Reference], known: &Known<'_>, dialect: Dialect) -> Rows {
    let conditions = references.iter().map(|reference| {
        let (_, rows) = known.iter().find(|(name, _)| *name == reference.parent)?;
        let rows = rows.as_deref()?;
        let keys = reference.keys.join(", ");
        let columns = match reference.columns.as_slice() {
            [only] => only.clone(),
            several => format!("({})", several.join(", ")),
        };
        (!keys.is_empty()).then(|| format!("{columns} IN (SELECT {keys}{rows})"))
    });
    let conditions: Vec<String> = conditions.collect::<Option<_>>()?;
    let table = match dialect {
        Dialect::Sqlite => quoted(table),
        Dialect::Postgres => table.to_owned(),
    };
    Some(format!(" FROM {table} WHERE {}", conditions.join(" OR ")))
        .filter(|rows| rows.len() <= LONGEST_COUNT)
}

fn counting(rows: &str) -> String {
    format!("SELECT count(*) AS n{rows}")
}

/// Who may delete rows may still not read those that go along: then they are not counted.
async fn counted(system: &dyn DatabaseSystem, query: SqlText) -> Result<Option<u64>, ActionError> {
    let found = system.glance(&query, 1).await?;
    let first = found.rows.first();
    Ok(first.and_then(|row| row.get("n")?.as_u64()))
}

#[cfg(test)]
mod tests {
    use super::{Along, Reference, in_words, spread};
    use crate::sql::Dialect::{self, Postgres, Sqlite};

    fn reference(table: &str, columns: &[&str], parent: &str, deletes: bool) -> Reference {
        let (why, keys) = match deletes {
            true => ("ON DELETE CASCADE", vec!["id".to_owned(); columns.len()]),
            false => ("ON DELETE SET NULL", vec!["id".to_owned()]),
        };
        Reference {
            table: table.to_owned(),
            parent: parent.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            keys,
            why,
            deletes,
        }
    }

    fn asked(references: &[Reference], dialect: Dialect) -> Vec<(String, Option<String>)> {
        let start = [("a".to_owned(), Some(" FROM a WHERE n = ?1".to_owned()))];
        let found = spread(&start, references, false, dialect).into_iter();
        found.map(|(along, query)| (along.table, query)).collect()
    }

    #[test]
    fn rows_that_two_ways_lead_to_are_counted_once() {
        let references = [
            reference("c", &["b"], "b", true),
            reference("c", &["x", "y"], "a", true),
            reference("b", &["a"], "a", true),
            reference("d", &["one"], "a", false),
            reference("d", &["other"], "c", false),
        ];
        let a = "SELECT id FROM a WHERE n = ?1";
        let b = format!("a IN ({a})");
        let c = format!(
            "b IN (SELECT id FROM b WHERE {b}) OR (x, y) IN ({})",
            a.replace("id", "id, id")
        );
        let count = |table: &str, condition: &str| {
            (
                table.to_owned(),
                Some(format!(
                    "SELECT count(*) AS n FROM {table} WHERE {condition}"
                )),
            )
        };
        let expected = vec![
            count("c", &c),
            count("b", &b),
            count(
                "d",
                &format!("one IN ({a}) OR other IN (SELECT id FROM c WHERE {c})"),
            ),
        ];
        assert_eq!(asked(&references, Postgres), expected);
    }

    #[test]
    fn rows_of_a_ring_are_named_and_not_counted() {
        let references = [
            reference("b", &["a"], "a", true),
            reference("c", &["b"], "b", true),
            reference("b", &["c"], "c", true),
            reference("d", &["a"], "a", true),
        ];
        let found = asked(&references, Sqlite);
        let counted: Vec<(&str, bool)> = found
            .iter()
            .map(|(table, query)| (table.as_str(), query.is_some()))
            .collect();
        assert_eq!(counted, [("b", false), ("c", false), ("d", true)]);
    }

    #[test]
    fn of_many_tables_the_others_are_counted() {
        let all: Vec<Along> = (0..15)
            .map(|number| Along {
                table: format!("t{number}"),
                why: Some("ON DELETE CASCADE"),
                rows: Some(1 + number),
                obstacle: None,
            })
            .collect();
        let told = in_words(&all).unwrap_or_default();
        assert!(
            told.starts_with("1 row of t0 (ON DELETE CASCADE), 2 rows of t1 ("),
            "{told}"
        );
        assert!(
            told.ends_with("12 rows of t11 (ON DELETE CASCADE), rows of 3 more tables"),
            "{told}"
        );
        assert_eq!(in_words(&[]), None);
    }
}
