//! What a statement does to the structure of a database, as plain data: the words of migrations. Judges nothing.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CreateIndex,
    CreateTable, DataType, Expr, ForeignKeyConstraint, FromTable, Ident, IndexColumn, Join,
    JoinOperator, ObjectName, ObjectType, ReferentialAction, RenameTableNameKind, SetExpr,
    Statement, TableConstraint, TableFactor, TableObject, TableWithJoins,
};

use crate::base::Effect;

use super::analysis::{Dialect, parsed};
use super::statement;

/// One thing that a statement does. Names are as the engine folds them, without the schema that is meant anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new table with its columns; none where a query makes them. Whether only if there is none yet.
    CreateTable(String, Option<Vec<String>>, bool),
    /// A table with its rows is gone.
    DropTable(String),
    /// Something else that holds tables is gone: a schema, a database.
    DropContainer(String),
    /// Something that holds no rows is gone: a view, an index, a type.
    DropOther(String),
    /// A table has another name: from, to.
    RenameTable(String, String),
    /// Rows of a table go, or change, with those of another that they refer to: the table, the other, and by which words
    /// (`ON DELETE CASCADE`).
    Follows(String, String, String),
    /// What is done to a column or the constraints of a table.
    Table(String, TableChange),
    /// A new index.
    CreateIndex(Index),
    /// All rows of a table are gone.
    Truncate(String),
    /// Rows of a table are deleted or updated: the word, the table, whether that can be every row.
    Rows(&'static str, String, bool),
    /// Anything else.
    Other,
}

/// What is done to one table that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// A new column.
    AddColumn(Column),
    /// A column with its values is gone.
    DropColumn(String),
    /// A column has another name: from, to.
    RenameColumn(String, String),
    /// A column has another type.
    ChangeType(String, String),
    /// A column takes no NULL any more.
    SetNotNull(String),
    /// A new constraint.
    AddConstraint(Constraint),
    /// Anything else.
    Other,
}

/// A new column of a table that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it takes no NULL.
    pub not_null: bool,
    /// What the rows that there are get.
    pub filled: Filled,
    /// The constraint that it brings, if the rows that there are must be held against it.
    pub constraint: Option<ConstraintKind>,
}

/// What rows get in a column that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled {
    /// NULL.
    Nothing,
    /// The same for all.
    Constant,
    /// Perhaps something else for each: the expression.
    Each(String),
}

/// A new constraint of a table that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether the rows that there are need not keep it yet (`NOT VALID`).
    pub not_valid: bool,
    /// For a CHECK of exactly `column IS NOT NULL`: the column.
    pub not_null: Option<String>,
}

/// What a constraint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// That a condition holds.
    Check,
    /// That another table has the row that is referred to.
    ForeignKey,
    /// That no other row has the same values.
    Unique,
}

/// A new index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The table that it belongs to.
    pub table: String,
    /// Its own name, as written.
    pub name: Option<String>,
    /// The columns that it names, those within expressions left aside.
    pub columns: Vec<String>,
    /// Whether writers go on meanwhile.
    pub concurrently: bool,
    /// Whether only if there is none yet.
    pub if_not_exists: bool,
}

/// Functions of PostgreSQL that give every row of one statement the same.
const STABLE: [&str; 12] = [
    "current_date",
    "current_timestamp",
    "current_user",
    "date_trunc",
    "jsonb_build_array",
    "jsonb_build_object",
    "localtimestamp",
    "make_interval",
    "now",
    "statement_timestamp",
    "transaction_timestamp",
    "timezone",
];

/// What one statement does; none where the parser does not understand it.
#[must_use]
pub fn changes(text: &str, dialect: Dialect) -> Option<Vec<Change>> {
    parsed(text, dialect, |statement| {
        Reader { dialect }.statement(statement)
    })
}

#[derive(Clone, Copy)]
struct Reader {
    dialect: Dialect,
}

/// For a statement that puts every row of a table into another, as `INSERT INTO other SELECT … FROM table`: the other, and
/// the table. None for anything else: what chooses rows, groups them or passes over those that do not fit leaves some behind.
#[must_use]
pub fn copied(text: &str, dialect: Dialect) -> Option<(String, String)> {
    let reader = Reader { dialect };
    parsed(text, dialect, |statement| reader.copied(statement)).flatten()
}

