//! The one way out of a run: masks an event, numbers it, hands it to the journal and only then to those who watch.

use std::cell::{Cell, RefCell};

use serde_json::{Map, Value};

use crate::base::text::beginning;
use crate::base::{Clock, Masker, RunId, StepKey};
use crate::event::{
    ApprovalRequested, Envelope, Event, FindingRaised, Measure, Preview, RunApproved, RunFinished,
    RunResumed, StepFinished, StepTable, VERSION,
};

use super::{Durability, Journal, JournalError, Progress, Sink};

/// A text output longer than this many bytes is kept with its first and last part. Later steps see what is kept.
const LONGEST_TEXT: usize = 1024 * 1024;

/// A cause or reason longer than this many bytes is cut: it may quote an answer of any length, and is there to be read.
const LONGEST_CAUSE: usize = 1024;

/// Writes down what happens.
pub(super) struct Recorder<'a> {
    run: RunId,
    next: Cell<u64>,
    masker: &'a Masker,
    clock: &'a dyn Clock,
    journal: &'a dyn Journal,
    sink: RefCell<&'a mut dyn Sink>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        run: RunId,
        next: u64,
        masker: &'a Masker,
        clock: &'a dyn Clock,
        journal: &'a dyn Journal,
        sink: &'a mut dyn Sink,
    ) -> Self {
        Self {
            run,
            next: Cell::new(next),
            masker,
            clock,
            journal,
            sink: RefCell::new(sink),
        }
    }

    /// The run that is recorded.
    pub(super) const fn run(&self) -> RunId {
        self.run
    }

    /// The number of the next event.
    pub(super) const fn next(&self) -> u64 {
        self.next.get()
    }

    /// Keeps an event, then tells it. When the journal cannot take it nobody is told, and it is given back.
    pub(super) fn record(
        &self,
        event: Event,
        durability: Durability,
    ) -> Result<(), Box<(JournalError, Event)>> {
        let envelope = self.envelope(event);
        match self
            .journal
            .append(std::slice::from_ref(&envelope), durability)
        {
            Ok(()) => {
                self.sink.borrow_mut().event(&envelope);
                Ok(())
            }
            Err(error) => Err(Box::new((error, envelope.event))),
        }
    }

    /// Tells an event without keeping it: the journal is broken.
    pub(super) fn tell(&self, event: Event) {
        let envelope = self.envelope(event);
        self.sink.borrow_mut().event(&envelope);
    }

    fn envelope(&self, event: Event) -> Envelope {
        let seq = self.next.replace(self.next.get() + 1);
        Envelope {
            version: VERSION,
            run: self.run,
            seq,
            at: self.clock.now(),
            event: shortened(masked(self.masker, event)),
        }
    }

    /// Tells a sign of life.
    pub(super) fn progress(&self, step: &StepKey, message: &str) {
        self.sink.borrow_mut().progress(&Progress {
            step: step.clone(),
            message: self.masker.text(message),
        });
    }
}

/// The event with a cause and a reason that a person can read. Secrets are masked before, or a cut would leave half of one.
fn shortened(mut event: Event) -> Event {
    match &mut event {
        Event::FindingRaised(finding) => shorten(&mut finding.cause),
        Event::RunFinished(end) => shorten(&mut end.reason),
        _ => {}
    }
    event
}

fn shorten(text: &mut String) {
    let kept = beginning(text, LONGEST_CAUSE).len();
    if kept < text.len() {
        text.truncate(kept);
        text.push('…');
    }
}

/// The event without secrets.
fn masked(masker: &Masker, event: Event) -> Event {
    if masker.is_empty() {
        return event;
    }
    match event {
        Event::RunStarted(mut start) => {
            for (name, value) in std::mem::take(&mut start.inputs) {
                if masker.finds_in_json(&value) && !start.withheld.contains(&name) {
                    start.withheld.push(name.clone());
                }
                start.inputs.insert(name, masker.json(value));
            }
            start.reason = start.reason.map(|reason| masker.text(&reason));
            start.incident = start.incident.map(|incident| masker.text(&incident));
            Event::RunStarted(start)
        }
        Event::StepRetried(mut retry) => {
            retry.reason = masker.text(&retry.reason);
            Event::StepRetried(retry)
        }
        Event::StepFinished(end) => Event::StepFinished(masked_end(masker, end)),
        Event::FindingRaised(finding) => Event::FindingRaised(FindingRaised {
            cause: masker.text(&finding.cause),
            remedy: finding.remedy.map(|remedy| masker.text(&remedy)),
            ..finding
        }),
        Event::RunFinished(end) => Event::RunFinished(RunFinished {
            reason: masker.text(&end.reason),
            ..end
        }),
        Event::RunResumed(resumed) => Event::RunResumed(RunResumed {
            reason: resumed.reason.map(|reason| masker.text(&reason)),
            incident: resumed.incident.map(|incident| masker.text(&incident)),
            ..resumed
        }),
        Event::ApprovalRequested(request) => Event::ApprovalRequested(ApprovalRequested {
            because: masker.text(&request.because),
            ..request
        }),
        Event::RunApproved(approved) => Event::RunApproved(RunApproved {
            reason: approved.reason.map(|reason| masker.text(&reason)),
            ..approved
        }),
        other @ (Event::StepStarted(_)
        | Event::LockTakenOver(_)
        | Event::JournalPruned(_)
        | Event::Other(_)) => other,
    }
}

