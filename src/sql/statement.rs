//! The effect of one parsed statement. Every kind that is not named here takes the worst reading.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, CascadeOption, CopySource, CopyTarget,
    Delete, Expr, FromTable, Insert, Merge, MergeAction, MergeClauseKind, ObjectName, ObjectType,
    Query, SelectInto, Set, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update,
    UpdateTableFromKind, With,
};

use super::condition::Target;
use crate::base::Effect;

/// Settings of a session that change how long or how a query is answered, and nothing else.
const HARMLESS_SETTINGS: [&str; 8] = [
    "application_name",
    "datestyle",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "timezone",
    "work_mem",
];

/// Tables of SQLite that hold its schema or its pages.
const CATALOGS: [&str; 5] = [
    "sqlite_dbpage",
    "sqlite_master",
    "sqlite_schema",
    "sqlite_temp_master",
    "sqlite_temp_schema",
];

/// An effect and what decided it.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) effect: Effect,
    pub(super) reason: String,
    /// The query that counts the rows that would be touched.
    pub(super) count: Option<String>,
    /// Whether it may leave rows as they are that it was told to change.
    pub(super) lenient: bool,
    /// The rows that it deletes, where it is one statement that does that to whole tables or by a condition.
    pub(super) deletion: Option<Deletion>,
}

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// As SQL: `"sales"."orders"`.
    pub sql: String,
    /// Its own name, without quotes and without its schema.
    pub name: String,
}

impl TableName {
    fn of(name: &ObjectName) -> Option<Self> {
        Some(Self {
            sql: name.to_string(),
            name: name.0.last()?.as_ident()?.value.clone(),
        })
    }
}

/// How a statement deletes rows. What refers to them may go with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// DELETE of some rows of a table or of all.
    Rows(TableName),
    /// DROP TABLE.
    Tables(Vec<TableName>),
    /// TRUNCATE, and whether every table is emptied too that refers to one of these (CASCADE).
    Truncation(Vec<TableName>, bool),
}

impl Reading {
    pub(super) fn read(reason: impl Into<String>) -> Self {
        Self::of(Effect::Read, reason)
    }

    pub(super) fn write(reason: impl Into<String>) -> Self {
        Self::of(Effect::Write, reason)
    }

    pub(super) fn destroy(reason: impl Into<String>) -> Self {
        Self::of(Effect::Destroy, reason)
    }

    fn of(effect: Effect, reason: impl Into<String>) -> Self {
        Self {
            effect,
            reason: reason.into(),
            count: None,
            lenient: false,
            deletion: None,
        }
    }

    /// The worse of the two; of two equal ones the first.
    pub(super) fn worse(self, other: Self) -> Self {
        if other.effect > self.effect {
            Self {
                count: self.count,
                lenient: self.lenient,
                deletion: self.deletion,
                ..other
            }
        } else {
            self
        }
    }

    pub(super) fn without_count(mut self) -> Self {
        self.count = None;
        self.deletion = None;
        self
    }
}

