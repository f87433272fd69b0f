//! Which statement of a script D1 refuses: it says what is wrong, and not where. Must change nothing.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::D1System;
use super::failure::Failure;
use crate::engine::ActionError;
use crate::platform::d1::{Again, Statement};
use crate::sql::{self, Dialect};

/// So long is looked for the statement at most: by wrangler each look takes a second or two.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// What a beginning of the script ends with, so that none is ever kept: it errs, and SQLite quotes the words.
const TAKEN_BACK: &str = "SELECT json_extract('{}', 'opsbook takes this back')";

/// The words of [`TAKEN_BACK`] in its error.
const WORDS: &str = "opsbook takes this back";

/// What went wrong with a script, with the line of the statement where that can be told.
pub(super) async fn in_its_line(
    system: &D1System,
    (script, statements): (&str, &[Statement]),
    (failure, trouble): (&Failure, ActionError),
) -> ActionError {
    let left = system.way.deadline().map_or(LONGEST_LOOK, |deadline| {
        deadline.saturating_duration_since(Instant::now()) / 2
    });
    let look = refused(system, statements, failure);
    let place = timeout(LONGEST_LOOK.min(left), look).await.ok().flatten();
    let pieces = sql::pieces(script, Dialect::Sqlite);
    let Some(piece) = place.and_then(|place| pieces.get(place)) else {
        return trouble;
    };
    ActionError {
        message: format!(
            "line {}: {}; nothing was changed",
            piece.line, trouble.message
        ),
        ..trouble
    }
}

/// The place of the statement that D1 refuses, found by halves. None where others have changed what is there meanwhile, or
/// where D1 does not answer. What fails only at the end of the transaction is no refusal: D1 calls that an internal error.
async fn refused(system: &D1System, statements: &[Statement], failure: &Failure) -> Option<usize> {
    let words = failure.refusal()?;
    let (mut passes, mut fails) = (0, statements.len());
    while fails - passes > 1 {
        let half = passes + (fails - passes) / 2;
        let mut beginning = statements[..half].to_vec();
        beginning.push(Statement::of(TAKEN_BACK));
        let taken_back = system.way.batch(&beginning, 0, Again::IfTurnedAway).await;
        match taken_back.err()?.refusal()? {
            said if said == words => fails = half,
            said if said.contains(WORDS) => passes = half,
            _ => return None,
        }
    }
    Some(passes)
}
