//! A run that had stopped goes on, or what it did is taken back: sees that nobody else works on it, stands where it was
//! begun, and hands it to the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::exit::ExitCode;
use crate::base::text::{count, one_line};
use crate::base::{CommandPath, Liveness, RunId, StepKey};
use crate::engine::{
    Acquired, History, Journal as _, LockHolder, Locks as _, Machine as _, Outlook, Prompt,
    Settlement, Sink,
};
use crate::event::{Envelope, Resumption, RunStarted};
use crate::model::Runbook;
use crate::plan::Plan;
use crate::store::SqliteJournal;

use super::application::no_such_run;
use super::changed::refuse_changes;
use super::heartbeat::Heartbeat;
use super::inputs;
use super::machine::ThisMachine;
use super::outlets::Outlets;
use super::project::Project;
use super::resumable::{newest, refuse_dry, refuse_needless, refuse_to_do_again, refuse_to_resume};
use super::run::{Ground, refusal, wishes};
use super::settings::ReportRequest;
use super::{App, AppError, Listing, RunOptions, SecretArgument, Settings, secrets};

/// What a caller says of a run that is to go on, or to be taken back.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// Its number; the newest that can go on, if not given.
    pub run: Option<RunId>,
    /// What is known of steps in doubt.
    pub settled: Vec<(StepKey, Settlement)>,
    /// Whether files that have changed since are taken as they are now.
    pub accept_changes: bool,
    /// The inputs that the journal does not hold, as texts by their names.
    pub inputs: Vec<(String, String)>,
    /// With an undo, the first step that is taken back.
    pub from: Option<StepKey>,
}

impl App {
    /// Goes on with a run that had stopped.
    ///
    /// # Errors
    /// When it does not go on. How it ended is the exit code.
    pub fn resume(&self, again: &Again, options: &RunOptions) -> Result<ExitCode, AppError> {
        if options.dry {
            return Err(AppError::usage("a run cannot go on dry")
                .hint("`opsbook runs show` tells how far it came"));
        }
        let journal = self.journal_for_reading()?;
        let run = match again.run {
            Some(run) => run,
            None => newest(&journal, self)?,
        };
        let history = self.history(&journal, run)?;
        if again.run.is_none() {
            refuse_to_do_again(&history)?;
        }
        refuse_to_resume(&history)?;
        self.refuse_alive(&history, options)?;
        self.again(Resumption::Resume, history.start(), run, again, options)
    }

    /// Takes back what a run did, or shows how it would be.
    ///
    /// # Errors
    /// When nothing is taken back. How it ended is the exit code.
    pub fn undo(&self, again: &Again, options: &RunOptions) -> Result<ExitCode, AppError> {
        let journal = self.journal_for_reading()?;
        let run = again.run.ok_or_else(|| AppError::usage("name a run"))?;
        let history = self.history(&journal, run)?;
        refuse_dry(&history)?;
        self.refuse_alive(&history, options)?;
        self.again(Resumption::Undo, history.start(), run, again, options)
    }

    fn history(&self, journal: &SqliteJournal, run: RunId) -> Result<History, AppError> {
        History::of(&journal.events(run)?).ok_or_else(|| no_such_run(run))
    }

    /// Refuses a run that a process still works on.
    fn refuse_alive(&self, history: &History, options: &RunOptions) -> Result<(), AppError> {
        if history.end().is_some() {
            return Ok(());
        }
        let (run, leg) = (history.run(), history.leg());
        let machine = ThisMachine::of(self.environment(), String::new());
        match machine.liveness(&leg.process) {
            Liveness::Dead => Ok(()),
            Liveness::Alive => Err(AppError::not_now(format!(
                "run {run} still goes on: {}@{}, process {}, since {}",
                leg.user,
                leg.host,
                leg.pid,
                leg.began_at.format("%Y-%m-%d %H:%M:%SZ")
            ))
            .hint("nothing was done; end that process first, or wait for it")),
            Liveness::Unknown => self.agreed(
                &format!(
                    "From here nobody can see whether process {} on {} still works on run {run}. Is it gone?",
                    leg.pid, leg.host
                ),
                options.yes,
            ),
        }
    }

