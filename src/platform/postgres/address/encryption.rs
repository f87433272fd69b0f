//! How a connection is encrypted, as `sslmode` and its neighbours say. Must not open one.

use crate::platform::tls::{ClientFiles, Trust};

use super::parts::Parts;
use super::{AddressError, Surroundings};

/// Whether and how the connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::postgres) struct Tls {
    pub(in crate::platform::postgres) mode: Mode,
    /// Who we are, where the server asks for that.
    pub(in crate::platform::postgres) identity: Option<ClientFiles>,
}

/// `sslmode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::postgres) enum Mode {
    /// Never.
    Disable,
    /// Where the server does not let us in otherwise.
    Allow,
    /// Where the server can, whoever it is.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and those who are trusted vouch for the server, whatever its name.
    VerifyAuthority(Trust),
    /// Always, and the server is who it says.
    VerifyFull(Trust),
}

impl Mode {
    /// The ways to try, one after the other, while the server does not let us in.
    pub(in crate::platform::postgres) fn ways(&self) -> Vec<Way> {
        let encrypted = |trust: &Trust, by_any_name| Way::Encrypted {
            trust: trust.clone(),
            by_any_name,
        };
        match self {
            Self::Disable => vec![Way::Plain],
            Self::Allow => vec![Way::Plain, encrypted(&Trust::Anything, true)],
            Self::Prefer => vec![Way::IfOffered, Way::Plain],
            Self::Require => vec![encrypted(&Trust::Anything, true)],
            Self::VerifyAuthority(trust) => vec![encrypted(trust, true)],
            Self::VerifyFull(trust) => vec![encrypted(trust, false)],
        }
    }
}

/// One way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::postgres) enum Way {
    /// Not encrypted.
    Plain,
    /// Encrypted where the server offers it, whoever it is.
    IfOffered,
    /// Encrypted.
    Encrypted {
        /// Who may vouch for the server.
        trust: Trust,
        /// Whether its certificate may be for any other name.
        by_any_name: bool,
    },
}

/// The words of `sslmode` that have a meaning.
const MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

/// As libpq, `require` encrypts and asks nobody who the server is, unless there is a file of authorities. For
/// `verify-full`, where none is named or lies in its usual place, those vouch for a server whom this machine trusts;
/// without its name that would let everybody be the server.
fn mode(word: &str, authorities: Option<Trust>, is_named: bool) -> Result<Mode, AddressError> {
    let wrong = |name, expected| Err(AddressError::Value { name, expected });
    match (word, authorities) {
        ("disable" | "allow" | "prefer", _) if is_named => wrong(
            "sslmode",
            "require, verify-ca or verify-full, and only those look at sslrootcert",
        ),
        ("require" | "verify-ca", Some(Trust::System)) => {
            wrong("sslmode", "verify-full, which sslrootcert=system needs")
        }
        ("verify-ca", None) => wrong("sslrootcert", "said, and sslmode=verify-ca needs it"),
        ("disable", _) => Ok(Mode::Disable),
        ("allow", _) => Ok(Mode::Allow),
        ("prefer", _) => Ok(Mode::Prefer),
        ("require", None) => Ok(Mode::Require),
        ("require" | "verify-ca", Some(trust)) => Ok(Mode::VerifyAuthority(trust)),
        ("verify-full", trust) => Ok(Mode::VerifyFull(trust.unwrap_or(Trust::System))),
        _ => wrong("sslmode", MODES),
    }
}

/// What the parts of an address say of encryption, and the files of libpq that lie in their usual places.
pub(super) fn tls(parts: &Parts, around: &Surroundings<'_>) -> Result<Tls, AddressError> {
    let usual = |name: &str| {
        let path = around.home()?.join(".postgresql").join(name);
        path.is_file().then_some(path)
    };
    let named = |keyword| parts.get(keyword).map(|path| around.folder.join(path));
    let authorities = match parts.get("sslrootcert") {
        Some("system") => Some(Trust::System),
        Some(path) => Some(Trust::Only(around.folder.join(path))),
        None => usual("root.crt").map(Trust::Only),
    };
    let mode = mode(
        parts.get("sslmode").unwrap_or("prefer"),
        authorities,
        parts.get("sslrootcert").is_some(),
    )?;
    let certificate = named("sslcert").or_else(|| usual("postgresql.crt"));
    let key = named("sslkey").or_else(|| usual("postgresql.key"));
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientFiles { certificate, key }),
        (Some(_), None) => {
            return Err(AddressError::Value {
                name: "sslkey",
                expected: "said, and sslcert is",
            });
        }
        (None, _) => None,
    };
    Ok(Tls { mode, identity })
}