/// Functions that make one row of many.
const AGGREGATES: [&str; 12] = [
    "array_agg",
    "avg",
    "count",
    "group_concat",
    "json_agg",
    "json_group_array",
    "jsonb_agg",
    "max",
    "min",
    "string_agg",
    "sum",
    "total",
];

impl Reader {
    fn copied(self, statement: &Statement) -> Option<(String, String)> {
        let Statement::Insert(insert) = statement else {
            return None;
        };
        let passes_over = insert.or.is_some() || insert.ignore || insert.on.is_some();
        let query = insert.source.as_ref()?;
        let is_cut = query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some();
        let (TableObject::TableName(to), SetExpr::Select(select)) =
            (&insert.table, query.body.as_ref())
        else {
            return None;
        };
        let [from] = select.from.as_slice() else {
            return None;
        };
        let TableFactor::Table {
            name,
            args: None,
            sample: None,
            ..
        } = &from.relation
        else {
            return None;
        };
        let keeps_all = |join: &Join| {
            matches!(
                join.join_operator,
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_)
            )
        };
        let given: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
        let given = given.join(", ");
        let calls = super::script::called(&given, self.dialect);
        let is_whole = !passes_over
            && !is_cut
            && from.joins.iter().all(keeps_all)
            && !calls.iter().any(|name| AGGREGATES.contains(&name.as_str()))
            // Whatever else may stand in it: WHERE, DISTINCT, GROUP BY.
            && select.to_string() == format!("SELECT {given} FROM {from}");
        is_whole.then(|| (self.object(to), self.object(name)))
    }

    /// What happens to the rows of a table that one of its foreign keys ties to those of another.
    fn follows(self, table: &str, key: &ForeignKeyConstraint) -> Option<Change> {
        let action = match key.on_delete? {
            action @ (ReferentialAction::Cascade
            | ReferentialAction::SetNull
            | ReferentialAction::SetDefault) => action,
            ReferentialAction::Restrict | ReferentialAction::NoAction => return None,
        };
        let parent = self.object(&key.foreign_table);
        Some(Change::Follows(
            table.to_owned(),
            parent,
            format!("ON DELETE {action}"),
        ))
    }

    fn columns_follow<'c>(
        self,
        table: &'c str,
        columns: impl IntoIterator<Item = &'c ColumnDef>,
    ) -> impl Iterator<Item = Change> {
        let options = columns.into_iter().flat_map(|column| &column.options);
        options.filter_map(move |option| match &option.option {
            ColumnOption::ForeignKey(key) => self.follows(table, key),
            _ => None,
        })
    }

    fn statement(self, statement: &Statement) -> Vec<Change> {
        match statement {
            Statement::CreateTable(create) => {
                let table = self.object(&create.name);
                let keys = create.constraints.iter().filter_map(|constraint| {
                    let TableConstraint::ForeignKey(key) = constraint else {
                        return None;
                    };
                    self.follows(&table, key)
                });
                let columns = self.columns_follow(&table, &create.columns);
                let made = [self.create_table(create)].into_iter();
                made.chain(columns).chain(keys).collect()
            }
            Statement::AlterTable(alter) => self.alter_table(alter),
            Statement::CreateIndex(index) => vec![self.create_index(index)],
            Statement::Drop {
                object_type, names, ..
            } => {
                let names = names.iter();
                names.map(|name| self.drop(object_type, name)).collect()
            }
            Statement::DropFunction(_) | Statement::DropTrigger(_) => {
                vec![Change::DropOther(statement.to_string())]
            }
            Statement::Truncate(truncate) => truncate
                .table_names
                .iter()
                .map(|target| Change::Truncate(self.object(&target.name)))
                .collect(),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) =
                    &delete.from;
                let of = |table| self.rows("DELETE", table, statement);
                tables.iter().map(of).collect()
            }
            Statement::Update(update) => vec![self.rows("UPDATE", &update.table, statement)],
            _ => vec![Change::Other],
        }
    }

    fn rows(self, word: &'static str, table: &TableWithJoins, statement: &Statement) -> Change {
        let name = match &table.relation {
            TableFactor::Table { name, .. } => self.object(name),
            other => other.to_string(),
        };
        let whole = statement::reading(statement).effect == Effect::Destroy;
        Change::Rows(word, name, whole)
    }

    fn create_table(self, create: &CreateTable) -> Change {
        let columns = create.columns.iter();
        let columns = columns.map(|column| self.name(&column.name)).collect();
        let is_known = create.query.is_none() && create.like.is_none();
        Change::CreateTable(
            self.object(&create.name),
            is_known.then_some(columns),
            create.if_not_exists,
        )
    }

    fn drop(self, object_type: &ObjectType, name: &ObjectName) -> Change {
        match object_type {
            ObjectType::Table => Change::DropTable(self.object(name)),
            ObjectType::Schema | ObjectType::Database => {
                Change::DropContainer(format!("{object_type} {name}"))
            }
            _ => Change::DropOther(format!("{object_type} {name}")),
        }
    }

    fn create_index(self, index: &CreateIndex) -> Change {
        let included = index.include.iter().map(|column| self.name(column));
        Change::CreateIndex(Index {
            table: self.object(&index.table_name),
            name: index.name.as_ref().map(ToString::to_string),
            columns: self.columns(&index.columns).chain(included).collect(),
            concurrently: index.concurrently,
            if_not_exists: index.if_not_exists,
        })
    }

    fn columns(self, columns: &[IndexColumn]) -> impl Iterator<Item = String> {
        columns
            .iter()
            .filter_map(move |column| match &column.column.expr {
                Expr::Identifier(name) => Some(self.name(name)),
                _ => None,
            })
    }

    fn alter_table(self, alter: &AlterTable) -> Vec<Change> {
        let table = self.object(&alter.name);
        let mut changes = Vec::new();
        for operation in &alter.operations {
            match operation {
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::As(to) | RenameTableNameKind::To(to),
                } => changes.push(Change::RenameTable(table.clone(), self.object(to))),
                AlterTableOperation::DropColumn { column_names, .. } => {
                    changes.extend(column_names.iter().map(|column| {
                        Change::Table(table.clone(), TableChange::DropColumn(self.name(column)))
                    }));
                }
                other => changes.push(Change::Table(table.clone(), self.table_change(other))),
            }
            if let AlterTableOperation::AddColumn { column_def, .. } = operation {
                changes.extend(self.columns_follow(&table, [column_def]));
            }
        }
        changes
    }

    fn table_change(self, operation: &AlterTableOperation) -> TableChange {
        match operation {
            AlterTableOperation::AddColumn { column_def, .. } => {
                TableChange::AddColumn(self.column(column_def))
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => TableChange::RenameColumn(self.name(old_column_name), self.name(new_column_name)),
            AlterTableOperation::AlterColumn { column_name, op } => match op {
                AlterColumnOperation::SetDataType { data_type, .. } => {
                    TableChange::ChangeType(self.name(column_name), data_type.to_string())
                }
                AlterColumnOperation::SetNotNull => TableChange::SetNotNull(self.name(column_name)),
                _ => TableChange::Other,
            },
            AlterTableOperation::AddConstraint {
                constraint,
                not_valid,
            } => self.constraint(constraint, *not_valid),
            _ => TableChange::Other,
        }
    }

    fn constraint(self, constraint: &TableConstraint, not_valid: bool) -> TableChange {
        let mut not_null = None;
        let kind = match constraint {
            TableConstraint::Check(check) => {
                not_null = self.demanded(&check.expr);
                ConstraintKind::Check
            }
            TableConstraint::ForeignKey(_) => ConstraintKind::ForeignKey,
            TableConstraint::Unique(_) | TableConstraint::PrimaryKey(_) => ConstraintKind::Unique,
            // `USING INDEX` takes an index that is there already.
            _ => return TableChange::Other,
        };
        TableChange::AddConstraint(Constraint {
            kind,
            not_valid,
            not_null,
        })
    }

    /// The column of `column IS NOT NULL`.
    fn demanded(self, condition: &Expr) -> Option<String> {
        match condition {
            Expr::Nested(inner) => self.demanded(inner),
            Expr::IsNotNull(inner) => match &**inner {
                Expr::Identifier(name) => Some(self.name(name)),
                _ => None,
            },
            _ => None,
        }
    }

    fn column(self, column: &ColumnDef) -> Column {
        let mut read = Column {
            name: self.name(&column.name),
            not_null: false,
            filled: Filled::Nothing,
            constraint: None,
        };
        if is_serial(&column.data_type) {
            read.filled = Filled::Each(column.data_type.to_string());
        }
        for option in &column.options {
            match &option.option {
                ColumnOption::NotNull => read.not_null = true,
                ColumnOption::Default(value) => read.filled = self.filled(value),
                ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                    read.filled = Filled::Each(option.option.to_string());
                }
                ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) => {
                    read.constraint = Some(ConstraintKind::Unique);
                }
                ColumnOption::ForeignKey(_) => {
                    read.constraint = read.constraint.or(Some(ConstraintKind::ForeignKey));
                }
                ColumnOption::Check(_) => {
                    read.constraint = read.constraint.or(Some(ConstraintKind::Check));
                }
                _ => {}
            }
        }
        read
    }

    /// A default that calls nothing, or only what is the same for every row of one statement, is one value for all.
    fn filled(self, value: &Expr) -> Filled {
        let text = value.to_string();
        if text.eq_ignore_ascii_case("null") {
            return Filled::Nothing;
        }
        let calls = super::script::called(&text, self.dialect);
        let is_stable = |name: &String| STABLE.contains(&name.as_str());
        // SQLite fills no row with an expression: it refuses the column.
        if self.dialect == Dialect::Sqlite || calls.iter().all(is_stable) {
            Filled::Constant
        } else {
            Filled::Each(text)
        }
    }

    /// Unquoted names are folded as the engine does; those of SQLite have no case at all.
    fn name(self, name: &Ident) -> String {
        if name.quote_style.is_none() || self.dialect == Dialect::Sqlite {
            name.value.to_lowercase()
        } else {
            name.value.clone()
        }
    }

    fn object(self, name: &ObjectName) -> String {
        let parts = name.0.iter().filter_map(|part| part.as_ident());
        let parts: Vec<String> = parts.map(|part| self.name(part)).collect();
        match (parts.as_slice(), self.dialect) {
            ([schema, table], Dialect::Postgres) if schema == "public" => table.clone(),
            ([schema, table], Dialect::Sqlite) if schema == "main" => table.clone(),
            _ => parts.join("."),
        }
    }
}

