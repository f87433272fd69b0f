//! `database`: looks at a database as a whole, and keeps it in shape.

pub(super) mod cascade;
mod catalog;
mod copy;
mod d1;
mod growth;
mod postgres;
mod prune;
mod spec;
mod sqlite;
pub(super) mod system;

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::action::growth::unknown;
use crate::base::Span;
use crate::base::text::count;
use crate::config::Config;
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, VerbSpec};

use spec::SPEC;
use system::{Look, Question, Report, Upkeep, until_stopped};

/// `database.*`
pub(super) struct Database;

/// What a verb does.
enum Task {
    Look(Question),
    Tend(Upkeep),
}

/// What a call asks for.
fn task(invocation: &Invocation) -> Result<Task, ActionError> {
    let table = || table(invocation);
    let look = |look| question(look, invocation).map(Task::Look);
    let pid = || invocation.integer("pid").copied().unwrap_or_default();
    Ok(match invocation.verb.name {
        "ping" => look(Look::Ping)?,
        "info" => look(Look::Info)?,
        "tables" => look(Look::Tables)?,
        "size" => look(Look::Size)?,
        "integrity" => look(Look::Integrity)?,
        "foreign_keys" => look(Look::ForeignKeys)?,
        "activity" => look(Look::Activity)?,
        "locks" => look(Look::Locks)?,
        "connections" => look(Look::Connections)?,
        "slow" => look(Look::Slow)?,
        "bloat" => look(Look::Bloat)?,
        "indexes" => look(Look::Indexes)?,
        "replication" => look(Look::Replication)?,
        "analyze" => Task::Tend(Upkeep::Analyze { table: table() }),
        "vacuum" => Task::Tend(Upkeep::Vacuum {
            table: table(),
            full: invocation.flag("full"),
        }),
        "reindex" => Task::Tend(Upkeep::Reindex { table: table() }),
        "cancel" => Task::Tend(Upkeep::Cancel { pid: pid() }),
        "terminate" => Task::Tend(Upkeep::Terminate { pid: pid() }),
        verb => return Err(ActionError::config(format!("database has no verb {verb}"))),
    })
}

/// The table that is named; an empty name names none.
fn table(invocation: &Invocation) -> Option<String> {
    let table = invocation.text("table").filter(|table| !table.is_empty());
    table.map(str::to_owned)
}

fn question(look: Look, invocation: &Invocation) -> Result<Question, ActionError> {
    let all = Question::of(look);
    let limit = match invocation.integer("limit") {
        None => all.limit,
        Some(limit) => usize::try_from(*limit).map_err(|_| {
            ActionError::config(format!("`limit` is {limit}: it cannot be negative"))
        })?,
    };
    Ok(Question {
        table: table(invocation),
        limit,
        over: invocation
            .duration("over")
            .map(|over| over.0)
            .filter(|over| !over.is_zero()),
        pid: invocation.integer("pid").copied(),
        since: invocation.duration("since").map(|since| since.0),
        counted: invocation.flag("counted"),
        ..all
    })
}

impl Action for Database {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn grace(&self) -> Duration {
        system::GRACE
    }

    fn keeps_aside(&self, verb: &VerbSpec) -> bool {
        verb.name == copy::COPY.name
    }

    fn starts_processes_of(&self, invocation: &Invocation, config: &Config) -> bool {
        invocation.verb.name == copy::COPY.name
            || system::starts_program(config, Some(invocation.object_text()))
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            match invocation.verb.name {
                "copy" => return copy::preview(invocation, context),
                "prune" => return prune::preview(invocation, context).await,
                _ => {}
            }
            let database = system::find(context.config, Some(invocation.object_text()))?;
            let system = system::open(database, context)?;
            let sent = match task(invocation)? {
                Task::Tend(work) => system.upkeep_in_words(&work),
                Task::Look(_) => invocation.in_words(),
            };
            Ok(Preview::of(sent))
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            match invocation.verb.name {
                "copy" => return copy::run(invocation, context).await,
                "expired" | "prune" => return prune::run(invocation, context).await,
                _ => {}
            }
            let database = system::find(context.config, Some(invocation.object_text()))?;
            let system = system::open(database, context)?;
            let started = Instant::now();
            let task = task(invocation)?;
            let work = async {
                match &task {
                    Task::Look(question) => system.look(question).await,
                    Task::Tend(work) => system.tend(work).await,
                }
            };
            let mut report = until_stopped(system.as_ref(), context, work).await?;
            let ms = Span(started.elapsed()).milliseconds();
            let grown = match &task {
                Task::Look(question) => {
                    growth::tell(&mut report, question, &database.name, context)
                }
                Task::Tend(_) => Ok(()),
            };
            // What this system does not tell.
            for output in invocation.verb.outputs {
                let told = report.further.iter().any(|(name, _)| *name == output.name);
                if !told && !CONCLUDED.contains(&output.name) {
                    report.further.push((output.name, Value::Null));
                }
            }
            let concluded = conclude(report, invocation.verb.name, ms, context.judged);
            match (concluded, grown) {
                (Ok(outputs), Err(error)) => Err(unknown(&error).outputs(outputs)),
                (concluded, _) => concluded,
            }
        })
    }
}

/// Verbs that fail on what they find; the others only tell it. A step with `expect` judges the problems itself.
const FAIL_ON_PROBLEMS: [&str; 2] = ["integrity", "foreign_keys"];

/// Outputs that are made of a report once it is whole.
const CONCLUDED: [&str; 2] = ["info", "problem"];

fn conclude(report: Report, verb: &str, ms: f64, judged: bool) -> Result<Outputs, ActionError> {
    let info = (verb == "info").then(|| facts(&report.rows));
    let problem = in_words(&report.problems);
    let fails = FAIL_ON_PROBLEMS.contains(&verb);
    let mut outputs = Outputs::new(report.detail)
        .with("count", report.rows.len())
        .with("rows", report.rows.into_iter().collect::<Value>())
        .with("bytes", report.bytes)
        .with("problems", report.problems.len())
        .with("ms", ms);
    if let Some(info) = info {
        outputs = outputs.with("info", info);
    }
    if fails {
        outputs = outputs.with("problem", problem.clone());
    }
    for (name, value) in report.further {
        outputs = outputs.with(name, value);
    }
    match problem {
        Some(problem) if fails && !judged => Err(ActionError::target(problem).outputs(outputs)),
        _ => Ok(outputs),
    }
}

/// The first problem, and how many others there are.
fn in_words(problems: &[String]) -> Option<String> {
    match problems {
        [] => None,
        [only] => Some(only.clone()),
        [first, others @ ..] => {
            let others = count(others.len(), "other problem");
            Some(format!("{first}; and {others}"))
        }
    }
}

/// Rows {name, value} as one table.
fn facts(rows: &[Map<String, Value>]) -> Map<String, Value> {
    rows.iter()
        .filter_map(|row| {
            Some((
                row.get("name")?.as_str()?.to_owned(),
                row.get("value")?.clone(),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests;
