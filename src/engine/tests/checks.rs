//! Checks as steps of a run: what is told of them when the store, or one of them, is in trouble.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::*;
use crate::config::parse as parse_config;
use crate::model::OutputSpec;

/// `health.check` as the engine needs it.
pub(super) struct Health;

pub(super) static HEALTH: ActionSpec = ActionSpec {
    name: "health",
    summary: "runs checks",
    verbs: &[VerbSpec {
        name: "check",
        summary: "runs them",
        object: Kind::TextList,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[OutputSpec {
            name: "counts",
            help: "how many",
        }],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Health {
    fn spec(&self) -> &'static ActionSpec {
        &HEALTH
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let request = CheckRequest {
                services: invocation.object_list().to_vec(),
                now: false,
            };
            context.nested.check(&request, context.step).await
        })
    }
}

/// A store of samples that cannot be read, or not be written.
#[derive(Default)]
pub(super) struct Broken {
    reads: bool,
    asked_to_keep: RefCell<usize>,
}

impl SampleStore for Broken {
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
        match self.reads {
            true => Ok(vec![None; series.len()]),
            false => Err(broken()),
        }
    }

    fn keep_samples(
        &self,
        samples: &[(Series, Sample, CheckState)],
        _: &Retention,
    ) -> Result<(), JournalError> {
        *self.asked_to_keep.borrow_mut() += samples.len();
        match samples {
            [] => Ok(()),
            _ => Err(broken()),
        }
    }

    fn history(&self, _: &Series, _: Period, _: &mut dyn FnMut(Seen)) -> Result<(), JournalError> {
        Err(broken())
    }

    fn outages(&self, _: &Series, _: Period) -> Result<Vec<Outage>, JournalError> {
        Err(broken())
    }

    fn keep_baseline(&self, _: &Baseline) -> Result<bool, JournalError> {
        Err(broken())
    }

    fn baselines(&self, _: &str, _: &str) -> Result<Vec<Baseline>, JournalError> {
        Err(broken())
    }
}

impl ReadingStore for Broken {
    fn readings(
        &self,
        _: &Subject,
        _: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Reading>, JournalError> {
        Err(broken())
    }

    fn keep_readings(
        &self,
        _: &Subject,
        _: DateTime<Utc>,
        _: &BTreeMap<String, f64>,
    ) -> Result<(), JournalError> {
        Err(broken())
    }
}

fn broken() -> JournalError {
    JournalError::Unwritable {
        path: "journal".to_owned(),
        reason: "disk full".to_owned(),
    }
}

const RUNBOOK: &str = "title = \"x\"\n[[step]]\nname = \"checks\"\nhealth.check = []\n";

/// A bench with a service whose checks fail in these ways.
fn failing(ways: &[&str]) -> Bench {
    let check = |(index, way): (usize, &&str)| {
        let fail = match *way {
            "" => String::new(),
            way => format!("act.fail = \"{way}\"\n"),
        };
        format!("[[service.a.check]]\nname = \"c{index}\"\nact.look = {{}}\n{fail}")
    };
    let text: String = ways.iter().enumerate().map(check).collect();
    let source = SourceFile::new("opsbook.toml", text);
    Bench {
        config: parse_config(source, None, VOCABULARY).unwrap_or_else(|error| panic!("{error}")),
        ..Bench::default()
    }
}

fn looks(ended: &Ended) -> Vec<Status> {
    let statuses = ended.statuses().into_iter();
    let checks = statuses.filter(|(key, _)| key != "checks");
    checks.map(|(_, status)| status).collect()
}

#[test]
fn a_check_that_is_wrong_or_refused_has_no_exit_code() {
    let ended = failing(&["config", "refused", "own", ""]).run(RUNBOOK);
    let unknown = Status::Unknown;
    assert_eq!(looks(&ended), [unknown, unknown, unknown, Status::Ok]);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    let ended = failing(&["config", "target", "refused"]).run(RUNBOOK);
    assert_eq!(looks(&ended), [unknown, Status::Critical, unknown]);
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.end.reason, "a c1: it broke");
}

#[test]
fn a_store_that_cannot_be_read_keeps_nobody_from_looking() {
    let bench = Bench {
        samples: Some(Broken::default()),
        ..failing(&["", "target"])
    };
    let ended = bench.run(RUNBOOK);
    assert_eq!(looks(&ended), [Status::Ok, Status::Critical]);
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert!(
        ended
            .end
            .reason
            .contains("it broke (nothing is known of earlier looks: ")
    );
    // Without what was before, what is kept now would be wrong.
    let samples = bench.samples.as_ref().unwrap();
    assert_eq!(*samples.asked_to_keep.borrow(), 0);
    let bench = Bench {
        samples: Some(Broken::default()),
        ..failing(&[""])
    };
    let ended = bench.run(RUNBOOK);
    assert_eq!(looks(&ended), [Status::Ok]);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
}

#[test]
fn samples_that_cannot_be_kept_are_told() {
    let broken = || {
        Some(Broken {
            reads: true,
            ..Broken::default()
        })
    };
    let bench = Bench {
        samples: broken(),
        ..failing(&[""])
    };
    let ended = bench.run(RUNBOOK);
    assert_eq!(looks(&ended), [Status::Ok]);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert!(
        ended.end.reason.contains("no samples are kept: "),
        "{}",
        ended.end.reason
    );
    let bench = Bench {
        samples: broken(),
        ..failing(&["target"])
    };
    assert_eq!(bench.run(RUNBOOK).end.exit, ExitCode::Critical);
    // A dry run keeps none, and so has no trouble with them.
    let bench = Bench {
        samples: broken(),
        options: RunOptions {
            dry: true,
            ..RunOptions::default()
        },
        ..failing(&[""])
    };
    assert_eq!(bench.run(RUNBOOK).end.exit, ExitCode::Ok);
}

#[test]
fn what_was_cut_off_or_skipped_is_no_sample() {
    let bench = failing(&["", "stop"]);
    let ended = bench.run(RUNBOOK);
    assert_eq!(ended.end.exit, ExitCode::Interrupted);
    assert_eq!(ended.detail("checks/a/c1"), "interrupted");
    let series = |check| Series::of(&bench.config, "a", check);
    let states = bench
        .journal
        .locks
        .states(&[series("c0"), series("c1")])
        .unwrap();
    let kept: Vec<bool> = states.iter().map(Option::is_some).collect();
    assert_eq!(kept, [true, false]);
}
