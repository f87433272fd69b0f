//! `health.report`: what checks were held to and what became of it, from what the store keeps of their looks.

mod figures;
mod trend;

use serde_json::{Map, Value, json};

use crate::base::text::{count, took};
use crate::base::{Effect, Severity, Span, Status};
use crate::config::{Check, Objective};
use crate::engine::{ActionContext, ActionError, End, Invocation, Outputs, Period, Series};
use crate::model::{EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

use super::checks;

use figures::Figures;

/// The time that a report looks back where neither it nor an objective says another.
const USUAL: Span = Span::seconds(30 * 86_400);

/// The verb.
pub(super) const VERB: VerbSpec = VerbSpec {
    name: "report",
    summary: "Tell how the checks of these services kept to their objectives: [] for those of all",
    object: Kind::TextList,
    effect: EffectRule::Always(Effect::Read),
    options: &[OptionSpec {
        name: "since",
        kind: Kind::Duration,
        required: false,
        help: "how far to look back; 0s or not given: the window of each objective, else 30d",
    }],
    outputs: &[OutputSpec {
        name: "rows",
        help: "the checks: service, check, status, availability (percent), goal, goal_p95 (ms), budget, budget_left (percent), budget_ms, p50, p95, p99 (ms), trend, outage, outage_ms, outage_began, looks, seen (percent of the hours), exact, detail",
    }],
};

/// The columns that a table shows.
const COLUMNS: [&str; 11] = [
    "service",
    "check",
    "availability",
    "goal",
    "budget",
    "p50",
    "p95",
    "p99",
    "trend",
    "outage",
    "seen",
];

/// What a check was held to and missed.
struct Missed {
    severity: Severity,
    why: String,
}

/// Makes the report.
pub(super) fn run(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let since = invocation.duration("since").copied();
    let since = since.filter(|since| !since.0.is_zero());
    let mut rows = Vec::new();
    let mut unseen = 0;
    let mut worst: Option<(Severity, String)> = None;
    for (service, check) in checks(invocation.object_list(), context)? {
        let length = since.or(check.objective.window).unwrap_or(USUAL);
        let period = Period::before(context.now, length);
        let series = Series::of(context.config, service, check.name());
        let figures = Figures::read(context.samples, &series, period)
            .map_err(|error| ActionError::own(error.to_string()))?;
        unseen += usize::from(figures.total.count() == 0);
        let missed = missed(&figures, check.objective);
        rows.push(row(service, check, &figures, missed.as_ref(), length));
        if let Some(Missed { severity, why }) = missed
            && worst.as_ref().is_none_or(|(worst, _)| severity < *worst)
        {
            worst = Some((severity, format!("{service} {}: {why}", check.name())));
        }
    }
    if unseen == rows.len() {
        return Ok(nothing_to_tell());
    }
    let end = worst.as_ref().map(|(severity, _)| End {
        status: severity.verdict().into(),
        severity: Some(*severity),
        failed: false,
    });
    let detail = match worst {
        Some((_, why)) => why,
        None => within(rows.len() - unseen, unseen),
    };
    let mut outputs = Outputs::new(detail)
        .with("rows", rows)
        .with("columns", COLUMNS.to_vec());
    outputs.end = end.or(Some(End {
        status: Status::Ok,
        severity: None,
        failed: false,
    }));
    Ok(outputs)
}

/// What is said where no objective was missed: of what nobody looked at it says so.
fn within(seen: usize, unseen: usize) -> String {
    let objectives = if seen == 1 {
        "its objective"
    } else {
        "their objectives"
    };
    let mut text = format!("{} within {objectives}", count(seen, "check"));
    if unseen > 0 {
        text.push_str(&format!("; nobody looked at {unseen}"));
    }
    text
}

/// Where nobody looked nothing is known, and a table of nothing would not say so.
fn nothing_to_tell() -> Outputs {
    let mut outputs = Outputs::new(
        "nobody has looked in that time; `opsbook health` looks and keeps what it saw",
    )
    .with("rows", Vec::<Value>::new())
    .with("columns", COLUMNS.to_vec());
    outputs.end = Some(End {
        status: Status::Unknown,
        severity: None,
        failed: false,
    });
    outputs
}

/// What of its objective a check missed: a used-up budget is critical, slow answers are a warning.
fn missed(figures: &Figures, objective: Objective) -> Option<Missed> {
    if let (Some(goal), Some(share)) = (objective.availability, figures.total.availability())
        && share * 100.0 < goal
    {
        return Some(Missed {
            severity: Severity::P1,
            why: format!("available {} %, wanted {goal} %", percent(share)),
        });
    }
    let (goal, p95) = (objective.p95?, figures.quantile(0.95)?);
    (p95 > goal.milliseconds()).then(|| Missed {
        severity: Severity::P2,
        why: format!("p95 is {}, wanted {goal}", took(p95)),
    })
}

/// The share of the error budget that is left, from 1 down; below 0 where more was used than there was.
fn budget_left(figures: &Figures, objective: Objective) -> Option<f64> {
    let allowed = 1.0 - objective.availability? / 100.0;
    let used = 1.0 - figures.total.availability()?;
    Some(match (allowed > 0.0, used > 0.0) {
        (true, _) => 1.0 - used / allowed,
        (false, true) => -1.0,
        (false, false) => 1.0,
    })
}

fn row(
    service: &str,
    check: &Check,
    figures: &Figures,
    missed: Option<&Missed>,
    length: Span,
) -> Value {
    let objective = check.objective;
    let left = budget_left(figures, objective);
    let allowed = objective
        .availability
        .map(|goal| (1.0 - goal / 100.0) * length.0.as_secs_f64() * 1000.0);
    let budget_time = left.zip(allowed).map(|(left, allowed)| left * allowed);
    let status = match missed {
        Some(missed) => Status::from(missed.severity.verdict()),
        None if figures.total.count() == 0 => Status::Unknown,
        None => Status::Ok,
    };
    let budget = left.zip(budget_time).map(|(left, time)| match time > 0.0 {
        true => format!("{:.0} %, {}", (left * 100.0).floor(), took(time)),
        false => "used up".to_owned(),
    });
    let outage = figures.outage;
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("service", json!(service));
    put("check", json!(check.name()));
    put("status", json!(status.as_str()));
    put(
        "availability",
        json!(figures.total.availability().map(percent)),
    );
    put("goal", json!(objective.availability));
    put("goal_p95", json!(objective.p95.map(Span::milliseconds)));
    put("budget", json!(budget));
    put("budget_left", json!(left.map(|left| left * 100.0)));
    put("budget_ms", json!(budget_time));
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        put(name, json!(figures.quantile(share).map(rounded)));
    }
    put("trend", json!(trend::sparkline(&figures.slices)));
    put("outage", json!(outage.map(|outage| outage.in_words())));
    put("outage_ms", json!(outage.map(|outage| outage.ms)));
    put("outage_began", json!(outage.map(|outage| outage.began)));
    put("looks", json!(figures.total.count()));
    put("seen", json!(percent(figures.seen)));
    put("exact", json!(figures.is_exact()));
    put("detail", json!(missed.map(|missed| missed.why.as_str())));
    Value::Object(row)
}

/// A share in percent with three decimals, never rounded up: what is not all is never called so.
fn percent(share: f64) -> f64 {
    (share * 100_000.0 + 1e-6).floor() / 1000.0
}

fn rounded(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::{percent, within};

    #[test]
    fn what_is_not_all_is_never_called_so() {
        assert_eq!(percent(1.0).to_string(), "100");
        assert_eq!(percent(0.999_999_9).to_string(), "99.999");
        assert_eq!(percent(0.97).to_string(), "97");
        assert_eq!(percent(0.0).to_string(), "0");
    }

    #[test]
    fn what_nobody_looked_at_is_not_called_good() {
        assert_eq!(within(1, 0), "1 check within its objective");
        assert_eq!(
            within(2, 3),
            "2 checks within their objectives; nobody looked at 3"
        );
    }
}
