//! Whether a request to the API is made again, and how long it waits before. Must not make one.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::D1Error;

/// How often a request is made at most.
const TRIES: u32 = 3;

/// How long it takes until it is tried again the first time; then twice that. A random part more, so that many that were
/// turned away at once do not come back at once.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the API is waited for where it says how long, and nothing else limits it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether a request may be made again though nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It changes nothing.
    Harmless,
    /// It may change something: only where it was surely turned away.
    IfTurnedAway,
}

/// How long to wait before a request is made again that was made so often and has so much time left; none where it is not.
pub(super) fn pause(
    error: &D1Error,
    tries: u32,
    again: Again,
    left: Option<Duration>,
) -> Option<Duration> {
    let usual = PAUSE * tries + PAUSE.mul_f64(fastrand::f64());
    let asked = |seconds: Option<u64>| seconds.map_or(usual, Duration::from_secs);
    let pause = match error {
        D1Error::TooMany { retry_after } => asked(*retry_after),
        D1Error::Failing { retry_after, .. } if again == Again::Harmless => asked(*retry_after),
        D1Error::Passing(_) if again == Again::Harmless => usual,
        _ => return None,
    };
    (tries < TRIES && pause < left.unwrap_or(LONGEST_PAUSE)).then_some(pause)
}

/// The seconds that the header `Retry-After` has one wait (RFC 9110, section 10.2.3): their number, or a date. By the
/// server's own clock where it tells its time, for this machine's may be another.
pub(super) fn after(header: Option<&str>, date: Option<&str>, now: DateTime<Utc>) -> Option<u64> {
    let header = header?.trim();
    if let Ok(seconds) = header.parse() {
        return Some(seconds);
    }
    let moment = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
    let now = date.and_then(moment).map_or(now, |date| date.to_utc());
    let milliseconds = (moment(header)?.to_utc() - now).num_milliseconds();
    // What is over is over, and a part of a second is waited for too.
    u64::try_from(milliseconds.max(0))
        .ok()
        .map(|wait| wait.div_ceil(1000))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use super::{Again, D1Error, PAUSE, TRIES, after, pause};

    fn busy(retry_after: Option<u64>) -> D1Error {
        D1Error::TooMany { retry_after }
    }

    fn down(retry_after: Option<u64>) -> D1Error {
        D1Error::Failing {
            status: 503,
            message: String::new(),
            retry_after,
        }
    }

    #[test]
    fn a_wait_is_a_number_of_seconds_or_a_date() {
        let now: DateTime<Utc> = "2026-10-21T07:28:00.250Z".parse().unwrap();
        for (header, date, expected) in [
            ("30", None, Some(30)),
            (" 0 ", None, Some(0)),
            // Three quarters of a second are left of the last one.
            ("Wed, 21 Oct 2026 07:28:30 GMT", None, Some(30)),
            ("Wed, 21 Oct 2026 07:27:59 GMT", None, Some(0)),
            // This machine's clock is an hour behind.
            (
                "Wed, 21 Oct 2026 08:28:05 GMT",
                Some("Wed, 21 Oct 2026 08:28:00 GMT"),
                Some(5),
            ),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some("soon"), Some(30)),
            ("-5", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("Wed, 41 Oct 2026 07:28:30 GMT", None, None),
        ] {
            assert_eq!(
                after(Some(header), date, now),
                expected,
                "{header:?} {date:?}"
            );
        }
        assert_eq!(
            after(None, Some("Wed, 21 Oct 2026 07:28:30 GMT"), now),
            None
        );
    }

    #[test]
    fn what_the_api_says_is_kept_to_as_far_as_there_is_time() {
        let minute = Some(Duration::from_secs(60));
        for error in [busy, down] {
            let wait = |seconds, left| pause(&error(Some(seconds)), 1, Again::Harmless, left);
            assert_eq!(wait(0, minute), Some(Duration::ZERO));
            assert_eq!(wait(59, minute), Some(Duration::from_secs(59)));
            assert_eq!(wait(60, minute), None);
            assert_eq!(wait(u64::MAX, minute), None);
            // Nothing limits it but patience.
            assert_eq!(wait(9, None), Some(Duration::from_secs(9)));
            assert_eq!(wait(10, None), None);
            // It says nothing.
            for tries in 1..TRIES {
                let usual = pause(&error(None), tries, Again::Harmless, minute).unwrap();
                let least = PAUSE * tries;
                assert!(usual >= least && usual <= least + PAUSE, "{usual:?}");
            }
            assert_eq!(pause(&error(Some(0)), TRIES, Again::Harmless, minute), None);
        }
    }

    #[test]
    fn a_change_is_made_again_only_where_it_was_turned_away() {
        let minute = Some(Duration::from_secs(60));
        let change = |error: &D1Error| pause(error, 1, Again::IfTurnedAway, minute);
        assert_eq!(change(&busy(Some(3))), Some(Duration::from_secs(3)));
        assert_eq!(change(&down(Some(3))), None);
        assert_eq!(change(&D1Error::Passing(String::new())), None);
        let refused = D1Error::Refused(String::new());
        assert_eq!(pause(&refused, 1, Again::Harmless, minute), None);
    }
}
