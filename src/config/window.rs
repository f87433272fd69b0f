//! When a window is open: cron times in a zone, through the nights on which its clocks are changed. Reads no clock itself.

use chrono::{
    DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::base::Span;

use super::cron::Cron;

/// So many days are searched for an opening: the 29th of February may be eight years away.
const MOST_DAYS: u64 = 9 * 366;

/// No gap that a zone has ever had is longer than this many minutes.
const LONGEST_GAP: i64 = 25 * 60;

/// `[window.NAME]`: when something may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// When it opens.
    pub cron: Cron,
    /// How long it stays open.
    pub duration: Span,
    /// The zone of `cron`.
    pub zone: Tz,
}

/// Whether a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is, until then.
    Open(DateTime<Tz>),
    /// It is not; it opens then. None beyond the end of the calendar.
    Closed(Option<DateTime<Tz>>),
}

impl Window {
    /// Whether it is open. A moment at which it opens belongs to it, the one at which it closes does not.
    #[must_use]
    pub fn opening(&self, now: DateTime<Utc>) -> Opening {
        let last = self.last_opening(now);
        let until = last
            .and_then(|last| last.checked_add_signed(TimeDelta::from_std(self.duration.0).ok()?));
        match until {
            Some(until) if until > now => Opening::Open(until),
            // An opening whose end lies beyond the calendar never closes.
            None if last.is_some() => {
                Opening::Open(DateTime::<Utc>::MAX_UTC.with_timezone(&self.zone))
            }
            _ => Opening::Closed(next_opening(&self.cron, self.zone, now)),
        }
    }

    /// The latest opening that is not in the future.
    fn last_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Tz>> {
        let today = now.with_timezone(&self.zone).date_naive();
        (0..MOST_DAYS)
            .map_while(|days| today.checked_sub_days(Days::new(days)))
            .find_map(|day| {
                openings(&self.cron, self.zone, day)
                    .into_iter()
                    .filter(|opening| *opening <= now)
                    .max()
            })
    }
}

