//! What each rule says of one change. Must not know comments, levels or files.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::text::thousands;
use crate::config::Rule;
use crate::sql::{Change, Column, ConstraintKind, Dialect, Filled, Index, Piece, TableChange};

use super::{Said, Tables};

/// A table of fewer rows is locked so shortly that nobody waits.
pub(in super::super) const FEW_ROWS: u64 = 10_000;

/// A change with what there is around it.
pub(super) struct Subject<'a> {
    pub(super) change: &'a Change,
    pub(super) dialect: Dialect,
    pub(super) tables: &'a Tables,
    /// The tables that the same file has made by now.
    pub(super) fresh: &'a BTreeSet<String>,
    /// The tables whose rows it has put into one of those.
    pub(super) copied: &'a BTreeSet<String>,
    /// Whether rows that refer to others are deleted or changed with them.
    pub(super) acts_on_references: bool,
    /// How many rows tables have, about, where the database was asked.
    pub(super) rows: Option<&'a BTreeMap<String, u64>>,
}

/// Whether a statement is of a kind that the parser cannot be expected to understand, and that loses nothing by itself.
pub(super) fn is_beyond_the_parser(piece: &Piece<'_>) -> bool {
    let kinds: [&[&str]; 12] = [
        &["PRAGMA"],
        &["VACUUM"],
        &["ANALYZE"],
        &["REINDEX"],
        &["DO"],
        &["REFRESH"],
        &["CREATE", "TRIGGER"],
        &["CREATE", "FUNCTION"],
        &["CREATE", "PROCEDURE"],
        &["CREATE", "OR"],
        &["CREATE", "VIRTUAL"],
        &["COMMENT"],
    ];
    kinds.iter().any(|kind| piece.begins(kind))
}

