//! Whether one look is enough to change what is told of a check.

use chrono::{DateTime, Utc};

use crate::base::{Span, Status};
use crate::config::Check;
use crate::engine::CheckState;

/// How long a check must say otherwise before that is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How many looks in a row must be bad.
    failures: u32,
    /// How many looks in a row must be good.
    successes: u32,
    /// How long it must have been bad without a good look between.
    sustained: Option<Span>,
}

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

impl Patience {
    pub(super) const fn of(check: &Check) -> Self {
        Self {
            failures: check.failures,
            successes: check.successes,
            sustained: check.sustained,
        }
    }

    /// Takes a look in. Only a look that tells good from bad counts: what could not be told, or is another one's trouble,
    /// changes nothing and is told as it is. What was never looked at was good so far.
    pub(super) fn turn(
        self,
        state: Option<CheckState>,
        look: Status,
        now: DateTime<Utc>,
    ) -> Turned {
        let settled = |told| CheckState {
            told,
            against: 0,
            since: now,
            last: now,
        };
        let before = state.unwrap_or_else(|| settled(Status::Ok));
        if !matches!(look, Status::Ok | Status::Warning | Status::Critical) {
            return Turned {
                told: look,
                because: None,
                state: before,
            };
        }
        let is_bad = look != Status::Ok;
        let agrees = is_bad == (before.told != Status::Ok);
        let against = before.against.saturating_add(1);
        let since = match before.against {
            0 => now,
            // A clock that was put back says nothing of how long it has been: it counts from here.
            _ => before.since.min(now),
        };
        match self.held_back(is_bad, against, now - since) {
            Some(because) if !agrees => Turned {
                told: before.told,
                because: Some(because),
                state: CheckState {
                    told: before.told,
                    against,
                    since,
                    last: now,
                },
            },
            Some(_) | None => Turned {
                told: look,
                because: None,
                state: settled(look),
            },
        }
    }

