//! The numbers that a run gives: how long its steps took and what they saved. For the formats of monitoring.

use std::collections::HashMap;

use serde_json::{Number, Value};

use crate::base::StepKey;
use crate::event::{StepFinished, Summary};

/// The numbers that steps gave.
#[derive(Debug, Default)]
pub(super) struct Saved(HashMap<StepKey, Numbers>);

#[derive(Debug)]
struct Numbers {
    saved: Vec<(String, Number)>,
    /// How long a check took by its own account, in milliseconds.
    milliseconds: Option<f64>,
}

/// A number of a run.
#[derive(Debug)]
pub(super) struct Measure<'a> {
    /// The step that gave it.
    pub(super) step: &'a str,
    /// The name that it was saved under; none for how long the step took.
    pub(super) name: Option<&'a str>,
    /// The number in digits; seconds for how long the step took.
    pub(super) text: String,
}

impl Saved {
    /// Takes in the last end of a step.
    pub(super) fn hear(&mut self, end: &StepFinished) {
        let numbers: Vec<(String, Number)> = end
            .saved
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_number()?.clone())))
            .collect();
        let own = end.check.as_ref().and(end.outputs.get("ms"));
        let milliseconds = own.and_then(Value::as_f64);
        if numbers.is_empty() && milliseconds.is_none() {
            self.0.remove(&end.step);
        } else {
            let numbers = Numbers {
                saved: numbers,
                milliseconds,
            };
            self.0.insert(end.step.clone(), numbers);
        }
    }

    /// How long a check took by its own account, in milliseconds.
    pub(super) fn milliseconds(&self, step: &StepKey) -> Option<f64> {
        self.0.get(step)?.milliseconds
    }

    /// The numbers that a step saved, in digits.
    pub(super) fn of(&self, step: &StepKey) -> impl Iterator<Item = (&str, String)> {
        let numbers = self.0.get(step).into_iter();
        numbers
            .flat_map(|numbers| &numbers.saved)
            .map(|(name, number)| (name.as_str(), plain(number)))
    }

    /// The numbers of the steps that count and are no checks: of each how long it took, then what it saved.
    pub(super) fn measures_of_steps<'a>(&'a self, summary: &'a Summary) -> Vec<Measure<'a>> {
        let mut measures = Vec::new();
        for line in summary.counted().filter(|line| line.check.is_none()) {
            let step = line.step.as_str();
            let took = line.end.as_ref().and_then(|end| end.took_ms);
            measures.extend(took.map(|ms| Measure {
                step,
                name: None,
                text: seconds(ms),
            }));
            measures.extend(self.of(&line.step).map(|(name, text)| Measure {
                step,
                name: Some(name),
                text,
            }));
        }
        measures
    }
}

/// Milliseconds in seconds, to the microsecond.
pub(super) fn seconds(milliseconds: f64) -> String {
    plain_of(milliseconds / 1000.0)
}

/// A number in digits, to a millionth.
pub(super) fn plain_of(number: f64) -> String {
    let text = format!("{number:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// A number in digits: no reader of monitoring takes an exponent.
fn plain(number: &Number) -> String {
    match number.as_f64() {
        Some(fraction) if number.is_f64() => format!("{fraction}"),
        Some(_) | None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Saved, seconds};
    use crate::base::Status;
    use crate::event::{Summary, sample};

    #[test]
    fn numbers_are_told_in_digits_and_of_steps_that_count() {
        let mut end = sample::step_finished("a", Status::Ok);
        for (name, value) in [
            ("rows", json!(18204)),
            ("tiny", json!(1e-7)),
            ("word", json!("17")),
            ("yes", json!(true)),
        ] {
            end.saved.insert(name.to_owned(), value);
        }
        let mut item = sample::step_finished("a[0]", Status::Ok);
        item.saved.insert("n".to_owned(), json!(1));
        let mut saved = Saved::default();
        saved.hear(&item);
        saved.hear(&end);
        let stream = sample::stream(vec![
            sample::started(&["a"]),
            crate::event::Event::StepFinished(item),
            crate::event::Event::StepFinished(end),
        ]);
        let summary = Summary::of(&stream);
        let told: Vec<String> = saved
            .measures_of_steps(&summary)
            .iter()
            .map(|measure| format!("{} {:?} {}", measure.step, measure.name, measure.text))
            .collect();
        assert_eq!(
            told,
            [
                "a None 0.012",
                "a Some(\"rows\") 18204",
                "a Some(\"tiny\") 0.0000001"
            ]
        );
    }

    #[test]
    fn seconds_carry_no_zeros_that_say_nothing() {
        let told = [0.0, 0.4, 12.0, 2000.0].map(seconds);
        assert_eq!(told, ["0", "0.0004", "0.012", "2"]);
    }
}
