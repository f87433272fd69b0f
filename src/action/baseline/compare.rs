//! What became worse since a baseline, beyond what chance does: slower in the middle, slower at the end, failing more often.

use std::collections::BTreeMap;

use crate::engine::Tally;

use super::statistics::{Tied, corrected, more_often, ranks_higher};

/// How likely it may be that any check at all is called worse without being so.
const ALPHA: f64 = 0.01;

/// With fewer looks on either side nothing is said.
pub(super) const LEAST: u64 = 10;

/// Slower by less than this is not worth a word, however sure it is: as a share, and in milliseconds.
const WORTH: (f64, f64) = (0.1, 5.0);

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Failing,
    Slower,
    Same,
    TooFew,
}

impl Change {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::TooFew => "cannot tell yet",
        }
    }
}

/// A check before and after.
pub(super) struct Pair<'a> {
    pub(super) before: &'a Tally,
    pub(super) after: &'a Tally,
}

impl Pair<'_> {
    fn is_enough(&self) -> bool {
        let told = |tally: &Tally| tally.up() + tally.down();
        told(self.before) >= LEAST && told(self.after) >= LEAST
    }

    /// How likely each kind of change is by chance: failing, slower in the middle, slower at the end.
    fn likelihoods(&self) -> [f64; 3] {
        let (before, after) = (self.before, self.after);
        let told = |tally: &Tally| tally.up() + tally.down();
        let failing = more_often(before.down(), told(before), after.down(), told(after));
        let timed = |tally: &Tally| tally.lengths.count();
        if timed(before) < LEAST || timed(after) < LEAST {
            return [failing, 1.0, 1.0];
        }
        let values = self.values();
        [failing, ranks_higher(&values), longer_tail(&values)]
    }

    /// The lengths of both in rising order; those of a bucket are the same.
    fn values(&self) -> Vec<Tied> {
        // Lengths are not negative, so their bits are in their order.
        let mut values: BTreeMap<u64, Tied> = BTreeMap::new();
        let none = Tied {
            before: 0,
            after: 0,
        };
        for bucket in self.before.lengths.buckets() {
            values.entry(bucket.low.to_bits()).or_insert(none).before += bucket.count;
        }
        for bucket in self.after.lengths.buckets() {
            values.entry(bucket.low.to_bits()).or_insert(none).after += bucket.count;
        }
        values.into_values().collect()
    }

    /// Whether it is slower by so much, at this percentile, that it is worth a word.
    fn is_worth_it(&self, share: f64) -> bool {
        let of = |tally: &Tally| tally.lengths.quantile(share);
        let (share, ms) = WORTH;
        of(self.before)
            .zip(of(self.after))
            .is_some_and(|(before, after)| after - before >= ms && after >= before * (1.0 + share))
    }
}

/// Whether more of the slowest twentieth of all lie after than chance would have there: Fisher's test of them, which is
/// exact because the bound is drawn through both together.
fn longer_tail(values: &[Tied]) -> f64 {
    let all = |values: &[Tied]| {
        let sum = |of: fn(&Tied) -> u64| values.iter().map(of).sum::<u64>();
        (sum(|tied| tied.before), sum(|tied| tied.after))
    };
    let (before, after) = all(values);
    let bound = ((before + after) as f64 * 0.95).ceil() as u64;
    let mut seen = 0;
    let below = values.iter().take_while(|tied| {
        let is_below = seen < bound;
        seen += tied.before + tied.after;
        is_below
    });
    let (slow_before, slow_after) = all(&values[below.count()..]);
    more_often(slow_before, before, slow_after, after)
}

