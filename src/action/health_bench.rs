//! `health.bench`: looks again and again at the checks of a service, tells nobody of each, and gives what they amount to.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use crate::base::text::count;
use crate::base::{Effect, Histogram, Span};
use crate::config::Service;
use crate::engine::{ActionContext, ActionError, Invocation, Look, Outputs};
use crate::model::{EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

/// How long it looks unless said.
const USUAL_TIME: Span = Span::seconds(10);

/// How much time lies between the beginnings of two looks at a check unless said.
const USUAL_PAUSE: Span = Span(Duration::from_millis(100));

/// What a look consists of where its action tells, in the order in which it happens.
const PHASES: [&str; 5] = ["dns", "connect", "tls", "wait", "receive"];

/// So many lines has a distribution.
const LINES: usize = 12;

/// So many cells has the longest bar of a distribution.
const LONGEST_BAR: f64 = 40.0;

/// What is shorter than this many milliseconds stands in the first line of a distribution.
const SHORTEST: f64 = 0.001;

pub(super) const VERB: VerbSpec = VerbSpec {
    name: "bench",
    summary: "Look again and again at the checks of a service, and tell how long they take",
    object: Kind::Reference(Reference::Service),
    effect: EffectRule::Always(Effect::Read),
    options: &[
        option(
            "only",
            Kind::TextList,
            "the checks to look at: [] for all of the service",
        ),
        option("for", Kind::Duration, "how long to look: 10s unless said"),
        option(
            "every",
            Kind::Duration,
            "the time between the beginnings of two looks at a check: 100ms unless said",
        ),
    ],
    outputs: &[
        output(
            "rows",
            "check, phase, looks, failures, min, p50, p95, p99 and max, in milliseconds",
        ),
        output(
            "histogram",
            "how the lengths of all looks are spread: from, to, looks, bar",
        ),
        output("looks", "how many looks there were"),
        output(
            "failures",
            "how many of them failed: no length of theirs counts",
        ),
        output("min", "the shortest look"),
        output(
            "p50",
            "the length that half of the looks do not exceed, to 1 %",
        ),
        output(
            "p95",
            "the length that 95 of 100 looks do not exceed, to 1 %",
        ),
        output(
            "p99",
            "the length that 99 of 100 looks do not exceed, to 1 %",
        ),
        output("max", "the longest look"),
    ],
};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        required: false,
        help,
    }
}

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}

/// What the looks at one check amount to. As large after a day as after a minute.
#[derive(Clone, Debug, Default)]
struct Measured {
    looks: u64,
    failures: u64,
    /// Why the last look that failed did.
    reason: Option<String>,
    total: Histogram,
    phases: [Histogram; PHASES.len()],
}