    fn again(
        &self,
        what: Resumption,
        start: &RunStarted,
        run: RunId,
        again: &Again,
        options: &RunOptions,
    ) -> Result<ExitCode, AppError> {
        let app = self.in_place_of(start)?;
        let config = app.config()?;
        let token = match start.token.is_empty() {
            // The journal of a version that marked no processes.
            true => ThisMachine::new_token(),
            false => start.token.clone(),
        };
        app.within_signals(token, async |stopped, machine| {
            let journal = app.journal_of(&config)?;
            let shows = what == Resumption::Undo && options.dry;
            let _lock = match shows {
                true => None,
                false => Some(app.lock_run(&journal, run, &start.runbook, machine)?),
            };
            // Only now nobody else can add to them.
            let events = journal.events(run)?;
            let history = app.history(&journal, run)?;
            // Another one may have gone on with it while this one came here.
            match what {
                Resumption::Resume => refuse_to_resume(&history)?,
                Resumption::Undo => refuse_dry(&history)?,
            }
            // What a leg that ended in order has left running is meant to run on.
            if !shows && history.end().is_none() {
                app.end_leftovers(&history, machine).await;
            }
            secrets::learn(&config, app.environment());
            let prompt = app.stoppable_prompt(stopped);
            let ground = Ground {
                config: &config,
                journal: &journal,
                machine,
                prompt: &prompt,
                stopped,
            };
            let task = Task {
                what,
                history: &history,
                events: &events,
                again,
                options,
                caller: self,
            };
            let runbook = app.runbook_of(history.start())?;
            let heartbeat = match what {
                Resumption::Resume => app.heartbeat(&runbook, &config, stopped, machine).await,
                // That its work was taken back is no sign that it is done.
                Resumption::Undo => None,
            };
            let work = app.work_on(&runbook, &task, ground, heartbeat.as_ref());
            match &heartbeat {
                Some(heartbeat) => heartbeat.beside(&app, work).await,
                None => work.await,
            }
        })
    }

    /// The program as if it had been called where a run was begun, with the same configuration and environment.
    fn in_place_of(&self, start: &RunStarted) -> Result<Self, AppError> {
        let store = self.journal_path(&self.config()?)?;
        let mut environment = self.environment().clone();
        if !start.folder.is_empty() {
            let folder = PathBuf::from(&start.folder);
            std::env::set_current_dir(&folder).map_err(|error| {
                AppError::not_now(format!(
                    "the folder that the run was begun in, {}, cannot be entered: {error}",
                    start.folder
                ))
                .hint("nothing was done")
            })?;
            environment.folder = folder;
        }
        let before = self.settings();
        if let Some(named) = &before.environment
            && start.environment.as_ref() != Some(named)
        {
            let begun = start.environment.as_deref().unwrap_or("none");
            return Err(AppError::usage(format!(
                "the run was begun in the environment {begun}, and goes on there"
            ))
            .hint("leave --env (or OPSBOOK_ENV) away"));
        }
        let settings = Settings {
            environment: start.environment.clone(),
            store: Some(store),
            reports: before
                .reports
                .iter()
                .map(|report| ReportRequest {
                    path: self.environment().absolute(&report.path),
                    ..report.clone()
                })
                .collect(),
            ..before.clone()
        };
        let project = Project::of_run(start.config.as_deref().map(Path::new), &environment)?;
        Ok(self.elsewhere(environment, project, settings))
    }