impl Subject<'_> {
    /// What the rules say. The line is the caller's.
    pub(super) fn judged(&self) -> Vec<Said> {
        let say = |rule, detail: String, instead: &str| vec![Said::new(0, rule, detail, instead)];
        match self.change {
            Change::DropTable(table) if !self.is_fresh(table) => self.drop_table(table),
            Change::DropContainer(what) => say(
                Rule::DropSchema,
                format!("drops {what} with everything in it"),
                "drop what is in it one by one",
            ),
            Change::RenameTable(from, to) if !self.is_fresh(from) => say(
                Rule::Rename,
                format!("{from} becomes {to} while the running release still asks for {from}"),
                "make the new one beside the old, write to both, move the readers, then drop the old one",
            ),
            Change::Truncate(table) if !self.is_fresh(table) => say(
                Rule::Truncate,
                format!("deletes all rows of {table}"),
                "delete them by `db prune`, which counts and keeps a copy",
            ),
            Change::Rows(word, table, true) if !self.is_fresh(table) => say(
                Rule::AllRows,
                format!("{word} touches every row of {table} in one transaction"),
                "say WHERE, and do it in batches outside of the migration",
            ),
            Change::CreateIndex(index) => self.index(index),
            Change::Table(table, change) if !self.is_fresh(table) => self.table(table, change),
            _ => Vec::new(),
        }
    }

    fn drop_table(&self, table: &str) -> Vec<Said> {
        let mut said = Vec::new();
        if !self.copied.contains(table) {
            let detail = format!("drops the table {table} with its rows");
            let instead = "release code that no longer uses it first, keep a copy, and allow it with the reason";
            said.push(Said::new(0, Rule::DropTable, detail, instead));
        }
        if self.acts_on_references {
            said.extend(self.tables.followers(table).map(|(child, words)| {
                let acts = if words.ends_with("CASCADE") { "deletes" } else { "changes" };
                let detail = format!("dropping {table} {acts} the rows of {child} that refer to it ({words})");
                let instead = format!(
                    "have {child} made anew too: copy both into new tables that refer to each other, drop {child}, then {table}, then rename"
                );
                Said::new(0, Rule::DropParent, detail, instead)
            }));
        }
        said
    }

    fn is_fresh(&self, table: &str) -> bool {
        self.fresh.contains(table)
    }

    fn is_postgres(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// A finding about a lock, unless the table is known to be small.
    fn locking(&self, table: &str, rule: Rule, detail: String, instead: &str) -> Vec<Said> {
        let rows = self
            .rows
            .map(|rows| rows.get(table).copied().unwrap_or_default());
        match rows {
            Some(few) if few < FEW_ROWS => Vec::new(),
            Some(many) => {
                let detail = format!("{detail}: {} rows or more", thousands(many));
                vec![Said::new(0, rule, detail, instead)]
            }
            None => vec![Said::new(0, rule, detail, instead)],
        }
    }

    fn index(&self, index: &Index) -> Vec<Said> {
        let table = &index.table;
        let mut said: Vec<Said> = index
            .columns
            .iter()
            .filter(|column| self.tables.lacks(table, column) && !self.is_own_column(column))
            .map(|column| {
                let detail = format!("{table} has no column {column}");
                Said::new(
                    0,
                    Rule::IndexColumn,
                    detail,
                    "name a column that it has, or add it first",
                )
            })
            .collect();
        if self.is_postgres() && !index.concurrently && !self.is_fresh(table) {
            let detail = format!("nobody can write to {table} until the index is built");
            let instead = "CREATE INDEX CONCURRENTLY in a migration of its own";
            said.extend(self.locking(table, Rule::IndexLock, detail, instead));
        }
        said
    }

    /// SQLite numbers rows in a column that no statement names; a text in quotes that is no column is a text to it.
    fn is_own_column(&self, column: &str) -> bool {
        self.dialect == Dialect::Sqlite && matches!(column, "rowid" | "oid" | "_rowid_")
    }

    fn table(&self, table: &str, change: &TableChange) -> Vec<Said> {
        let say = |rule, detail: String, instead: &str| vec![Said::new(0, rule, detail, instead)];
        match change {
            TableChange::DropColumn(column) => say(
                Rule::DropColumn,
                format!("drops {table}.{column} with its values"),
                "release code that no longer uses it first, keep a copy, and allow it with the reason",
            ),
            TableChange::RenameColumn(from, to) => say(
                Rule::Rename,
                format!("{table}.{from} becomes {to} while the running release still asks for {from}"),
                "add the new column, write to both, move the readers, then drop the old one",
            ),
            TableChange::ChangeType(column, to) => self.locking(
                table,
                Rule::ChangeType,
                format!("{table}.{column} becomes {to}: every row is written anew, and nobody can read or write meanwhile"),
                "add a column of the new type, fill it in batches, then change over",
            ),
            TableChange::SetNotNull(column)
                if self.is_postgres() && !self.tables.checks(table, column) =>
            {
                self.locking(
                    table,
                    Rule::SetNotNull,
                    format!("every row of {table} is looked at for NULL in {column}, and nobody can read or write meanwhile"),
                    "ADD CHECK (… IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT, then SET NOT NULL",
                )
            }
            TableChange::AddColumn(column) => self.column(table, column),
            TableChange::AddConstraint(constraint) if self.is_postgres() && !constraint.not_valid => {
                self.constraint(table, constraint.kind)
            }
            _ => Vec::new(),
        }
    }

    fn column(&self, table: &str, column: &Column) -> Vec<Said> {
        let name = &column.name;
        let mut said = Vec::new();
        if column.not_null && column.filled == Filled::Nothing {
            let detail = format!(
                "{table}.{name} takes no NULL and has no default: this fails where there are rows"
            );
            said.push(Said::new(
                0,
                Rule::NotNull,
                detail,
                "give a default, or add it without NOT NULL and fill it first",
            ));
        }
        if let (Filled::Each(value), true) = (&column.filled, self.is_postgres()) {
            let detail = format!(
                "every row of {table} is written anew for {value} in {name}, and nobody can read or write meanwhile"
            );
            let instead =
                "add the column without it, set the default, and fill the rows in batches";
            said.extend(self.locking(table, Rule::VolatileDefault, detail, instead));
        }
        // Without a value no row has anything to be held against.
        if let Some(kind) = column.constraint
            && self.is_postgres()
            && (column.filled != Filled::Nothing || kind == ConstraintKind::Unique)
        {
            said.extend(self.constraint(table, kind));
        }
        said
    }

    fn constraint(&self, table: &str, kind: ConstraintKind) -> Vec<Said> {
        let (rule, detail, instead) = match kind {
            ConstraintKind::Unique => (
                Rule::UniqueLock,
                format!(
                    "nobody can read or write {table} until the index of the constraint is built"
                ),
                "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX",
            ),
            ConstraintKind::Check | ConstraintKind::ForeignKey => (
                Rule::ConstraintScan,
                format!(
                    "every row of {table} is held against the constraint, and nobody can write meanwhile"
                ),
                "add it NOT VALID, then VALIDATE CONSTRAINT in a migration of its own",
            ),
        };
        self.locking(table, rule, detail, instead)
    }
}
