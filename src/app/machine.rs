//! The processes of this machine, as the engine asks for them, and the keeper of a run's own.

use std::cell::OnceCell;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use crate::base::exit::ExitCode;
use crate::base::{Liveness, ProcessMark};
use crate::engine::Machine;
use crate::platform::process::{self, GRACE, KEEPER, Keeper, Program, RUN_VARIABLE};

use super::Environment;

/// The processes of this machine, and those of one run among them.
pub(super) struct ThisMachine {
    own: ProcessMark,
    token: String,
    /// None inside where it could not be started.
    keeper: OnceCell<Option<Keeper>>,
}

impl ThisMachine {
    /// For the run whose processes carry this token.
    pub(super) fn of(environment: &Environment, token: impl Into<String>) -> Self {
        Self {
            own: environment.process.clone(),
            token: token.into(),
            keeper: OnceCell::new(),
        }
    }

    /// A token that no other run has.
    pub(super) fn new_token() -> String {
        format!("{:032x}", fastrand::u128(..))
    }

    /// What the processes of the run carry.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The variable that marks the processes of the run.
    pub(super) fn variable(&self) -> (String, String) {
        (RUN_VARIABLE.to_owned(), self.token.clone())
    }

    /// Makes a program one of the run's, before it is started.
    pub(super) fn adopt(&self, program: &mut Program) {
        self.keep();
        program.variables.push(self.variable());
    }

    /// Lets the keeper go: the run has ended in order.
    pub(super) fn dismiss(self) {
        if let Some(keeper) = self.keeper.into_inner().flatten() {
            keeper.dismiss();
        }
    }

    fn start_keeper(&self) -> Option<Keeper> {
        // Linux keeps a file that was replaced by an update within reach here.
        let own_file = PathBuf::from("/proc/self/exe");
        let program = if own_file.exists() {
            Ok(own_file)
        } else {
            std::env::current_exe()
        };
        program
            .and_then(|program| Keeper::start(&program, &self.token))
            .inspect_err(|error| {
                tracing::warn!(%error, "there is no keeper: if opsbook is killed, its processes go on");
            })
            .ok()
    }
}

impl Machine for ThisMachine {
    fn keep(&self) {
        self.keeper.get_or_init(|| self.start_keeper());
    }

    fn liveness(&self, process: &ProcessMark) -> Liveness {
        process::liveness(process, &self.own)
    }

    fn end_leftovers<'a>(&'a self, token: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
        Box::pin(process::end_leftovers(token, GRACE))
    }
}

#[cfg(test)]
impl ThisMachine {
    /// Without a keeper: a test is another program than opsbook, and would begin anew as its own keeper.
    pub(super) fn without_keeper() -> Self {
        Self {
            own: process::own_mark(),
            token: Self::new_token(),
            keeper: OnceCell::from(None),
        }
    }
}

/// Does the work of a keeper, if this process was started as one.
#[must_use]
pub fn kept() -> Option<ExitCode> {
    let is_keeper = std::env::args_os()
        .next()
        .is_some_and(|name| name == KEEPER);
    is_keeper.then(|| match process::keep(std::io::stdin()) {
        Ok(()) => ExitCode::Ok,
        Err(_) => ExitCode::Unknown,
    })
}
