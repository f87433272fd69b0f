//! Performance data of a monitoring plugin: what each number is called, its unit, and the thresholds that are configured.
//! Source of the format: the development guidelines of the Monitoring Plugins, sections "Performance data" and
//! "Threshold and ranges".

use std::collections::HashSet;

use crate::base::text::one_line;
use crate::event::{Measure, StepLine, Summary};

use super::measures::{Saved, plain_of, seconds};

/// The output of `http`, `probe` and others that tells how long it took.
const MILLISECONDS: &str = "ms";

/// Every number of a run: `'time'=2s;;;0 'api/liveness'=12.3ms;100;500;0 'api/queue.json.pending'=142;~:100`.
pub(super) fn data(summary: &Summary, saved: &Saved) -> String {
    let mut data = Data::default();
    if summary.verdict.is_some() {
        let took = Datum {
            value: Some(seconds(summary.took_ms)),
            ..Datum::default()
        };
        data.add("time".to_owned(), Unit::SECONDS, &took);
    }
    for line in summary.counted() {
        match &line.check {
            Some(check) => {
                data.add_check(&format!("{}/{}", check.service, check.name), line, saved)
            }
            None => data.add_step(line, saved),
        }
    }
    data.text
}

/// A line of text without the character that begins performance data.
pub(super) fn without_bar(line: &str) -> String {
    one_line(line).replace('|', "¦")
}

/// A number and what is configured for it.
#[derive(Default)]
struct Datum<'a> {
    value: Option<String>,
    warn: Option<&'a str>,
    critical: Option<&'a str>,
}

impl<'a> Datum<'a> {
    fn with(value: Option<String>, measure: Option<&'a Measure>) -> Self {
        Self {
            value,
            warn: measure.and_then(|measure| measure.warn.as_deref()),
            critical: measure.and_then(|measure| measure.critical.as_deref()),
        }
    }
}

#[derive(Default)]
struct Data {
    text: String,
    taken: HashSet<String>,
}

impl Data {
    /// How long a check took, and what else is known of it. Its label is there whether it could be told or not: who draws
    /// these numbers wants the same ones each time.
    fn add_check(&mut self, name: &str, line: &StepLine, saved: &Saved) {
        let measures = measures(line);
        let time = measures.iter().find(|known| known.name == MILLISECONDS);
        let took = line.end.as_ref().and_then(|end| end.took_ms);
        let value = saved.milliseconds(&line.step).or(took).map(plain_of);
        self.add(
            name.to_owned(),
            Unit::MILLISECONDS,
            &Datum::with(value, time),
        );
        let others = measures.iter().filter(|known| known.name != MILLISECONDS);
        self.add_numbers(name, line, others, saved);
    }

    fn add_step(&mut self, line: &StepLine, saved: &Saved) {
        let name = line.step.as_str();
        if let Some(took) = line.end.as_ref().and_then(|end| end.took_ms) {
            let value = Some(seconds(took));
            self.add(name.to_owned(), Unit::SECONDS, &Datum::with(value, None));
        }
        self.add_numbers(name, line, measures(line).iter(), saved);
    }

    /// What it saved, then what its thresholds compare beside that.
    fn add_numbers<'a>(
        &mut self,
        name: &str,
        line: &StepLine,
        compared: impl Iterator<Item = &'a Measure>,
        saved: &Saved,
    ) {
        let mut compared: Vec<&Measure> = compared.collect();
        for (word, number) in saved.of(&line.step) {
            let known = compared.iter().position(|known| known.name == word);
            let known = known.map(|place| compared.remove(place));
            self.add(
                format!("{name}.{word}"),
                Unit::of(word),
                &Datum::with(Some(number), known),
            );
        }
        for measure in compared {
            self.add(
                format!("{name}.{}", measure.name),
                Unit::of(&measure.name),
                &Datum::with(measure.value.map(plain_of), Some(measure)),
            );
        }
    }

    fn add(&mut self, label: String, unit: Unit, datum: &Datum<'_>) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let label = self.unique(quoted(&label));
        // A value that is not known has no unit.
        let value = match &datum.value {
            Some(value) => format!("{value}{}", unit.symbol),
            None => "U".to_owned(),
        };
        let [warn, critical] = [datum.warn, datum.critical].map(|range| unit.range(range));
        let least = if unit.is_positive { "0" } else { "" };
        self.text
            .push_str(&format!("'{label}'={value};{warn};{critical};{least}"));
    }

    fn unique(&mut self, label: String) -> String {
        let mut wanted = label.clone();
        let mut number = 2;
        while !self.taken.insert(wanted.clone()) {
            wanted = format!("{label}_{number}");
            number += 1;
        }
        wanted
    }
}

fn measures(line: &StepLine) -> &[Measure] {
    line.end.as_ref().map_or(&[], |end| &end.measures)
}

/// A label: an equals sign would end it, a quote in it is doubled.
fn quoted(label: &str) -> String {
    match without_bar(label).as_str() {
        "" => "unnamed".to_owned(),
        label => label.replace('=', ":").replace('\'', "''"),
    }
}

/// What a number counts in, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    symbol: &'static str,
    /// Whether it is never below zero.
    is_positive: bool,
}

impl Unit {
    const NONE: Self = Self::new("", false);
    const MILLISECONDS: Self = Self::new("ms", true);
    const SECONDS: Self = Self::new("s", true);

