//! What to do next where there is no response, in a line that follows the error.

use super::super::{dns, tcp};
use super::{HttpCause, HttpError, Phase};

impl HttpError {
    /// What to do next, where that can be said.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match &self.cause {
            HttpCause::Dns(_) => Some(dns::REMEDY),
            HttpCause::Connect(error) => error.remedy(),
            HttpCause::Tls(error) => error.problem.remedy(),
            HttpCause::Timeout { phase, .. } => Some(late(*phase)),
            HttpCause::Closed { .. } | HttpCause::BodyCut { .. } => Some(
                "look at the log of the service, and of the proxy in front of it if there is one",
            ),
            HttpCause::Malformed { .. } => {
                Some("another service may listen on this port, or it wants https://")
            }
            HttpCause::HeadTooLarge { .. } => Some(
                "no service needs that much: look who answers there, and which program adds headers in a circle",
            ),
            HttpCause::BodyTooLarge { .. } | HttpCause::Bomb { .. } => {
                Some("where that is meant, `body_limit` of an http step takes more")
            }
            HttpCause::Encoding { .. } => Some(
                "ask without compression to see what comes: send the header `accept-encoding: identity`",
            ),
            HttpCause::Redirect { .. } | HttpCause::RedirectLoop { .. } => Some(
                "the service and a proxy in front of it may disagree on https; with `redirects = 0` an http step shows the first answer",
            ),
            HttpCause::TooManyRedirects { .. } => {
                Some("where that is meant, `redirects` of an http step follows more")
            }
            HttpCause::ProxyUrl { .. } | HttpCause::ProxyKind { .. } => {
                Some("write http://host:port, or name the servers to ask without it in NO_PROXY")
            }
            HttpCause::Proxy { .. } => {
                Some("look at the proxy, or name the server in NO_PROXY to ask it without")
            }
            HttpCause::Url { .. } | HttpCause::Method { .. } | HttpCause::Header { .. } => None,
        }
    }
}

/// The time is over: where to look is where it went.
const fn late(phase: Phase) -> &'static str {
    match phase {
        Phase::Dns => dns::SLOW,
        Phase::Connect => tcp::SILENT,
        Phase::Tls => {
            "the port is open and nobody speaks TLS: is it the right one, is the service stuck?"
        }
        Phase::Wait => {
            "it takes connections and does not answer: look at its load and its log, or give it a longer `timeout`"
        }
        Phase::Receive => {
            "it answers slowly or without end: look at its load, or give it a longer `timeout`"
        }
    }
}
