//! `database.expired` and `database.prune`: counts the rows that are too old, and deletes them in batches. What is refused
//! is refused before anything is deleted.

mod age;
mod batches;
mod spec;
mod target;

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::base::Span;
use crate::base::text::{count, one_line, thousands};
use crate::config::{Database, Retention};
use crate::engine::{ActionContext, ActionError, ErrorKind, Invocation, Outputs};
use crate::event::Preview;
use crate::expr::Argument;

use super::cascade;
use super::system::{self, DatabaseSystem, row};
pub(super) use spec::{EXPIRED, PRUNE};
use target::{Facts, Target};

/// How many rows are deleted in one transaction unless the step or the retention says otherwise.
const BATCH: u64 = 5_000;

/// What a call asks for, with what the retention of the table says where it says nothing itself.
struct Wish<'a> {
    table: &'a str,
    column: &'a str,
    before: DateTime<Utc>,
    rule: Option<&'a Retention>,
    now: DateTime<Utc>,
}

/// Runs either verb.
pub(super) async fn run(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let database = system::find(context.config, Some(invocation.object_text()))?;
    let system = system::open(database, context)?;
    match invocation.verb.name {
        "expired" => {
            let work = expired(system.as_ref(), database, invocation, context);
            system::until_stopped(system.as_ref(), context, work).await
        }
        _ => {
            let wish = wish(invocation, database, invocation.text("table"), context.now)?;
            batches::prune(system.as_ref(), database, &wish, invocation, context).await
        }
    }
}

/// Tells the first batch, how many rows are too old, and the oldest of them.
pub(super) async fn preview(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let database = system::find(context.config, Some(invocation.object_text()))?;
    let system = system::open(database, context)?;
    let wish = wish(invocation, database, invocation.text("table"), context.now)?;
    match previewed(system.as_ref(), database, &wish, (invocation, context)).await {
        // An earlier step of the run may be about to make what is not there; what is refused stays refused.
        Err(error) if !context.may_change && error.kind != ErrorKind::Refused => {
            let why = one_line(&error.message);
            let table = wish.table;
            Ok(Preview::of(format!(
                "DELETE FROM {table} …\n-- rows not counted: {why}"
            )))
        }
        other => other,
    }
}

async fn previewed(
    system: &dyn DatabaseSystem,
    database: &Database,
    wish: &Wish<'_>,
    (invocation, context): (&Invocation, &ActionContext<'_>),
) -> Result<Preview, ActionError> {
    let target = Target::find(system, database, wish).await?;
    let facts = target.facts(system, wish).await?;
    refuse(database, wish, &facts, invocation)?;
    let batch = batch(invocation, wish)?;
    let along = match facts.expired {
        0 => Vec::new(),
        _ if context.counts_only => Vec::new(),
        _ => target.along(system, wish).await?,
    };
    let along = cascade::in_words(&along);
    let along = along.map_or_else(String::new, |along| format!("-- takes along {along}\n"));
    let sent = match target.form {
        Some(_) => format!(
            "{along}{}\n-- in batches of {} rows, the oldest first, each in a transaction of its own",
            target.statement_in_words(wish, batch),
            thousands(batch)
        ),
        None => format!("nothing: no row of {} has an age", wish.table),
    };
    Ok(Preview {
        sent,
        rows: Some(facts.expired),
        sample: match context.counts_only {
            true => None,
            false => target.sample(system, wish, &facts).await,
        },
        ..Preview::default()
    })
}

/// Counts what is too old, table by table.
async fn expired(
    system: &dyn DatabaseSystem,
    database: &Database,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let started = Instant::now();
    let given = invocation.text("table").filter(|table| !table.is_empty());
    let wishes: Vec<Wish<'_>> = match given {
        Some(_) => vec![wish(invocation, database, given, context.now)?],
        None => database
            .retention
            .iter()
            .map(|rule| {
                Ok(Wish {
                    table: &rule.table,
                    column: &rule.column,
                    before: before(invocation, Some(rule), context.now)?,
                    rule: Some(rule),
                    now: context.now,
                })
            })
            .collect::<Result<_, ActionError>>()?,
    };
    let (mut rows, mut sum) = (Vec::new(), 0_u64);
    for wish in &wishes {
        let target = Target::find(system, database, wish).await?;
        let facts = target.facts(system, wish).await?;
        refuse(database, wish, &facts, invocation)?;
        sum = sum.saturating_add(facts.expired);
        rows.push(told(wish, &facts));
    }
    let tables = count(rows.len(), "table");
    Ok(
        Outputs::new(format!("{} rows of {tables} are too old", thousands(sum)))
            .with("count", rows.len())
            .with("rows", rows.into_iter().collect::<Value>())
            .with("expired", sum)
            .with("bytes", Value::Null)
            .with("problems", 0)
            .with("ms", Span(started.elapsed()).milliseconds()),
    )
}

fn told(wish: &Wish<'_>, facts: &Facts) -> Map<String, Value> {
    row([
        ("table", json!(wish.table)),
        ("column", json!(wish.column)),
        ("before", json!(written(wish.before))),
        ("rows", json!(facts.expired)),
        ("of", json!(facts.total)),
        ("percent", json!((facts.share() * 10.0).round() / 10.0)),
        ("oldest", facts.oldest.clone()),
    ])
}

