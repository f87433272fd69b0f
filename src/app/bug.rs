//! A bug ends in exit code 70 with a short message, wherever it happens; the runtime would swallow one in a task.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::exit::ExitCode;
use crate::base::text::one_line;
use crate::term::{self, Terminal};

static MET: AtomicBool = AtomicBool::new(false);

/// Does the work. A bug in it, on any thread, is told on standard error and decides the exit code.
pub fn guard(work: impl FnOnce() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(|bug| {
        MET.store(true, Ordering::SeqCst);
        let terminal = Terminal::new(term::facts(), term::Settings::default());
        terminal.error(&message(bug));
    }));
    let exit = std::panic::catch_unwind(AssertUnwindSafe(work));
    match exit {
        Ok(exit) if !MET.load(Ordering::SeqCst) => exit,
        Ok(_) | Err(_) => ExitCode::Bug,
    }
}

fn message(bug: &PanicHookInfo<'_>) -> String {
    let place = bug
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "opsbook: this is a bug in opsbook, not in your runbook: {} (at {place})\n  \
         please report it with this message, the version ({}) and the command line, without its secrets\n",
        one_line(text_of(bug.payload())),
        env!("CARGO_PKG_VERSION"),
    )
}

fn text_of(payload: &dyn Any) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "it is what is tested")]
mod tests {
    use super::guard;
    use crate::base::exit::ExitCode;

    #[test]
    fn a_bug_anywhere_ends_in_its_own_exit_code() {
        let hook = std::panic::take_hook();
        let in_a_thread = guard(|| {
            let _ = std::thread::spawn(|| panic!("a bug in a thread")).join();
            ExitCode::Ok
        });
        let here = guard(|| panic!("a bug"));
        std::panic::set_hook(hook);
        assert_eq!((in_a_thread, here), (ExitCode::Bug, ExitCode::Bug));
    }
}
