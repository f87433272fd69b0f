//! The five fields of a cron time: which minutes of which days they name. Knows no zone and no clock.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime};

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field: its name, its bounds, the words for its numbers counting from the lower bound.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    ("month", 1, 12, &MONTHS),
    ("day of the week", 0, 7, &DAYS),
];

/// Why a text is not a cron time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidCron {
    /// There are not five fields.
    #[error(
        "expected five fields (minute, hour, day of the month, month, day of the week), found {0}"
    )]
    Fields(usize),
    /// A field is out of bounds or no cron field at all.
    #[error("{text:?} is no {field}: {low} to {high}, as in 5, 1-5, 1,3 or */2")]
    Field {
        /// The text.
        text: String,
        /// What it should be.
        field: &'static str,
        /// The least number.
        low: u32,
        /// The greatest number.
        high: u32,
    },
}

/// The minutes that five cron fields name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Numbers,
    hours: Numbers,
    days: Numbers,
    months: Numbers,
    weekdays: Numbers,
}

/// The numbers that a field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    /// One bit a number.
    set: u64,
    /// Whether the field begins with `*`: it asks for no number of its own.
    starred: bool,
}

impl Numbers {
    const fn has(self, number: u32) -> bool {
        self.set >> number & 1 == 1
    }

    fn all(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.has(*number))
    }
}

impl Cron {
    /// Reads five fields: numbers, `*`, ranges, lists, steps, and the English names of months and days.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidCron> {
        let found: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = found.as_slice() else {
            return Err(InvalidCron::Fields(found.len()));
        };
        let read = |index: usize, text: &str| numbers(text, FIELDS[index]);
        let mut cron = Self {
            minutes: read(0, minutes)?,
            hours: read(1, hours)?,
            days: read(2, days)?,
            months: read(3, months)?,
            weekdays: read(4, weekdays)?,
        };
        // Sunday has two numbers.
        cron.weekdays.set |= cron.weekdays.set >> 7 & 1;
        Ok(cron)
    }

    /// Whether it names every hour, or every so many: no hour of its own.
    pub(super) const fn every_hour(&self) -> bool {
        self.hours.starred
    }

    /// The minutes of a day that it names, in order; none where the day is not meant. Where both the day of the month and
    /// that of the week ask for a number, either will do.
    pub(super) fn minutes_of(&self, day: NaiveDate) -> Vec<NaiveDateTime> {
        let of_month = self.days.has(day.day());
        let of_week = self.weekdays.has(day.weekday().num_days_from_sunday());
        let meant = if self.days.starred || self.weekdays.starred {
            of_month && of_week
        } else {
            of_month || of_week
        };
        if !meant || !self.months.has(day.month()) {
            return Vec::new();
        }
        let times = self
            .hours
            .all()
            .flat_map(|hour| self.minutes.all().map(move |minute| (hour, minute)));
        times
            .filter_map(|(hour, minute)| day.and_hms_opt(hour, minute, 0))
            .collect()
    }
}

fn numbers(
    text: &str,
    (field, low, high, words): (&'static str, u32, u32, &[&str]),
) -> Result<Numbers, InvalidCron> {
    let parts: Option<Vec<u64>> = text
        .split(',')
        .map(|part| part_of(part, low, high, words))
        .collect();
    let parts = parts.ok_or_else(|| InvalidCron::Field {
        text: text.to_owned(),
        field,
        low,
        high,
    })?;
    Ok(Numbers {
        set: parts.into_iter().fold(0, |all, part| all | part),
        starred: text.starts_with('*'),
    })
}

/// `*`, `5`, `1-5`, each with or without `/2`. A single number with a step goes on to the end.
fn part_of(part: &str, low: u32, high: u32, words: &[&str]) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(digits(step)?)),
        None => (part, None),
    };
    let number = |text: &str| {
        let word = text.to_ascii_uppercase();
        let named = words.iter().position(|known| *known == word);
        let number = named
            .and_then(|index| u32::try_from(index).ok())
            .map(|index| index + low)
            .or_else(|| digits(text))?;
        (low..=high).contains(&number).then_some(number)
    };
    let (from, to) = match range.split_once('-') {
        Some((from, to)) => (number(from)?, number(to)?),
        None if range == "*" => (low, high),
        None => (number(range)?, step.map_or(number(range)?, |_| high)),
    };
    let step = step.unwrap_or(1);
    if from > to || !(1..=high).contains(&step) {
        return None;
    }
    let every = usize::try_from(step).ok()?;
    Some((from..=to).step_by(every).fold(0, |set, n| set | 1 << n))
}

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::{Cron, NaiveDate};

    fn named(cron: &str, day: &str) -> Vec<String> {
        let minutes = Cron::parse(cron).unwrap().minutes_of(day.parse().unwrap());
        minutes
            .iter()
            .map(|minute| minute.format("%H:%M").to_string())
            .collect()
    }

    #[test]
    fn takes_what_cron_takes() {
        assert_eq!(named("* * * * *", "2026-11-22").len(), 24 * 60);
        assert_eq!(named("0 2 * * SUN", "2026-11-22"), ["02:00"]);
        assert_eq!(named("0 2 * * 7", "2026-11-22"), ["02:00"]);
        assert!(named("0 2 * * SUN", "2026-11-23").is_empty());
        assert_eq!(
            named("*/30 0-6/3 1,15 jan-mar *", "2026-03-15"),
            ["00:00", "00:30", "03:00", "03:30", "06:00", "06:30"]
        );
        assert!(named("*/30 0-6/3 1,15 jan-mar *", "2026-04-15").is_empty());
        assert_eq!(named("20/20 23 31 12 *", "2026-12-31"), ["23:20", "23:40"]);
    }

    #[test]
    fn the_day_of_the_month_or_that_of_the_week() {
        let on = |cron: &str| {
            (1..=7)
                .filter(|day| {
                    let day = NaiveDate::from_ymd_opt(2026, 11, *day).unwrap();
                    !Cron::parse(cron).unwrap().minutes_of(day).is_empty()
                })
                .collect::<Vec<u32>>()
        };
        assert_eq!(on("0 0 3 * FRI"), [3, 6]);
        assert_eq!(on("0 0 * * FRI"), [6]);
        assert_eq!(on("0 0 3 * *"), [3]);
        assert_eq!(on("0 0 */2 * FRI"), Vec::<u32>::new());
    }

    #[test]
    fn says_which_field_is_wrong() {
        let said = |text| Cron::parse(text).map_err(|error| error.to_string());
        let bounds = |text: &str, field: &str, bounds: &str| {
            Err(format!(
                "{text:?} is no {field}: {bounds}, as in 5, 1-5, 1,3 or */2"
            ))
        };
        assert_eq!(said("60 * * * *"), bounds("60", "minute", "0 to 59"));
        assert_eq!(
            said("* * 0 * *"),
            bounds("0", "day of the month", "1 to 31")
        );
        assert_eq!(
            said("* * * * SUNDAY"),
            bounds("SUNDAY", "day of the week", "0 to 7")
        );
        assert_eq!(said("* 5-1 * * *"), bounds("5-1", "hour", "0 to 23"));
        assert_eq!(said("*/0 * * * *"), bounds("*/0", "minute", "0 to 59"));
        assert_eq!(said(", * * * *"), bounds(",", "minute", "0 to 59"));
        assert_eq!(
            said("@daily"),
            Err("expected five fields (minute, hour, day of the month, month, day of the week), found 1".to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[0-9*,/ A-Za-z\u{e9}-]{0,40}") {
            let _ = Cron::parse(&text);
        }
    }
}
