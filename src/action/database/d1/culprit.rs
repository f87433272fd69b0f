//! Which statement of a script D1 refuses: its answer does not say. Beginnings of the script are run and taken back until it
//! is known, in about as many requests as the number of statements has binary digits. Must change nothing.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::D1System;
use super::change::{always_errs, has_erred};
use super::failure::Failure;
use super::way::Way;
use crate::action::database::system::in_script;
use crate::engine::ActionError;
use crate::platform::d1::{Again, Statement};
use crate::sql::{self, Dialect};

/// So long is looked for the statement at most: by wrangler each look takes a second or two.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// What went wrong with a script of which nothing was done, with its line and statement where these can be told.
pub(super) async fn told(
    system: &D1System,
    (script, statements): (&str, &[Statement]),
    failure: &Failure,
    trouble: ActionError,
) -> ActionError {
    if failure.refusal().is_none() {
        return trouble;
    }
    let left = system.way.deadline().map_or(LONGEST_LOOK, |deadline| {
        deadline.saturating_duration_since(Instant::now()) / 2
    });
    let look = find(&system.way, statements);
    let place = timeout(LONGEST_LOOK.min(left), look).await.ok().flatten();
    let pieces = sql::pieces(script, Dialect::Sqlite);
    let error = match place.and_then(|place| pieces.get(place)) {
        Some(piece) => in_script(trouble, piece, piece.line),
        None => trouble,
    };
    ActionError {
        message: format!("{}; nothing was changed", error.message),
        ..error
    }
}

/// The number of the statement that is refused, from 0; as many as there are where all of them run and what was put off to
/// their end is refused. None where it cannot be found out.
async fn find(way: &Way, statements: &[Statement]) -> Option<usize> {
    let (mut running, mut refused) = (0, statements.len() + 1);
    while refused - running > 1 {
        let middle = running.midpoint(refused);
        let mut batch = statements[..middle].to_vec();
        batch.push(always_errs());
        let failure = way.batch(&batch, 0, Again::Harmless).await.err()?;
        match failure.refusal()? {
            said if has_erred(said) => running = middle,
            _ => refused = middle,
        }
    }
    Some(running)
}
