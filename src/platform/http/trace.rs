//! Where a request is and where its time went.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// The part of a request that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The name is looked up.
    Dns,
    /// A connection is opened, through the proxy if there is one.
    Connect,
    /// The two sides shake hands.
    Tls,
    /// The request is sent and the head of the response awaited.
    Wait,
    /// The body arrives.
    Receive,
}

impl Phase {
    /// What is done in it, to follow "while".
    #[must_use]
    pub const fn doing(self) -> &'static str {
        match self {
            Self::Dns => "looking up its address",
            Self::Connect => "connecting",
            Self::Tls => "shaking hands for TLS",
            Self::Wait => "waiting for the response",
            Self::Receive => "receiving the body",
        }
    }
}

/// How long each phase took, summed over redirects; zero for a phase that was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Looking up the name.
    pub dns: Duration,
    /// Opening the connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the first byte of the request to the head of the response.
    pub wait: Duration,
    /// From the head of the response to the end of its body.
    pub receive: Duration,
    /// From beginning to end.
    pub total: Duration,
}

/// A stopwatch that knows the phase and the server.
#[derive(Debug)]
pub(super) struct Trace {
    phase: Phase,
    started: Instant,
    entered: Instant,
    timing: Timing,
    /// The server that is spoken to, as `host:port`.
    pub(super) target: String,
    /// Where redirects led so far.
    pub(super) redirects: Vec<String>,
    /// When the last request was sent, by the machine's clock.
    pub(super) asked: DateTime<Utc>,
}

impl Trace {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            phase: Phase::Dns,
            started: now,
            entered: now,
            timing: Timing::default(),
            target: String::new(),
            redirects: Vec::new(),
            asked: Utc::now(),
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Ends the phase that is under way and begins another.
    pub(super) fn enter(&mut self, phase: Phase) {
        let now = Instant::now();
        let took = now - self.entered;
        *self.slot() += took;
        if phase == Phase::Wait && self.phase != phase {
            self.asked = Utc::now();
        }
        self.phase = phase;
        self.entered = now;
    }

    /// How long ago it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The times so far.
    pub(super) fn timing(&mut self) -> Timing {
        self.enter(self.phase);
        self.timing.total = self.entered - self.started;
        self.timing
    }

    fn slot(&mut self) -> &mut Duration {
        match self.phase {
            Phase::Dns => &mut self.timing.dns,
            Phase::Connect => &mut self.timing.connect,
            Phase::Tls => &mut self.timing.tls,
            Phase::Wait => &mut self.timing.wait,
            Phase::Receive => &mut self.timing.receive,
        }
    }
}