impl Measured {
    /// Takes a look in. What failed tells nothing of how fast an answer is.
    fn add(&mut self, look: Look, elapsed: Duration) {
        self.looks += 1;
        if look.failure.is_some() {
            self.failures += 1;
            self.reason = look.failure;
            return;
        }
        let values = &look.outputs.values;
        let measured = values.get("ms").and_then(Value::as_f64);
        self.total
            .record(measured.unwrap_or_else(|| Span(elapsed).milliseconds()));
        for (phase, histogram) in PHASES.iter().zip(&mut self.phases) {
            let timing = values.get("timing").and_then(|timing| timing.get(phase));
            if let Some(length) = timing.and_then(Value::as_f64) {
                histogram.record(length);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.looks += other.looks;
        self.failures += other.failures;
        self.reason = self.reason.take().or_else(|| other.reason.clone());
        self.total.merge(&other.total);
        for (own, phase) in self.phases.iter_mut().zip(&other.phases) {
            own.merge(phase);
        }
    }

    /// A row for the whole of a look, and one for each phase that was ever measured.
    fn rows(&self, check: &str) -> Vec<Value> {
        let total = std::iter::once(("total", &self.total));
        let phases = PHASES.into_iter().zip(&self.phases);
        // An answer over plain HTTP spends no time on TLS.
        let measured = phases.filter(|(_, histogram)| histogram.max() > Some(0.0));
        let row = |(phase, histogram): (&str, &Histogram)| {
            let mut row = Map::new();
            row.insert("check".to_owned(), json!(check));
            row.insert("phase".to_owned(), json!(phase));
            row.insert("looks".to_owned(), json!(self.looks));
            row.insert("failures".to_owned(), json!(self.failures));
            row.extend(lengths(histogram));
            Value::Object(row)
        };
        total.chain(measured).map(row).collect()
    }

    /// `291 looks, 2 failed, p95 12.3 ms`
    fn in_words(&self) -> String {
        let mut words = format!("{}, {} failed", count_of(self.looks), self.failures);
        if let Some(p95) = self.total.quantile(0.95) {
            words.push_str(&format!(", p95 {} ms", rounded(p95)));
        }
        if let Some(reason) = &self.reason {
            words.push_str(&format!("; last: {reason}"));
        }
        words
    }
}

/// Looks until the time is over, or the run must stop: what was measured by then is not lost.
pub(super) async fn bench(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let (service, checks) = chosen(invocation, context)?;
    let option = |name, usual: Span| invocation.duration(name).map_or(usual, |span| *span).0;
    let pace = Pace {
        until: Instant::now() + option("for", USUAL_TIME),
        every: option("every", USUAL_PAUSE),
    };
    let measured: Vec<RefCell<Measured>> = checks.iter().map(|_| RefCell::default()).collect();
    let told = || checks.iter().copied().zip(&measured);
    let looking = told().map(|(check, measured)| {
        let all = || whole(told().map(|(_, measured)| measured));
        look_on(context, (&service.name, check), pace, measured, all)
    });
    tokio::select! {
        biased;
        () = context.cancelled() => {
            let whole = whole(&measured);
            let message = format!("cut off after {}", whole.in_words());
            Err(ActionError::own(message).outputs(outputs(told(), &whole)))
        }
        looked = try_join_all(looking) => {
            looked?;
            let whole = whole(&measured);
            Ok(outputs(told(), &whole))
        }
    }
}

/// The service and the names of the checks to look at.
fn chosen<'a>(
    invocation: &'a Invocation,
    context: &ActionContext<'a>,
) -> Result<(&'a Service, Vec<&'a str>), ActionError> {
    let name = invocation.object_text();
    let service = (context.config.service(name))
        .ok_or_else(|| ActionError::config(format!("there is no service {name:?}")))?;
    let there_are: Vec<&str> = service.checks.iter().map(|check| check.name()).collect();
    let only = invocation.list("only").unwrap_or_default();
    if let Some(unknown) = only.iter().find(|only| !there_are.contains(&only.as_str())) {
        let error = ActionError::config(format!("service {name:?} has no check {unknown:?}"));
        return Err(error.help(format!("it has {}", there_are.join(", "))));
    }
    if there_are.is_empty() {
        let error = ActionError::config(format!("service {name:?} has no checks"));
        return Err(error.help(format!("write one: [[service.{name}.check]]")));
    }
    let wanted = |check: &&str| only.is_empty() || only.iter().any(|only| only == check);
    Ok((service, there_are.into_iter().filter(wanted).collect()))
}

/// When to look.
#[derive(Clone, Copy)]
struct Pace {
    until: Instant,
    every: Duration,
}

/// Looks at one check until its time is over, at least once and never twice at the same time. A look that takes longer
/// than the pause is followed by the next at once.
async fn look_on(
    context: &ActionContext<'_>,
    (service, check): (&str, &str),
    pace: Pace,
    measured: &RefCell<Measured>,
    all: impl Fn() -> Measured,
) -> Result<(), ActionError> {
    let mut told = Instant::now();
    loop {
        let began = Instant::now();
        let look = context.nested.look(service, check, context.step).await?;
        measured.borrow_mut().add(look, began.elapsed());
        if told.elapsed() >= Duration::from_secs(1) {
            (context.progress)(all().in_words());
            told = Instant::now();
        }
        let next = began + pace.every;
        if next.max(Instant::now()) >= pace.until {
            return Ok(());
        }
        sleep_until(next).await;
    }
}

fn whole<'a>(measured: impl IntoIterator<Item = &'a RefCell<Measured>>) -> Measured {
    let mut whole = Measured::default();
    for part in measured {
        whole.merge(&part.borrow());
    }
    whole
}

fn outputs<'a>(
    told: impl Iterator<Item = (&'a str, &'a RefCell<Measured>)>,
    whole: &Measured,
) -> Outputs {
    let rows: Vec<Value> = told
        .flat_map(|(check, measured)| measured.borrow().rows(check))
        .collect();
    let mut outputs = Outputs::new(whole.in_words())
        .with("rows", rows)
        .with("histogram", spread(&whole.total))
        .with("looks", whole.looks)
        .with("failures", whole.failures);
    outputs.values.extend(lengths(&whole.total));
    outputs
}

/// The least, the greatest and the percentiles, in milliseconds; null where nothing was measured.
fn lengths(histogram: &Histogram) -> [(String, Value); 5] {
    let at = |share| json!(histogram.quantile(share).map(rounded));
    [
        ("min".to_owned(), json!(histogram.min().map(rounded))),
        ("p50".to_owned(), at(0.5)),
        ("p95".to_owned(), at(0.95)),
        ("p99".to_owned(), at(0.99)),
        ("max".to_owned(), json!(histogram.max().map(rounded))),
    ]
}

