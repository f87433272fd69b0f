//! Asks a person at the terminal. Never hangs where nobody can answer, and leaves the terminal as it was.

use std::fmt;
use std::io::{self, BufRead as _};
use std::sync::atomic::{AtomicBool, Ordering};

use dialoguer::Select;
use dialoguer::console::Term;
use dialoguer::theme::Theme;
use nix::sys::termios::{FlushArg, LocalFlags, SetArg, Termios, tcflush, tcgetattr, tcsetattr};
use tokio::sync::{Mutex, oneshot};

use crate::base::text::{one_line, width};
use crate::engine::{Intent, Prompt, PromptError, PromptFuture};
use crate::report::wrapped;

use super::intent;
use super::screen::{Screen, Still};

/// Lists of options longer than this scroll.
const MOST_OPTIONS: usize = 15;

/// How questions look: as their author wrote them. `Which region?` needs no colon.
struct Plain;

impl Plain {
    fn lead(question: &str) -> String {
        match question.chars().next_back() {
            Some('?' | ':' | '!' | '.') => question.to_owned(),
            Some(_) | None => format!("{question}:"),
        }
    }
}

impl Theme for Plain {
    fn format_prompt(&self, f: &mut dyn fmt::Write, prompt: &str) -> fmt::Result {
        f.write_str(&Self::lead(prompt))
    }
}

/// What a whole line says; none where it says neither. A `y` in "not today" is no yes.
fn yes_or_no(typed: &str) -> Option<bool> {
    match typed.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// The room that is left behind a question for its answer.
const ROOM_FOR_ANSWER: usize = 12;

/// The lines of what a person is to read, each harmless: all but the last go before the question. The last one fits into
/// a line of so many cells with its answer, for only what is one line can be drawn anew.
fn lines(question: &str, cells: usize) -> (Vec<String>, String) {
    let mut lines: Vec<String> = question.trim_end().lines().map(one_line).collect();
    let last = lines.pop().unwrap_or_default();
    let room = cells.saturating_sub(ROOM_FOR_ANSWER).max(ROOM_FOR_ANSWER);
    if width(&last) <= room {
        return (lines, last);
    }
    lines.extend(wrapped(&last, room));
    let last = lines.pop().unwrap_or_default();
    (lines, last)
}

/// Reads a line as the terminal itself edits it: its keys mean here what they mean at every other question. What a key
/// that is no text left behind is asked for again.
///
/// # Errors
/// Of kind [`io::ErrorKind::UnexpectedEof`] when the input ends (Ctrl-D): that is no answer.
fn read_line(term: &Term, shown: &str) -> io::Result<String> {
    loop {
        term.write_str(shown)?;
        let mut line = Vec::new();
        io::stdin().lock().read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match String::from_utf8(line) {
            Ok(answer) if !answer.contains(|c: char| c.is_control() && c != '\t') => {
                return Ok(answer);
            }
            Ok(_) | Err(_) => term.write_line("That holds keys that are no text.")?,
        }
    }
}

/// Reads a line that nobody sees. The echo is off before the question is there: what is typed or pasted at once must be
/// neither shown nor lost. Who asks puts the modes of the terminal back.
fn read_hidden(term: &Term, shown: &str) -> io::Result<String> {
    let mut modes = tcgetattr(io::stdin())?;
    modes.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(io::stdin(), SetArg::TCSANOW, &modes)?;
    let answer = read_line(term, shown)?;
    term.write_line("[hidden]")?;
    Ok(answer)
}

/// Asks a person at the terminal, one question at a time.
#[derive(Debug)]
pub struct TerminalPrompt {
    screen: Screen,
    somebody: bool,
    turn: Mutex<()>,
    /// A question was dropped while its thread still read the terminal. Nobody is asked again: the run is on its way out,
    /// and a second reader would share the keys with the first.
    given_up: AtomicBool,
}

impl TerminalPrompt {
    pub(super) fn new(screen: Screen, somebody: bool) -> Self {
        Self {
            screen,
            somebody,
            turn: Mutex::new(()),
            given_up: AtomicBool::new(false),
        }
    }

    /// Asks in a thread of its own, for reading a key blocks. It is no thread of the runtime's, which would wait for it
    /// when a signal ends the run in the middle of a question.
    async fn ask<T: Send + 'static>(
        &self,
        intent: Option<&Intent>,
        text: &str,
        question: impl FnOnce(&Term, String) -> dialoguer::Result<T> + Send + 'static,
    ) -> Result<T, PromptError> {
        if !self.somebody {
            return Err(PromptError::NoTerminal);
        }
        let _turn = self.turn.lock().await;
        if self.given_up.load(Ordering::Relaxed) {
            return Err(PromptError::Interrupted);
        }
        let mut asking = Asking::new(self);
        let cells = usize::from(Term::stderr().size().1);
        let mut before = intent.map_or_else(Vec::new, |intent| intent::lines(intent, cells));
        let (above, last) = lines(text, cells);
        before.extend(above);
        let (answer, answered) = oneshot::channel();
        std::thread::Builder::new()
            .name("prompt".to_owned())
            .spawn(move || {
                let term = Term::stderr();
                let told = before.iter().try_for_each(|line| term.write_line(line));
                let asked = told
                    .map_err(dialoguer::Error::from)
                    .and_then(|()| question(&term, last));
                answer.send(asked).is_ok()
            })
            .map_err(|error| PromptError::Broken(error.to_string()))?;
        let answer = match answered.await {
            // Who pressed Ctrl-C while options were shown sent the signal too, and that ends the question.
            Ok(Err(dialoguer::Error::IO(error))) if error.kind() == io::ErrorKind::Interrupted => {
                return std::future::pending().await;
            }
            answer => answer,
        };
        asking.over = true;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(dialoguer::Error::IO(error))) => {
                leave_line();
                Err(match error.kind() {
                    io::ErrorKind::UnexpectedEof => PromptError::NoAnswer,
                    io::ErrorKind::NotConnected => PromptError::NoTerminal,
                    _ => PromptError::Broken(error.to_string()),
                })
            }
            Err(_) => Err(PromptError::Broken("the question broke off".to_owned())),
        }
    }
}

