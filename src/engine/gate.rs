//! What must be so before the first step of a run. Looks at plan, configuration, wishes and time; asks nobody and does
//! nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::{Effect, StepKey};
use crate::config::{Config, Opening};
use crate::event::ApprovalRequested;
use crate::plan::{Asked, Plan};

use super::{Approval, History, RunOptions};

/// Why a run is not let through. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller allows reads only.
    #[error("--read-only refuses this runbook: step \"{step}\" may {effect}")]
    ReadOnly {
        /// The first step that may change something.
        step: StepKey,
        /// What it may do.
        effect: Effect,
    },
    /// The policy denies it.
    #[error("{policy} denies what may {effect}, and this runbook may")]
    Denied {
        /// Whose policy, and in which file.
        policy: String,
        /// The worst that the runbook may do.
        effect: Effect,
    },
    /// Nothing is changed at this time.
    #[error("nothing that may {effect} is run until {until}: {title}")]
    Frozen {
        /// Why, in words.
        title: String,
        /// When it is over.
        until: String,
        /// The mildest effect that is refused.
        effect: Effect,
    },
    /// It is not the time for it.
    #[error("outside the window {window:?} of {runbook}, which opens {opens}")]
    OutsideWindow {
        /// The window.
        window: String,
        /// The path of the runbook, as typed.
        runbook: String,
        /// When, and how long that is from now.
        opens: String,
    },
    /// Running outside a window needs a reason.
    #[error("--outside-window needs --reason TEXT: the window {window:?} opens {opens}")]
    NoReason {
        /// The window.
        window: String,
        /// When, and how long that is from now.
        opens: String,
    },
    /// The configuration does not describe the window.
    #[error(
        "{runbook} runs within the window {window:?}, which the configuration does not describe"
    )]
    UnknownWindow {
        /// The window.
        window: String,
        /// The path of the runbook, as typed.
        runbook: String,
    },
    /// The policy asks for what the caller did not give.
    #[error("{policy} asks for {} where a runbook may {effect}", missing.join(" and "))]
    Missing {
        /// Whose policy, and in which file.
        policy: String,
        /// The worst that the runbook may do.
        effect: Effect,
        /// The options that give it.
        missing: Vec<&'static str>,
    },
}

impl Refusal {
    /// What to do next.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::ReadOnly { .. } | Self::Denied { .. } => "nothing was done",
            Self::Frozen { .. } => {
                "nothing was done; --incident ID lets it through for an incident"
            }
            Self::OutsideWindow { .. } => {
                "nothing was done; --outside-window --reason TEXT lets it through all the same"
            }
            Self::NoReason { .. } => "nothing was done; say why with --reason TEXT",
            Self::UnknownWindow { .. } => "nothing was done; describe it as [window.NAME]",
            Self::Missing { .. } => "nothing was done; give what is missing and run it again",
        }
    }
}

/// Lets a plan through, perhaps once a second person has agreed to it.
///
/// # Errors
/// What is in its way, the gravest first.
pub(super) fn pass(
    plan: &Plan,
    config: &Config,
    options: &RunOptions,
    now: DateTime<Utc>,
) -> Result<Option<ApprovalRequested>, Refusal> {
    if options.dry {
        return Ok(None);
    }
    let asked = allowed(plan, config, options, now)?;
    windows(plan, config, options, now)?;
    complete(&asked, config, options)?;
    let (effect, policy) = (asked.effect, config.policy_in_words());
    Ok(asked.demands.approval.then(|| ApprovalRequested {
        effect,
        because: format!("{policy} asks for a second person where a runbook may {effect}"),
    }))
}