    /// Sees to it that only one process works on a run.
    fn lock_run<'a>(
        &self,
        journal: &'a SqliteJournal,
        run: RunId,
        runbook: &str,
        machine: &ThisMachine,
    ) -> Result<RunLock<'a>, AppError> {
        let environment = self.environment();
        let holder = LockHolder {
            run,
            runbook: runbook.to_owned(),
            user: environment.user.clone(),
            host: environment.host.clone(),
            process: environment.process.clone(),
            since: environment.clock.now(),
        };
        let lock = format!("run/{run}");
        match journal.acquire(&lock, &holder, &|process| machine.liveness(process))? {
            Acquired::Free | Acquired::TakenOver(_) => Ok(RunLock { journal, holder }),
            Acquired::Held(other) => Err(AppError::not_now(format!(
                "somebody else works on run {run} already: {other}"
            ))
            .hint("nothing was done; `opsbook locks` tells whether that process still goes on")),
        }
    }

    async fn end_leftovers(&self, history: &History, machine: &ThisMachine) {
        let ended = machine.end_leftovers(machine.token()).await;
        if ended > 0 {
            self.tell(&format!(
                "opsbook: ended {} that run {} had left behind",
                if ended == 1 {
                    "1 process".to_owned()
                } else {
                    format!("{ended} processes")
                },
                history.run()
            ));
        }
    }

    async fn work_on(
        &self,
        runbook: &Arc<Runbook>,
        task: &Task<'_>,
        ground: Ground<'_>,
        heartbeat: Option<&Heartbeat>,
    ) -> Result<ExitCode, AppError> {
        let children = self.checked_children(runbook)?;
        let prepared = tokio::select! {
            biased;
            stop = ground.stopped.wait() => return Ok(self.stopped(stop)),
            prepared = async {
                let values = self.values(runbook, task, ground).await?;
                let plan = Plan::new(Arc::clone(runbook), values, children, ground.config);
                let found = heartbeat
                    .map_or_else(BTreeMap::new, |heartbeat| heartbeat.secrets.clone());
                let secrets = secrets::of_plan(
                    &plan,
                    ground.config,
                    self.environment(),
                    ground.machine,
                    (found, &|line: &str| self.tell(line)),
                )
                .await?;
                Ok::<_, AppError>((plan, secrets))
            } => prepared?,
        };
        let mut outlets = Outlets::open(self)?;
        for event in task.events {
            outlets.remember(event);
        }
        self.with_engine(prepared, ground, &outlets.data(), async |engine, plan| {
            let mut wishes = wishes(task.options);
            wishes.settled.clone_from(&task.again.settled);
            wishes.changed = refuse_changes(engine, plan, task.history, task.again.accept_changes)?;
            let outlook = task.history.outlook(plan);
            refuse_needless(&outlook, &task.again.settled)?;
            if !wishes.changed.is_empty() {
                let names: Vec<&str> = wishes
                    .changed
                    .iter()
                    .map(|file| file.file.as_str())
                    .collect();
                self.tell(&format!(
                    "opsbook: changed since, and accepted: {}",
                    names.join(", ")
                ));
            }
            let from = task.again.from.as_ref();
            if task.what == Resumption::Undo && task.options.dry {
                let shown = engine
                    .preview_undo((plan, task.history), from, &wishes, &mut outlets)
                    .await
                    .map_err(refusal)?;
                self.print_undo(&shown)?;
                return Ok(ExitCode::Ok);
            }
            self.tell(&heading(task, &outlook));
            let mut listening = heartbeat.map(|heartbeat| heartbeat.listening(&mut outlets));
            let sink: &mut dyn Sink = match &mut listening {
                Some(listener) => listener,
                None => &mut outlets,
            };
            let ended = match task.what {
                Resumption::Resume => {
                    engine
                        .resume(plan, task.history, &wishes, sink, ground.stopped)
                        .await
                }
                Resumption::Undo => {
                    let of = (plan, task.history);
                    engine.undo(of, from, &wishes, sink, ground.stopped).await
                }
            };
            self.close(ended, outlets, task.options)
        })
        .await
    }

    /// The runbook of a run, from where it was read then.
    fn runbook_of(&self, start: &RunStarted) -> Result<Arc<Runbook>, AppError> {
        let in_library = match CommandPath::parse(&start.runbook) {
            Ok(path) => self.library().find(&path)?,
            Err(_) => None,
        };
        let file = Path::new(&start.file);
        match in_library {
            Some(runbook) if runbook.source.path() == file || !file.exists() => Ok(runbook),
            _ if file.exists() => Ok(self.library().open_file(file)?),
            _ => Err(AppError::not_now(format!(
                "the runbook of the run, {}, is not there any more",
                start.file
            ))
            .hint("nothing was done")),
        }
    }

    /// The inputs of a run: those that the journal holds, and the others from where they can be had again.
    async fn values(
        &self,
        runbook: &Runbook,
        task: &Task<'_>,
        ground: Ground<'_>,
    ) -> Result<Map<String, Value>, AppError> {
        let start = task.history.start();
        let is_kept =
            |name: &String| start.inputs.contains_key(name) && !start.withheld.contains(name);
        let mut rest = runbook.clone();
        rest.inputs.retain(|input| !is_kept(&input.variable()));
        let mut given = inputs::Given::new();
        for (name, text) in &task.again.inputs {
            let Some(input) = rest.inputs.iter().find(|input| input.name == *name) else {
                return Err(not_wanted(runbook, &rest, name));
            };
            let text = match input.kind {
                crate::model::InputType::Secret => match SecretArgument::from(text.as_str()) {
                    SecretArgument::File(path) => {
                        let path = task.caller.environment().absolute(&path);
                        SecretArgument::File(path).read(name)?
                    }
                    other => other.read(name)?,
                },
                _ => text.clone(),
            };
            given.entry(name.clone()).or_default().push(text);
        }
        let prompt: &dyn Prompt = ground.prompt;
        let mut values = inputs::gather_again(&rest, given, ground.config, self, prompt).await?;
        let declared = |name: &String| runbook.inputs.iter().any(|input| input.variable() == *name);
        values.extend(
            start
                .inputs
                .iter()
                .filter(|(name, _)| is_kept(name) && declared(name))
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Ok(values)
    }

    fn print_undo(&self, steps: &[crate::engine::UndoStep]) -> Result<(), AppError> {
        let mut listing = Listing::new(
            &["step", "undo", "effect", "would do", "rows"],
            "there is nothing to take back",
        );
        for step in steps {
            let (sent, rows) = match &step.preview {
                Ok(preview) => (preview.sent.clone(), preview.rows),
                Err(because) => (format!("cannot be told: {because}"), None),
            };
            let told = match sent.trim().split_once('\n') {
                Some((first, _)) => format!("{first} …"),
                None => sent.clone(),
            };
            listing.push(
                vec![
                    step.step.to_string(),
                    step.action.clone(),
                    step.effect.to_string(),
                    told,
                    rows.map_or_else(String::new, crate::base::text::thousands),
                ],
                serde_json::json!({
                    "step": step.step,
                    "action": step.action,
                    "effect": step.effect,
                    "sent": sent,
                    "rows": rows,
                }),
            );
        }
        self.print_listing(&listing)?;
        if self.settings().format.is_for_people() {
            self.print_text(&whole(steps))?;
        }
        Ok(())
    }
}

