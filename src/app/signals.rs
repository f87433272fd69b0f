//! SIGINT, SIGQUIT, SIGTERM and SIGHUP: the first asks the run to stop, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::base::exit::ExitCode;
use crate::engine::Stop;

use super::AppError;

/// Hears the signals.
pub(super) struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to hear them: from now on they do not end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn hear() -> Result<Self, AppError> {
        let hear = |kind| {
            signal(kind)
                .map_err(|error| AppError::unknown(format!("signals cannot be handled: {error}")))
        };
        Ok(Self {
            interrupt: hear(SignalKind::interrupt())?,
            quit: hear(SignalKind::quit())?,
            terminate: hear(SignalKind::terminate())?,
            hang_up: hear(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.quit.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Terminated,
            _ = self.hang_up.recv() => Stop::Terminated,
        }
    }

    /// Passes the first signal on as the wish to stop, and gives the exit code at the second.
    pub(super) async fn pass_on(mut self, stop: watch::Sender<Option<Stop>>) -> ExitCode {
        let first = self.next().await;
        stop.send_replace(Some(first));
        exit_of(self.next().await)
    }
}

/// The exit code of a run that is given up for this.
pub(super) const fn exit_of(stop: Stop) -> ExitCode {
    match stop {
        Stop::Interrupted => ExitCode::Interrupted,
        Stop::Terminated | Stop::TimedOut => ExitCode::Terminated,
    }
}
