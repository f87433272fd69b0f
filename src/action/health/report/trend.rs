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

    /// All parts together.
    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.tallies.iter().for_each(|tally| total.merge(tally));
        total
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

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _, Utc};

    use crate::base::Status;
    use crate::engine::{Period, Sample, Seen};

    use super::{Slices, sparkline};

    /// The line of looks in a period of 100 minutes: after how many minutes, how many milliseconds, what they said.
    fn line(looks: &[(i64, f64, Status)]) -> String {
        let from = Utc.timestamp_opt(0, 0).unwrap();
        let to = from + TimeDelta::minutes(100);
        let mut slices = Slices::of(Period { from, to });
        for (minute, ms, look) in looks {
            let at = from + TimeDelta::minutes(*minute);
            let sample = Sample {
                at,
                ms: Some(*ms),
                look: *look,
                told: *look,
            };
            slices.see(at, &Seen::Look(sample));
        }
        sparkline(&slices)
    }

    #[test]
    fn each_part_of_the_period_is_held_against_the_slowest() {
        assert_eq!(line(&[]), "··········");
        assert_eq!(
            line(&[
                (0, 100.0, Status::Ok),
                (9, 100.0, Status::Ok),
                (10, 50.0, Status::Warning),
                (55, 1.0, Status::Ok),
                (100, 25.0, Status::Ok),
            ]),
            "█▄···▁···▂"
        );
        assert_eq!(line(&[(5, 0.0, Status::Ok)]), "▁·········");
    }

    #[test]
    fn a_part_in_which_half_of_the_looks_found_it_down_has_a_sign_of_its_own() {
        assert_eq!(
            line(&[
                (1, 10.0, Status::Ok),
                (2, 10.0, Status::Critical),
                (11, 10.0, Status::Ok),
                (12, 10.0, Status::Ok),
                (13, 10.0, Status::Affected),
                (21, 10.0, Status::Unknown),
            ]),
            "×█········"
        );
    }
}