    /// Why looks that say otherwise are not told yet; nothing once they are.
    fn held_back(self, is_bad: bool, against: u32, elapsed: chrono::TimeDelta) -> Option<String> {
        let (wanted, kind) = match is_bad {
            true => (self.failures, "bad"),
            false => (self.successes, "good"),
        };
        if against < wanted {
            return Some(format!("{against} of {wanted} {kind} looks"));
        }
        let sustained = self.sustained.filter(|_| is_bad)?;
        let elapsed = elapsed.to_std().unwrap_or_default();
        let whole = Span::seconds(elapsed.as_secs());
        (elapsed < sustained.0).then(|| format!("bad for {whole} of {sustained}"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::{Patience, Turned};
    use crate::base::{Span, Status};
    use crate::engine::CheckState;

    const fn patience(failures: u32, successes: u32) -> Patience {
        Patience {
            failures,
            successes,
            sustained: None,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// What is told after each of these looks, which come at these seconds.
    fn turns(patience: Patience, looks: &[(i64, Status)]) -> Vec<Turned> {
        let mut state: Option<CheckState> = None;
        let turn = |(seconds, look): &(i64, Status)| {
            let turned = patience.turn(state, *look, at(*seconds));
            state = Some(turned.state);
            turned
        };
        looks.iter().map(turn).collect()
    }

    fn told(patience: Patience, looks: &[(i64, Status)]) -> Vec<Status> {
        let turns = turns(patience, looks);
        turns.iter().map(|turned| turned.told).collect()
    }

    use Status::{Affected, Critical, Ok as Good, Unknown, Warning};

    #[test]
    fn three_bad_looks_turn_it_and_two_good_ones_turn_it_back() {
        let looks = [Critical, Critical, Critical, Good, Good].map(|look| (0, look));
        let turns = turns(patience(3, 2), &looks);
        let told: Vec<_> = turns.iter().map(|turned| turned.told).collect();
        assert_eq!(told, [Good, Good, Critical, Critical, Good]);
        let because: Vec<_> = turns
            .iter()
            .map(|turned| turned.because.as_deref())
            .collect();
        assert_eq!(
            because,
            [
                Some("1 of 3 bad looks"),
                Some("2 of 3 bad looks"),
                None,
                Some("1 of 2 good looks"),
                None
            ]
        );
    }

    #[test]
    fn what_is_bad_already_may_become_better_or_worse_at_once() {
        let looks = [Warning, Warning, Critical, Warning].map(|look| (0, look));
        assert_eq!(
            told(patience(2, 2), &looks),
            [Good, Warning, Critical, Warning]
        );
    }

    #[test]
    fn sustained_asks_for_time_and_not_for_looks() {
        let sustained = Patience {
            sustained: Some(Span::seconds(300)),
            ..patience(1, 1)
        };
        let looks = [
            (0, Critical),
            (60, Unknown),
            (299, Critical),
            (300, Critical),
        ];
        let turns = turns(sustained, &looks);
        assert_eq!(turns[2].because.as_deref(), Some("bad for 4m 59s of 5m"));
        assert_eq!(turns[3].told, Critical);
        assert_eq!(turns[3].because, None);
        // A good look between begins the time anew; what is good is told at once.
        let looks = [
            (0, Critical),
            (299, Good),
            (300, Critical),
            (600, Critical),
            (601, Good),
        ];
        assert_eq!(told(sustained, &looks), [Good, Good, Good, Critical, Good]);
    }

    #[test]
    fn what_is_looked_at_more_seldom_than_it_must_last_still_turns() {
        let sustained = Patience {
            sustained: Some(Span::seconds(300)),
            ..patience(1, 1)
        };
        assert_eq!(
            told(sustained, &[(0, Critical), (3600, Critical)]),
            [Good, Critical]
        );
    }

    #[test]
    fn a_clock_that_was_put_back_delays_by_no_more_than_the_time_itself() {
        let sustained = Patience {
            sustained: Some(Span::seconds(300)),
            ..patience(1, 1)
        };
        let looks = [
            (100_000, Critical),
            (0, Critical),
            (299, Critical),
            (300, Critical),
        ];
        assert_eq!(told(sustained, &looks), [Good, Good, Good, Critical]);
    }

    fn looks() -> impl Strategy<Value = Vec<(i64, Status)>> {
        let look = prop_oneof![
            2 => Just(Good),
            2 => Just(Critical),
            1 => Just(Warning),
            1 => Just(Unknown),
            1 => Just(Affected),
        ];
        prop::collection::vec((-1000..1000_i64, look), 0..60)
    }

    fn counts(look: &Status) -> bool {
        matches!(look, Good | Warning | Critical)
    }

    proptest! {
        #[test]
        fn it_turns_only_on_enough_looks_in_a_row(
            looks in looks(),
            failures in 1..5_u32,
            successes in 1..5_u32,
            sustained in prop::option::of(0..500_u64),
        ) {
            let patience = Patience { sustained: sustained.map(Span::seconds), ..patience(failures, successes) };
            let told = told(patience, &looks);
            let mut before = Good;
            for (index, now) in told.iter().enumerate() {
                if !counts(now) {
                    prop_assert_eq!(*now, looks[index].1);
                    continue;
                }
                if (before == Good) != (*now == Good) {
                    let wanted = if *now == Good { successes } else { failures } as usize;
                    let row: Vec<_> = looks[..=index].iter().rev().map(|(_, look)| *look)
                        .filter(counts).take(wanted).collect();
                    prop_assert_eq!(row.len(), wanted);
                    prop_assert!(row.iter().all(|look| (*look == Good) == (*now == Good)), "{:?}", row);
                }
                before = *now;
            }
        }

        #[test]
        fn enough_looks_in_a_row_always_turn_it(
            earlier in looks(),
            failures in 1..5_u32,
            successes in 1..5_u32,
            sustained in prop::option::of(1..500_u64),
            look in prop_oneof![Just(Good), Just(Warning), Just(Critical)],
        ) {
            let patience = Patience { sustained: sustained.map(Span::seconds), ..patience(failures, successes) };
            let wanted = failures.max(successes);
            let mut all = earlier;
            all.extend((0..wanted).map(|_| (1000, look)));
            // Whatever the clock said before, this long after the row began it has lasted.
            all.push((1000 + 500, look));
            let told = told(patience, &all);
            prop_assert_eq!(told.last(), Some(&look));
        }

        #[test]
        fn what_does_not_count_changes_nothing(
            looks in looks(),
            failures in 1..5_u32,
            successes in 1..5_u32,
        ) {
            let patience = patience(failures, successes);
            let counted: Vec<_> = looks.iter().copied().filter(|(_, look)| counts(look)).collect();
            let all = told(patience, &looks);
            let kept: Vec<_> = all.into_iter().filter(counts).collect();
            prop_assert_eq!(kept, told(patience, &counted));
        }

        #[test]
        fn without_patience_a_look_is_told_as_it_is(looks in looks()) {
            let seen: Vec<_> = looks.iter().map(|(_, look)| *look).collect();
            prop_assert_eq!(told(patience(1, 1), &looks), seen);
        }
    }
}