/// What has several lines, with every one of them: a comment ends where its line does.
fn whole(steps: &[crate::engine::UndoStep]) -> String {
    let mut text = String::new();
    for step in steps {
        let Ok(preview) = &step.preview else { continue };
        let sent = preview.sent.trim();
        if sent.contains('\n') {
            text.push_str(&format!("\n {}\n", one_line(step.step.as_str())));
            for line in sent.lines() {
                text.push_str(&format!("   {}\n", one_line(line)));
            }
        }
    }
    text
}

/// What is to be done with which run.
struct Task<'a> {
    what: Resumption,
    history: &'a History,
    events: &'a [Envelope],
    again: &'a Again,
    options: &'a RunOptions,
    /// The program as it was called.
    caller: &'a App,
}

/// Gives the lock of a run back when it is dropped.
struct RunLock<'a> {
    journal: &'a SqliteJournal,
    holder: LockHolder,
}

impl Drop for RunLock<'_> {
    fn drop(&mut self) {
        // Where the store fails, the lock is taken over once this process is gone.
        let _ = self.journal.release(self.holder.run, &self.holder.process);
    }
}

/// What goes on, in one line.
fn heading(task: &Task<'_>, outlook: &Outlook) -> String {
    let history = task.history;
    let start = history.start();
    let doing = match task.what {
        Resumption::Resume => "resuming",
        Resumption::Undo => "taking back",
    };
    let began = history.began_at();
    let now = task.caller.environment().clock.now();
    let when = match began.date_naive() == now.date_naive() {
        true => began.format("%H:%M"),
        false => began.format("%Y-%m-%d %H:%M"),
    };
    let mut line = format!(
        "opsbook: {doing} run {} ({}, begun {when}Z by {}): {} done",
        history.run(),
        start.runbook.replace('/', " "),
        start.user,
        count(outlook.done, "step"),
    );
    let in_doubt: Vec<&str> = outlook
        .in_doubt
        .iter()
        .chain(&outlook.undo_in_doubt)
        .map(StepKey::as_str)
        .collect();
    if !in_doubt.is_empty() {
        line.push_str(&format!(
            ", {} in doubt ({})",
            in_doubt.len(),
            in_doubt.join(", ")
        ));
    }
    line
}

fn not_wanted(runbook: &Runbook, rest: &Runbook, name: &str) -> AppError {
    let wanted: Vec<&str> = rest
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let message = match runbook.inputs.iter().any(|input| input.name == name) {
        true => format!("the input {name} is known from the journal, and stays as it was"),
        false => format!("{} has no input {name:?}", runbook.path.typed()),
    };
    AppError::usage(message).hint(match wanted.is_empty() {
        true => "every input is known".to_owned(),
        false => format!("only these are not known: {}", wanted.join(", ")),
    })
}
