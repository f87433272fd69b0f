//! A statement as it would be sent, its values written out for the reader, with the rows that it would touch.

use std::path::Path;

use serde_json::Value;

use crate::action::database::cascade;
use crate::action::database::system::{self, DatabaseSystem};
use crate::base::Effect;
use crate::base::text::{count, fit, one_line};
use crate::engine::{ActionContext, ActionError, Invocation};
use crate::event::{Preview, StepTable};
use crate::expr::{Argument, SqlText, holds_unknown};
use crate::platform::bounds::Count;
use crate::sql::{self, Analysis, Deletion, Dialect, Piece};

use super::target::Place;
use super::told::rows_in_words;

/// How many rows are shown of those that would be touched.
const SAMPLE: usize = 5;

/// So many statements of a file are counted at most, and as many that take whole tables.
const MOST_COUNTED: usize = 20;

/// So many cells are told of a statement where only its place matters.
const LONGEST_PLACE: usize = 60;

/// Refuses what could not be run whatever the database holds.
pub(super) async fn preflight(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    let database = system::find(context.config, invocation.text("on"))?;
    let system = system::open(database, context)?;
    match &invocation.object {
        Argument::Sql(statement) if invocation.verb.name == "execute" => {
            system.refuse_statement(statement)
        }
        Argument::Path(path) => {
            let text = super::text_of(&context.folder.join(path)).await?;
            super::refuse_file(&text, (system.as_ref(), database.kind.dialect()))
        }
        _ => Ok(()),
    }
}

pub(super) async fn preview(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let database = system::find(context.config, invocation.text("on"))?;
    // A kind that cannot be talked to is told now.
    let opened = system::open(database, context)?;
    let system = (opened.as_ref(), database.kind.dialect());
    match &invocation.object {
        Argument::Sql(statement) if invocation.verb.name == "export" => {
            let place = Place::of(invocation, context)?;
            let preview = of_statement(statement, system, context).await?;
            let sent = format!("{}\n-- {}", preview.sent, place.in_words());
            Ok(Preview { sent, ..preview })
        }
        Argument::Sql(statement) => {
            if invocation.verb.name == "execute" {
                opened.refuse_statement(statement)?;
            }
            of_statement(statement, system, context).await
        }
        Argument::Path(path) => {
            let text = super::text_of(&context.folder.join(path)).await?;
            super::refuse_file(&text, system)?;
            let preview = of_file(path, &text, system, context).await?;
            let held = Some(text);
            Ok(Preview { held, ..preview })
        }
        _ => Err(ActionError::config("there is no SQL to run")),
    }
}

async fn of_statement(
    statement: &SqlText,
    (system, dialect): (&dyn DatabaseSystem, Dialect),
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    // Before they become literals: a quote that is doubled hides a secret from its mask.
    let shown: Vec<Value> = statement
        .parameters
        .iter()
        .map(|value| context.masker.json(value.clone()))
        .collect();
    let sent = sql::with_literals(statement.text.trim_end(), &shown, dialect);
    let analysis = sql::effect(&statement.text, dialect);
    let (rows, why) = match counted(statement, &analysis, dialect, system).await {
        Ok(rows) => (rows, String::new()),
        // Somebody is about to agree to it: what cannot even be counted cannot be done.
        Err(error) if context.may_change => return Err(error),
        // An earlier step of the run may be about to make what is not there.
        Err(error) => (
            None,
            format!("\n-- rows not counted: {}", one_line(&error.message)),
        ),
    };
    let (sample, along) = match rows {
        Some(0) => (None, None),
        _ if context.counts_only => (None, None),
        Some(_) => (
            sample(statement, &analysis, dialect, system).await,
            along(statement, &analysis, dialect, system).await,
        ),
        None => (None, along(statement, &analysis, dialect, system).await),
    };
    let along = along.map_or_else(String::new, |along| format!("-- {along}\n"));
    let several = match analysis.statements {
        0 | 1 => String::new(),
        some => format!("{}: ", count(some, "statement")),
    };
    Ok(Preview {
        sent: format!("{along}{several}{sent}{why}"),
        rows,
        sample,
        ..Preview::default()
    })
}

