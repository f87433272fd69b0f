//! A statement as it would be sent, its values written out for the reader, with the rows that it would touch.

use std::path::Path;

use serde_json::Value;

use crate::action::database::system::{self, DatabaseSystem};
use crate::base::Effect;
use crate::base::text::{count, one_line};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError, Invocation};
use crate::event::{Preview, StepTable};
use crate::expr::{Argument, SqlText, holds_unknown};
use crate::platform::bounds::Count;
use crate::platform::rows::Rows;
use crate::sql::{self, Analysis, Dialect};

use super::target::Place;

/// How many rows are shown of those that would be touched.
const SAMPLE: usize = 5;

/// So many statements of a file are counted at most.
const MOST_COUNTED: usize = 20;

pub(super) async fn preview(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let database = system::find(context.config, invocation.text("on"))?;
    match &invocation.object {
        Argument::Sql(statement) if invocation.verb.name == "export" => {
            let place = Place::of(invocation, context)?;
            let preview = of_statement(statement, database, context).await?;
            let sent = format!("{}\n-- {}", preview.sent, place.in_words());
            Ok(Preview { sent, ..preview })
        }
        Argument::Sql(statement) => of_statement(statement, database, context).await,
        Argument::Path(path) => {
            let text = super::text_of(&context.folder.join(path)).await?;
            of_file(path, &text, database, context).await
        }
        _ => Err(ActionError::config("there is no SQL to run")),
    }
}

async fn of_statement(
    statement: &SqlText,
    database: &Database,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let dialect = dialect(database);
    // A kind that cannot be talked to is told now.
    let system = system::open(database, context)?;
    // Before they become literals: a quote that is doubled hides a secret from its mask.
    let shown: Vec<Value> = statement
        .parameters
        .iter()
        .map(|value| context.masker.json(value.clone()))
        .collect();
    let sent = sql::with_literals(statement.text.trim_end(), &shown, dialect);
    let analysis = sql::effect(&statement.text, dialect);
    let (rows, why) = match counted(statement, &analysis, dialect, system.as_ref()).await {
        Ok(rows) => (rows, String::new()),
        // Somebody is about to agree to it: what cannot even be counted cannot be done.
        Err(error) if context.may_change => return Err(error),
        // An earlier step of the run may be about to make what is not there.
        Err(error) => (
            None,
            format!("\n-- rows not counted: {}", one_line(&error.message)),
        ),
    };
    let sample = match rows {
        Some(some) if some > 0 => sample(statement, &analysis, dialect, system.as_ref()).await,
        Some(_) | None => None,
    };
    let several = match analysis.statements {
        0 | 1 => String::new(),
        some => format!("{}: ", count(some, "statement")),
    };
    Ok(Preview {
        sent: format!("{several}{sent}{why}"),
        rows,
        sample,
    })
}

/// The statements of a file, each with what it may do and the rows that it would touch. Where one before it may change
/// what it would touch, or the text cannot be taken apart, that is not told.
async fn of_file(
    path: &Path,
    text: &str,
    database: &Database,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let dialect = dialect(database);
    let statements = count(sql::effect(text, dialect).statements, "statement");
    let head = format!("{statements} of {}:", path.display());
    let Some(parts) = sql::split(text, dialect) else {
        return Ok(Preview::of(format!("{head}\n{}", text.trim_end())));
    };
    let system = system::open(database, context)?;
    let (mut sent, mut untouched) = (head, true);
    for (index, part) in parts.iter().enumerate() {
        let analysis = sql::effect(part, dialect);
        let statement = SqlText {
            text: (*part).to_owned(),
            parameters: Vec::new(),
        };
        let mut told = format!("{}: {}", index + 1, analysis.effect);
        if untouched && index < MOST_COUNTED {
            match counted(&statement, &analysis, dialect, system.as_ref()).await {
                Ok(Some(rows)) => {
                    told.push_str(&format!(", touches {}", super::rows_in_words(rows)))
                }
                Ok(None) => {}
                Err(error) => {
                    let why = one_line(&error.message);
                    told.push_str(&format!(", rows not counted: {why}"));
                }
            }
        }
        untouched &= analysis.effect == Effect::Read;
        sent.push_str(&format!("\n-- {told}\n{part};"));
    }
    Ok(Preview::of(sent))
}

/// What counts the rows that a statement would touch, where it can be asked.
pub(super) fn counting(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
) -> Option<Count> {
    let query = analysis.count.as_deref()?;
    let (sql, parameters) = sql::part_of(query, &statement.parameters, dialect);
    let known = |value: &Value| !holds_unknown(&value.to_string());
    parameters
        .iter()
        .all(known)
        .then_some(Count { sql, parameters })
}

/// The rows that the statement would touch, asked of the database without writing.
async fn counted(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
    system: &dyn DatabaseSystem,
) -> Result<Option<u64>, ActionError> {
    let Some(Count { sql, parameters }) = counting(statement, analysis, dialect) else {
        return Ok(None);
    };
    let text = sql;
    let asked = SqlText { text, parameters };
    let rows = system.query(&asked, 1).await?.rows;
    Ok(rows
        .first()
        .and_then(|row| row.values().next())
        .and_then(Value::as_u64))
}

/// Some of the rows that the statement would touch, as they are. Who may count rows may still not read all of their
/// columns: then there are none to show.
async fn sample(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
    system: &dyn DatabaseSystem,
) -> Option<StepTable> {
    let query = analysis.sample(SAMPLE)?;
    let (text, parameters) = sql::part_of(&query, &statement.parameters, dialect);
    let asked = SqlText { text, parameters };
    let Rows { columns, rows, .. } = system.query(&asked, SAMPLE).await.ok()?;
    let cells = |row: &serde_json::Map<String, Value>| {
        let cell = |column: &String| row.get(column).cloned().unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    Some(StepTable {
        rows: rows.iter().map(cells).collect(),
        columns: columns.clone(),
        exact: true,
        ..StepTable::default()
    })
}

pub(super) fn dialect(database: &Database) -> Dialect {
    // Every kind of database has one; an unknown kind is refused where it is opened.
    Dialect::of_kind(database.kind.as_str()).unwrap_or(Dialect::Sqlite)
}
