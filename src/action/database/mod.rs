//! `database`: looks at a database as a whole, and keeps it in shape.

mod d1;
mod postgres;
mod sqlite;
pub(super) mod system;

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::base::text::count;
use crate::base::{Effect, Span};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, EffectRule, Kind, OutputSpec, Reference, VerbSpec};

use system::{Look, Report, Upkeep, until_stopped};

/// `database.*`
pub(super) struct Database;

const fn verb(name: &'static str, summary: &'static str, effect: Effect) -> VerbSpec {
    VerbSpec {
        name,
        summary,
        object: Kind::Reference(Reference::Database),
        effect: EffectRule::Always(effect),
        options: &[],
        outputs: &[],
    }
}

static SPEC: ActionSpec = ActionSpec {
    name: "database",
    summary: "Look at a database as a whole, and keep it in shape",
    verbs: &[
        verb("ping", "Open it and have it answer", Effect::Read),
        VerbSpec {
            outputs: &[OutputSpec {
                name: "info",
                help: "the same as one table from names to values: info.connections",
            }],
            ..verb(
                "info",
                "Version, settings, connections and what it holds, as rows {name, value}",
                Effect::Read,
            )
        },
        verb(
            "tables",
            "Its tables, the largest first, as rows {table, rows, bytes}; bytes with their indexes, rows of postgres as last estimated",
            Effect::Read,
        ),
        verb(
            "size",
            "What it takes on the disk, as rows {part, bytes}",
            Effect::Read,
        ),
        verb(
            "integrity",
            "What is wrong in it, as rows {kind, table, detail}; fails if anything is",
            Effect::Read,
        ),
        verb(
            "activity",
            "Its other sessions, the longest statement first, as rows {pid, user, application, client, state, seconds, transaction_seconds, waiting, blocked_by, query}: postgres",
            Effect::Read,
        ),
        verb(
            "analyze",
            "Count what is in the indexes, so that queries are planned well",
            Effect::Write,
        ),
        verb(
            "vacuum",
            "Rewrite it without free space; bytes is what was freed",
            Effect::Write,
        ),
        verb("reindex", "Build its indexes anew", Effect::Write),
    ],
    options: &[],
    outputs: &[
        OutputSpec {
            name: "rows",
            help: "what there is to see, as the verb says",
        },
        OutputSpec {
            name: "count",
            help: "how many rows",
        },
        OutputSpec {
            name: "bytes",
            help: "what it takes (info, tables, size) or what was freed (vacuum); else null",
        },
        OutputSpec {
            name: "problems",
            help: "how many problems were found (integrity); else 0",
        },
        OutputSpec {
            name: "ms",
            help: "how long it took, in milliseconds",
        },
    ],
    timeout: None,
};

/// What a verb does.
enum Task {
    Look(Look),
    Tend(Upkeep),
}

fn task(verb: &str) -> Option<Task> {
    Some(match verb {
        "ping" => Task::Look(Look::Ping),
        "info" => Task::Look(Look::Info),
        "tables" => Task::Look(Look::Tables),
        "size" => Task::Look(Look::Size),
        "integrity" => Task::Look(Look::Integrity),
        "activity" => Task::Look(Look::Activity),
        "analyze" => Task::Tend(Upkeep::Analyze),
        "vacuum" => Task::Tend(Upkeep::Vacuum),
        "reindex" => Task::Tend(Upkeep::Reindex),
        _ => return None,
    })
}

impl Action for Database {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn grace(&self) -> Duration {
        system::GRACE
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let database = system::find(context.config, Some(invocation.object_text()))?;
            let system = system::open(database, context)?;
            let sent = match task(invocation.verb.name) {
                Some(Task::Tend(work)) => system.upkeep_in_words(work),
                Some(Task::Look(_)) | None => invocation.in_words(),
            };
            Ok(Preview { sent, rows: None })
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let database = system::find(context.config, Some(invocation.object_text()))?;
            let system = system::open(database, context)?;
            let started = Instant::now();
            let work = async {
                match task(invocation.verb.name) {
                    Some(Task::Look(at)) => system.look(at).await,
                    Some(Task::Tend(work)) => system.tend(work).await,
                    None => Err(ActionError::config(format!(
                        "database has no verb {}",
                        invocation.verb.name
                    ))),
                }
            };
            let report = until_stopped(system.as_ref(), context, work).await?;
            let ms = Span(started.elapsed()).milliseconds();
            conclude(report, invocation.verb.name, ms, context.judged)
        })
    }
}

/// A step with `expect` judges the problems itself.
fn conclude(report: Report, verb: &str, ms: f64, judged: bool) -> Result<Outputs, ActionError> {
    let info = (verb == "info").then(|| facts(&report.rows));
    let mut outputs = Outputs::new(report.detail)
        .with("count", report.rows.len())
        .with("rows", report.rows.into_iter().collect::<Value>())
        .with("bytes", report.bytes)
        .with("problems", report.problems.len())
        .with("ms", ms);
    if let Some(info) = info {
        outputs = outputs.with("info", info);
    }
    match report.problems.as_slice() {
        [] => Ok(outputs),
        _ if judged => Ok(outputs),
        [only] => Err(ActionError::target(only).outputs(outputs)),
        [first, others @ ..] => Err(ActionError::target(format!(
            "{first}; and {}",
            count(others.len(), "other problem")
        ))
        .outputs(outputs)),
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