/// A question that is being asked: while it lives nothing moves on the screen, and then the terminal is as it was.
struct Asking<'a> {
    prompt: &'a TerminalPrompt,
    modes: Option<Termios>,
    over: bool,
    _still: Still,
}

impl<'a> Asking<'a> {
    fn new(prompt: &'a TerminalPrompt) -> Self {
        // What was typed before the question was there is no answer to it.
        let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
        Self {
            prompt,
            modes: tcgetattr(io::stdin()).ok(),
            over: false,
            _still: prompt.screen.still(),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.prompt.given_up.store(true, Ordering::Relaxed);
            leave_line();
        }
        if let Some(modes) = &self.modes {
            // A terminal that is gone needs no mending.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, modes);
        }
        let _ = Term::stderr().show_cursor();
    }
}

/// What follows an unanswered question starts a line of its own.
fn leave_line() {
    let _ = Term::stderr().write_line("");
}

impl TerminalPrompt {
    async fn yes_or_no(
        &self,
        intent: Option<&Intent>,
        question: &str,
    ) -> Result<bool, PromptError> {
        let asked = self.ask(intent, question, move |term, question| {
            let shown = format!("{} [y/N] ", Plain::lead(&question));
            loop {
                if let Some(answer) = yes_or_no(&read_line(term, &shown)?) {
                    return Ok(answer);
                }
                term.write_line("That is neither yes nor no.")?;
            }
        });
        match asked.await {
            Err(PromptError::NoAnswer) => Ok(false),
            answer => answer,
        }
    }

    async fn line(
        &self,
        intent: Option<&Intent>,
        question: &str,
        default: Option<String>,
        hidden: bool,
    ) -> Result<String, PromptError> {
        self.ask(intent, question, move |term, question| {
            let lead = Plain::lead(&question);
            let answer = match (hidden, &default) {
                (true, _) => read_hidden(term, &format!("{lead} "))?,
                (false, Some(default)) => read_line(term, &format!("{lead} [{default}] "))?,
                (false, None) => read_line(term, &format!("{lead} "))?,
            };
            Ok(match default {
                Some(default) if answer.is_empty() => default,
                Some(_) | None => answer,
            })
        })
        .await
    }
}

