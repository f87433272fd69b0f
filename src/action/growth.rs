//! `growth`: how numbers have grown since somebody looked before. What it tells of databases stands with them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::base::Effect;
use crate::base::text::{fit, one_line};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, JournalError, Outputs, Reading,
    Subject,
};
use crate::expr::Argument;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// `growth.of`.
pub(super) struct Growth;

/// How `growth.since` is described, and that of other actions that tell growth.
pub(super) const SINCE: OptionSpec = OptionSpec {
    name: "since",
    kind: Kind::Duration,
    required: false,
    help: "tell what has grown since somebody looked at least this long ago; since the last look unless given",
};

static SPEC: ActionSpec = ActionSpec {
    name: "growth",
    summary: "Tell how numbers have grown since they were last looked at",
    verbs: &[VerbSpec {
        name: "of",
        summary: "Evaluate expressions and compare each number with what it was; the last of each day is kept for 400 days, but for a dry run",
        object: Kind::Values,
        effect: EffectRule::Always(Effect::Read),
        options: &[
            OptionSpec {
                name: "name",
                kind: Kind::Text,
                required: true,
                help: "what the numbers are of: those of one name are compared with each other, whichever runbook looks",
            },
            SINCE,
        ],
        outputs: &[
            OutputSpec {
                name: "rows",
                help: "rows {name, value, before, grown, percent, since}; null the first time",
            },
            OutputSpec {
                name: "numbers",
                help: "the same as one table from names to such rows: numbers.requests.grown",
            },
        ],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Growth {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let numbers = numbers(&invocation.object)?;
            let name = invocation.text("name").unwrap_or_default();
            if name.is_empty() {
                return Err(ActionError::config("`growth.name` is empty")
                    .help("name what the numbers are of: growth.name = \"requests\""));
            }
            let subject = Subject::of(context.config, format!("growth/{name}"));
            let since = invocation.duration("since").map(|since| since.0);
            compare(&subject, &numbers, since, context)
        })
    }
}

/// The numbers that were asked for.
fn numbers(object: &Argument) -> Result<BTreeMap<String, f64>, ActionError> {
    let Argument::Values(values) = object else {
        return Err(ActionError::config("there are no numbers to compare"));
    };
    let number = |(name, value): (&String, &Value)| match value.as_f64() {
        Some(number) => Ok((name.clone(), number)),
        None => Err(ActionError::target(format!("{name} is no number: {value}"))
            .help("it can be made one: `| int` or `| float`")),
    };
    values.iter().map(number).collect()
}

fn compare(
    subject: &Subject,
    numbers: &BTreeMap<String, f64>,
    since: Option<Duration>,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let until = moment_before(context.now, since);
    let before = context.samples.readings(subject, until);
    let before = before.map_err(|error| unknown(&error))?;
    let rows: Vec<(&String, Value)> = numbers
        .iter()
        .map(|(name, value)| (name, row(name, *value, before.get(name))))
        .collect();
    let told: Vec<String> = rows
        .iter()
        .map(|(name, row)| match &row["grown"] {
            Value::Null => format!("{name} {}, for the first time", row["value"]),
            grown => {
                let sign = if grown.as_f64() > Some(0.0) { "+" } else { "" };
                format!("{name} {} ({sign}{grown})", row["value"])
            }
        })
        .collect();
    let by_name: Map<String, Value> = rows
        .iter()
        .map(|(name, row)| ((*name).clone(), row.clone()))
        .collect();
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    let outputs = Outputs::new(fit(&one_line(&told.join(", ")), 160))
        .with("rows", rows)
        .with("numbers", by_name);
    if context.keeps {
        let kept = context.samples.keep_readings(subject, context.now, numbers);
        if let Err(error) = kept {
            return Err(unknown(&error).outputs(outputs));
        }
    }
    Ok(outputs)
}

fn row(name: &str, value: f64, before: Option<&Reading>) -> Value {
    let grown = before.map(|before| value - before.value);
    let percent = before.and_then(|before| {
        let share = (value - before.value) / before.value.abs();
        share.is_finite().then(|| (share * 1000.0).round() / 10.0)
    });
    json!({
        "name": name,
        "value": as_written(value),
        "before": before.map(|before| as_written(before.value)),
        "grown": grown.map(as_written),
        "percent": percent,
        "since": before.map(|before| written(before.at)),
    })
}

/// A moment so long ago. A span that reaches before all time is before all that was read.
pub(super) fn moment_before(now: DateTime<Utc>, age: Option<Duration>) -> DateTime<Utc> {
    let age = TimeDelta::from_std(age.unwrap_or_default()).ok();
    age.and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// A moment as it stands in rows.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number as JSON has it: a whole one without a point.
pub(super) fn as_written(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}

/// What the look before saw is not known, or this one is not kept for the next.
pub(super) fn unknown(error: &JournalError) -> ActionError {
    ActionError::own(format!("it cannot be told how it has grown: {error}"))
}
