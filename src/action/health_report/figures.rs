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
        let mut total = Tally::default();
        let mut slices = Slices::of(period);
        let mut exact = Some(Vec::new());
        let (mut hours, mut last_hour, mut last) = (0_i64, None, None);
        store.history(series, period, &mut |seen| {
            let at = match &seen {
                Seen::Look(sample) => {
                    total.add(sample);
                    if let (Some(lengths), Some(ms)) = (&mut exact, length_of(sample)) {
                        lengths.push(ms);
                    }
                    if exact.as_ref().is_some_and(|all| all.len() > MOST_EXACT) {
                        exact = None;
                    }
                    sample.at
                }
                Seen::Hour(at, tally) => {
                    total.merge(tally);
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
            lengths.sort_by(f64::total_cmp);
        }
        let hour_of = |at: DateTime<Utc>| at.timestamp().div_euclid(HOUR);
        let all = (hour_of(period.to) - hour_of(period.from) + 1).max(1);
        let outages = store.outages(series, period)?;
        Ok(Self {
            total,
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
