//! What can go wrong with TLS, in the words that an on-call engineer needs.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rustls::{AlertDescription, CertificateError};

use crate::base::text::count;

use super::super::certificate::CertificateFacts;
use super::super::tcp;
use super::witness::Seen;

/// A message lists at most so many names of a certificate.
const LISTED_NAMES: usize = 5;

/// Why there is no TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TlsError {
    /// What went wrong.
    pub problem: TlsProblem,
    /// What the server's certificate says of itself, if it came so far.
    pub certificate: Option<Box<CertificateFacts>>,
}

impl From<TlsProblem> for TlsError {
    fn from(problem: TlsProblem) -> Self {
        Self {
            problem,
            certificate: None,
        }
    }
}

/// What went wrong with a certificate or a handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// It was valid once.
    #[error("the certificate of {name} expired on {on}")]
    Expired {
        /// The server.
        name: String,
        /// The day, as `2026-01-31`; `an unknown day` when the certificate cannot be read.
        on: String,
    },
    /// It will be valid one day, or this machine's clock is wrong.
    #[error(
        "the certificate of {name} is not valid before {on}, and this machine's clock says {today}"
    )]
    NotYetValid {
        /// The server.
        name: String,
        /// The day by this machine's clock.
        today: String,
        /// The day, as `2026-01-31`; `an unknown day` when the certificate cannot be read.
        on: String,
    },
    /// It is valid by the server's clock and not by this machine's: one of them is wrong.
    #[error(
        "{problem}; by the server's clock it is valid: that says {server} UTC, this machine's {own} UTC"
    )]
    Clocks {
        /// What is wrong by this machine's clock.
        problem: Box<TlsProblem>,
        /// What the server's clock says: `2026-01-31 12:00`.
        server: String,
        /// What this machine's clock says.
        own: String,
    },
    /// It belongs to another server.
    #[error("the certificate is not for {name} but for {names}")]
    WrongName {
        /// The server that was meant.
        name: String,
        /// The names in it.
        names: String,
    },
    /// Nobody but itself vouches for it.
    #[error("the certificate of {name} is self-signed")]
    SelfSigned {
        /// The server.
        name: String,
    },
    /// Nobody that this machine trusts vouches for it.
    #[error("the certificate of {name} is signed by an unknown issuer, {issuer}")]
    UnknownIssuer {
        /// The server.
        name: String,
        /// Who signed it.
        issuer: String,
    },
    /// The same, and the chain that the server sends does not end with an authority.
    #[error(
        "the certificate of {name} is signed by an unknown issuer, {issuer}, whose certificate the server does not send"
    )]
    IncompleteChain {
        /// The server.
        name: String,
        /// Whose certificate comes next.
        issuer: String,
    },
    /// It is wrong in a rarer way.
    #[error("the certificate of {name} is not valid: {reason}")]
    Invalid {
        /// The server.
        name: String,
        /// In which way.
        reason: String,
    },
    /// The two sides cannot agree, or the other side does not speak TLS.
    #[error("the TLS handshake with {name} failed: {reason}")]
    Handshake {
        /// The server.
        name: String,
        /// Why.
        reason: String,
    },
    /// A certificate cannot be for such a name.
    #[error("{name:?} is neither a host name nor an address")]
    Name {
        /// The name.
        name: String,
    },
    /// The file of authorities is of no use. The trouble is on this side.
    #[error("the authorities in {} cannot be used: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The client's own certificate or key is of no use. The trouble is on this side.
    #[error("{} cannot be used to say who we are: {reason}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl TlsProblem {
    /// Whether the trouble is on this side of the connection.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Authorities { .. } | Self::Identity { .. })
    }

    /// What to do next.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Expired { .. } => {
                Some("renew it; where it was renewed, let the server load the new one")
            }
            Self::NotYetValid { .. } => {
                Some("set the clock right, or wait until the certificate is valid")
            }
            Self::Clocks { .. } => {
                Some("compare both clocks with the right time (timedatectl) and set the wrong one")
            }
            Self::WrongName { .. } => Some(
                "ask for one of these names, or let the server have a certificate that names this one",
            ),
            Self::SelfSigned { .. } => Some(
                "let an authority sign it; an authority of one's own, whose file `ca` names, will do",
            ),
            Self::UnknownIssuer { .. } => Some(
                "where that issuer is to be trusted, name the file of its certificate with `ca`; else find out who answers there",
            ),
            Self::IncompleteChain { .. } => Some(
                "let the server send its whole chain (fullchain.pem); where that issuer is one's own authority, name its file with `ca`",
            ),
            Self::Handshake { .. } => {
                Some("is it the right port, and does it speak TLS without anything before it?")
            }
            Self::Invalid { .. }
            | Self::Name { .. }
            | Self::Authorities { .. }
            | Self::Identity { .. } => None,
        }
    }
}

