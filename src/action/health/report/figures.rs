//! What a report says of one check, from its looks and hours as they come: memory does not grow with the period beyond
//! what exact percentiles need, and for those there is a limit.

use chrono::{DateTime, Utc};

use crate::base::text::took;
use crate::engine::{JournalError, Outage, Period, SampleStore, Seen, Series, Tally, length_of};

use super::trend::Slices;

/// So many lengths are kept one by one at most; with more the percentiles come from the histogram.
const MOST_EXACT: usize = 1 << 20;

/// An hour, in seconds.
const HOUR: i64 = 3600;

/// What was seen of a check in a period.
pub(super) struct Figures {
    /// All of it, as counts.
    pub(super) total: Tally,
    /// The same, one after the other.
    pub(super) slices: Slices,
    /// The share of the period's hours in which somebody looked, from 0 to 1.
    pub(super) seen: f64,
    /// The longest outage.
    pub(super) outage: Option<Longest>,
    /// The lengths in order; none where they are not all known one by one.
    exact: Option<Vec<f64>>,
}

/// The longest outage that reaches into a period: the part of it that lies there.
#[derive(Clone, Copy)]
pub(super) struct Longest {
    /// How long, in milliseconds.
    pub(super) ms: f64,
    /// When it began, or the period did.
    pub(super) began: DateTime<Utc>,
    lasts: bool,
}

impl Longest {
    pub(super) fn in_words(self) -> String {
        let lasts = if self.lasts { ", lasting" } else { "" };
        format!(
            "{}, {}{lasts}",
            took(self.ms),
            self.began.format("%Y-%m-%d %H:%M")
        )
    }
}

impl Figures {
    /// Reads what was seen of a series.
    pub(super) fn read(
        store: &dyn SampleStore,
        series: &Series,
        period: Period,
    ) -> Result<Self, JournalError> {
        let mut slices = Slices::of(period);
        let mut exact = Some(Vec::new());
        let (mut hours, mut last_hour, mut last) = (0_i64, None, None);
        store.history(series, period, &mut |seen| {
            let at = match &seen {
                Seen::Look(sample) => {
                    if let (Some(lengths), Some(ms)) = (&mut exact, length_of(sample)) {
                        lengths.push(ms);
                    }
                    if exact.as_ref().is_some_and(|all| all.len() > MOST_EXACT) {
                        exact = None;
                    }
                    sample.at
                }
                Seen::Hour(at, _) => {
                    exact = None;
                    (*at).max(period.from)
                }
            };
            slices.see(at, &seen);
            let hour = at.timestamp().div_euclid(HOUR);
            if last_hour.replace(hour) != Some(hour) {
                hours += 1;
            }
            last = Some(at);
        })?;
        if let Some(lengths) = &mut exact {
            lengths.sort_unstable_by(f64::total_cmp);
        }
        let hour_of = |at: DateTime<Utc>| at.timestamp().div_euclid(HOUR);
        let all = (hour_of(period.to) - hour_of(period.from) + 1).max(1);
        let outages = store.outages(series, period)?;
        Ok(Self {
            total: slices.total(),
            slices,
            seen: (hours as f64 / all as f64).min(1.0),
            outage: longest(&outages, period, last),
            exact,
        })
    }

    /// The length in milliseconds that this share of the looks did not exceed, by the nearest rank.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let Some(lengths) = &self.exact else {
            return self.total.lengths.quantile(share);
        };
        let rank = ((share * lengths.len() as f64).ceil() as usize).max(1);
        lengths.get(rank - 1).copied()
    }

    /// Whether the percentiles are exact, and not from histograms.
    pub(super) const fn is_exact(&self) -> bool {
        self.exact.is_some()
    }
}

