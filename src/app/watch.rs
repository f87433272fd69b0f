//! `--watch`: a runbook that only reads, again and again, each time as a run of its own. On a terminal the last run stands
//! on the screen and is drawn again in place; elsewhere the runs are printed one after the other.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::base::Span;
use crate::base::exit::ExitCode;
use crate::base::text::one_line;
use crate::book::Children;
use crate::config::Config;
use crate::engine::{Progress, RunEnd, Sink, Stop, StopSignal};
use crate::event::{Envelope, Summary};
use crate::model::Runbook;
use crate::plan::Plan;
use crate::report::{Screen, Watched};
use crate::term::{self, Canvas};

use super::inputs::{self, Given};
use super::machine::ThisMachine;
use super::outlets::Outlets;
use super::output::unprintable;
use super::run::{Around, Ground, exit_of, refusal, wishes};
use super::stoppable::StoppablePrompt;
use super::{App, AppError, RunOptions, secrets, signals, tell_error};

/// How often the line that counts the time down is drawn.
const TICK: Duration = Duration::from_secs(1);

/// A run that takes longer than this is told to go on.
const LONG: Duration = Duration::from_secs(1);

/// So many lines that were said beside the runs are shown.
const MOST_NOTES: usize = 3;

/// What is watched.
struct Watch<'a> {
    app: &'a App,
    runbook: &'a Arc<Runbook>,
    inputs: Map<String, Value>,
    children: Children,
    options: RunOptions,
    every: Duration,
    stopped: &'a StopSignal,
}

/// What became of one run.
struct Round {
    end: RunEnd,
    summary: Summary,
    /// Whether nobody reads standard output any more.
    unread: bool,
}

impl App {
    /// Runs a runbook until a signal says stop.
    ///
    /// # Errors
    /// When it may not be watched, or cannot be begun at all. A later run that cannot begin is told and tried again.
    pub(super) fn watch(
        &self,
        runbook: &Arc<Runbook>,
        given: Given,
        options: &RunOptions,
        every: Span,
    ) -> Result<ExitCode, AppError> {
        self.refuse_one_document()?;
        let config = self.config()?;
        self.within_signals(ThisMachine::new_token(), async |stopped, _| {
            secrets::learn(&config, self.environment());
            let children = self.checked_children(runbook)?;
            let prompt = self.stoppable_prompt(stopped);
            let inputs = tokio::select! {
                biased;
                stop = stopped.wait() => return Ok(self.stopped(stop)),
                inputs = inputs::gather(runbook, given, &config, self, &prompt) => inputs?,
            };
            let plan = Plan::new(
                Arc::clone(runbook),
                inputs.clone(),
                children.clone(),
                &config,
            );
            refuse_changes(&plan, &config)?;
            let watch = Watch {
                app: self,
                runbook,
                inputs,
                children,
                // The configuration is read again for each run: what only read must not write now.
                options: RunOptions {
                    read_only: true,
                    ..options.clone()
                },
                every: every.0,
                stopped,
            };
            match self.canvas() {
                Some(canvas) => watch.drawn(canvas).await,
                None => watch.printed().await,
            }
        })
    }

    /// One document a run is no document.
    fn refuse_one_document(&self) -> Result<(), AppError> {
        let format = self.settings().format;
        if format.is_for_people() || format.is_lines() {
            return Ok(());
        }
        let name = format.0.name;
        Err(AppError::usage(format!(
            "--format {name} is one document, and --watch makes many runs"
        ))
        .hint(format!(
            "use --format jsonl, or --report {name}=FILE, which is written again by each run"
        )))
    }

    /// Where a watch is drawn in place; none where nobody would see that, or a log would stand between the lines.
    fn canvas(&self) -> Option<Canvas> {
        let settings = self.settings();
        let logs = settings.verbosity > 1 && self.environment().facts.stderr.terminal;
        (settings.format.is_for_people() && !logs)
            .then(|| self.terminal().canvas())
            .flatten()
    }
}

/// Refuses to do again and again what changes anything.
fn refuse_changes(plan: &Plan, config: &Config) -> Result<(), AppError> {
    match plan.first_change(config) {
        None => Ok(()),
        Some((step, effect)) => Err(AppError::usage(format!(
            "--watch is for runbooks that only read, and step {step} of {} may {effect}",
            plan.runbook.path
        ))
        .hint("nothing was done")),
    }
}

