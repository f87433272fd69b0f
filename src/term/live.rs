//! Shows a run while it runs. The final table is a report's: on a terminal these lines are gone when it is printed.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::base::text::{fit, one_line, took};
use crate::engine::{Progress, Sink};
use crate::event::{Envelope, Event, StepFinished, StepRetried};

use super::board::{self, Board};
use super::screen::Screen;

/// Shows a run on standard error while it runs: moving lines on a terminal, with `-v` also a line that stays for each
/// step that ended. Lines move in a thread of their own, so that a silent step shows its age and a fast one costs nothing.
#[derive(Debug)]
pub struct Live {
    screen: Screen,
    board: Arc<Mutex<Board>>,
    verbose: bool,
    width: usize,
    colour: bool,
    ticker: Option<Ticker>,
}

#[derive(Debug)]
struct Ticker {
    // Dropped to stop the thread.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Live {
    pub(super) fn new(screen: Screen, verbose: bool, width: usize, colour: bool) -> Self {
        Self {
            screen,
            board: Arc::default(),
            verbose,
            // A terminal breaks a line that fills it wholly.
            width: width.saturating_sub(1),
            colour,
            ticker: None,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    fn tick(&mut self) {
        if self.ticker.is_some() || !self.screen.moves() {
            return;
        }
        let (stop, stopped) = mpsc::channel();
        let (screen, board) = (self.screen.clone(), Arc::clone(&self.board));
        let (width, colour) = (self.width, self.colour);
        let spawned = std::thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(board::UNSEEN) == Err(RecvTimeoutError::Timeout) {
                    let lines = lock(&board).lines(Instant::now(), width, colour);
                    screen.draw(&lines);
                }
            });
        // Without a thread there are no moving lines, and the run goes on all the same.
        self.ticker = spawned.ok().map(|thread| Ticker { stop, thread });
    }

    fn stop(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.stop);
            // A thread that panicked has nothing left to draw.
            let _ = ticker.thread.join();
        }
        self.board().clear();
        self.screen.clear();
    }

    fn ended(&mut self, end: &StepFinished) {
        let line = || board::ended(end, self.width, self.colour);
        if self.verbose {
            self.screen.print(&format!("{}\n", line()));
            self.board().end(&end.step, None);
        } else {
            let shown = self.ticker.is_some() && board::is_news(end);
            let line = shown.then(line);
            self.board().end(&end.step, line);
        }
    }

    fn retried(&mut self, retry: &StepRetried) {
        let reason = one_line(&retry.reason);
        let pause = took(retry.delay_ms as f64);
        let message = format!(
            "attempt {} failed: {reason}; next in {pause}",
            retry.attempt
        );
        if self.verbose {
            let line = format!("retry     {}  {message}", one_line(retry.step.as_str()));
            self.screen.print(&format!("{}\n", fit(&line, self.width)));
        }
        self.board().say(&retry.step, &message);
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Live {
    fn event(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::RunStarted(_) | Event::RunResumed(_) => {
                self.tick();
                self.board().begin(Instant::now());
            }
            // A list is shown by its items.
            Event::StepStarted(start) if start.items.is_some() => {}
            Event::StepStarted(start) => {
                self.tick();
                let check = start.check.as_ref();
                self.board().start(&start.step, check, Instant::now());
            }
            Event::StepRetried(retry) => self.retried(retry),
            Event::StepFinished(end) => self.ended(end),
            Event::RunFinished(_) => self.stop(),
            Event::ApprovalRequested(_)
            | Event::RunApproved(_)
            | Event::LockTakenOver(_)
            | Event::JournalPruned(_)
            | Event::FindingRaised(_)
            | Event::Other(_) => {}
        }
    }

    fn progress(&mut self, progress: &Progress) {
        self.board().say(&progress.step, &progress.message);
    }

    // Nothing moves before a run begins: who owns the terminal says the line.
    fn waiting(&mut self, _line: &str) {}
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use crate::base::{Status, Verdict};
    use crate::engine::Sink as _;
    use crate::event::sample;
    use crate::term::screen::Screen;

    use super::Live;

    #[test]
    fn where_nobody_watches_nothing_is_started_and_nothing_kept() {
        let mut live = Live::new(Screen::new(false), false, 80, false);
        let mut events = vec![sample::started(&[])];
        for index in 0..100 {
            let key = format!("each[{index}]");
            events.push(sample::step_started(&key));
            events.push(sample::finished(&key, Status::Ok));
        }
        for envelope in sample::stream(events) {
            live.event(&envelope);
        }
        assert!(live.ticker.is_none());
        let later = std::time::Instant::now() + std::time::Duration::from_secs(9);
        assert!(live.board().lines(later, 80, false).is_empty());
    }

    #[test]
    fn the_end_of_the_run_takes_the_lines_away_and_ends_the_thread() {
        let mut live = Live::new(Screen::new(true), false, 80, false);
        let events = vec![
            sample::started(&["a"]),
            sample::step_started("a"),
            sample::run_finished(Verdict::Ok, 0, ""),
        ];
        let stream = sample::stream(events);
        for envelope in &stream[..2] {
            live.event(envelope);
        }
        assert!(live.ticker.is_some());
        let later = std::time::Instant::now() + std::time::Duration::from_secs(9);
        assert_eq!(live.board().lines(later, 80, false).len(), 1);
        live.event(&stream[2]);
        assert!(live.ticker.is_none());
        assert!(live.board().lines(later, 80, false).is_empty());
    }
}
