//! What a plan says: which tables are read in full.

use serde_json::Value;

use crate::platform::rows::Rows;
use crate::sql::Dialect;

/// What a plan comes to, in a line.
pub(super) fn told(scans: &[String]) -> String {
    match scans {
        [] => "reads no table in full".to_owned(),
        tables => format!("reads in full: {}", tables.join(", ")),
    }
}

/// The tables that a plan reads in full, each once, by the names that the plan has for them: a table that the statement
/// gives another name has that one.
pub(super) fn scans(plan: &Rows, dialect: Dialect) -> Vec<String> {
    let lines = plan
        .rows
        .iter()
        .filter_map(|row| row.get("detail").and_then(Value::as_str));
    let found: Vec<String> = match dialect {
        Dialect::Postgres => lines.filter_map(postgres).collect(),
        Dialect::Sqlite => sqlite(&lines.collect::<Vec<_>>()),
    };
    let mut tables: Vec<String> = Vec::new();
    for table in found {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// The table of a line like `->  Parallel Seq Scan on orders o  (cost=…`.
fn postgres(line: &str) -> Option<String> {
    let (before, rest) = line.split_once("Seq Scan on ")?;
    let node = before.trim_start().trim_start_matches("->").trim();
    // Not in a condition that holds these words.
    matches!(node, "" | "Parallel").then_some(())?;
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map_or(rest.len(), |at| at + 2),
        None => rest.find(' ').unwrap_or(rest.len()),
    };
    Some(rest[..end].trim_matches('"').to_owned())
}

/// Every `SCAN` of SQLite, also through an index: it ends early only where a LIMIT lets it. What the statement makes itself
/// is no table.
/// See <https://sqlite.org/eqp.html>.
fn sqlite(lines: &[&str]) -> Vec<String> {
    let made: Vec<&str> = lines
        .iter()
        .filter_map(|line| {
            line.strip_prefix("MATERIALIZE ")
                .or_else(|| line.strip_prefix("CO-ROUTINE "))
        })
        .collect();
    lines
        .iter()
        .filter_map(|line| {
            let rest = line.strip_prefix("SCAN ")?;
            if rest == "CONSTANT ROW" || rest.contains(" VIRTUAL TABLE INDEX ") {
                return None;
            }
            let rest = rest.strip_prefix("TABLE ").unwrap_or(rest);
            let end = rest.find(" USING ").unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches(" LEFT-JOIN");
            let table = !made.contains(&name) && !name.starts_with('(');
            table.then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{postgres, sqlite};

    #[test]
    fn a_plan_of_postgres_names_what_it_reads_in_full() {
        for (line, table) in [
            (
                "Seq Scan on orders  (cost=0.00..1.01 rows=1 width=4)",
                Some("orders"),
            ),
            (
                "  ->  Parallel Seq Scan on orders o  (cost=0",
                Some("orders"),
            ),
            (
                "        ->  Seq Scan on \"odd name\"  (cost=0",
                Some("odd name"),
            ),
            ("  ->  Index Scan using i on orders  (cost=0", None),
            ("        Filter: (note = 'Seq Scan on orders'::text)", None),
            ("  ->  Bitmap Heap Scan on orders", None),
        ] {
            assert_eq!(postgres(line).as_deref(), table, "{line}");
        }
    }

    #[test]
    fn a_plan_of_sqlite_names_what_it_reads_in_full() {
        let plan = [
            "CO-ROUTINE recent",
            "SCAN orders USING COVERING INDEX i",
            "MATERIALIZE mails",
            "SEARCH users USING INDEX u (mail=?)",
            "SCAN recent",
            "SCAN mails",
            "SCAN (subquery-2)",
            "SCAN CONSTANT ROW",
            "SCAN words VIRTUAL TABLE INDEX 0:M1",
            "SCAN TABLE odd name",
            "SCAN right LEFT-JOIN",
        ];
        assert_eq!(sqlite(&plan), ["orders", "odd name", "right"]);
    }
}