impl Watch<'_> {
    /// Prints each run as it ends.
    async fn printed(&self) -> Result<ExitCode, AppError> {
        let settings = self.app.settings();
        let dated = settings.format.is_for_people() && !settings.quiet;
        let mut is_first = true;
        loop {
            let began = Instant::now();
            if dated {
                let at = self.app.environment().clock.now();
                let gap = if is_first { "" } else { "\n" };
                self.app
                    .print_text(&format!("{gap}{}\n", at.format("%Y-%m-%d %H:%M:%SZ")))?;
            }
            is_first = false;
            match self.round(true).await {
                Ok(round) if round.unread => return Ok(exit_of(&round.end, self.options.fail_on)),
                Ok(_) => {}
                Err(error) => tell_error(&error, self.app.environment()),
            }
            tokio::select! {
                biased;
                stop = self.stopped.wait() => return Ok(signals::exit_of(stop)),
                () = sleep_until(began + self.every) => {}
            }
        }
    }

    /// Keeps the last run on the screen.
    async fn drawn(&self, canvas: Canvas) -> Result<ExitCode, AppError> {
        let mut picture = Picture {
            app: self.app,
            runbook: self.runbook.path.to_string(),
            every: Span(self.every),
            canvas,
            watched: Watched::default(),
            at: None,
            notes: Vec::new(),
        };
        let mut hands = Hands::new()?;
        loop {
            let began = Instant::now();
            let outcome = {
                let mut round = pin!(self.round(false));
                loop {
                    tokio::select! {
                        biased;
                        outcome = &mut round => break outcome,
                        () = hands.next() => picture.draw(&running(began), false)?,
                    }
                }
            };
            let at = self.app.environment().clock.now();
            if let Some(stop) = self.stopped.now() {
                return picture.leave(outcome, stop);
            }
            let bell = picture.take(outcome, at);
            let next = began + self.every;
            picture.draw(&waiting(next), bell)?;
            loop {
                tokio::select! {
                    biased;
                    stop = self.stopped.wait() => return picture.leave_between(stop),
                    () = sleep_until(next) => break,
                    () = hands.next() => picture.draw(&waiting(next), false)?,
                }
            }
        }
    }

    /// One run, with a heartbeat of its own.
    async fn round(&self, printed: bool) -> Result<Round, AppError> {
        let app = self.app;
        let config = app.config()?;
        secrets::learn(&config, app.environment());
        let machine = ThisMachine::of(app.environment(), ThisMachine::new_token());
        let heartbeat = match self.options.dry {
            true => None,
            false => {
                app.heartbeat(self.runbook, &config, self.stopped, &machine)
                    .await
            }
        };
        let around = Around {
            stopped: self.stopped,
            machine: &machine,
            heartbeat: heartbeat.as_ref(),
        };
        let round = RefCell::new(None);
        let run = async {
            let done = self.run(&config, around, printed).await?;
            let exit = done.end.exit;
            round.replace(Some(done));
            Ok(exit)
        };
        let outcome = match &heartbeat {
            Some(heartbeat) => heartbeat.beside(app, run).await,
            None => run.await,
        };
        machine.dismiss();
        outcome?;
        round
            .into_inner()
            .ok_or_else(|| AppError::bug("a run of a watch ended without an end"))
    }

    async fn run(
        &self,
        config: &Config,
        around: Around<'_>,
        printed: bool,
    ) -> Result<Round, AppError> {
        let app = self.app;
        let plan = Plan::new(
            Arc::clone(self.runbook),
            self.inputs.clone(),
            self.children.clone(),
            config,
        );
        let found = around
            .heartbeat
            .map(|heartbeat| heartbeat.secrets.clone())
            .unwrap_or_default();
        let tell = |line: &str| app.tell(line);
        let found = (found, &tell as &dyn Fn(&str));
        let secrets = tokio::select! {
            biased;
            _ = self.stopped.wait() => return Err(AppError::interrupted()),
            secrets = secrets::of_plan(&plan, config, app.environment(), around.machine, found) => secrets?,
        };
        let journal = app.journal_of(config)?;
        let mut outlets = match printed {
            true => Outlets::open(app)?,
            false => Outlets::open_unprinted(app)?,
        };
        // Nobody sits there to answer each time.
        let prompt = StoppablePrompt::new(
            app.terminal().prompt_of_nobody(),
            self.stopped.clone(),
            &app.environment().masker,
        );
        let ground = Ground {
            config,
            journal: &journal,
            machine: around.machine,
            prompt: &prompt,
            stopped: self.stopped,
        };
        let mut summary = Summary::default();
        let ended = app
            .with_engine(
                (plan, secrets),
                ground,
                &outlets.data(),
                async |engine, plan| {
                    let mut listening = around
                        .heartbeat
                        .map(|heartbeat| heartbeat.listening(&mut outlets));
                    let sink: &mut dyn Sink = match &mut listening {
                        Some(listener) => listener,
                        None => &mut outlets,
                    };
                    let mut seen = Seen {
                        summary: &mut summary,
                        sink,
                    };
                    engine
                        .run(plan, &wishes(&self.options), &mut seen, self.stopped)
                        .await
                },
            )
            .await;
        let end = ended.map_err(refusal)?;
        let unread = outlets.finish()?;
        Ok(Round {
            end,
            summary,
            unread,
        })
    }
}

