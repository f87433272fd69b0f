//! A run from the words of its caller to its exit code: inputs, plan, secrets, journal, engine, reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::action::ACTIONS;
use crate::base::exit::ExitCode;
use crate::base::text::shell_word;
use crate::base::{Secret, StepKey, Verdict};
use crate::book::{self, Children};
use crate::config::Config;
use crate::engine::{
    self, Engine, LockError, Origin, Prompt, Refusal, RunEnd, RunError, Sink, Stop, StopSignal,
};
use crate::expr::Evaluator;
use crate::model::{InputType, Runbook};
use crate::plan::Plan;
use crate::store::SqliteJournal;
use crate::term::StandardData;

use super::github;
use super::heartbeat::Heartbeat;
use super::inputs::{self, Given};
use super::machine::ThisMachine;
use super::outlets::Outlets;
use super::signals::{self, Signals};
use super::stoppable::StoppablePrompt;
use super::toolbox::InstalledTools;
use super::{App, AppError, RunOptions, secrets};

/// What accompanies a run from before its beginning until after its end.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) stopped: &'a StopSignal,
    pub(super) machine: &'a ThisMachine,
    pub(super) heartbeat: Option<&'a Heartbeat>,
}

impl App {
    /// Runs a runbook. `given` holds what the caller gave for its inputs, as texts by their names.
    ///
    /// # Errors
    /// When the run did not begin, or its result could not be written. How it ended is the exit code.
    pub fn run(
        &self,
        runbook: &Arc<Runbook>,
        given: Given,
        options: &RunOptions,
    ) -> Result<ExitCode, AppError> {
        if let Some(every) = options.watch {
            return self.watch(runbook, given, options, every);
        }
        let config = self.config()?;
        self.within_signals(ThisMachine::new_token(), async |stopped, machine| {
            secrets::learn(&config, self.environment());
            let heartbeat = match options.dry {
                // A rehearsal is no sign of life.
                true => None,
                false => self.heartbeat(runbook, &config, stopped, machine).await,
            };
            let around = Around {
                stopped,
                machine,
                heartbeat: heartbeat.as_ref(),
            };
            let run = self.run_within(runbook, given, &config, options, around);
            match &heartbeat {
                Some(heartbeat) => heartbeat.beside(self, run).await,
                None => run.await,
            }
        })
    }