/// Lets a run go on: what must be so before it begins must be so again, with the reason and the incident that it began with
/// unless there are newer ones. An approval is for what was approved: files that have changed since need another.
///
/// # Errors
/// As [`pass`].
pub(super) fn pass_again(
    plan: &Plan,
    config: &Config,
    options: &RunOptions,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Option<ApprovalRequested>, Refusal> {
    let options = as_begun(options, history);
    let approved = history.approval() == Approval::Given && options.changed.is_empty();
    Ok(pass(plan, config, &options, now)?.filter(|_| !approved))
}

/// Lets a run be taken back. What may be changed, when and what for holds for this too. No window and no second person is
/// waited for: what should not have been done must not have to stay.
///
/// # Errors
/// As [`pass`].
pub(super) fn pass_back(
    plan: &Plan,
    config: &Config,
    options: &RunOptions,
    history: &History,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let options = as_begun(options, history);
    let asked = allowed(plan, config, &options, now)?;
    complete(&asked, config, &options)
}

/// The wishes with the reason and the incident that a run began with, unless there are newer ones.
fn as_begun(options: &RunOptions, history: &History) -> RunOptions {
    let start = history.start();
    RunOptions {
        reason: options.reason.clone().or_else(|| start.reason.clone()),
        incident: options.incident.clone().or_else(|| start.incident.clone()),
        ..options.clone()
    }
}

/// Refuses what the caller, the policy or a freeze does not let happen at all.
fn allowed(
    plan: &Plan,
    config: &Config,
    options: &RunOptions,
    now: DateTime<Utc>,
) -> Result<Asked, Refusal> {
    if options.read_only
        && let Some((step, effect)) = plan.first_change(config)
    {
        return Err(Refusal::ReadOnly { step, effect });
    }
    let asked = Asked::of(&plan.runbook, config, &plan.children);
    if asked.demands.deny {
        return Err(Refusal::Denied {
            policy: config.policy_in_words(),
            effect: asked.effect,
        });
    }
    thaw(config, options, asked.effect, now)?;
    Ok(asked)
}

/// Refuses what the policy wants to be given and was not.
fn complete(asked: &Asked, config: &Config, options: &RunOptions) -> Result<(), Refusal> {
    let missing: Vec<&'static str> = [
        (asked.demands.reason, &options.reason, "--reason TEXT"),
        (asked.demands.incident, &options.incident, "--incident ID"),
    ]
    .into_iter()
    .filter_map(|(asked, given, option)| (asked && given.is_none()).then_some(option))
    .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Refusal::Missing {
            policy: config.policy_in_words(),
            effect: asked.effect,
            missing,
        }),
    }
}

/// A freeze refuses what is not run for an incident.
fn thaw(
    config: &Config,
    options: &RunOptions,
    effect: Effect,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let frozen = config
        .policy
        .freezes
        .iter()
        .filter(|freeze| freeze.effect <= effect && freeze.from <= now && now < freeze.until)
        .max_by_key(|freeze| freeze.until);
    match frozen {
        Some(freeze) if options.incident.is_none() => Err(Refusal::Frozen {
            title: freeze.title.clone(),
            until: freeze.until.format("%a %Y-%m-%d %H:%M UTC").to_string(),
            effect: freeze.effect,
        }),
        Some(_) | None => Ok(()),
    }
}

/// The runbook and those that it runs are each held to their window.
fn windows(
    plan: &Plan,
    config: &Config,
    options: &RunOptions,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    for runbook in std::iter::once(&plan.runbook).chain(plan.children.values()) {
        let Some(name) = &runbook.window else {
            continue;
        };
        let (window, runbook) = (name.clone(), runbook.path.typed());
        let Some(known) = config.window(name) else {
            return Err(Refusal::UnknownWindow { window, runbook });
        };
        let Opening::Closed(next) = known.opening(now) else {
            continue;
        };
        let opens = next.map_or_else(
            || "never again".to_owned(),
            |next| {
                let wait = next.with_timezone(&Utc) - now;
                format!("{}, in {}", next.format("%a %Y-%m-%d %H:%M %Z"), far(wait))
            },
        );
        match (options.outside_window, &options.reason) {
            (true, Some(_)) => {}
            (true, None) => return Err(Refusal::NoReason { window, opens }),
            (false, _) => {
                return Err(Refusal::OutsideWindow {
                    window,
                    runbook,
                    opens,
                });
            }
        }
    }
    Ok(())
}

/// A length of time by its two largest units: `1 d 0 h`.
fn far(wait: TimeDelta) -> String {
    match (wait.num_days(), wait.num_hours(), wait.num_minutes()) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
