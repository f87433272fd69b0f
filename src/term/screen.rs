//! Standard error as a place where lines move and lines stay, shared by progress, notes and questions so that they do
//! not write over each other.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard error. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Screen(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    moving: Moving,
    /// How many questions are being asked: nothing may move then.
    asking: usize,
    /// What was to be printed meanwhile.
    held: String,
}

/// The lines that move. They cost nothing until there are any.
#[derive(Debug)]
enum Moving {
    /// There are none, and never will be: nobody watches.
    Never,
    /// There are none now.
    No,
    /// The last lines of the screen.
    Lines(ProgressBar),
}

impl Screen {
    /// Standard error, where lines may move or not.
    pub(super) fn new(moving: bool) -> Self {
        let moving = if moving { Moving::No } else { Moving::Never };
        Self(Arc::new(Mutex::new(Inner {
            moving,
            asking: 0,
            held: String::new(),
        })))
    }

    // What a panic may leave behind is a stale line, no broken state.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lines may move.
    pub(super) fn moves(&self) -> bool {
        !matches!(self.lock().moving, Moving::Never)
    }

    /// Puts these lines in the place of those that were last put there.
    pub(super) fn draw(&self, lines: &[String]) {
        let mut inner = self.lock();
        if inner.asking > 0 {
            return;
        }
        match &inner.moving {
            Moving::Never => {}
            Moving::No if lines.is_empty() => {}
            Moving::No => {
                let bar = bar();
                bar.set_message(lines.join("\n"));
                bar.tick();
                inner.moving = Moving::Lines(bar);
            }
            Moving::Lines(bar) => bar.set_message(lines.join("\n")),
        }
    }

    /// Takes the moving lines away.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Writes lines that stay, above those that move; while a question is asked, when it is answered.
    pub(super) fn print(&self, text: &str) {
        let mut inner = self.lock();
        if inner.asking > 0 {
            inner.held.push_str(text);
            return;
        }
        match &inner.moving {
            Moving::Lines(bar) => bar.suspend(|| write(text)),
            Moving::Never | Moving::No => write(text),
        }
    }

    /// What was to be printed while it was still, which is not printed any more then.
    pub(super) fn take_held(&self) -> String {
        std::mem::take(&mut self.lock().held)
    }

    /// Keeps everything still until the guard is dropped.
    pub(super) fn still(&self) -> Still {
        let mut inner = self.lock();
        inner.clear();
        inner.asking += 1;
        Still(self.clone())
    }
}

impl Inner {
    fn clear(&mut self) {
        if let Moving::Lines(bar) = &self.moving {
            bar.finish_and_clear();
            self.moving = Moving::No;
        }
    }
}

/// Keeps the screen still while it lives.
#[derive(Debug)]
pub(super) struct Still(Screen);

impl Drop for Still {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.asking -= 1;
        if inner.asking == 0 {
            write(&std::mem::take(&mut inner.held));
        }
    }
}

fn write(text: &str) {
    // Nobody can be told that standard error is gone.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn bar() -> ProgressBar {
    // Faster than it is fed, so that no line is held back.
    let target = ProgressDrawTarget::stderr_with_hz(30);
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::{Moving, Screen};

    #[test]
    fn while_a_question_is_asked_nothing_moves_and_what_is_printed_waits() {
        let screen = Screen::new(true);
        let outer = screen.still();
        let inner = screen.still();
        screen.draw(&["a line that would move".to_owned()]);
        assert!(matches!(screen.lock().moving, Moving::No));
        screen.print("first\n");
        screen.print("second\n");
        drop(inner);
        assert_eq!(screen.lock().held, "first\nsecond\n");
        // Not for the output of the tests.
        screen.lock().held.clear();
        drop(outer);
        assert_eq!(screen.lock().asking, 0);
    }
}
