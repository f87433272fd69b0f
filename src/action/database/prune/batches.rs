//! Deletes what is too old in batches, each in a transaction of its own: others get their turn, and what was deleted stays
//! so when it is stopped. Doing it again goes on where it ended.

use std::time::{Duration, Instant};

use crate::base::Span;
use crate::base::text::thousands;
use crate::config::Database;
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::platform::bounds::{Bounds, BoundsBroken};

use super::target::{Facts, Target};
use super::{Wish, batch, refuse, written};
use crate::action::database::cascade::{self, Along};
use crate::action::database::system::{
    DatabaseSystem, beyond, transaction_unless_stopped, transaction_until_stopped, until_stopped,
};

/// What was deleted so far.
#[derive(Default)]
struct Done {
    deleted: u64,
    /// Those that triggers and references deleted too.
    in_all: u64,
    /// The tables that those are of.
    along: Vec<Along>,
    batches: u64,
    remaining: Option<u64>,
}

pub(super) async fn prune(
    system: &dyn DatabaseSystem,
    database: &Database,
    wish: &Wish<'_>,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let started = Instant::now();
    let look = async {
        let target = Target::find(system, database, wish).await?;
        let facts = target.facts(system, wish).await?;
        Ok((target, facts))
    };
    let (target, facts) = transaction_until_stopped(system, context, look).await?;
    refuse(database, wish, &facts, invocation)?;
    held(&facts, context)?;
    let batch = batch(invocation, wish)?;
    let pause = invocation.duration("pause");
    let pause = pause.map_or(Duration::ZERO, |pause| pause.0);
    let mut done = Done::default();
    let all = (&target, wish, &facts);
    let ended = delete(system, all, (batch, pause), context, &mut done).await;
    let outputs = |done: &Done| outputs(wish, done, started);
    let so_far = format!(
        "after {} of {} rows were deleted",
        thousands(done.deleted),
        thousands(facts.expired)
    );
    let stopped =
        |done: &Done| ActionError::own(format!("stopped {so_far}")).outputs(outputs(done));
    match ended {
        Ok(true) => {}
        Ok(false) => return Err(stopped(&done)),
        Err(error) if error.in_doubt || done.deleted > 0 => {
            let message = format!("{so_far}: {}", of_the_batch(&error.message));
            return Err(ActionError { message, ..error }.outputs(outputs(&done)));
        }
        Err(error) => return Err(error.outputs(outputs(&done))),
    }
    let left = transaction_unless_stopped(system, context, target.facts(system, wish)).await;
    match left.map_err(|error| error.outputs(outputs(&done)))? {
        Some(left) => done.remaining = Some(left.expired),
        // All that were counted are gone: a look that is cut off takes nothing away from that.
        None if done.deleted >= facts.expired => {}
        None => return Err(stopped(&done)),
    }
    if done.in_all > done.deleted {
        // It is done: a look that fails, or is cut off, takes nothing away from that.
        let look = until_stopped(system, context, target.tables_along(system, wish)).await;
        done.along = look.unwrap_or_default();
    }
    let given = outputs(&done);
    if let Some(remaining) = done.remaining.filter(|rows| *rows > 0)
        && !context.judged
    {
        let rows = thousands(remaining);
        return Err(ActionError::target(format!(
            "{}, and {rows} rows are still too old",
            given.detail
        ))
        .help("somebody else adds old rows, or a trigger keeps them; run it again to see which")
        .outputs(given));
    }
    Ok(given)
}

/// Holds the number of rows to what a person agreed to and a standing approval allows, before anything is deleted.
fn held(facts: &Facts, context: &ActionContext<'_>) -> Result<(), ActionError> {
    let bounds = Bounds {
        agreed: context.agreed_rows,
        ..Bounds::default()
    };
    bounds.hold_counted(facts.expired).map_err(beyond)?;
    match context.most_rows {
        Some(most) if facts.expired > most => Err(beyond(BoundsBroken::TooMany {
            changed: facts.expired,
            most,
        })),
        Some(_) | None => Ok(()),
    }
}

/// Deletes one batch after the other; gives whether it came to the end, or was stopped before.
async fn delete(
    system: &dyn DatabaseSystem,
    (target, wish, facts): (&Target, &Wish<'_>, &Facts),
    (batch, pause): (u64, Duration),
    context: &ActionContext<'_>,
    done: &mut Done,
) -> Result<bool, ActionError> {
    while done.deleted < facts.expired {
        // No more than were counted: what somebody adds meanwhile was not agreed to.
        let most = batch.min(facts.expired - done.deleted);
        let Some(statement) = target.statement(wish, most) else {
            return Ok(true);
        };
        let bounds = Bounds {
            most: context
                .most_rows
                .map(|rows| rows.saturating_sub(done.in_all)),
            ..Bounds::default()
        };
        let deleting = system.execute(&statement, 0, &bounds);
        let Some(changed) = transaction_unless_stopped(system, context, deleting).await? else {
            return Ok(false);
        };
        if changed.changed == 0 {
            return Ok(true);
        }
        done.deleted = done.deleted.saturating_add(changed.changed);
        done.in_all = done.in_all.saturating_add(changed.in_all);
        done.batches += 1;
        (context.progress)(format!(
            "{} of {} rows of {} deleted",
            thousands(done.deleted),
            thousands(facts.expired),
            wish.table
        ));
        if done.deleted < facts.expired {
            tokio::select! {
                biased;
                () = context.cancelled() => return Ok(false),
                () = slept(pause) => {}
            }
        }
    }
    Ok(true)
}

/// Why a batch failed. That it was taken back says nothing of those before it.
fn of_the_batch(message: &str) -> &str {
    message
        .strip_suffix("; nothing was changed")
        .unwrap_or(message)
}

async fn slept(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

fn outputs(wish: &Wish<'_>, done: &Done, started: Instant) -> Outputs {
    let before = written(wish.before);
    let batches = usize::try_from(done.batches).unwrap_or(usize::MAX);
    let detail = match done.deleted {
        0 => format!("no row of {} is from before {before}", wish.table),
        deleted => format!(
            "{} rows of {} from before {before} deleted in {}",
            thousands(deleted),
            wish.table,
            match batches {
                1 => "1 batch".to_owned(),
                many => format!("{} batches", thousands(many as u64)),
            }
        ),
    };
    let more = match done.in_all > done.deleted {
        true => {
            let more = cascade::more_in_words(done.deleted, done.in_all, &done.along);
            format!(", {more}")
        }
        false => String::new(),
    };
    Outputs {
        rows_changed: Some(done.in_all),
        ..Outputs::new(format!("{detail}{more}"))
    }
    .with("deleted", done.deleted)
    .with("remaining", done.remaining)
    .with("batches", done.batches)
    .with("before", before)
    .with("count", 0)
    .with("rows", Vec::<serde_json::Value>::new())
    .with("bytes", serde_json::Value::Null)
    .with("problems", 0)
    .with("ms", Span(started.elapsed()).milliseconds())
}