/// The end of a step without secrets. Where that changed what the step gave, it says so.
fn masked_end(masker: &Masker, end: StepFinished) -> StepFinished {
    // An answer may be millions of values: it is looked through, and no copy of it is compared.
    let hides = |map: &Map<String, Value>| {
        map.iter()
            .any(|(key, value)| masker.finds_in(key) || masker.finds_in_json(value))
    };
    let (in_outputs, in_saved) = (hides(&end.outputs), hides(&end.saved));
    let masked = |map, hides| match hides {
        true => masked_map(masker, map),
        false => map,
    };
    StepFinished {
        withheld: end.withheld || in_outputs || in_saved,
        outputs: masked(end.outputs, in_outputs),
        saved: masked(end.saved, in_saved),
        detail: masker.text(&end.detail),
        help: end.help.map(|help| masker.text(&help)),
        table: end.table.map(|table| masked_table(masker, table)),
        artifact: end.artifact.map(|path| masker.text(&path)),
        preview: end.preview.map(|preview| Preview {
            sent: masker.text(&preview.sent),
            sample: preview.sample.map(|sample| masked_table(masker, sample)),
            ..preview
        }),
        measures: end
            .measures
            .into_iter()
            .filter(|measure| !hides_in_measure(masker, measure))
            .collect(),
        ..end
    }
}

/// Rows without secrets.
pub(super) fn masked_table(masker: &Masker, table: StepTable) -> StepTable {
    let columns = table.columns.iter();
    StepTable {
        columns: columns.map(|column| masker.text(column)).collect(),
        remark: table.remark.map(|remark| masker.text(&remark)),
        rows: table
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| masker.json(cell)).collect())
            .collect(),
        ..table
    }
}

/// Whether a number or its limits are a secret: half of it says nothing.
fn hides_in_measure(masker: &Masker, measure: &Measure) -> bool {
    let value = measure.value.map(|value| value.to_string());
    [&value, &measure.warn, &measure.critical]
        .into_iter()
        .flatten()
        .chain([&measure.name])
        .any(|text| masker.finds_in(text))
}

fn masked_map(masker: &Masker, map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter()
        .map(|(key, value)| (key, masker.json(value)))
        .collect()
}

/// The outputs as they are kept: texts beyond the limit with their first and last part, and a word on what is between.
pub(super) fn bounded(outputs: Map<String, Value>, masker: &Masker) -> Map<String, Value> {
    fn bound(value: Value, masker: &Masker) -> Value {
        match value {
            Value::String(text) if text.len() > LONGEST_TEXT => {
                Value::String(ends_of(&text, masker))
            }
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| bound(item, masker)).collect())
            }
            Value::Object(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| (key, bound(item, masker)))
                    .collect(),
            ),
            other => other,
        }
    }
    outputs
        .into_iter()
        .map(|(key, value)| (key, bound(value, masker)))
        .collect()
}

fn ends_of(text: &str, masker: &Masker) -> String {
    let mut head = LONGEST_TEXT / 2;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = text.len() - LONGEST_TEXT / 2;
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!(
        "{}\n… {} bytes left out …\n{}",
        masker.before_cut(&text[..head]),
        tail - head,
        masker.after_cut(&text[tail..])
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{LONGEST_TEXT, Masker, Measure, StepFinished, bounded, masked_end};
    use crate::base::{Secret, Status};
    use crate::event::sample;

    #[test]
    fn a_long_text_keeps_its_ends_and_says_what_is_missing() {
        let mut outputs = Map::new();
        outputs.insert(
            "stdout".to_owned(),
            json!(format!("first{}last", "ü".repeat(LONGEST_TEXT))),
        );
        outputs.insert("code".to_owned(), json!(0));
        let kept = bounded(outputs, &Masker::default());
        let text = kept["stdout"].as_str().unwrap_or_default();
        assert!(
            text.starts_with("first") && text.ends_with("last") && text.contains("bytes left out")
        );
        assert!(text.len() < LONGEST_TEXT + 100);
        assert_eq!(kept["code"], 0);
    }

    #[test]
    fn a_number_that_is_a_secret_is_not_told_to_monitoring() {
        let masker = Masker::new([&Secret::new("731842".to_owned())]);
        let measure = |name: &str, value: f64, warn: &str| Measure {
            name: name.to_owned(),
            value: Some(value),
            warn: Some(warn.to_owned()),
            critical: None,
        };
        let end = StepFinished {
            measures: vec![
                measure("json.pin", 731_842.0, "~:5"),
                measure("json.tries", 3.0, "~:731842"),
                measure("json.left", 4.0, "~:5"),
            ],
            ..sample::step_finished("a", Status::Ok)
        };
        let told = masked_end(&masker, end).measures;
        assert_eq!(told, [measure("json.left", 4.0, "~:5")]);
    }
}