/// A moment as it is told and read again.
fn written(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn wish<'a>(
    invocation: &'a Invocation,
    database: &'a Database,
    table: Option<&'a str>,
    now: DateTime<Utc>,
) -> Result<Wish<'a>, ActionError> {
    let Some(table) = table.filter(|table| !table.is_empty()) else {
        return Err(ActionError::config("nothing says which table"));
    };
    let given = invocation
        .text("column")
        .filter(|column| !column.is_empty());
    let rule = database
        .retention
        .iter()
        .find(|rule| rule.table == table && given.is_none_or(|column| rule.column == column));
    let column = given.or_else(|| rule.map(|rule| rule.column.as_str()));
    let Some(column) = column else {
        let name = &database.name;
        return Err(ActionError::config(format!(
            "nothing says which column of {table} tells how old a row is"
        ))
        .help(format!(
            "give `column`, or write [[database.{name}.retention]] with table = \"{table}\""
        )));
    };
    let before = before(invocation, rule, now)?;
    Ok(Wish {
        table,
        column,
        before,
        rule,
        now,
    })
}

/// The moment before which rows are too old, to the second.
fn before(
    invocation: &Invocation,
    rule: Option<&Retention>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ActionError> {
    let given = invocation.text("before").filter(|text| !text.is_empty());
    if let Some(text) = given {
        return age::moment(text).ok_or_else(|| {
            ActionError::config(format!("`before` is {text:?}, which is no moment")).help(
                "write it as 2026-08-22T08:00:00Z, as 2026-08-22 08:00:00 (UTC) or as 2026-08-22",
            )
        });
    }
    let given = invocation.duration("older_than");
    let given = given.copied().filter(|age| !age.0.is_zero());
    let Some(age) = given.or_else(|| rule.map(|rule| rule.keep)) else {
        return Err(ActionError::config("nothing says how old a row may become")
            .help("give `older_than` or `before`, or write a retention for the table"));
    };
    let age = TimeDelta::from_std(age.0).ok();
    let before = age.and_then(|age| now.checked_sub_signed(age));
    before
        .and_then(|before| DateTime::from_timestamp(before.timestamp(), 0))
        .ok_or_else(|| ActionError::config("no row can be as old as `older_than` says"))
}

/// Why nothing is deleted, where that is so.
fn refuse(
    database: &Database,
    wish: &Wish<'_>,
    facts: &Facts,
    invocation: &Invocation,
) -> Result<(), ActionError> {
    not_younger(database, wish, invocation)?;
    let would = format!(
        "would delete {} of {} rows of {}",
        thousands(facts.expired),
        thousands(facts.total),
        wish.table
    );
    let most = natural(invocation, "max_rows")?;
    let most = most.or_else(|| wish.rule?.max_rows);
    if let Some(most) = most.filter(|most| facts.expired > *most) {
        return Err(ActionError::refused(format!(
            "{would}; at most {} may go at once (max_rows)",
            thousands(most)
        ))
        .help("see whether so many are really too old, then raise `max_rows` or choose an earlier moment"));
    }
    let share = match invocation.option("max_share") {
        Some(Argument::Float(share)) => Some(*share),
        Some(_) | None => wish.rule.and_then(|rule| rule.max_share),
    };
    if let Some(share) = share.filter(|share| facts.share() > *share) {
        return Err(ActionError::refused(format!(
            "{would}, which is {:.1} %; at most {share} % may go at once (max_share)",
            facts.share()
        ))
        .help("see whether so many are really too old, then raise `max_share` or choose an earlier moment"));
    }
    Ok(())
}

/// Refuses to delete what the configuration still keeps: every rule of the table counts, whatever its column.
fn not_younger(
    database: &Database,
    wish: &Wish<'_>,
    invocation: &Invocation,
) -> Result<(), ActionError> {
    if invocation.flag("override_retention") {
        return Ok(());
    }
    let rules = database.retention.iter();
    let keeps = rules.filter(|rule| rule.table == wish.table);
    let longest = keeps.max_by_key(|rule| rule.keep.0);
    let Some(rule) = longest else {
        return Ok(());
    };
    let kept_from = TimeDelta::from_std(rule.keep.0)
        .ok()
        .and_then(|keep| wish.now.checked_sub_signed(keep));
    if kept_from.is_none_or(|kept_from| wish.before <= kept_from) {
        return Ok(());
    }
    Err(ActionError::refused(format!(
        "rows of {} are kept for {}, and this would delete younger ones: from before {}",
        wish.table,
        in_days(rule.keep),
        written(wish.before)
    ))
    .help("override_retention = true (--override-retention) deletes them all the same"))
}

/// A length of time as a retention is written: `365d`.
fn in_days(span: Span) -> String {
    let seconds = span.0.as_secs();
    match (seconds / 86_400, seconds % 86_400) {
        (days @ 1.., 0) => format!("{days}d"),
        _ => span.to_string(),
    }
}

fn batch(invocation: &Invocation, wish: &Wish<'_>) -> Result<u64, ActionError> {
    let given = natural(invocation, "batch")?;
    match given.or_else(|| wish.rule?.batch).unwrap_or(BATCH) {
        0 => Err(ActionError::config(
            "`batch` is 0: nothing would be deleted",
        )),
        rows => Ok(rows),
    }
}

/// A whole number that is not negative.
fn natural(invocation: &Invocation, option: &str) -> Result<Option<u64>, ActionError> {
    let Some(number) = invocation.integer(option) else {
        return Ok(None);
    };
    u64::try_from(*number)
        .map(Some)
        .map_err(|_| ActionError::config(format!("`{option}` is {number}: it cannot be negative")))
}

#[cfg(test)]
mod tests;