/// How lengths are spread, in lines of which each reaches as many times as far as the one before.
fn spread(histogram: &Histogram) -> Vec<Value> {
    let (Some(least), Some(greatest)) = (histogram.min(), histogram.max()) else {
        return Vec::new();
    };
    let (low, high) = (least.max(SHORTEST), greatest.max(SHORTEST));
    // Closer than the buckets of the histogram nothing can be told apart.
    let possible = ((high / low).ln() / (2.0 * Histogram::ERROR)).ceil();
    let lines = (possible as usize).clamp(1, LINES);
    let factor = (high / low).powf(1.0 / lines as f64);
    let mut counts = vec![0_u64; lines];
    for bucket in histogram.buckets() {
        let middle = (bucket.low * bucket.high).sqrt().clamp(low, high);
        let line = match factor > 1.0 {
            true => ((middle / low).ln() / factor.ln()) as usize,
            false => 0,
        };
        counts[line.min(lines - 1)] += bucket.count;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let line = |(index, looks): (usize, &u64)| {
        let bound = |index: usize| rounded(low * factor.powi(index as i32));
        json!({
            "from": bound(index),
            "to": bound(index + 1),
            "looks": looks,
            "bar": bar(*looks as f64 / most),
        })
    };
    counts.iter().enumerate().map(line).collect()
}

/// A bar of this share of the longest, in eighths of a cell; something is never shown as nothing.
fn bar(share: f64) -> String {
    let eighths = (share * LONGEST_BAR * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// Milliseconds as a person reads them: three digits that count, no more than three decimals.
fn rounded(milliseconds: f64) -> f64 {
    let decimals = match milliseconds {
        long if long >= 100.0 => 1.0,
        middle if middle >= 10.0 => 10.0,
        short if short >= 1.0 => 100.0,
        _ => 1000.0,
    };
    (milliseconds * decimals).round() / decimals
}

fn count_of(looks: u64) -> String {
    count(usize::try_from(looks).unwrap_or(usize::MAX), "look")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{LINES, LONGEST_BAR, Measured, bar, outputs, rounded, spread};
    use crate::base::Histogram;
    use crate::engine::{Look, Outputs};

    fn look(ms: f64, wait: f64) -> Look {
        let timing = json!({"dns": null, "wait": wait});
        Look {
            outputs: Outputs::new("").with("ms", ms).with("timing", timing),
            failure: None,
        }
    }

    fn failed(ms: f64) -> Look {
        Look {
            failure: Some("refused".to_owned()),
            ..look(ms, ms)
        }
    }

    #[test]
    fn looks_that_failed_are_counted_and_not_measured() {
        let mut measured = Measured::default();
        for ms in 1..=99 {
            measured.add(look(f64::from(ms), 0.5), Duration::ZERO);
        }
        measured.add(failed(100_000.0), Duration::ZERO);
        let whole = outputs([("ready", &measured.clone().into())].into_iter(), &measured);
        assert_eq!(whole.values["looks"], json!(100));
        assert_eq!(whole.values["failures"], json!(1));
        assert_eq!(whole.values["max"], json!(99.0));
        let near = |name: &str, exact: f64| {
            let told = whole.values[name].as_f64().unwrap_or_default();
            assert!((told / exact - 1.0).abs() <= 0.02, "{name} {told}");
        };
        near("p50", 50.0);
        near("p95", 95.0);
        let rows = whole.values["rows"].as_array().cloned().unwrap_or_default();
        let phases: Vec<_> = rows.iter().map(|row| &row["phase"]).collect();
        assert_eq!(phases, ["total", "wait"]);
        assert_eq!(rows[1]["p99"], json!(0.5));
        assert!(
            whole.detail.starts_with("100 looks, 1 failed, p95 9"),
            "{}",
            whole.detail
        );
        assert!(
            whole.detail.ends_with("; last: refused"),
            "{}",
            whole.detail
        );
    }

    #[test]
    fn what_its_action_does_not_measure_is_measured_on_the_wall() {
        let mut measured = Measured::default();
        let silent = Look {
            outputs: Outputs::default(),
            failure: None,
        };
        measured.add(silent, Duration::from_millis(7));
        assert_eq!(measured.total.max(), Some(7.0));
    }

    #[test]
    fn nothing_measured_is_null_and_no_line() {
        let mut measured = Measured::default();
        measured.add(failed(1.0), Duration::ZERO);
        let whole = outputs([].into_iter(), &measured);
        assert_eq!(whole.values["p95"], Value::Null);
        assert_eq!(whole.values["histogram"], json!([]));
        assert_eq!(whole.detail, "1 look, 1 failed; last: refused");
    }

    #[test]
    fn a_bar_is_never_longer_than_its_column_and_something_is_never_nothing() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1e-9), "▏");
        assert_eq!(bar(1.0).chars().count(), LONGEST_BAR as usize);
    }

    #[test]
    fn three_digits_count() {
        let told = [1234.56, 56.78, 1.2345, 0.01239].map(rounded);
        assert_eq!(told, [1235.0, 56.8, 1.23, 0.012]);
    }

    proptest! {
        #[test]
        fn every_length_stands_in_one_line(lengths in prop::collection::vec(0.0..1e6_f64, 1..200)) {
            let mut histogram = Histogram::default();
            lengths.iter().for_each(|length| histogram.record(*length));
            let lines = spread(&histogram);
            prop_assert!((1..=LINES).contains(&lines.len()));
            let sum: u64 = lines.iter().filter_map(|line| line["looks"].as_u64()).sum();
            prop_assert_eq!(sum, lengths.len() as u64);
            for line in &lines {
                prop_assert_eq!(line["looks"] == 0, line["bar"] == "");
            }
        }
    }
}