/// What a statement may do, its own calls of functions left aside.
pub(super) fn reading(statement: &Statement) -> Reading {
    match statement {
        Statement::Query(query) => query_reading(query),
        Statement::Explain {
            analyze,
            statement,
            options,
            ..
        } => {
            let analyzes = |name: &str| name.eq_ignore_ascii_case("analyze");
            let named = options
                .iter()
                .flatten()
                .any(|option| analyzes(&option.name.value));
            let explained = matches!(**statement, Statement::Explain { .. });
            if *analyze || named || explained {
                reading(statement).without_count()
            } else {
                Reading::read("EXPLAIN")
            }
        }
        Statement::ExplainTable { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCreate { .. } => Reading::read("SHOW"),
        Statement::Insert(insert) => insert_reading(insert),
        Statement::Update(update) => update_reading(update),
        Statement::Delete(delete) => delete_reading(delete),
        Statement::Merge(merge) => merge_reading(merge),
        Statement::Copy {
            source, to, target, ..
        } => {
            let copied = match source {
                CopySource::Query(query) => query_reading(query),
                CopySource::Table { .. } => Reading::read("COPY"),
            };
            copied.worse(copy_reading(*to, target))
        }
        Statement::Set(set) => set_reading(set),
        Statement::AlterTable(alter) => alter_reading(alter),
        _ => other_reading(statement),
    }
}

/// The statements whose kind alone decides.
fn other_reading(statement: &Statement) -> Reading {
    let write = match statement {
        Statement::CreateTable(create) if create.or_replace => {
            return Reading::destroy("CREATE OR REPLACE TABLE");
        }
        Statement::CreateTable(create) => {
            let own = Reading::write("CREATE TABLE");
            return create
                .query
                .as_deref()
                .map_or(own.clone(), |query| own.worse(query_reading(query)));
        }
        Statement::CreateView(create) => {
            return Reading::write("CREATE VIEW").worse(query_reading(&create.query));
        }
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::CreateVirtualTable { .. } => "CREATE VIRTUAL TABLE",
        Statement::CreateSchema { .. } => "CREATE SCHEMA",
        Statement::CreateDatabase { .. } => "CREATE DATABASE",
        Statement::CreateSequence { .. } => "CREATE SEQUENCE",
        Statement::CreateType { .. } => "CREATE TYPE",
        Statement::CreateDomain(_) => "CREATE DOMAIN",
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreateExtension(_) => "CREATE EXTENSION",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::CreatePolicy(_) => "CREATE POLICY",
        Statement::AlterIndex { .. } => "ALTER INDEX",
        Statement::Grant(_) => "GRANT",
        Statement::Revoke(_) => "REVOKE",
        Statement::Comment { .. } => "COMMENT",
        Statement::AttachDatabase { .. } => "ATTACH makes the file when it is not there",
        Statement::Lock(_) => "LOCK",
        Statement::NOTIFY { .. } => "NOTIFY",
        Statement::LISTEN { .. } | Statement::UNLISTEN { .. } => "LISTEN",
        Statement::StartTransaction { statements, .. } if statements.is_empty() => "BEGIN",
        Statement::Commit { .. } => "COMMIT",
        Statement::Rollback { .. } => "ROLLBACK",
        Statement::Savepoint { .. } | Statement::ReleaseSavepoint { .. } => "SAVEPOINT",
        other => {
            return Reading {
                deletion: whole_tables(other),
                ..Reading::destroy(kind(other))
            };
        }
    };
    Reading::write(write)
}

/// The tables of which a statement deletes every row.
fn whole_tables(statement: &Statement) -> Option<Deletion> {
    match statement {
        Statement::Drop {
            object_type: ObjectType::Table,
            names,
            ..
        } => Some(Deletion::Tables(
            names.iter().filter_map(TableName::of).collect(),
        )),
        Statement::Truncate(truncate) => {
            let names = truncate.table_names.iter();
            let tables = names.filter_map(|target| TableName::of(&target.name));
            let cascades = matches!(truncate.cascade, Some(CascadeOption::Cascade));
            Some(Deletion::Truncation(tables.collect(), cascades))
        }
        _ => None,
    }
}

/// `DROP TABLE`: the words that a statement begins with.
fn kind(statement: &Statement) -> String {
    let words: Vec<String> = statement
        .to_string()
        .split_whitespace()
        .take_while(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()))
        .take(2)
        .map(str::to_owned)
        .collect();
    if words.is_empty() {
        "not known to be harmless".to_owned()
    } else {
        words.join(" ")
    }
}

/// A query and the statements inside its WITH and its body. Queries inside expressions hold no statements that change
/// data in any engine; what is found there by its words is read in `calls`.
fn query_reading(query: &Query) -> Reading {
    let mut reading = with_reading(query.with.as_ref()).worse(body_reading(&query.body));
    if !query.locks.is_empty() {
        reading = reading.worse(Reading::write("SELECT … FOR UPDATE locks rows"));
    }
    reading.without_count()
}

fn with_reading(with: Option<&With>) -> Reading {
    with.into_iter()
        .flat_map(|with| &with.cte_tables)
        .map(|table| query_reading(&table.query))
        .fold(Reading::read("SELECT"), Reading::worse)
}