impl Prompt for TerminalPrompt {
    fn confirm<'a>(&'a self, question: &'a str) -> PromptFuture<'a, bool> {
        Box::pin(self.yes_or_no(None, question))
    }

    fn text<'a>(
        &'a self,
        question: &'a str,
        default: Option<&'a str>,
        hidden: bool,
    ) -> PromptFuture<'a, String> {
        let default = default.map(str::to_owned);
        Box::pin(self.line(None, question, default, hidden))
    }

    fn confirm_intent<'a>(
        &'a self,
        intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, bool> {
        Box::pin(self.yes_or_no(Some(intent), question))
    }

    fn name_intent<'a>(
        &'a self,
        intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, String> {
        Box::pin(self.line(Some(intent), question, None, false))
    }

    fn can_answer(&self) -> bool {
        self.somebody
    }

    fn choose<'a>(&'a self, question: &'a str, options: &'a [String]) -> PromptFuture<'a, usize> {
        let options: Vec<String> = options.iter().map(|option| one_line(option)).collect();
        Box::pin(self.ask(None, question, move |term, question| {
            Select::with_theme(&Plain)
                .with_prompt(question)
                .items(options)
                .default(0)
                .max_length(MOST_OPTIONS)
                .interact_on(term)
        }))
    }
}

#[cfg(test)]
mod tests {
    use dialoguer::theme::Theme as _;

    use super::{Plain, lines, yes_or_no};
    use crate::engine::{Prompt, PromptError};
    use crate::term::{Facts, Settings, Stream, Terminal, Variables};

    fn answer(facts: Facts, ci: bool) -> Result<bool, PromptError> {
        let settings = Settings {
            variables: Variables {
                ci,
                ..Variables::default()
            },
            ..Settings::default()
        };
        let prompt = Terminal::new(facts, settings).prompt();
        // Without anybody to ask, the answer is there at once: no runtime is needed to wait for it.
        futures_util::FutureExt::now_or_never(prompt.confirm("Delete?"))
            .unwrap_or(Err(PromptError::Interrupted))
    }

    #[test]
    fn a_question_mark_needs_no_colon() {
        let mut shown = String::new();
        let _ = Plain.format_select_prompt(&mut shown, "Which region?");
        assert_eq!(shown, "Which region?");
        assert_eq!(Plain::lead("Name"), "Name:");
    }

    #[test]
    fn the_lines_of_an_instruction_stay_lines() {
        let (before, last) = lines("1. Call Bob\n2. Wait\u{1b}[2J\nDone?\n", 80);
        assert_eq!(before, ["1. Call Bob", "2. Wait␛[2J"]);
        assert_eq!(last, "Done?");
        assert_eq!(lines("", 80), (Vec::new(), String::new()));
    }

    #[test]
    fn a_long_question_leaves_room_for_its_answer() {
        let (before, last) = lines("one\nDelete what is older than a year?", 32);
        assert_eq!(before, ["one", "Delete what is older"]);
        assert_eq!(last, "than a year?");
    }

    #[test]
    fn only_a_whole_line_says_yes() {
        for yes in ["y", "Y", " yes "] {
            assert_eq!(yes_or_no(yes), Some(true), "{yes}");
        }
        for no in ["", "n", "No"] {
            assert_eq!(yes_or_no(no), Some(false), "{no}");
        }
        for neither in ["not today", "maybe", "no way", "yy"] {
            assert_eq!(yes_or_no(neither), None, "{neither}");
        }
    }

    #[test]
    fn nobody_is_asked_where_nobody_can_answer() {
        let screen = Stream {
            terminal: true,
            columns: None,
        };
        let whole = Facts {
            stdin: true,
            stdout: screen,
            stderr: screen,
        };
        let no_input = Facts {
            stdin: false,
            ..whole
        };
        let no_error = Facts {
            stderr: Stream::default(),
            ..whole
        };
        assert_eq!(answer(no_input, false), Err(PromptError::NoTerminal));
        assert_eq!(answer(no_error, false), Err(PromptError::NoTerminal));
        assert_eq!(answer(whole, true), Err(PromptError::NoTerminal));
        assert_eq!(
            answer(Facts::default(), false),
            Err(PromptError::NoTerminal)
        );
    }
}
