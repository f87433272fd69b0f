//! What several looks amount to: least, most, percentiles, failures.

use serde_json::{Map, Value, json};

/// The lengths of looks in milliseconds, and how many failed. 8 bytes a look, however long the step repeats.
#[derive(Debug, Default)]
pub(super) struct Samples {
    lengths: Vec<f64>,
    failures: u64,
}

impl Samples {
    /// Adds a look.
    pub(super) fn add(&mut self, milliseconds: f64, failed: bool) {
        self.lengths.push(milliseconds);
        self.failures += u64::from(failed);
    }

    /// How many looks failed.
    pub(super) const fn failures(&self) -> u64 {
        self.failures
    }

    /// How many looks there were.
    pub(super) const fn count(&self) -> usize {
        self.lengths.len()
    }

    /// `{count, failures, min, p50, p95, p99, max, mean}`, lengths in milliseconds. Percentiles are nearest-rank: a length
    /// that really occurred.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let mut sorted = self.lengths.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = |share: f64| -> Value {
            let index = (share * sorted.len() as f64).ceil().max(1.0) as usize - 1;
            sorted
                .get(index)
                .map_or(Value::Null, |length| json!(length))
        };
        let mean = if sorted.is_empty() {
            Value::Null
        } else {
            let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
            json!((mean * 1000.0).round() / 1000.0)
        };
        let fields = [
            ("count", json!(sorted.len())),
            ("failures", json!(self.failures)),
            ("min", rank(0.0)),
            ("p50", rank(0.50)),
            ("p95", rank(0.95)),
            ("p99", rank(0.99)),
            ("max", rank(1.0)),
            ("mean", mean),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Samples;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut samples = Samples::default();
        for length in (1..=100).rev() {
            samples.add(f64::from(length), length % 10 == 0);
        }
        let summary = samples.summary();
        assert_eq!(summary["min"], json!(1.0));
        assert_eq!(summary["p50"], json!(50.0));
        assert_eq!(summary["p95"], json!(95.0));
        assert_eq!(summary["p99"], json!(99.0));
        assert_eq!(summary["max"], json!(100.0));
        assert_eq!(summary["failures"], json!(10));
    }

    #[test]
    fn a_mean_has_no_more_decimals_than_what_it_is_of() {
        let mut samples = Samples::default();
        for length in [1.0, 1.0, 2.0] {
            samples.add(length, false);
        }
        assert_eq!(samples.summary()["mean"], json!(1.333));
    }

    #[test]
    fn nothing_measured_is_null() {
        assert_eq!(Samples::default().summary()["p95"], Value::Null);
    }
}
