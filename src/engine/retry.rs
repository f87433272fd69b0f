//! How long to pause before the next attempt.

use std::time::Duration;

use crate::model::{Backoff, Retry};

/// The pause after the failed attempt `attempt` (from 1). `chance` in 0..1 decides the jitter: the pause is drawn
/// between half and all of its length, so that many callers do not come back at the same moment.
pub(super) fn pause(retry: &Retry, attempt: u32, chance: f64) -> Duration {
    let factor = match retry.backoff {
        Backoff::Constant => 1,
        Backoff::Exponential => 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .filter(|factor| *factor > 0)
            .unwrap_or(u32::MAX),
    };
    let whole = retry.delay.0.saturating_mul(factor).min(retry.max_delay.0);
    if retry.jitter {
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;
    use crate::base::Span;
    use crate::model::{Backoff, Retry};

    fn retry(backoff: Backoff, jitter: bool) -> Retry {
        Retry {
            attempts: 9,
            delay: Span::seconds(1),
            backoff,
            max_delay: Span::seconds(30),
            jitter,
            on: Vec::new(),
        }
    }

    #[test]
    fn doubles_up_to_the_longest_pause() {
        let retry = retry(Backoff::Exponential, false);
        let pauses: Vec<u64> = (1..8)
            .map(|attempt| pause(&retry, attempt, 0.0).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(&retry, 1_000, 0.0), Duration::from_secs(30));
    }

    #[test]
    fn stays_constant_when_asked() {
        assert_eq!(
            pause(&retry(Backoff::Constant, false), 7, 0.9),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn jitter_draws_between_half_and_all() {
        let retry = retry(Backoff::Constant, true);
        assert_eq!(pause(&retry, 1, 0.0), Duration::from_millis(500));
        assert_eq!(pause(&retry, 1, 1.0), Duration::from_secs(1));
    }
}