/// The first opening after a moment.
pub(super) fn next_opening(cron: &Cron, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Tz>> {
    let today = now.with_timezone(&zone).date_naive();
    (0..MOST_DAYS)
        .map_while(|days| today.checked_add_days(Days::new(days)))
        .find_map(|day| {
            openings(cron, zone, day)
                .into_iter()
                .filter(|opening| *opening > now)
                .min()
        })
}

/// Whether there is any opening at all: the 30th of February never comes.
pub(super) fn ever_opens(cron: &Cron) -> bool {
    // Two leap years lie in so many days from here, wherever the search begins.
    let begin = DateTime::UNIX_EPOCH;
    next_opening(cron, Tz::UTC, begin).is_some()
}

/// The moments of a day of the zone at which a window opens.
fn openings(cron: &Cron, zone: Tz, day: NaiveDate) -> Vec<DateTime<Tz>> {
    let minutes = cron.minutes_of(day);
    let moments = minutes
        .into_iter()
        .flat_map(|minute| moments(minute, zone, cron.every_hour()));
    moments.collect()
}

/// When the clocks of a zone show a time. One that they show twice counts once, and one that they leap over counts as the
/// first moment after the leap; where every hour is meant, each counts as often as it comes.
fn moments(local: NaiveDateTime, zone: Tz, every_hour: bool) -> Vec<DateTime<Tz>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(moment) => vec![moment],
        LocalResult::Ambiguous(first, second) if every_hour => vec![first, second],
        LocalResult::Ambiguous(first, _) => vec![first],
        LocalResult::None if every_hour => Vec::new(),
        LocalResult::None => (1..=LONGEST_GAP)
            .find_map(|minutes| {
                let later = local.checked_add_signed(TimeDelta::minutes(minutes))?;
                zone.from_local_datetime(&later).earliest()
            })
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn window(cron: &str, length: &str, zone: &str) -> Window {
        Window {
            name: "weekly".to_owned(),
            cron: Cron::parse(cron).unwrap(),
            duration: length.parse().unwrap(),
            zone: zone.parse().unwrap(),
        }
    }

    /// Whether it is open, and until when or from when on, in its own zone.
    fn look(window: &Window, now: &str) -> (bool, String) {
        let (open, moment) = match window.opening(now.parse().unwrap()) {
            Opening::Open(until) => (true, until),
            Opening::Closed(next) => (false, next.unwrap()),
        };
        (open, moment.format("%a %F %H:%M %Z").to_string())
    }

    #[test]
    fn is_open_from_its_opening_on_and_not_at_its_end() {
        let weekly = window("0 2 * * SUN", "2h", "UTC");
        let closed = |next: &str| (false, next.to_owned());
        let open = |until: &str| (true, until.to_owned());
        assert_eq!(
            look(&weekly, "2026-11-22T01:59:59Z"),
            closed("Sun 2026-11-22 02:00 UTC")
        );
        assert_eq!(
            look(&weekly, "2026-11-22T02:00:00Z"),
            open("Sun 2026-11-22 04:00 UTC")
        );
        assert_eq!(
            look(&weekly, "2026-11-22T03:59:59Z"),
            open("Sun 2026-11-22 04:00 UTC")
        );
        assert_eq!(
            look(&weekly, "2026-11-22T04:00:00Z"),
            closed("Sun 2026-11-29 02:00 UTC")
        );
    }

    #[test]
    fn goes_on_over_midnight_and_over_its_own_next_opening() {
        let nightly = window("30 23 * * FRI", "3h", "Europe/Berlin");
        assert_eq!(
            look(&nightly, "2026-11-21T00:15:00Z"),
            (true, "Sat 2026-11-21 02:30 CET".to_owned())
        );
        assert!(!look(&nightly, "2026-11-21T01:30:00Z").0);
        let always = window("0 * * * *", "2h", "UTC");
        assert_eq!(
            look(&always, "2026-11-21T12:59:00Z"),
            (true, "Sat 2026-11-21 14:00 UTC".to_owned())
        );
        let long = window("0 0 1 1 *", "200d", "UTC");
        assert!(look(&long, "2026-07-01T00:00:00Z").0);
        assert!(!look(&long, "2026-08-01T00:00:00Z").0);
    }

    /// On 29 March 2026 the clocks of Berlin leap from 2:00 to 3:00, which is 1:00 UTC.
    #[test]
    fn what_the_clocks_leap_over_is_the_first_moment_after_the_leap() {
        let nightly = window("30 2 * * *", "1h", "Europe/Berlin");
        assert_eq!(
            look(&nightly, "2026-03-29T00:59:59Z"),
            (false, "Sun 2026-03-29 03:00 CEST".to_owned())
        );
        assert_eq!(
            look(&nightly, "2026-03-29T01:00:00Z"),
            (true, "Sun 2026-03-29 04:00 CEST".to_owned())
        );
        assert_eq!(
            look(&nightly, "2026-03-29T02:00:00Z"),
            (false, "Mon 2026-03-30 02:30 CEST".to_owned())
        );
        let hourly = window("30 * * * *", "10m", "Europe/Berlin");
        assert_eq!(
            look(&hourly, "2026-03-29T00:50:00Z"),
            (false, "Sun 2026-03-29 03:30 CEST".to_owned())
        );
    }

    /// On 25 October 2026 the clocks of Berlin show 2:00 to 3:00 twice, from midnight UTC on.
    #[test]
    fn what_the_clocks_show_twice_is_once_unless_every_hour_is_meant() {
        let nightly = window("30 2 * * *", "30m", "Europe/Berlin");
        assert_eq!(
            look(&nightly, "2026-10-25T00:30:00Z"),
            (true, "Sun 2026-10-25 02:00 CET".to_owned())
        );
        assert_eq!(
            look(&nightly, "2026-10-25T01:30:00Z"),
            (false, "Mon 2026-10-26 02:30 CET".to_owned())
        );
        let hourly = window("30 * * * *", "10m", "Europe/Berlin");
        assert_eq!(
            look(&hourly, "2026-10-25T00:45:00Z"),
            (false, "Sun 2026-10-25 02:30 CET".to_owned())
        );
        assert!(look(&hourly, "2026-10-25T01:35:00Z").0);
    }

    #[test]
    fn the_twenty_ninth_of_february_comes_and_the_thirtieth_does_not() {
        assert!(ever_opens(&Cron::parse("0 0 29 2 *").unwrap()));
        assert!(!ever_opens(&Cron::parse("0 0 30 2 *").unwrap()));
        let leap = window("0 0 29 2 *", "1h", "UTC");
        assert_eq!(
            look(&leap, "2096-03-01T00:00:00Z"),
            (false, "Fri 2104-02-29 00:00 UTC".to_owned())
        );
    }
}
