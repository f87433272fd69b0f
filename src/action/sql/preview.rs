//! A statement as it would be sent, its values written out for the reader, with the rows that it would touch.

use serde_json::Value;

use crate::action::database::system::{self, DatabaseSystem};
use crate::base::text::{count, one_line};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError, Invocation};
use crate::event::Preview;
use crate::expr::{Argument, SqlText, holds_unknown};
use crate::sql::{self, Analysis, Dialect};

pub(super) async fn preview(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let database = system::find(context.config, invocation.text("on"))?;
    match &invocation.object {
        Argument::Sql(statement) if invocation.verb.name == "export" => {
            let Preview { sent, rows } = of_statement(statement, database, context).await?;
            let place = match invocation.path("to") {
                Some(path) => path.display().to_string(),
                None => "standard output".to_owned(),
            };
            let sent = format!("{sent}\n-- its rows to {place}");
            Ok(Preview { sent, rows })
        }
        Argument::Sql(statement) => of_statement(statement, database, context).await,
        Argument::Path(path) => {
            let text = super::text_of(&context.folder.join(path)).await?;
            let statements = sql::effect(&text, dialect(database)).statements;
            let statements = count(statements, "statement");
            Ok(Preview {
                sent: format!("{statements} of {}:\n{}", path.display(), text.trim_end()),
                rows: None,
            })
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
        // An earlier step of the run may be about to make what is not there.
        Err(error) => (
            None,
            format!("\n-- rows not counted: {}", one_line(&error.message)),
        ),
    };
    let several = match analysis.statements {
        0 | 1 => String::new(),
        some => format!("{}: ", count(some, "statement")),
    };
    Ok(Preview {
        sent: format!("{several}{sent}{why}"),
        rows,
    })
}

/// The rows that the statement would touch, asked of the database without writing.
async fn counted(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
    system: &dyn DatabaseSystem,
) -> Result<Option<u64>, ActionError> {
    let Some(query) = &analysis.count else {
        return Ok(None);
    };
    let (text, parameters) = sql::part_of(query, &statement.parameters, dialect);
    if parameters
        .iter()
        .any(|value| holds_unknown(&value.to_string()))
    {
        return Ok(None);
    }
    let asked = SqlText { text, parameters };
    let rows = system.query(&asked, 1).await?.rows;
    Ok(rows
        .first()
        .and_then(|row| row.values().next())
        .and_then(Value::as_u64))
}

fn dialect(database: &Database) -> Dialect {
    // Every kind of database has one; an unknown kind is refused where it is opened.
    Dialect::of_kind(database.kind.as_str()).unwrap_or(Dialect::Sqlite)
}
