//! How a check did over a period, as a line of characters: each stands for the same time.

use chrono::{DateTime, Utc};

use crate::engine::{Period, Seen, Tally};

/// So many characters.
const SLICES: usize = 10;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Nobody looked.
const NOBODY: char = '·';

/// It was down at half of the looks or more.
const DOWN: char = '×';

/// A period in parts of the same length.
pub(super) struct Slices {
    period: Period,
    tallies: Vec<Tally>,
}

impl Slices {
    pub(super) fn of(period: Period) -> Self {
        Self {
            period,
            tallies: vec![Tally::default(); SLICES],
        }
    }

    /// Counts what was seen at a moment of the period.
    pub(super) fn see(&mut self, at: DateTime<Utc>, seen: &Seen) {
        let whole = (self.period.to - self.period.from)
            .num_milliseconds()
            .max(1);
        let part = (at - self.period.from).num_milliseconds().clamp(0, whole);
        let index = (part as f64 / whole as f64 * SLICES as f64) as usize;
        if let Some(tally) = self.tallies.get_mut(index.min(SLICES - 1)) {
            match seen {
                Seen::Look(sample) => tally.add(sample),
                Seen::Hour(_, hour) => tally.merge(hour),
            }
        }
    }
}

/// The p95 of each slice against the highest; a slice that was mostly down, and one without looks, has a sign of its own.
pub(super) fn sparkline(slices: &Slices) -> String {
    let p95 = |tally: &Tally| tally.lengths.quantile(0.95);
    let highest = slices.tallies.iter().filter_map(p95).fold(0.0, f64::max);
    let sign = |tally: &Tally| {
        if tally.down() > 0 && tally.down() >= tally.up() {
            return DOWN;
        }
        let Some(p95) = p95(tally) else {
            return NOBODY;
        };
        let height = if highest > 0.0 { p95 / highest } else { 0.0 };
        let index = (height * BARS.len() as f64).ceil() as usize;
        BARS[index.clamp(1, BARS.len()) - 1]
    };
    slices.tallies.iter().map(sign).collect()
}
