//! `baseline`: keeps what checks saw in a good time, and tells what has become worse since.

mod compare;
mod statistics;

use serde_json::{Value, json};

use crate::base::text::{count, one_line};
use crate::base::{Effect, Severity, Span, Status};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Baseline, Dry, End, Invocation, JournalError,
    Outputs, Period, Seen, Series, Tally,
};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

use super::health_report::checks;
use compare::{Change, LEAST, Pair, changes};

/// `baseline.*`
pub(super) struct Baselines;

/// The longest name.
const LONGEST_NAME: usize = 100;

static SPEC: ActionSpec = ActionSpec {
    name: "baseline",
    summary: "Hold checks against a time when they were well",
    verbs: &[
        VerbSpec {
            name: "save",
            summary: "Keep what all checks saw lately under this name",
            object: Kind::Text,
            // What opsbook remembers is no part of the world.
            effect: EffectRule::Always(Effect::Read),
            options: &[since("how far to look back: 1h unless given")],
            outputs: &[OutputSpec {
                name: "rows",
                help: "the checks: service, check, looks, p50, p95 (ms), failed (percent)",
            }],
        },
        VerbSpec {
            name: "list",
            summary: "The baselines whose names begin so: \"\" for all",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[],
            outputs: &[OutputSpec {
                name: "rows",
                help: "the baselines: name, saved, from, to, checks, looks",
            }],
        },
        VerbSpec {
            name: "compare",
            summary: "Tell which checks became slower or fail more often than in this baseline, beyond chance",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[since("how far to look back: 15m unless given")],
            outputs: &[OutputSpec {
                name: "rows",
                help: "the checks: service, check, change (failing, slower, same, cannot tell yet, gone), p50_before, p50, p95_before, p95 (ms), failed_before, failed (percent), looks, chance (that it is none)",
            }],
        },
    ],
    options: &[],
    outputs: &[],
    timeout: None,
};

const fn since(help: &'static str) -> OptionSpec {
    OptionSpec {
        name: "since",
        kind: Kind::Duration,
        required: false,
        help,
    }
}

impl Action for Baselines {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    /// A dry run remembers nothing.
    fn dry_of(&self, verb: &VerbSpec) -> Dry {
        match verb.name {
            "save" => Dry::Shown,
            _ => Dry::ByEffect,
        }
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            match invocation.verb.name {
                "save" => save(invocation, context),
                "list" => list(invocation, context),
                "compare" => compare(invocation, context),
                other => Err(ActionError::config(format!(
                    "baseline has no verb {other:?}"
                ))),
            }
        })
    }
}

fn own(error: &JournalError) -> ActionError {
    ActionError::own(error.to_string())
}

fn period(invocation: &Invocation, context: &ActionContext<'_>, usual: u64) -> Period {
    let since = invocation.duration("since").copied();
    Period::before(context.now, since.unwrap_or(Span::seconds(usual)))
}

/// What was seen of all checks.
fn seen(context: &ActionContext<'_>, period: Period) -> Result<Vec<(Series, Tally)>, ActionError> {
    let tally = |(service, check): (&str, &crate::config::Check)| {
        let series = Series::of(context.config, service, check.name());
        let mut tally = Tally::default();
        context
            .samples
            .history(&series, period, &mut |seen| match seen {
                Seen::Look(sample) => tally.add(&sample),
                Seen::Hour(_, hour) => tally.merge(&hour),
            })
            .map_err(|error| own(&error))?;
        Ok((series, tally))
    };
    checks(&[], context)?.into_iter().map(tally).collect()
}

/// The baselines of this project and environment.
fn kept(context: &ActionContext<'_>) -> Result<Vec<Baseline>, ActionError> {
    let config = context.config;
    let project = config.project.as_deref().unwrap_or_default();
    let environment = config.environment.as_deref().unwrap_or_default();
    let kept = context.samples.baselines(project, environment);
    kept.map_err(|error| own(&error))
}

fn save(invocation: &Invocation, context: &ActionContext<'_>) -> Result<Outputs, ActionError> {
    let name = invocation.object_text();
    if name.trim().is_empty() || name.len() > LONGEST_NAME || one_line(name) != name {
        return Err(ActionError::config(format!(
            "a baseline's name is one line of 1 to {LONGEST_NAME} bytes"
        )));
    }
    let period = period(invocation, context, 3600);
    let checks = seen(context, period)?;
    let looks: u64 = checks.iter().map(|(_, tally)| tally.count()).sum();
    if looks == 0 {
        return Err(ActionError::own("nobody has looked in that time")
            .help("run `opsbook health` for a while, or look further back: --since 1d"));
    }
    let few = checks.iter().filter(|(_, tally)| tally.count() < LEAST);
    let few = few.count();
    let rows: Vec<Value> = checks
        .iter()
        .map(|(series, tally)| {
            json!({
                "service": series.service,
                "check": series.check,
                "looks": tally.count(),
                "p50": length(tally, 0.5),
                "p95": length(tally, 0.95),
                "failed": failed(tally),
            })
        })
        .collect();
    let baseline = Baseline {
        project: context.config.project.clone().unwrap_or_default(),
        environment: context.config.environment.clone().unwrap_or_default(),
        name: name.to_owned(),
        saved_at: context.now,
        period,
        checks,
    };
    let replaced = context
        .samples
        .keep_baseline(&baseline)
        .map_err(|error| own(&error))?;
    let mut detail = format!(
        "{name}: {} of {}",
        count(looks as usize, "look"),
        count(rows.len(), "check")
    );
    if replaced {
        detail.push_str(", in the place of an earlier one");
    }
    if few > 0 {
        detail.push_str(&format!(
            "; {few} with fewer than {LEAST}, too few to compare"
        ));
    }
    Ok(Outputs::new(detail).with("rows", rows).with(
        "columns",
        vec!["service", "check", "looks", "p50", "p95", "failed"],
    ))
}

