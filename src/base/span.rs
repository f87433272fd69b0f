//! Lengths of time as people write them: `200ms`, `90d`, `1h 30m`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time that reads and prints as people write it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration ({reason}); write it as 200ms, 30s, 5m, 2h or 90d")]
pub struct InvalidSpan {
    text: String,
    reason: String,
}

impl Span {
    /// The longest that is read: 1000 years. Added to any moment it is still one, on whatever clock.
    const LONGEST: Duration = Duration::from_secs(1000 * 31_557_600);

    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length in milliseconds, with the three decimals that a clock is good for: more would be noise to a reader.
    #[must_use]
    pub fn milliseconds(self) -> f64 {
        (self.0.as_secs_f64() * 1_000_000.0).round() / 1000.0
    }
}

impl std::str::FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: String| InvalidSpan {
            text: text.to_owned(),
            reason,
        };
        match humantime::parse_duration(text.trim()) {
            Ok(length) if length > Self::LONGEST => {
                Err(invalid("longer than 1000 years".to_owned()))
            }
            Ok(length) => Ok(Self(length)),
            Err(error) => Err(invalid(error.to_string())),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&humantime::format_duration(self.0).to_string())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Instant;

    use super::Span;

    #[test]
    fn the_longest_span_ends_at_a_moment_and_what_is_longer_is_refused() {
        let longest: Span = "1000y".parse().unwrap();
        assert!(Instant::now().checked_add(longest.0).is_some());
        for long in ["1000y 1s", "500000000000y"] {
            let error = long.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("longer than 1000 years"), "{error}");
        }
    }
}