    /// Does the work of a run in a runtime of its own. The first signal pulls the stop, the second gives the run up.
    pub(super) fn within_signals(
        &self,
        token: String,
        work: impl AsyncFnOnce(&StopSignal, &ThisMachine) -> Result<ExitCode, AppError>,
    ) -> Result<ExitCode, AppError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                AppError::unknown(format!("the system gives no resources for a run: {error}"))
            })?;
        let exit = runtime.block_on(async {
            let signals = Signals::hear()?;
            let (stop, stopped) = StopSignal::new();
            let machine = ThisMachine::of(self.environment(), token);
            // Given up by a second signal, the run says no farewell to its keeper, which then ends what is left of it.
            tokio::select! {
                biased;
                exit = signals.pass_on(stop) => Ok(exit),
                exit = work(&stopped, &machine) => {
                    machine.dismiss();
                    exit
                }
            }
        });
        // What still blocks a thread (a name being looked up) must not hold up the end.
        runtime.shutdown_background();
        exit
    }

    /// The heartbeat of a run, if it has one.
    pub(super) async fn heartbeat(
        &self,
        runbook: &Runbook,
        config: &Config,
        stopped: &StopSignal,
        machine: &ThisMachine,
    ) -> Option<Heartbeat> {
        tokio::select! {
            biased;
            _ = stopped.wait() => None,
            heartbeat = Heartbeat::of(self, runbook, config, machine) => heartbeat,
        }
    }

    async fn run_within(
        &self,
        runbook: &Arc<Runbook>,
        given: Given,
        config: &Config,
        options: &RunOptions,
        around: Around<'_>,
    ) -> Result<ExitCode, AppError> {
        let Around {
            stopped,
            machine,
            heartbeat,
        } = around;
        let prompt = self.stoppable_prompt(stopped);
        let prepared = tokio::select! {
            biased;
            stop = stopped.wait() => return Ok(self.stopped(stop)),
            prepared = self.prepare(runbook, given, config, &prompt, around) => prepared?,
        };
        let journal = self.journal_of(config)?;
        let mut outlets = Outlets::open(self)?;
        let ground = Ground {
            config,
            journal: &journal,
            machine,
            prompt: &prompt,
            stopped,
        };
        let ended = self
            .with_engine(prepared, ground, &outlets.data(), async |engine, plan| {
                let mut listening = heartbeat.map(|heartbeat| heartbeat.listening(&mut outlets));
                let sink: &mut dyn Sink = match &mut listening {
                    Some(listener) => listener,
                    None => &mut outlets,
                };
                engine.run(plan, &wishes(options), sink, stopped).await
            })
            .await;
        self.close(ended, outlets, options)
    }

    /// Asks at the terminal until the run must stop.
    pub(super) fn stoppable_prompt(&self, stopped: &StopSignal) -> StoppablePrompt {
        let prompt = self.terminal().prompt();
        StoppablePrompt::new(prompt, stopped.clone(), &self.environment().masker)
    }

    /// Has an engine do something with a plan.
    pub(super) async fn with_engine<T>(
        &self,
        (plan, secrets): (Plan, BTreeMap<String, Secret>),
        ground: Ground<'_>,
        data: &StandardData,
        work: impl AsyncFnOnce(&Engine<'_>, &Plan) -> T,
    ) -> T {
        let Ground {
            config,
            journal,
            machine,
            prompt,
            ..
        } = ground;
        let environment = self.environment();
        let secret_inputs = secret_inputs(&plan);
        github::mask(self, secrets.values().chain(&secret_inputs));
        let masker = &environment.masker;
        masker.learn(secrets.values().chain(&secret_inputs));
        tracing::debug!(runbook = %plan.runbook.path, effect = %plan.effect, steps = plan.steps.len(), "planned");
        let engine = Engine {
            actions: ACTIONS,
            evaluator: &Evaluator::new(Arc::clone(&environment.clock)).knowing(masker),
            config,
            folder: environment.absolute(&config.folder),
            environment: environment.texts(),
            variables: vec![machine.variable()],
            secrets,
            masker,
            journal,
            locks: journal,
            samples: journal,
            machine,
            prompt,
            data,
            toolbox: &InstalledTools::of(environment, machine),
            clock: environment.clock.as_ref(),
            origin: Origin {
                user: environment.user.clone(),
                host: environment.host.clone(),
                token: machine.token().to_owned(),
                pid: environment.pid,
                process: environment.process.clone(),
                folder: environment.folder.display().to_string(),
                config: config
                    .source
                    .as_ref()
                    .map(|source| environment.absolute(source.path()).display().to_string()),
            },
        };
        work(&engine, &plan).await
    }

    /// Writes what is left of the reports, and gives the exit code of a run.
    pub(super) fn close(
        &self,
        ended: Result<RunEnd, RunError>,
        outlets: Outlets,
        options: &RunOptions,
    ) -> Result<ExitCode, AppError> {
        let end = match ended {
            Ok(end) => end,
            Err(RunError::Locked(LockError::Stopped(stop))) => return Ok(self.stopped(stop)),
            Err(error) => return Err(refusal(error)),
        };
        outlets.finish()?;
        tracing::debug!(run = %end.run, verdict = %end.verdict, exit = end.exit.code(), "ended");
        Ok(exit_of(&end, options.fail_on))
    }

    /// Tells that a run was given up before it began.
    pub(super) fn stopped(&self, stop: Stop) -> ExitCode {
        self.tell(&format!("opsbook: {}; nothing was done", stop.as_str()));
        signals::exit_of(stop)
    }

    /// Comes to a plan and its secrets. Nothing is done yet, so it may be given up at any time.
    async fn prepare(
        &self,
        runbook: &Arc<Runbook>,
        given: Given,
        config: &Config,
        prompt: &dyn Prompt,
        around: Around<'_>,
    ) -> Result<(Plan, BTreeMap<String, Secret>), AppError> {
        let children = self.checked_children(runbook)?;
        let values = inputs::gather(runbook, given, config, self, prompt).await?;
        let plan = Plan::new(Arc::clone(runbook), values, children, config);
        if let Some(refused) = plan.refused_sql(config) {
            return Err(AppError::usage(refused.to_string()));
        }
        let found = around
            .heartbeat
            .map_or_else(BTreeMap::new, |heartbeat| heartbeat.secrets.clone());
        let machine = around.machine;
        let tell = |line: &str| self.tell(line);
        let found = (found, &tell as &dyn Fn(&str));
        let secrets = secrets::of_plan(&plan, config, self.environment(), machine, found).await?;
        Ok((plan, secrets))
    }

    /// The runbooks that a runbook runs, all of whose names are known.
    ///
    /// # Errors
    /// Their mistakes.
    pub(super) fn checked_children(&self, runbook: &Arc<Runbook>) -> Result<Children, AppError> {
        let children = book::children(self.library(), runbook)?;
        let mut mistakes = book::check_references(runbook);
        for child in children.values() {
            mistakes.extend(book::check_references(child));
        }
        mistakes.into_result(children).map_err(AppError::from)
    }
}