/// Passes events on, and remembers what they amount to.
struct Seen<'a> {
    summary: &'a mut Summary,
    sink: &'a mut dyn Sink,
}

impl Sink for Seen<'_> {
    fn event(&mut self, envelope: &Envelope) {
        self.summary.add_without_outputs(envelope);
        self.sink.event(envelope);
    }

    fn progress(&mut self, progress: &Progress) {
        self.sink.progress(progress);
    }

    fn waiting(&mut self, line: &str) {
        self.sink.waiting(line);
    }
}

/// What moves a picture beside the runs: time that passes, and a terminal of another size.
struct Hands {
    ticks: Interval,
    resized: Signal,
}

impl Hands {
    fn new() -> Result<Self, AppError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let resized = signal(SignalKind::window_change())
            .map_err(|error| AppError::unknown(format!("signals cannot be handled: {error}")))?;
        Ok(Self { ticks, resized })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.ticks.tick() => {}
            _ = self.resized.recv() => {}
        }
    }
}

/// What stands on the screen.
struct Picture<'a> {
    app: &'a App,
    runbook: String,
    every: Span,
    canvas: Canvas,
    watched: Watched,
    /// When the last run that could begin ended.
    at: Option<DateTime<Utc>>,
    notes: Vec<String>,
}

impl Picture<'_> {
    /// Takes in what became of a run. Says whether the bell is to ring.
    fn take(&mut self, outcome: Result<Round, AppError>, at: DateTime<Utc>) -> bool {
        let said = self.canvas.take_said();
        self.notes = said.lines().take(MOST_NOTES).map(one_line).collect();
        let turned = match outcome {
            Ok(round) => {
                self.at = Some(at);
                self.watched.take(round.summary)
            }
            Err(error) => {
                let told = self
                    .app
                    .environment()
                    .masker
                    .text(&term::message(&error, false));
                let told = told.strip_prefix("opsbook: ").unwrap_or(&told);
                self.watched.miss(told.to_owned())
            }
        };
        turned && !self.app.settings().quiet
    }

    /// Draws what is known, and what comes next.
    fn draw(&mut self, next: &str, bell: bool) -> Result<(), AppError> {
        let terminal = self.app.terminal();
        let size = self.canvas.size();
        let screen = Screen {
            rows: size.rows,
            columns: size.columns,
            unicode: terminal.unicode(),
            colour: terminal.colour(),
        };
        let at = self.at.map(|at| at.format("%H:%M:%SZ").to_string());
        let every = format!("every {}", self.every);
        let parts = [at.as_deref().unwrap_or_default(), next, &every];
        let told: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let lines = self
            .watched
            .lines(&self.runbook, &told.join("  "), &self.notes, screen);
        let drawn = self.canvas.draw(lines, bell);
        drawn.map_err(|error| unprintable(&error))
    }

    /// Leaves the last whole run on the screen, where the signal came between two of them.
    fn leave_between(mut self, stop: Stop) -> Result<ExitCode, AppError> {
        // A terminal that was closed shows nothing any more, and that is why it ends.
        let _ = self.draw(stop.as_str(), false);
        Ok(signals::exit_of(stop))
    }

    /// The same where it came while one ran: that one is no whole run, and shown only where there is no other.
    fn leave(mut self, outcome: Result<Round, AppError>, stop: Stop) -> Result<ExitCode, AppError> {
        let cut_off = |round: &Round| stop.exit() == Some(round.end.exit);
        if let Ok(round) = outcome
            && (!cut_off(&round) || !self.watched.has_seen())
        {
            let at = self.app.environment().clock.now();
            self.take(Ok(round), at);
        }
        self.leave_between(stop)
    }
}

/// What is said while a run goes on; nothing of a short one, so that nothing flickers.
fn running(began: Instant) -> String {
    let age = began.elapsed();
    match age >= LONG {
        true => format!("looking, {} s", age.as_secs()),
        false => String::new(),
    }
}

/// What is said between two runs.
fn waiting(next: Instant) -> String {
    let left = next.saturating_duration_since(Instant::now());
    // Half a second more than it is: a countdown that is drawn each second is never drawn on the second.
    match (left + TICK / 2).as_secs() {
        0 => String::new(),
        seconds => format!("next in {}", Span::seconds(seconds)),
    }
}