/// The statements of a file, each with what it may do and the rows that it would touch; those that destroy come first,
/// for whoever shows this may have room for its beginning only. Where one before it may change what it would touch, or the
/// text cannot be taken apart, the rows are not told.
async fn of_file(
    path: &Path,
    text: &str,
    (system, dialect): (&dyn DatabaseSystem, Dialect),
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let statements = count(sql::effect(text, dialect).statements, "statement");
    let head = format!("{statements} of {}:", path.display());
    if context.counts_only {
        // There is no number for all of them.
        return Ok(Preview::of(head));
    }
    let Some(pieces) = apart(text, dialect) else {
        return Ok(Preview {
            effect: Some(sql::effect(text, dialect).effect),
            ..Preview::of(format!("{head}\n{}", text.trim_end()))
        });
    };
    let (mut effects, mut destroying, mut others) = (Vec::new(), String::new(), String::new());
    let mut untouched = true;
    // However much stands before them, those tell their rows that take all of a table.
    let (mut whole_tables, mut conditions) = (MOST_COUNTED, MOST_COUNTED);
    for (index, piece) in pieces.iter().enumerate() {
        let analysis = sql::effect(piece.text, dialect);
        let statement = SqlText {
            text: piece.text.to_owned(),
            parameters: Vec::new(),
        };
        let (number, line) = (index + 1, piece.line);
        let mut told = format!("statement {number}, line {line}: {}", analysis.effect);
        let left = match analysis.deletion {
            Some(Deletion::Tables(_) | Deletion::Truncation(..)) => &mut whole_tables,
            Some(Deletion::Rows(_)) | None => &mut conditions,
        };
        if analysis.effect != Effect::Read && *left > 0 {
            *left -= 1;
            let of = (&statement, &analysis, dialect);
            told.push_str(&rows_of_one(of, untouched, system).await);
        }
        untouched &= analysis.effect == Effect::Read;
        effects.push(analysis.effect);
        let list = match analysis.effect {
            Effect::Destroy => &mut destroying,
            Effect::Read | Effect::Write => &mut others,
        };
        list.push_str(&format!("\n-- {told}\n{}", ended(piece)));
    }
    let summary = summary(&pieces, &effects);
    Ok(Preview {
        effect: effects.into_iter().max(),
        ..Preview::of(format!("{head} {summary}{destroying}{others}"))
    })
}

/// A statement as it stands in its file, with a semicolon also where it is the last: another may be shown below it.
fn ended(piece: &Piece<'_>) -> String {
    let has_end = piece.range.len() > piece.text.len();
    let end = match (has_end, piece.commented.ends_with(piece.text)) {
        (true, _) => "",
        (false, true) => ";",
        // Not within a comment.
        (false, false) => "\n;",
    };
    format!("{}{end}", piece.commented)
}

/// The rows of one statement of a file. Where one before it may change what it would touch, those are not counted that
/// meet a condition; all rows of a table are.
async fn rows_of_one(
    (statement, analysis, dialect): (&SqlText, &Analysis, Dialect),
    untouched: bool,
    system: &dyn DatabaseSystem,
) -> String {
    let mut told = String::new();
    let mut analysis = analysis.clone();
    if untouched {
        match counted(statement, &analysis, dialect, system).await {
            Ok(Some(0)) => return ", touches 0 rows".to_owned(),
            Ok(Some(rows)) => told = format!(", touches {}", rows_in_words(rows)),
            Ok(None) => {}
            Err(error) => told = format!(", rows not counted: {}", one_line(&error.message)),
        }
    } else {
        analysis.count = None;
    }
    if let Some(along) = along(statement, &analysis, dialect, system).await {
        told.push_str(&format!(", {along}"));
    }
    told
}

