//! A run from the words of its caller to its exit code: inputs, plan, secrets, journal, engine, reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::action::ACTIONS;
use crate::base::exit::ExitCode;
use crate::base::{Secret, Verdict};
use crate::book;
use crate::config::Config;
use crate::engine::{
    self, Engine, LockError, Origin, Prompt, Refusal, RunEnd, RunError, Sink, Stop, StopSignal,
};
use crate::expr::Evaluator;
use crate::model::{InputType, Runbook};
use crate::plan::Plan;

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
struct Around<'a> {
    stopped: &'a StopSignal,
    machine: &'a ThisMachine,
    heartbeat: Option<&'a Heartbeat>,
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
        let config = self.config()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                AppError::unknown(format!("the system gives no resources for a run: {error}"))
            })?;
        let exit = runtime.block_on(async {
            let signals = Signals::hear()?;
            let (stop, stopped) = StopSignal::new();
            let machine = ThisMachine::of(self.environment(), ThisMachine::new_token());
            // Given up by a second signal, the run says no farewell to its keeper, which then ends what is left of it.
            tokio::select! {
                biased;
                exit = signals.pass_on(stop) => Ok(exit),
                exit = self.told(runbook, given, &config, options, &stopped, &machine) => {
                    machine.dismiss();
                    exit
                }
            }
        });
        // What still blocks a thread (a name being looked up) must not hold up the end.
        runtime.shutdown_background();
        exit
    }

    /// Runs it and tells its heartbeat, if it has one.
    async fn told(
        &self,
        runbook: &Arc<Runbook>,
        given: Given,
        config: &Config,
        options: &RunOptions,
        stopped: &StopSignal,
        machine: &ThisMachine,
    ) -> Result<ExitCode, AppError> {
        secrets::learn(config, self.environment());
        // A rehearsal is no sign of life.
        let heartbeat = match options.dry {
            true => None,
            false => tokio::select! {
                biased;
                _ = stopped.wait() => None,
                heartbeat = Heartbeat::of(self, runbook, config, machine) => heartbeat,
            },
        };
        let around = Around {
            stopped,
            machine,
            heartbeat: heartbeat.as_ref(),
        };
        let run = self.run_within(runbook, given, config, options, around);
        match &heartbeat {
            Some(heartbeat) => heartbeat.beside(self, run).await,
            None => run.await,
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
        let environment = self.environment();
        let prompt = StoppablePrompt::new(
            self.terminal().prompt(),
            stopped.clone(),
            &environment.masker,
        );
        let (plan, secrets) = tokio::select! {
            biased;
            stop = stopped.wait() => return Ok(self.stopped(stop)),
            prepared = self.prepare(runbook, given, config, &prompt, around) => prepared?,
        };
        let secret_inputs = secret_inputs(&plan);
        github::mask(self, secrets.values().chain(&secret_inputs));
        let masker = &environment.masker;
        masker.learn(secrets.values().chain(&secret_inputs));
        tracing::debug!(runbook = %runbook.path, effect = %plan.effect, steps = plan.steps.len(), "planned");
        let journal = self.journal_of(config)?;
        let mut outlets = Outlets::open(self)?;
        let engine = Engine {
            actions: ACTIONS,
            evaluator: &Evaluator::new(Arc::clone(&environment.clock)).knowing(masker),
            config,
            folder: environment.absolute(&config.folder),
            environment: environment.texts(),
            variables: vec![machine.variable()],
            secrets,
            masker,
            journal: &journal,
            locks: &journal,
            machine,
            prompt: &prompt,
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
        let wishes = engine::RunOptions {
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
        };
        let mut listening = heartbeat.map(|heartbeat| heartbeat.listening(&mut outlets));
        let sink: &mut dyn Sink = match &mut listening {
            Some(listener) => listener,
            None => &mut outlets,
        };
        let end = match engine.run(&plan, &wishes, sink, stopped).await {
            Ok(end) => end,
            Err(RunError::Locked(LockError::Stopped(stop))) => return Ok(self.stopped(stop)),
            Err(error) => return Err(refusal(error)),
        };
        outlets.finish()?;
        tracing::debug!(run = %end.run, verdict = %end.verdict, exit = end.exit.code(), "ended");
        Ok(exit_of(&end, options.fail_on))
    }

    /// Tells that a run was given up before it began.
    fn stopped(&self, stop: Stop) -> ExitCode {
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
        let children = book::children(self.library(), runbook)?;
        let mut mistakes = book::check_references(runbook);
        for child in children.values() {
            mistakes.extend(book::check_references(child));
        }
        mistakes.into_result(())?;
        let values = inputs::gather(runbook, given, config, self, prompt).await?;
        let plan = Plan::new(Arc::clone(runbook), values, children, config);
        let found = around
            .heartbeat
            .map_or_else(BTreeMap::new, |heartbeat| heartbeat.secrets.clone());
        let machine = around.machine;
        let secrets =
            secrets::resolve(&plan.secrets, config, self.environment(), machine, found).await?;
        Ok((plan, secrets))
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

fn refusal(error: RunError) -> AppError {
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
        other => AppError::not_now(other.to_string()),
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
fn exit_of(end: &RunEnd, fail_on: Option<Verdict>) -> ExitCode {
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