fn body_reading(body: &SetExpr) -> Reading {
    match body {
        SetExpr::Select(select) => match &select.into {
            Some(SelectInto { .. }) => Reading::write("SELECT INTO makes a table"),
            None => Reading::read("SELECT"),
        },
        SetExpr::Query(query) => query_reading(query),
        SetExpr::SetOperation { left, right, .. } => body_reading(left).worse(body_reading(right)),
        SetExpr::Values(_) => Reading::read("VALUES"),
        SetExpr::Table(_) => Reading::read("TABLE"),
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => reading(statement),
    }
}

fn update_reading(update: &Update) -> Reading {
    let beside = match &update.from {
        None => &[][..],
        Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => {
            tables
        }
    };
    let change = RowChange {
        word: "UPDATE",
        table: &update.table,
        beside,
        condition: update.selection.as_ref(),
        limited: update.limit.is_some(),
    };
    Reading {
        // `UPDATE OR IGNORE`
        lenient: update.or.is_some(),
        ..change.reading()
    }
}

fn delete_reading(delete: &Delete) -> Reading {
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
    let [table] = tables.as_slice() else {
        return Reading::destroy("DELETE from several tables");
    };
    let change = RowChange {
        word: "DELETE",
        table,
        beside: delete.using.as_deref().unwrap_or_default(),
        condition: delete.selection.as_ref(),
        limited: delete.limit.is_some(),
    };
    let deletion = match &table.relation {
        TableFactor::Table { name, .. } => TableName::of(name).map(Deletion::Rows),
        _ => None,
    };
    Reading {
        deletion,
        ..change.reading()
    }
}

/// A change of the rows of a table that meet a condition.
struct RowChange<'a> {
    word: &'a str,
    table: &'a TableWithJoins,
    /// The other tables that take part: `FROM`, `USING`.
    beside: &'a [TableWithJoins],
    condition: Option<&'a Expr>,
    limited: bool,
}

impl RowChange<'_> {
    /// What it may do.
    fn reading(&self) -> Reading {
        let Self { word, table, .. } = self;
        let target = Target::of(table, self.beside.is_empty());
        let reading = match (self.condition, &target) {
            (None, _) => Reading::destroy(format!("{word} without WHERE")),
            (Some(_), None) => Reading::destroy(format!("{word} of what is no plain table")),
            (Some(_), Some(_)) if is_catalog(table) => {
                Reading::destroy(format!("{word} of a table of the database itself"))
            }
            (Some(condition), Some(target)) if target.is_whole(condition) => {
                Reading::destroy(format!("{word} whose WHERE is the same for every row"))
            }
            (Some(_), Some(_)) => Reading::write(format!("{word} with WHERE")),
        };
        Reading {
            count: self.count(),
            ..reading
        }
    }

    /// The query that counts the rows of a plain table that it would touch: each is touched once, however many rows of
    /// the other tables go with it.
    fn count(&self) -> Option<String> {
        let plain = matches!(&self.table.relation, TableFactor::Table { .. });
        if !plain || !self.table.joins.is_empty() || self.limited {
            return None;
        }
        let condition = self
            .condition
            .map(|condition| format!(" WHERE {condition}"));
        let condition = condition.unwrap_or_default();
        let beside: Vec<String> = self.beside.iter().map(ToString::to_string).collect();
        let table = self.table;
        Some(match beside.as_slice() {
            [] => format!("{COUNT} FROM {table}{condition}"),
            beside => {
                let beside = beside.join(", ");
                format!("{COUNT} FROM {table} WHERE EXISTS (SELECT 1 FROM {beside}{condition})")
            }
        })
    }
}

/// How the query begins that counts rows.
pub(super) const COUNT: &str = "SELECT count(*) AS n";

/// Whether it is a table that the database keeps its own schema in: a change there can make the rest unreadable.
fn is_catalog(table: &TableWithJoins) -> bool {
    matches!(&table.relation, TableFactor::Table { name, .. } if is_catalog_name(name))
}

