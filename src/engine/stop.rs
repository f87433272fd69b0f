//! Why a run must end before its time.

use std::future::Future;

use tokio::sync::watch;

use crate::base::exit::ExitCode;

/// Why a run must end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C at the terminal (SIGINT).
    Interrupted,
    /// SIGTERM, or the terminal was closed (SIGHUP).
    Terminated,
    /// The run took longer than it may.
    TimedOut,
}

impl Stop {
    /// The exit code of its own that it gives the run.
    #[must_use]
    pub const fn exit(self) -> Option<ExitCode> {
        match self {
            Self::Interrupted => Some(ExitCode::Interrupted),
            Self::Terminated => Some(ExitCode::Terminated),
            Self::TimedOut => None,
        }
    }

    /// What is said of a step that was cut off.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::TimedOut => "its time was over",
        }
    }
}

/// Hears that a run must stop.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// A signal and the end to pull.
    #[must_use]
    pub fn new() -> (watch::Sender<Option<Stop>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// Whether the run must stop by now.
    #[must_use]
    pub fn now(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits until the run must stop; for ever when nobody can say so any more.
    pub fn wait(&self) -> impl Future<Output = Stop> + use<> {
        let mut receiver = self.0.clone();
        async move {
            let stopped = match receiver.wait_for(Option::is_some).await {
                Ok(stop) => *stop,
                Err(_) => None,
            };
            match stopped {
                Some(stop) => stop,
                None => std::future::pending().await,
            }
        }
    }
}