    const fn new(symbol: &'static str, is_positive: bool) -> Self {
        Self {
            symbol,
            is_positive,
        }
    }

    /// By the last filter or the last word of a name: `json.lag_ms`, `json.started | age`, `used_percent`.
    fn of(name: &str) -> Self {
        if let Some((before, filter)) = name.rsplit_once('|') {
            let filter = filter.trim();
            return match filter.split('(').next().unwrap_or_default() {
                "age" | "seconds" => Self::new("s", false),
                "bytes" => Self::new("B", true),
                "percent" => Self::new("%", false),
                "abs" | "default" | "float" | "int" | "round" => Self::of(before),
                _ => Self::NONE,
            };
        }
        let name = name.trim();
        if name.contains([' ', '+', '*', '/', '-']) {
            return Self::NONE;
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        match last.rsplit('_').next().unwrap_or_default() {
            _ if name.starts_with("timing.") => Self::MILLISECONDS,
            "ms" | "milliseconds" => Self::MILLISECONDS,
            "seconds" => Self::new("s", false),
            "bytes" => Self::new("B", true),
            "percent" => Self::new("%", false),
            // The convention of Prometheus for what only counts up.
            "total" if last != "total" => Self::new("c", true),
            _ => Self::NONE,
        }
    }

    /// A range as it is usually written: `100` for what cannot be below zero and alerts above 100.
    fn range(self, range: Option<&str>) -> &str {
        let range = range.unwrap_or_default();
        match range.strip_prefix("~:") {
            Some(most) if self.is_positive && !most.is_empty() && !most.starts_with('-') => most,
            Some(_) | None => range,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Unit, data};
    use crate::base::Status;
    use crate::event::{Event, Measure, StepFinished, Summary, sample};
    use crate::report::measures::Saved;

    fn told(ends: Vec<StepFinished>) -> String {
        let mut saved = Saved::default();
        ends.iter().for_each(|end| saved.hear(end));
        let events = ends.into_iter().map(Event::StepFinished).collect();
        data(&Summary::of(&sample::stream(events)), &saved)
    }

    fn measure(name: &str, value: Option<f64>, warn: &str, critical: &str) -> Measure {
        let range = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Measure {
            name: name.to_owned(),
            value,
            warn: range(warn),
            critical: range(critical),
        }
    }

    #[test]
    fn a_check_tells_its_time_and_what_is_compared_with_the_configured_thresholds() {
        let mut end = sample::check_finished("api", "liveness", 0, Status::Warning);
        end.outputs.insert("ms".to_owned(), json!(112.25));
        end.saved.insert("pending".to_owned(), json!(142));
        end.saved.insert("word".to_owned(), json!("up"));
        end.measures = vec![
            measure("ms", Some(112.25), "~:100", "~:500"),
            measure("json.free_bytes", Some(1e12), "1048576:", ""),
            measure("pending", Some(142.0), "~:100", "@500:"),
            measure("json.gone", None, "~:5", ""),
        ];
        assert_eq!(
            told(vec![end]),
            "'api/liveness'=112.25ms;100;500;0 'api/liveness.pending'=142;~:100;@500:; \
             'api/liveness.json.free_bytes'=1000000000000B;1048576:;;0 'api/liveness.json.gone'=U;~:5;;"
        );
    }

    #[test]
    fn a_check_that_could_not_be_told_keeps_its_label_and_thresholds() {
        let mut end = sample::check_finished("a=b", "it's|x", 0, Status::NotRun);
        end.took_ms = None;
        end.measures = vec![measure("ms", None, "~:100", "")];
        assert_eq!(told(vec![end]), "'a:b/it''s¦x'=U;100;;0");
    }

    #[test]
    fn a_step_tells_seconds_and_its_thresholds_apart() {
        let mut end = sample::step_finished("count", Status::Ok);
        end.measures = vec![measure("ms", Some(12.0), "~:100", "")];
        assert_eq!(told(vec![end]), "'count'=0.012s;;;0 'count.ms'=12ms;100;;0");
    }

    #[test]
    fn a_name_tells_its_unit_or_none() {
        for (name, symbol) in [
            ("ms", "ms"),
            ("timing.connect", "ms"),
            ("json.lag_ms", "ms"),
            ("json.started | age", "s"),
            ("json.uptime_seconds | round", "s"),
            ("json.rss_bytes", "B"),
            ("json.size | bytes", "B"),
            ("used | percent(total)", "%"),
            ("used_percent", "%"),
            ("json.requests_total", "c"),
            ("json.total", ""),
            ("rows | length", ""),
            ("ms * 2 - base_ms", ""),
            ("json.pending", ""),
            ("", ""),
        ] {
            assert_eq!(Unit::of(name).symbol, symbol, "{name}");
        }
    }

    #[test]
    fn only_what_cannot_be_negative_is_written_short() {
        let range = |unit: Unit, text| unit.range(Some(text)).to_owned();
        assert_eq!(range(Unit::MILLISECONDS, "~:100"), "100");
        assert_eq!(range(Unit::MILLISECONDS, "~:-1"), "~:-1");
        assert_eq!(range(Unit::MILLISECONDS, "@~:1"), "@~:1");
        assert_eq!(range(Unit::NONE, "~:100"), "~:100");
    }
}
