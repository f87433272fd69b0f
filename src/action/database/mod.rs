//! `database`: looks at a database as a whole, and keeps it in shape.

mod sqlite;
pub(super) mod system;

use std::time::Instant;

use crate::base::text::count;
use crate::base::{Effect, Span};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, EffectRule, Kind, OutputSpec, Reference, VerbSpec};

use system::{Look, Report, Upkeep};

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
        verb(
            "info",
            "Version, settings and what it holds, as rows {name, value}",
            Effect::Read,
        ),
        verb(
            "tables",
            "Its tables, the largest first, as rows {table, rows, bytes}; bytes with their indexes",
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
            let report = match task(invocation.verb.name) {
                Some(Task::Look(at)) => system.look(at).await?,
                Some(Task::Tend(work)) => system.tend(work).await?,
                None => {
                    return Err(ActionError::config(format!(
                        "database has no verb {}",
                        invocation.verb.name
                    )));
                }
            };
            conclude(
                report,
                Span(started.elapsed()).milliseconds(),
                context.judged,
            )
        })
    }
}

/// A step with `expect` judges the problems itself.
fn conclude(report: Report, ms: f64, judged: bool) -> Result<Outputs, ActionError> {
    let outputs = Outputs::new(report.detail)
        .with("count", report.rows.len())
        .with(
            "rows",
            report.rows.into_iter().collect::<serde_json::Value>(),
        )
        .with("bytes", report.bytes)
        .with("problems", report.problems.len())
        .with("ms", ms);
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

#[cfg(test)]
mod tests;