/// Says why a handshake ended.
pub(super) fn handshake_problem(name: &str, error: &io::Error, seen: &Seen) -> TlsProblem {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = match tls {
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            return certificate_problem(name, error, seen);
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS on this port".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => alert_words(*alert),
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        None => tcp::reason(error),
    };
    TlsProblem::Handshake {
        name: name.to_owned(),
        reason,
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::HandshakeFailure => "the two sides have no cipher in common".to_owned(),
        AlertDescription::ProtocolVersion => {
            "the server speaks no TLS version from 1.2 on".to_owned()
        }
        AlertDescription::UnrecognisedName => "the server does not know this name".to_owned(),
        AlertDescription::CertificateRequired => {
            "the server asks for a client certificate".to_owned()
        }
        AlertDescription::NoApplicationProtocol => {
            "the server speaks neither HTTP/2 nor HTTP/1.1".to_owned()
        }
        other => format!("the server sent the alert {other:?}"),
    }
}

/// Says what is wrong with a certificate.
pub(super) fn certificate_problem(name: &str, error: &rustls::Error, seen: &Seen) -> TlsProblem {
    let facts = seen.certificate.as_ref();
    let name = name.to_owned();
    let day = |moment: Option<DateTime<Utc>>| {
        moment.map_or_else(
            || "an unknown day".to_owned(),
            |moment| moment.format("%Y-%m-%d").to_string(),
        )
    };
    let rustls::Error::InvalidCertificate(reason) = error else {
        return TlsProblem::Invalid {
            name,
            reason: error.to_string(),
        };
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            TlsProblem::Expired {
                name,
                on: day(facts.map(|facts| facts.not_after)),
            }
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::NotYetValid {
                name,
                today: day(Some(Utc::now())),
                on: day(facts.map(|facts| facts.not_before)),
            }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsProblem::WrongName {
                name,
                names: listed(facts.map_or(&[][..], |facts| &facts.names)),
            }
        }
        // A self-signed certificate may also be refused for being an authority's.
        CertificateError::UnknownIssuer | CertificateError::Other(_)
            if facts.is_some_and(|facts| facts.self_signed) =>
        {
            TlsProblem::SelfSigned { name }
        }
        CertificateError::UnknownIssuer => {
            let last = seen.last.as_ref();
            let issuer = last.map_or_else(|| "unreadable".to_owned(), |last| last.issuer.clone());
            if last.is_some_and(|last| last.self_signed) {
                TlsProblem::UnknownIssuer { name, issuer }
            } else {
                TlsProblem::IncompleteChain { name, issuer }
            }
        }
        other => TlsProblem::Invalid {
            name,
            reason: other.to_string(),
        },
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name at all".to_owned();
    }
    let mut text = names[..names.len().min(LISTED_NAMES)].join(", ");
    if names.len() > LISTED_NAMES {
        text.push_str(" and ");
        text.push_str(&count(names.len() - LISTED_NAMES, "more name"));
    }
    text
}
