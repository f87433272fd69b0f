//! The processes of this machine, as the engine asks for them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::base::{Liveness, ProcessMark};
use crate::engine::Machine;
use crate::platform::process;

/// How long what a dead run left behind may take to end after TERM, before KILL.
const GRACE: Duration = Duration::from_secs(5);

/// The processes of this machine.
pub(super) struct ThisMachine {
    own: ProcessMark,
}

impl ThisMachine {
    /// As the process with this mark sees them.
    pub(super) const fn seen_by(own: ProcessMark) -> Self {
        Self { own }
    }
}

impl Machine for ThisMachine {
    fn liveness(&self, process: &ProcessMark) -> Liveness {
        process::liveness(process, &self.own)
    }

    fn end_leftovers<'a>(&'a self, token: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
        Box::pin(process::end_leftovers(token, GRACE))
    }
}
