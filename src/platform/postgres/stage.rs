//! How far one gets on the way to an answer, and how long each part of it took.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::address::Place;

/// A part of the way from a name to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A socket of this machine is opened.
    Socket,
    /// The host's name is looked up.
    Dns,
    /// A connection is made.
    Tcp,
    /// It is encrypted.
    Tls,
    /// The server is told who asks.
    Login,
    /// It is asked.
    Query,
}

impl Stage {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Query => "query",
        }
    }

    /// The first one on the way to a place.
    pub(super) fn first(place: &Place) -> Self {
        match place {
            Place::Socket(_) => Self::Socket,
            Place::Host { name, address, .. } => {
                let known = address.as_ref().unwrap_or(name).parse::<IpAddr>().is_ok();
                if known { Self::Tcp } else { Self::Dns }
            }
        }
    }
}

/// The parts that were begun on the last way that was tried, each with its beginning.
#[derive(Debug, Default)]
pub(super) struct Stages(Vec<(Stage, Instant)>);

impl Stages {
    /// Another way is tried.
    pub(super) fn anew(&mut self) {
        self.0.clear();
    }

    /// A part begins, and the one before it has ended.
    pub(super) fn begins(&mut self, stage: Stage) {
        if self.0.last().is_none_or(|(last, _)| *last != stage) {
            self.0.push((stage, Instant::now()));
        }
    }

    /// Each with how long it took, the last until now.
    pub(super) fn taken(&self) -> Vec<(Stage, Duration)> {
        let now = Instant::now();
        let ends = self.0.iter().skip(1).map(|(_, began)| *began).chain([now]);
        let taken = self.0.iter().zip(ends);
        taken
            .map(|((stage, began), end)| (*stage, end.saturating_duration_since(*began)))
            .collect()
    }
}