/// The longest outage as far as it lies in the period. What is down still is known to be so until the last look.
fn longest(outages: &[Outage], period: Period, last: Option<DateTime<Utc>>) -> Option<Longest> {
    let longest = outages.iter().map(|outage| {
        let began = outage.began.max(period.from);
        let ended = outage.ended.or(last).unwrap_or(began).min(period.to);
        Longest {
            ms: (ended - began).num_milliseconds().max(0) as f64,
            began,
            lasts: outage.ended.is_none(),
        }
    });
    longest.max_by(|one, other| one.ms.total_cmp(&other.ms))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};

    use super::*;
    use crate::base::Status;
    use crate::engine::{Baseline, CheckState, Reading, ReadingStore, Retention, Sample, Subject};

    /// Has seen this of every series, whatever is asked.
    struct Past {
        seen: Vec<Seen>,
        outages: Vec<Outage>,
    }

    impl SampleStore for Past {
        fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
            Ok(vec![None; series.len()])
        }

        fn keep_samples(
            &self,
            _: &[(Series, Sample, CheckState)],
            _: &Retention,
        ) -> Result<(), JournalError> {
            Ok(())
        }

        fn history(
            &self,
            _: &Series,
            _: Period,
            see: &mut dyn FnMut(Seen),
        ) -> Result<(), JournalError> {
            self.seen.iter().cloned().for_each(see);
            Ok(())
        }

        fn outages(&self, _: &Series, _: Period) -> Result<Vec<Outage>, JournalError> {
            Ok(self.outages.clone())
        }

        fn keep_baseline(&self, _: &Baseline) -> Result<bool, JournalError> {
            Ok(false)
        }

        fn baselines(&self, _: &str, _: &str) -> Result<Vec<Baseline>, JournalError> {
            Ok(Vec::new())
        }
    }

    impl ReadingStore for Past {
        fn readings(
            &self,
            _: &Subject,
            _: DateTime<Utc>,
        ) -> Result<BTreeMap<String, Reading>, JournalError> {
            Ok(BTreeMap::new())
        }

        fn keep_readings(
            &self,
            _: &Subject,
            _: DateTime<Utc>,
            _: &BTreeMap<String, f64>,
        ) -> Result<(), JournalError> {
            Ok(())
        }
    }

    fn minute(minute: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(0, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn sample(at: i64, ms: f64, look: Status) -> Sample {
        Sample {
            at: minute(at),
            ms: Some(ms),
            look,
            told: look,
        }
    }

    /// Ten hours of which half of the first one is missing.
    const PERIOD: fn() -> Period = || Period {
        from: minute(30),
        to: minute(599),
    };

    fn figures(seen: Vec<Seen>, outages: Vec<Outage>) -> Figures {
        let series = Series {
            project: String::new(),
            environment: String::new(),
            service: "api".to_owned(),
            check: "ping".to_owned(),
        };
        Figures::read(&Past { seen, outages }, &series, PERIOD()).unwrap()
    }

    #[test]
    fn of_looks_one_by_one_the_percentiles_are_exact() {
        let looks = (1..=20)
            .rev()
            .map(|ms| sample(60, f64::from(ms), Status::Ok));
        let mut seen: Vec<Seen> = looks.map(Seen::Look).collect();
        // What could not tell, and what is another one's trouble, has no length.
        seen.push(Seen::Look(sample(61, 900.0, Status::Unknown)));
        seen.push(Seen::Look(sample(62, 900.0, Status::Affected)));
        let figures = figures(seen, Vec::new());
        assert!(figures.is_exact());
        let of = |share| figures.quantile(share);
        assert_eq!(
            (of(0.5), of(0.95), of(0.99)),
            (Some(10.0), Some(19.0), Some(20.0))
        );
        assert_eq!(figures.total.count(), 22);
        assert_eq!(figures.total.availability(), Some(20.0 / 21.0));
        assert!(
            (figures.seen - 0.1).abs() < 1e-9,
            "one hour of ten: {}",
            figures.seen
        );
    }

    #[test]
    fn an_hour_among_them_is_counted_and_makes_them_inexact() {
        let mut hour = Tally::default();
        (0..60).for_each(|at| hour.add(&sample(at, 100.0, Status::Ok)));
        // It began before the period did.
        let seen = vec![
            Seen::Hour(minute(0), hour),
            Seen::Look(sample(120, 10.0, Status::Ok)),
        ];
        let figures = figures(seen, Vec::new());
        assert!(!figures.is_exact());
        assert_eq!(figures.total.count(), 61);
        assert_eq!(figures.quantile(1.0), Some(100.0));
        assert!((figures.seen - 0.2).abs() < 1e-9, "{}", figures.seen);
    }

    #[test]
    fn of_an_outage_only_what_lies_in_the_period_counts() {
        let outage = |began, ended: Option<i64>| Outage {
            began: minute(began),
            ended: ended.map(minute),
        };
        let longest = |outages, last| {
            let seen = vec![Seen::Look(sample(last, 1.0, Status::Critical))];
            let longest = figures(seen, outages).outage?;
            Some((longest.ms / 60_000.0, longest.began, longest.lasts))
        };
        assert_eq!(longest(Vec::new(), 40), None);
        let all = vec![
            outage(0, Some(35)),
            outage(100, Some(110)),
            outage(200, Some(203)),
        ];
        assert_eq!(longest(all, 599), Some((10.0, minute(100), false)));
        assert_eq!(
            longest(vec![outage(0, Some(35))], 599),
            Some((5.0, minute(30), false))
        );
        // Nobody knows more of one that lasts than the last look did.
        assert_eq!(
            longest(vec![outage(300, None)], 320),
            Some((20.0, minute(300), true))
        );
    }
}