fn list(invocation: &Invocation, context: &ActionContext<'_>) -> Result<Outputs, ActionError> {
    let begins = invocation.object_text();
    let mut kept = kept(context)?;
    kept.retain(|baseline| baseline.name.starts_with(begins));
    let rows: Vec<Value> = kept
        .iter()
        .map(|baseline| {
            let minute =
                |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
            json!({
                "name": baseline.name,
                "saved": minute(baseline.saved_at),
                "from": minute(baseline.period.from),
                "to": minute(baseline.period.to),
                "checks": baseline.checks.len(),
                "looks": baseline.checks.iter().map(|(_, tally)| tally.count()).sum::<u64>(),
            })
        })
        .collect();
    let detail = match rows.len() {
        0 => "there are none; `opsbook health baseline save NAME` keeps one".to_owned(),
        many => count(many, "baseline"),
    };
    Ok(Outputs::new(detail).with("rows", rows).with(
        "columns",
        vec!["name", "saved", "from", "to", "checks", "looks"],
    ))
}

fn compare(invocation: &Invocation, context: &ActionContext<'_>) -> Result<Outputs, ActionError> {
    let name = invocation.object_text();
    let kept = kept(context)?;
    let Some(baseline) = kept.iter().find(|baseline| baseline.name == name) else {
        let names: Vec<&str> = kept.iter().map(|baseline| baseline.name.as_str()).collect();
        let help = match names.as_slice() {
            [] => "`opsbook health baseline save NAME` keeps one".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        return Err(ActionError::config(format!("there is no baseline {name:?}")).help(help));
    };
    let after = seen(context, period(invocation, context, 900))?;
    let nothing = Tally::default();
    let before_of = |series: &Series| {
        let mut kept = baseline.checks.iter();
        let found = kept.find(|(other, _)| other == series);
        found.map_or(&nothing, |(_, tally)| tally)
    };
    let pairs: Vec<Pair<'_>> = after
        .iter()
        .map(|(series, after)| Pair {
            before: before_of(series),
            after,
        })
        .collect();
    let changes = changes(&pairs);
    let mut rows = Vec::new();
    let mut counts = [0_usize; 4];
    let mut worst: Option<String> = None;
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|index| changes[*index].0 as u8);
    for index in order {
        let ((series, _), pair, (change, chance)) = (&after[index], &pairs[index], changes[index]);
        counts[change as usize] += 1;
        if worst.is_none() && change != Change::Same {
            worst = Some(format!(
                "{} {}: {}",
                series.service,
                series.check,
                change.as_str()
            ));
        }
        rows.push(changed(series, pair, change, chance));
    }
    // A check that the configuration describes no longer is told, and says nothing of the deploy.
    for (series, tally) in &baseline.checks {
        if !after.iter().any(|(other, _)| other == series) {
            rows.push(json!({
                "service": series.service,
                "check": series.check,
                "change": "gone",
                "p50_before": length(tally, 0.5),
                "p95_before": length(tally, 0.95),
                "failed_before": failed(tally),
                "looks": 0,
            }));
        }
    }
    let same = counts[Change::Same as usize];
    let mut outputs = Outputs::new(
        worst.unwrap_or_else(|| format!("{} no worse than {name}", count(same, "check"))),
    )
    .with("rows", rows)
    .with(
        "columns",
        vec![
            "service",
            "check",
            "change",
            "p50_before",
            "p50",
            "p95_before",
            "p95",
            "failed_before",
            "failed",
            "looks",
        ],
    );
    outputs.end = Some(end_of(counts));
    Ok(outputs)
}

/// The row of a check before and after.
fn changed(series: &Series, pair: &Pair<'_>, change: Change, chance: Option<f64>) -> Value {
    json!({
        "service": series.service,
        "check": series.check,
        "change": change.as_str(),
        "p50_before": length(pair.before, 0.5),
        "p50": length(pair.after, 0.5),
        "p95_before": length(pair.before, 0.95),
        "p95": length(pair.after, 0.95),
        "failed_before": failed(pair.before),
        "failed": failed(pair.after),
        "looks": pair.after.count(),
        "chance": chance,
    })
}

/// How a comparison ends, by how many checks are failing, slower, the same, and too little looked at.
fn end_of([failing, slower, _, too_few]: [usize; 4]) -> End {
    let (status, severity) = match (failing, too_few, slower) {
        (1.., _, _) => (Status::Critical, Some(Severity::P1)),
        (0, 1.., _) => (Status::Unknown, None),
        (0, 0, 1..) => (Status::Warning, Some(Severity::P3)),
        (0, 0, 0) => (Status::Ok, None),
    };
    End {
        status,
        severity,
        failed: false,
    }
}

/// A percentile in milliseconds.
fn length(tally: &Tally, share: f64) -> Option<f64> {
    let length = tally.lengths.quantile(share);
    length.map(|ms| (ms * 10.0).round() / 10.0)
}

/// The share of the looks that found it down, in percent.
fn failed(tally: &Tally) -> Option<f64> {
    let failed = tally.availability().map(|share| (1.0 - share) * 100.0);
    failed.map(|failed| (failed * 1000.0).round() / 1000.0)
}