fn is_catalog_name(name: &ObjectName) -> bool {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(|part| part.value.to_lowercase())
        .collect();
    let own_schema = |part: &String| part == "pg_catalog" || part == "information_schema";
    parts.iter().any(own_schema)
        || parts
            .last()
            .is_some_and(|table| table.starts_with("pg_") || CATALOGS.contains(&table.as_str()))
}

fn insert_reading(insert: &Insert) -> Reading {
    let own = match &insert.table {
        _ if insert.overwrite => Reading::destroy("INSERT OVERWRITE"),
        TableObject::TableName(name) if is_catalog_name(name) => {
            Reading::destroy("INSERT into a table of the database itself")
        }
        // SQLite's full text tables take commands so: `INSERT INTO notes(notes) VALUES ('delete-all')`.
        TableObject::TableName(name)
            if insert
                .columns
                .iter()
                .any(|column| last_of(column) == last_of(name)) =>
        {
            Reading::destroy(
                "INSERT into a column named as its table: a command to a full text index",
            )
        }
        _ => Reading::write("INSERT"),
    };
    insert
        .source
        .as_deref()
        .map_or(own.clone(), |query| own.worse(query_reading(query)))
}

fn last_of(name: &ObjectName) -> Option<String> {
    Some(name.0.last()?.as_ident()?.value.to_lowercase())
}

fn merge_reading(merge: &Merge) -> Reading {
    let deletes = merge.clauses.iter().any(|clause| {
        matches!(clause.action, MergeAction::Delete { .. })
            || clause.clause_kind == MergeClauseKind::NotMatchedBySource
    });
    let joined = |condition: &Expr| {
        // Its condition is about two tables: which rows of the target it tells apart, their names say.
        let relation = TableWithJoins {
            relation: merge.table.clone(),
            joins: Vec::new(),
        };
        Target::of(&relation, false)
            .is_none_or(|target| target.is_whole(condition) || is_catalog(&relation))
    };
    if deletes || joined(&merge.on) {
        Reading::destroy("MERGE that can touch every row")
    } else {
        Reading::write("MERGE")
    }
}

fn copy_reading(to: bool, target: &CopyTarget) -> Reading {
    match (to, target) {
        (true, CopyTarget::Stdout) => Reading::read("COPY … TO STDOUT"),
        (false, CopyTarget::Stdin | CopyTarget::File { .. }) => Reading::write("COPY … FROM"),
        (_, CopyTarget::Program { .. }) => Reading::destroy("COPY runs a program on the server"),
        (true, _) => Reading::destroy("COPY … TO overwrites a file on the server"),
        (false, _) => Reading::destroy("COPY"),
    }
}

fn set_reading(set: &Set) -> Reading {
    match set {
        Set::SetTimeZone { .. } => Reading::read("SET TIME ZONE"),
        Set::SingleAssignment { variable, .. }
            if HARMLESS_SETTINGS.contains(&variable.to_string().to_ascii_lowercase().as_str()) =>
        {
            Reading::read("SET of a limit")
        }
        _ => Reading::write("SET changes what the session may do"),
    }
}

fn alter_reading(alter: &AlterTable) -> Reading {
    let loses = |operation: &AlterTableOperation| match operation {
        AlterTableOperation::AddConstraint { .. }
        | AlterTableOperation::AddColumn { .. }
        | AlterTableOperation::RenameColumn { .. }
        | AlterTableOperation::RenameTable { .. }
        | AlterTableOperation::RenameConstraint { .. }
        | AlterTableOperation::ValidateConstraint { .. }
        | AlterTableOperation::EnableRowLevelSecurity
        | AlterTableOperation::ForceRowLevelSecurity
        | AlterTableOperation::EnableTrigger { .. }
        | AlterTableOperation::EnableRule { .. }
        | AlterTableOperation::ReplicaIdentity { .. }
        | AlterTableOperation::OwnerTo { .. } => false,
        AlterTableOperation::AlterColumn { op, .. } => {
            matches!(op, AlterColumnOperation::SetDataType { .. })
        }
        _ => true,
    };
    match alter.operations.iter().find(|operation| loses(operation)) {
        Some(operation) => Reading::destroy(format!("ALTER TABLE … {operation}")),
        None => Reading::write("ALTER TABLE"),
    }
}