/// What became of each check, and how likely that is by chance where it was tested.
pub(super) fn changes(pairs: &[Pair<'_>]) -> Vec<(Change, Option<f64>)> {
    let enough: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.is_enough()).collect();
    let likelihoods: Vec<f64> = enough.iter().flat_map(|pair| pair.likelihoods()).collect();
    let corrected = corrected(&likelihoods);
    let mut tests = corrected.chunks_exact(3);
    let change = |pair: &Pair<'_>| {
        let tested = pair.is_enough().then(|| tests.next()).flatten();
        let Some([failing, middle, tail]) = tested else {
            return (Change::TooFew, None);
        };
        if *failing < ALPHA {
            return (Change::Failing, Some(*failing));
        }
        for (likelihood, share) in [(middle, 0.5), (tail, 0.95)] {
            if *likelihood < ALPHA && pair.is_worth_it(share) {
                return (Change::Slower, Some(*likelihood));
            }
        }
        (Change::Same, Some(failing.min(*middle).min(*tail)))
    };
    pairs.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks that took about so long, with a long tail as answers have; one of so many was slow by a second.
    fn tally(random: &mut fastrand::Rng, looks: u64, ms: f64, down: u64, slow_every: u64) -> Tally {
        let mut tally = Tally::default();
        for index in 0..looks {
            // A sum of twelve is normal enough.
            let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let slow = if slow_every > 0 && index % slow_every == 0 {
                1000.0
            } else {
                0.0
            };
            tally.lengths.record(ms * (normal * 0.4).exp() + slow);
        }
        tally.looks = [looks - down, 0, down, 0, 0];
        tally
    }

    fn change(before: &Tally, after: &Tally) -> Change {
        changes(&[Pair { before, after }])[0].0
    }

    #[test]
    fn what_became_worse_is_told_and_what_did_not_is_not() {
        let mut random = fastrand::Rng::with_seed(1);
        let good = tally(&mut random, 120, 50.0, 0, 0);
        let mut after = |ms, down, slow| tally(&mut random, 60, ms, down, slow);
        assert_eq!(change(&good, &after(50.0, 0, 0)), Change::Same);
        assert_eq!(change(&good, &after(100.0, 0, 0)), Change::Slower);
        assert_eq!(change(&good, &after(50.0, 20, 0)), Change::Failing);
        assert_eq!(
            change(&good, &after(50.0, 0, 4)),
            Change::Slower,
            "its tail"
        );
        assert_eq!(change(&good, &after(20.0, 0, 0)), Change::Same, "faster");
        let few = tally(&mut random, LEAST - 1, 500.0, 9, 0);
        assert_eq!(change(&good, &few), Change::TooFew);
        assert_eq!(change(&few, &good), Change::TooFew);
    }

    #[test]
    fn what_is_sure_and_small_is_not_worth_a_word() {
        let mut random = fastrand::Rng::with_seed(2);
        let before = tally(&mut random, 100_000, 50.0, 0, 0);
        let after = tally(&mut random, 100_000, 52.0, 0, 0);
        let likelihoods = Pair {
            before: &before,
            after: &after,
        }
        .likelihoods();
        assert!(likelihoods[1] < 1e-6, "{likelihoods:?}");
        assert_eq!(change(&before, &after), Change::Same);
    }

    #[test]
    fn the_same_is_called_worse_no_more_often_than_promised() {
        let mut random = fastrand::Rng::with_seed(3);
        let rounds = 1500;
        let alarms = (0..rounds)
            .filter(|_| {
                let before: Vec<Tally> =
                    (0..5).map(|_| tally(&mut random, 60, 50.0, 2, 0)).collect();
                let after: Vec<Tally> =
                    (0..5).map(|_| tally(&mut random, 20, 50.0, 1, 0)).collect();
                let pairs: Vec<Pair<'_>> = before
                    .iter()
                    .zip(&after)
                    .map(|(before, after)| Pair { before, after })
                    .collect();
                // Without the effect that is asked for beside: the tests alone.
                let likelihoods: Vec<f64> = pairs.iter().flat_map(Pair::likelihoods).collect();
                corrected(&likelihoods)
                    .iter()
                    .any(|likelihood| *likelihood < ALPHA)
            })
            .count();
        // 15 are promised; 28 is more than three standard deviations beyond.
        assert!(alarms < 28, "{alarms} of {rounds}");
    }
}