/// What an engine stands on beside the plan.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) journal: &'a SqliteJournal,
    pub(super) machine: &'a ThisMachine,
    pub(super) prompt: &'a StoppablePrompt,
    pub(super) stopped: &'a StopSignal,
}

/// What the caller wants, as the engine has it.
pub(super) fn wishes(options: &RunOptions) -> engine::RunOptions {
    engine::RunOptions {
        yes: options.yes,
        dry: options.dry,
        read_only: options.read_only,
        confirm: options.confirm.clone(),
        reason: options.reason.clone(),
        incident: options.incident.clone(),
        outside_window: options.outside_window,
        timeout: options.timeout,
        wait: options.wait,
        ..engine::RunOptions::default()
    }
}

/// The secrets that the caller handed over.
fn secret_inputs(plan: &Plan) -> Vec<Secret> {
    let inputs = plan
        .runbook
        .inputs
        .iter()
        .filter(|input| input.kind == InputType::Secret);
    inputs
        .filter_map(|input| plan.inputs.get(&input.variable()))
        .flat_map(texts)
        .map(|text| Secret::new(text.to_owned()))
        .collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn refusal(error: RunError) -> AppError {
    match error {
        RunError::Gate(refusal) => {
            let help = refusal.help();
            let said = match &refusal {
                Refusal::UnknownWindow { .. } => AppError::config(refusal.to_string()),
                _ => AppError::not_now(refusal.to_string()),
            };
            said.hint(help)
        }
        RunError::Locked(error) => not_locked(error),
        RunError::Journal(error) => AppError::from(error),
        RunError::NotApproved { run, .. } => AppError::not_now(error.to_string()).hint(format!(
            "nothing was done; a second person gives it with `opsbook approve {run}`"
        )),
        RunError::Withheld { .. } => AppError::stuck(error.to_string())
            .hint("nothing was done; a person must finish by hand what this run began"),
        RunError::InDoubt(steps) => {
            let message = RunError::InDoubt(steps.clone()).to_string();
            let first = shell_word(steps.first().map_or("STEP", StepKey::as_str));
            AppError::stuck(message).hint(format!(
                "nothing was done; look, then give --done {first} if it took effect, or --again {first} if it did not"
            ))
        }
        RunError::NothingToUndo => AppError::usage(error.to_string())
            .hint("none of the steps that it did, and has not taken back, has an `undo`"),
        RunError::UnknownStep(_) => {
            AppError::usage(error.to_string()).hint("`opsbook runs show` lists its steps")
        }
        RunError::NotAgreed { reason, help } => {
            let refused = AppError::not_now(reason).hint("nothing was done");
            match help {
                Some(help) => refused.hint(help),
                None => refused,
            }
        }
    }
}

fn not_locked(error: LockError) -> AppError {
    match error {
        LockError::Held { wait, .. } => {
            let refused = AppError::not_now(error.to_string());
            match wait {
                Some(_) => refused.hint("nothing was done"),
                None => refused.hint("nothing was done; --wait 10m waits until it is given back"),
            }
            .hint("`opsbook locks` tells whether that run still goes on")
        }
        LockError::Nameless { .. } => AppError::config(error.to_string()),
        LockError::Stopped(_) => AppError::interrupted(),
        LockError::Journal(error) => AppError::from(error),
    }
}

/// The exit code that the caller asked for: a mere warning may be 0.
pub(super) fn exit_of(end: &RunEnd, fail_on: Option<Verdict>) -> ExitCode {
    match (end.exit, fail_on) {
        (ExitCode::Warning, Some(Verdict::Critical)) => ExitCode::Ok,
        (exit, _) => exit,
    }
}

#[cfg(test)]
mod tests {
    use super::exit_of;
    use crate::base::exit::ExitCode;
    use crate::base::{RunId, Verdict};
    use crate::engine::RunEnd;

    #[test]
    fn only_a_warning_can_be_let_pass() {
        let ended = |verdict: Verdict| {
            let end = RunEnd {
                run: RunId(1),
                verdict,
                exit: ExitCode::from(verdict),
                reason: String::new(),
            };
            exit_of(&end, Some(Verdict::Critical)).code()
        };
        assert_eq!(Verdict::ALL.map(ended), [0, 0, 3, 2]);
    }
}
