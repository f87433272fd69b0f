//! Checks the five fields of a cron time. Computes no dates.

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

/// Checks five fields: numbers, `*`, ranges, lists, steps, and the English names of months and days.
pub(super) fn check(text: &str) -> Result<(), InvalidCron> {
    let found: Vec<&str> = text.split_whitespace().collect();
    if found.len() != FIELDS.len() {
        return Err(InvalidCron::Fields(found.len()));
    }
    for (text, (field, low, high, words)) in found.into_iter().zip(FIELDS) {
        if !text.split(',').all(|part| is_part(part, low, high, words)) {
            return Err(InvalidCron::Field {
                text: text.to_owned(),
                field,
                low,
                high,
            });
        }
    }
    Ok(())
}

/// `*`, `5`, `1-5`, each with or without `/2`.
fn is_part(part: &str, low: u32, high: u32, words: &[&str]) -> bool {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
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
    let good_range = match range.split_once('-') {
        Some((from, to)) => {
            number(from).is_some_and(|from| number(to).is_some_and(|to| from <= to))
        }
        None => range == "*" || number(range).is_some(),
    };
    good_range && step.is_none_or(|step| digits(step).is_some_and(|step| step > 0 && step <= high))
}

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn takes_what_cron_takes() {
        for text in [
            "* * * * *",
            "0 2 * * SUN",
            "*/15 0-6/2 1,15 jan-mar 1-5",
            "59 23 31 12 7",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn says_which_field_is_wrong() {
        let said = |text| check(text).map_err(|error| error.to_string());
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
            let _ = check(&text);
        }
    }
}
