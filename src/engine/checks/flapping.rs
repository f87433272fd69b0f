//! Whether one look is enough to change what is told of a check.

use chrono::{DateTime, Utc};

use crate::base::Status;
use crate::config::Check;
use crate::engine::CheckState;

/// What is told of a check after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turned {
    /// What is told: the look, or what was told before.
    pub(super) told: Status,
    /// Why it is not the look, in words: `1 of 3 bad looks`.
    pub(super) because: Option<String>,
    /// The state from now on.
    pub(super) state: CheckState,
}

/// Takes a look in. Only a look that tells good from bad counts: what could not be told, or is another one's trouble,
/// changes nothing, and is told as it is.
pub(super) fn turn(
    check: &Check,
    state: Option<CheckState>,
    look: Status,
    now: DateTime<Utc>,
) -> Turned {
    let before = state.unwrap_or(CheckState {
        told: Status::Ok,
        against: 0,
        since: now,
        last: now,
    });
    let settled = |told| CheckState {
        told,
        against: 0,
        since: now,
        last: now,
    };
    if !matches!(look, Status::Ok | Status::Warning | Status::Critical) {
        return Turned {
            told: look,
            because: None,
            state: before,
        };
    }
    let (was_good, is_good) = (before.told == Status::Ok, look == Status::Ok);
    if was_good == is_good {
        return Turned {
            told: look,
            because: None,
            state: settled(look),
        };
    }
    // Nobody knows how it was in a pause that is longer than what it is asked for.
    let paused =
        (check.sustained).is_some_and(|sustained| is_longer(now - before.last, sustained.0));
    let (against, since) = match before.against {
        0 => (1, now),
        _ if paused => (1, now),
        streak => (streak.saturating_add(1), before.since),
    };
    let wanted = if is_good {
        check.successes
    } else {
        check.failures
    };
    let sustained = check.sustained.filter(|_| !is_good);
    let too_few = against < wanted;
    let too_short =
        sustained.is_some_and(|sustained| is_longer_or_as_long(sustained.0, now - since));
    if !too_few && !too_short {
        return Turned {
            told: look,
            because: None,
            state: settled(look),
        };
    }
    let because = match (too_few, sustained) {
        (true, _) if is_good => format!("{against} of {wanted} good looks"),
        (true, _) => format!("{against} of {wanted} bad looks"),
        (false, sustained) => {
            let elapsed = (now - since).to_std().unwrap_or_default();
            format!(
                "bad for {} of {}",
                crate::base::Span(std::time::Duration::from_secs(elapsed.as_secs())),
                sustained.unwrap_or(crate::base::Span(elapsed)),
            )
        }
    };
    Turned {
        told: before.told,
        because: Some(because),
        state: CheckState {
            told: before.told,
            against,
            since,
            last: now,
        },
    }
}

fn is_longer(elapsed: chrono::TimeDelta, than: std::time::Duration) -> bool {
    elapsed.to_std().is_ok_and(|elapsed| elapsed > than)
}

fn is_longer_or_as_long(limit: std::time::Duration, than: chrono::TimeDelta) -> bool {
    than.to_std().map_or(true, |elapsed| elapsed < limit)
}