/// How many statements do what, and where each of those stands that destroy: `2 write, 1 destroys (line 7: DROP TABLE t)`.
fn summary(pieces: &[Piece<'_>], effects: &[Effect]) -> String {
    let destroying = pieces.iter().zip(effects);
    let places = destroying
        .filter(|(_, effect)| **effect == Effect::Destroy)
        .map(|(piece, _)| {
            let text = fit(&one_line(piece.text), LONGEST_PLACE);
            format!("line {}: {text}", piece.line)
        });
    let places = places.collect::<Vec<_>>().join("; ");
    let of = |wanted: Effect| effects.iter().filter(|effect| **effect == wanted).count();
    let told = |number: usize, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        some => Some(format!("{some} {more}")),
    };
    [
        told(of(Effect::Read), "reads", "read"),
        told(of(Effect::Write), "writes", "write"),
        told(of(Effect::Destroy), "destroys", "destroy").map(|told| format!("{told} ({places})")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// The statements of a text, each with the comments around it. None where they cannot be told one by one, because the
/// parser of their effects sees other statements in it.
fn apart(text: &str, dialect: Dialect) -> Option<Vec<Piece<'_>>> {
    let pieces = sql::whole_pieces(text, dialect).ok()?;
    let is_alone = |piece: &Piece<'_>| sql::effect(piece.commented, dialect).statements == 1;
    let is_known = sql::effect(text, dialect).statements == pieces.len();
    (is_known && pieces.iter().all(is_alone)).then_some(pieces)
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

/// The rows that a statement deletes besides those that are counted as touched: of whole tables, and those that references
/// take along.
async fn along(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
    system: &dyn DatabaseSystem,
) -> Option<String> {
    let deletion = analysis.deletion.as_ref()?;
    let touched = counting(statement, analysis, dialect).and(analysis.touched());
    let touched = touched.map(|touched| {
        let (text, parameters) = sql::part_of(touched, &statement.parameters, dialect);
        SqlText { text, parameters }
    });
    let takes = match deletion {
        Deletion::Rows(_) => "takes along",
        Deletion::Tables(_) | Deletion::Truncation(..) => "takes",
    };
    match cascade::along(system, dialect, deletion, touched).await {
        Ok(all) => Some(format!("{takes} {}", cascade::in_words(&all)?)),
        Err(error) => {
            let why = one_line(&error.message);
            Some(format!("what references take along is not known: {why}"))
        }
    }
}

/// Some of the rows that the statement would touch, as they are.
async fn sample(
    statement: &SqlText,
    analysis: &Analysis,
    dialect: Dialect,
    system: &dyn DatabaseSystem,
) -> Option<StepTable> {
    let query = analysis.sample(SAMPLE)?;
    let (text, parameters) = sql::part_of(&query, &statement.parameters, dialect);
    let asked = SqlText { text, parameters };
    system::sample(system, &asked, SAMPLE).await
}

#[cfg(test)]
mod tests {
    use super::{apart, ended, summary};
    use crate::base::Effect;
    use crate::sql::Dialect::{self, Postgres, Sqlite};

    fn told(text: &str, dialect: Dialect) -> Option<Vec<String>> {
        let pieces = apart(text, dialect)?;
        Some(pieces.iter().map(ended).collect())
    }

    fn owned(parts: &[&str]) -> Option<Vec<String>> {
        Some(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn statements_are_told_apart_where_they_end() {
        let text = "-- first; one\nDELETE FROM t WHERE a = ';' ;; /* ; */ UPDATE \"u;\" SET b = 1\n; -- end;\n";
        let parts = [
            "-- first; one\nDELETE FROM t WHERE a = ';' ;",
            "/* ; */ UPDATE \"u;\" SET b = 1\n; -- end;",
        ];
        assert_eq!(told(text, Sqlite), owned(&parts));
        assert_eq!(told("SELECT $$;$$", Postgres), owned(&["SELECT $$;$$;"]));
        assert_eq!(told("", Sqlite), owned(&[]));
        let open = "DELETE FROM t -- all";
        assert_eq!(told(open, Sqlite), owned(&[&format!("{open}\n;")]));
        let trigger = "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; DELETE FROM v; END";
        let text = format!("{trigger}; SELECT 1");
        let parts = [&format!("{trigger};"), "SELECT 1;"];
        assert_eq!(told(&text, Sqlite), owned(&parts));
    }

    #[test]
    fn what_is_no_list_of_statements_stays_whole() {
        for text in [
            "SELECT 'open; SELECT 2",
            "SELECT 1; NO SQL AT ALL; SELECT 2",
        ] {
            assert_eq!(told(text, Sqlite), None, "{text}");
        }
    }

    #[test]
    fn a_summary_counts_the_statements_and_says_where_those_stand_that_destroy() {
        let text =
            "\n  UPDATE t\n  SET n = 1;\nUPDATE t SET n = 1;\n-- gone\nDROP TABLE users;\nSELECT 1";
        let pieces = apart(text, Sqlite).unwrap_or_default();
        let effects = [Effect::Write, Effect::Write, Effect::Destroy, Effect::Read];
        assert_eq!(
            summary(&pieces, &effects),
            "1 reads, 2 write, 1 destroys (line 6: DROP TABLE users)"
        );
    }
}
