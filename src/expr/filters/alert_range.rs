//! The ranges of the monitoring-plugins guidelines
//! (<https://www.monitoring-plugins.org/doc/guidelines.html#THRESHOLDFORMAT>): when a number alerts.

use std::fmt;
use std::str::FromStr;

/// Alerts outside of `10` (0 to 10), `10:`, `~:10` and `10:20`, inside of `@10:20`; the ends belong to the range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::expr) struct AlertRange {
    /// The least number of the range, perhaps `-∞`.
    low: f64,
    /// The greatest number of the range, perhaps `∞`.
    high: f64,
    /// Whether the numbers inside alert.
    pub(in crate::expr) inside: bool,
}

impl AlertRange {
    /// Whether this number alerts.
    pub(super) fn alerts(self, number: f64) -> bool {
        (self.low..=self.high).contains(&number) == self.inside
    }
}

impl FromStr for AlertRange {
    type Err = String;

    fn from_str(range: &str) -> Result<Self, Self::Err> {
        let text = range.trim();
        let (inside, bounds) = match text.strip_prefix('@') {
            Some(bounds) => (true, bounds),
            None => (false, text),
        };
        let bound = |text: &str, open: f64| match text {
            "" => Some(open),
            text => text.parse().ok().filter(|number: &f64| number.is_finite()),
        };
        let read = match bounds.split_once(':') {
            Some(("~", high)) => Some(f64::NEG_INFINITY).zip(bound(high, f64::INFINITY)),
            Some((low, high)) => bound(low, 0.0).zip(bound(high, f64::INFINITY)),
            None if bounds.is_empty() => None,
            None => Some(0.0).zip(bound(bounds, 0.0)),
        };
        match read {
            Some((low, high)) if low <= high => Ok(Self { low, high, inside }),
            Some(_) => Err(format!("{range:?} ends before it begins")),
            None => Err(format!(
                "{range:?} is not a range; write it as 10, 10:, ~:10, 10:20 or @10:20"
            )),
        }
    }
}

/// The range without its `@`, both ends written out.
impl fmt::Display for AlertRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == f64::NEG_INFINITY {
            formatter.write_str("~:")?;
        } else {
            write!(formatter, "{}:", self.low)?;
        }
        if self.high == f64::INFINITY {
            return Ok(());
        }
        write!(formatter, "{}", self.high)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use proptest::prelude::*;

    use super::AlertRange;

    fn parse(text: &str) -> AlertRange {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_no_range_says_so() {
        for (text, words) in [
            ("20:10", "ends before it begins"),
            ("-5", "ends before it begins"),
            ("~", "is not a range"),
            ("10:~", "is not a range"),
            ("inf", "is not a range"),
            ("10 : 20", "is not a range"),
            ("@@1", "is not a range"),
            ("10..20", "is not a range"),
            ("10ms", "is not a range"),
        ] {
            let error = text.parse::<AlertRange>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    fn finite() -> impl Strategy<Value = f64> {
        prop_oneof![-1e9..1e9, (-50_i32..50).prop_map(f64::from)]
    }

    proptest! {
        #[test]
        fn alerts_as_the_guidelines_say(one in finite(), other in finite(), number in finite()) {
            let (low, high) = (one.min(other), one.max(other));
            let outside = number < low || number > high;
            prop_assert_eq!(parse(&format!("{low}:{high}")).alerts(number), outside);
            prop_assert_eq!(parse(&format!("@{low}:{high}")).alerts(number), !outside);
            prop_assert_eq!(parse(&format!("{low}:")).alerts(number), number < low);
            prop_assert_eq!(parse(&format!("~:{high}")).alerts(number), number > high);
            if high >= 0.0 {
                prop_assert_eq!(parse(&high.to_string()).alerts(number), number < 0.0 || number > high);
                prop_assert_eq!(parse(&format!(":{high}")).alerts(number), number < 0.0 || number > high);
            }
            prop_assert!(!parse("~:").alerts(number) && parse("@~:").alerts(number));
        }

        #[test]
        fn what_is_shown_is_the_same_range(one in finite(), other in finite(), inside in any::<bool>()) {
            let (low, high) = (one.min(other), one.max(other));
            let at = if inside { "@" } else { "" };
            for text in [format!("{low}:{high}"), format!("{low}:"), format!("~:{high}")] {
                let range = parse(&format!("{at}{text}"));
                prop_assert_eq!(range.to_string(), text);
                prop_assert_eq!(parse(&format!("{at}{range}")), range);
            }
        }

        #[test]
        fn no_text_is_too_much(text in any::<String>()) {
            let _ = text.parse::<AlertRange>();
        }
    }
}