fn is_serial(data_type: &DataType) -> bool {
    let written = data_type.to_string().to_ascii_lowercase();
    matches!(
        written.as_str(),
        "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8"
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]

    use proptest::prelude::*;

    use super::super::Dialect::{Postgres, Sqlite};
    use super::{
        Change, Column, Constraint, ConstraintKind, Dialect, Filled, Index, TableChange, changes,
    };

    fn one(text: &str, dialect: Dialect) -> Change {
        let mut found = changes(text, dialect).unwrap_or_default();
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.remove(0)
    }

    fn table(text: &str) -> TableChange {
        match one(&format!("ALTER TABLE public.\"T\" {text}"), Postgres) {
            Change::Table(table, change) => {
                assert_eq!(table, "T");
                change
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tables_are_made_and_dropped() {
        let made = one(
            "CREATE TABLE IF NOT EXISTS \"A\".b (ID int, \"Name\" text, UNIQUE (id))",
            Postgres,
        );
        let columns = ["id", "Name"].map(str::to_owned).to_vec();
        assert_eq!(
            made,
            Change::CreateTable("A.b".to_owned(), Some(columns), true)
        );
        let queried = one("CREATE TABLE main.A AS SELECT 1", Sqlite);
        assert_eq!(queried, Change::CreateTable("a".to_owned(), None, false));
        assert_eq!(
            changes("DROP TABLE a, b CASCADE", Postgres),
            Some(vec![
                Change::DropTable("a".to_owned()),
                Change::DropTable("b".to_owned())
            ])
        );
        assert!(matches!(
            one("DROP SCHEMA a", Postgres),
            Change::DropContainer(_)
        ));
        assert!(matches!(one("DROP INDEX a", Sqlite), Change::DropOther(_)));
        let renamed = Change::RenameTable("a".to_owned(), "b".to_owned());
        assert_eq!(one("ALTER TABLE a RENAME TO b", Sqlite), renamed);
        assert_eq!(
            one("TRUNCATE a", Postgres),
            Change::Truncate("a".to_owned())
        );
    }

    #[test]
    fn a_new_column_tells_what_the_rows_get() {
        let column = |text: &str| match table(text) {
            TableChange::AddColumn(column) => column,
            other => panic!("{other:?}"),
        };
        let plain = Column {
            name: "c".to_owned(),
            not_null: false,
            filled: Filled::Nothing,
            constraint: None,
        };
        assert_eq!(column("ADD COLUMN c int"), plain);
        for (text, not_null, filled) in [
            ("ADD c int NOT NULL DEFAULT 7", true, Filled::Constant),
            ("ADD c timestamptz DEFAULT now()", false, Filled::Constant),
            (
                "ADD c timestamptz DEFAULT CURRENT_TIMESTAMP",
                false,
                Filled::Constant,
            ),
            ("ADD c text DEFAULT NULL", false, Filled::Nothing),
            (
                "ADD c uuid DEFAULT gen_random_uuid()",
                false,
                Filled::Each("gen_random_uuid()".to_owned()),
            ),
            (
                "ADD c bigserial",
                false,
                Filled::Each("bigserial".to_owned()),
            ),
        ] {
            let found = column(text);
            assert_eq!((found.not_null, found.filled), (not_null, filled), "{text}");
        }
        let kind = |text| column(text).constraint;
        assert_eq!(
            kind("ADD c int REFERENCES a (id)"),
            Some(ConstraintKind::ForeignKey)
        );
        assert_eq!(kind("ADD c int CHECK (c > 0)"), Some(ConstraintKind::Check));
        assert_eq!(kind("ADD c int UNIQUE"), Some(ConstraintKind::Unique));
    }

    #[test]
    fn columns_and_constraints_change() {
        let own = str::to_owned;
        assert_eq!(
            table("DROP COLUMN \"C\""),
            TableChange::DropColumn(own("C"))
        );
        assert_eq!(
            table("RENAME COLUMN a TO b"),
            TableChange::RenameColumn(own("a"), own("b"))
        );
        assert_eq!(
            table("ALTER COLUMN a TYPE bigint"),
            TableChange::ChangeType(own("a"), own("BIGINT"))
        );
        assert_eq!(
            table("ALTER a SET NOT NULL"),
            TableChange::SetNotNull(own("a"))
        );
        let constraint = |kind, not_valid, not_null: Option<&str>| {
            TableChange::AddConstraint(Constraint {
                kind,
                not_valid,
                not_null: not_null.map(str::to_owned),
            })
        };
        assert_eq!(
            table("ADD CONSTRAINT x CHECK (a IS NOT NULL) NOT VALID"),
            constraint(ConstraintKind::Check, true, Some("a"))
        );
        assert_eq!(
            table("ADD FOREIGN KEY (a) REFERENCES b (c)"),
            constraint(ConstraintKind::ForeignKey, false, None)
        );
        assert_eq!(
            table("ADD CONSTRAINT x UNIQUE (a)"),
            constraint(ConstraintKind::Unique, false, None)
        );
        assert_eq!(
            table("ADD CONSTRAINT x UNIQUE USING INDEX y"),
            TableChange::Other
        );
    }

    #[test]
    fn an_index_names_its_columns() {
        let text = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON T (a, lower(b), \"C\" DESC) INCLUDE (d) WHERE e > 1";
        let index = Index {
            table: "t".to_owned(),
            name: Some("i".to_owned()),
            columns: ["a", "C", "d"].map(str::to_owned).to_vec(),
            concurrently: true,
            if_not_exists: true,
        };
        assert_eq!(one(text, Postgres), Change::CreateIndex(index));
    }

    #[test]
    fn rows_are_touched_all_or_some() {
        let rows = |text| match one(text, Sqlite) {
            Change::Rows(word, table, whole) => format!("{word} {table} {whole}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(rows("DELETE FROM a"), "DELETE a true");
        assert_eq!(rows("DELETE FROM a WHERE 1 = 1"), "DELETE a true");
        assert_eq!(rows("DELETE FROM a WHERE id = 1"), "DELETE a false");
        assert_eq!(rows("UPDATE a SET b = 1"), "UPDATE a true");
        assert_eq!(
            changes("INSERT INTO a VALUES (1)", Sqlite),
            Some(vec![Change::Other])
        );
    }

    #[test]
    fn what_is_no_sql_is_no_change() {
        for text in ["DROP TABEL a", "\\d", "", "SELECT 1 SELECT 2"] {
            assert_eq!(changes(text, Postgres), None, "{text}");
        }
        let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(changes(&deep, Sqlite), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_it_panic(text in "(ALTER TABLE|CREATE|DROP|INDEX|ADD|COLUMN|ON|a|\"B\"|\\(|\\)|,|;|'| |int|NOT|NULL|DEFAULT|1){0,24}") {
            for dialect in Dialect::ALL {
                let _ = changes(&text, dialect);
            }
        }
    }
}
