//! `database`: looks at a database as a whole, and keeps it in shape.

mod catalog;
mod copy;
mod d1;
mod growth;
mod postgres;
mod prune;
mod sqlite;
pub(super) mod system;

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::action::growth::{SINCE, unknown};
use crate::base::text::count;
use crate::base::{Effect, Span};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

use system::{Look, Question, Report, Upkeep, until_stopped};

/// `database.*`
pub(super) struct Database;

const TABLE: OptionSpec = OptionSpec {
    name: "table",
    kind: Kind::Text,
    required: false,
    help: "only this table, written as in SQL without quotes: orders, sales.orders; all where it is empty",
};

const LIMIT: OptionSpec = OptionSpec {
    name: "limit",
    kind: Kind::Integer,
    required: false,
    help: "how many rows at most: 1000 unless given",
};

const OVER: OptionSpec = OptionSpec {
    name: "over",
    kind: Kind::Duration,
    required: false,
    help: "only what takes longer than this; 0s is all",
};

const GROWN: OutputSpec = OutputSpec {
    name: "grown",
    help: "by how many bytes it has grown since then; null the first time",
};

const GROWN_SINCE: OutputSpec = OutputSpec {
    name: "since",
    help: "when somebody looked before; null the first time",
};

const PID: OptionSpec = OptionSpec {
    name: "pid",
    kind: Kind::Integer,
    required: true,
    help: "the session, as `database.activity` tells it",
};

const ONE_PID: OptionSpec = OptionSpec {
    name: "pid",
    kind: Kind::Integer,
    required: false,
    help: "only this session",
};

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
        VerbSpec {
            options: &[LIMIT, SINCE],
            outputs: &[GROWN, GROWN_SINCE],
            ..verb(
                "tables",
                "Its tables, the largest first, as rows {table, columns, rows, bytes, grown_rows, grown_bytes, since}; bytes with their indexes, rows of postgres as last estimated",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[SINCE],
            outputs: &[
                GROWN,
                GROWN_SINCE,
                OutputSpec {
                    name: "limit",
                    help: "the most that it may take, in bytes; null where nothing limits it",
                },
                OutputSpec {
                    name: "percent",
                    help: "how much of that it takes",
                },
            ],
            ..verb(
                "size",
                "What it takes on the disk, as rows {part, bytes, grown_bytes, since}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            outputs: &[OutputSpec {
                name: "complete",
                help: "whether all was read that the system can read: of postgres only with the extension amcheck",
            }],
            ..verb(
                "integrity",
                "What is wrong in it, as rows {kind, table, detail}; fails if anything is",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            ..verb(
                "foreign_keys",
                "References that lead nowhere, as rows {table, column, parent, rows, detail}; fails if there are any",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[ONE_PID, OVER, LIMIT],
            ..verb(
                "activity",
                "Its other sessions, the longest statement first, as rows {pid, user, application, client, state, seconds, transaction_seconds, waiting, blocked_by, query}: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[OVER, LIMIT],
            outputs: &[OutputSpec {
                name: "longest_wait",
                help: "how long the longest wait lasts already, in seconds; 0 where nobody waits",
            }],
            ..verb(
                "locks",
                "Who waits for whom, blockers before those they keep waiting, as rows {depth, pid, user, application, state, seconds, lock, relation, query}; seconds of the wait or, of who does not wait, of the transaction: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[LIMIT],
            outputs: &[
                OutputSpec {
                    name: "used",
                    help: "how many connections count against the tightest limit",
                },
                OutputSpec {
                    name: "limited_by",
                    help: "whose limit that is: the server, the database NAME or the role NAME",
                },
                OutputSpec {
                    name: "limit",
                    help: "that limit; of the server without what it keeps for superusers",
                },
                OutputSpec {
                    name: "percent",
                    help: "how much of that limit is used",
                },
            ],
            ..verb(
                "connections",
                "Who holds the connections of its server, as rows {database, user, application, client, state, connections, oldest_seconds}: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[OVER, LIMIT],
            ..verb(
                "slow",
                "The statements that took most time, as rows {query, calls, mean_ms, max_ms, total_ms, rows}: postgres with pg_stat_statements, d1",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE, LIMIT],
            ..verb(
                "bloat",
                "Space that dead rows hold, the most first, as rows {table, dead_rows, live_rows, dead_percent, bytes, free_bytes, last_vacuum, last_analyze, oldest_transaction, problem, detail}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE, LIMIT],
            ..verb(
                "indexes",
                "What is wrong with its indexes, as rows {problem, table, index, columns, bytes, detail}; problem is missing, unused, duplicate or invalid",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[LIMIT],
            outputs: &[
                OutputSpec {
                    name: "replicas",
                    help: "how many replicas follow it",
                },
                OutputSpec {
                    name: "lag_seconds",
                    help: "how far the last of them, or itself as one, is behind; 0 where there is none, null where it is not known",
                },
            ],
            ..verb(
                "replication",
                "How far its replicas are behind, as rows {replica, state, role, lag_seconds, lag_bytes, problem, detail}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            ..verb(
                "analyze",
                "Count what is in the indexes, so that queries are planned well",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[
                TABLE,
                OptionSpec {
                    name: "full",
                    kind: Kind::Boolean,
                    required: false,
                    help: "give the space back to the disk, which locks each table while it is written anew: postgres",
                },
            ],
            ..verb(
                "vacuum",
                "Free the space of deleted rows; bytes is what was given back to the disk",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[TABLE],
            ..verb("reindex", "Build its indexes anew", Effect::Write)
        },
        VerbSpec {
            options: &[PID],
            ..verb(
                "cancel",
                "End the statement of a session: postgres",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[PID],
            ..verb("terminate", "End a session: postgres", Effect::Destroy)
        },
        copy::COPY,
        prune::EXPIRED,
        prune::PRUNE,
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
            help: "how many problems were found; only integrity and foreign_keys fail on them",
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

    fn starts_processes_of(&self, verb: &VerbSpec) -> bool {
        verb.name == copy::COPY.name
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
                if !told && output.name != "info" {
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
    for (name, value) in report.further {
        outputs = outputs.with(name, value);
    }
    match report.problems.as_slice() {
        [] => Ok(outputs),
        _ if judged || !FAIL_ON_PROBLEMS.contains(&verb) => Ok(outputs),
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
