//! Where a server is and how to speak to it, from the URL that libpq knows. No message of this file quotes the URL:
//! a password stands in it.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::base::{Secret, nearest};
use crate::platform::tls::Trust;

/// Where a PostgreSQL server is, who asks and how: `postgres://user:password@host:5432/database?sslmode=verify-full`.
/// Described at <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) place: Place,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) tls: Encryption,
    pub(super) connect_timeout: Duration,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host and a port.
    Host(String, u16),
    /// A socket of this machine: `/run/postgresql/.s.PGSQL.5432`.
    Socket(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host, port) if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Host(host, port) => write!(formatter, "{host}:{port}"),
            Self::Socket(path) => path.display().fmt(formatter),
        }
    }
}

/// Whether and how the connection is encrypted: `sslmode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Never.
    Disable,
    /// Where the server can, whoever it is.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and the server is who it says.
    Verify(Trust),
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin as one.
    #[error("the URL of the database does not begin with postgres:// or postgresql://")]
    Scheme,
    /// It names several hosts.
    #[error("the URL of the database names several hosts")]
    Hosts,
    /// An `@` stands behind the host. Then what was taken for the host may be a piece of a password.
    #[error("the URL of the database has an @ behind its host")]
    Ambiguous,
    /// What stands behind the host is no port.
    #[error("the URL of the database has no whole port number behind its host")]
    Port,
    /// A part is not UTF-8 once it is decoded.
    #[error("the {0} in the URL of the database is not UTF-8")]
    Text(&'static str),
    /// A parameter that has no meaning here.
    #[error("the URL of the database has an unknown parameter {name:?}")]
    Parameter {
        /// Its name.
        name: String,
        /// The known one that looks like it.
        near: Option<&'static str>,
    },
    /// A parameter whose value has no meaning.
    #[error("{name} of the database's URL is not {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}

/// The parameters of a URL that have a meaning.
const PARAMETERS: [&str; 11] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The words of `sslmode` that have a meaning.
const MODES: &str = "disable, prefer, require or verify-full";

/// Where a server listens unless said.
const PORT: u16 = 5432;

impl Address {
    /// How long connecting may take unless the URL says otherwise.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Reads a URL. `sslrootcert` starts from `folder` where it is relative.
    ///
    /// # Errors
    /// When it is no URL of a PostgreSQL server, or says what is not understood. What is not understood is never ignored.
    pub fn parse(url: &str, folder: &std::path::Path) -> Result<Self, AddressError> {
        let rest = url
            .strip_prefix("postgresql://")
            .or_else(|| url.strip_prefix("postgres://"))
            .ok_or(AddressError::Scheme)?;
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        if rest[authority.len()..].contains('@') {
            return Err(AddressError::Ambiguous);
        }
        let (identity, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = identity
            .split_once(':')
            .map_or((identity, None), |(user, password)| (user, Some(password)));
        let (host, port) = host_and_port(server)?;

        let mut parts = Parts {
            user: filled(decoded("user", user)?),
            password: password
                .map(|text| decoded("password", text))
                .transpose()?
                .and_then(filled),
            database: filled(decoded("name", path)?),
            host: filled(decoded("host", host)?),
            port,
            ..Parts::default()
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parts.set(&decoded("parameter", name)?, decoded("parameter", value)?)?;
        }
        parts.finish(folder)
    }

    /// Uses this password where the URL has none.
    #[must_use]
    pub fn or_password(mut self, password: Option<String>) -> Self {
        self.password = self.password.or(password.map(Secret::new));
        self
    }

    /// The server, to be named: `db.example.com:5432`.
    #[must_use]
    pub fn server(&self) -> String {
        self.place.to_string()
    }
}

/// The parts of a URL while they come in.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    host: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    mode: Option<String>,
    authorities: Option<String>,
    connect_timeout: Option<Duration>,
    application_name: Option<String>,
    options: Option<String>,
}

impl Parts {
    fn set(&mut self, name: &str, value: String) -> Result<(), AddressError> {
        let place = match name {
            "user" => &mut self.user,
            "password" => &mut self.password,
            "dbname" => &mut self.database,
            "host" => &mut self.host,
            "hostaddr" => &mut self.address,
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.authorities,
            "application_name" => &mut self.application_name,
            "options" => &mut self.options,
            "port" => {
                self.port = Some(value.parse().map_err(|_| AddressError::Port)?);
                return Ok(());
            }
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| AddressError::Value {
                    name: "connect_timeout",
                    expected: "a whole number of seconds",
                })?;
                // Nought is libpq's word for no limit.
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
                return Ok(());
            }
            _ => {
                let near = nearest(name, PARAMETERS)
                    .and_then(|near| PARAMETERS.into_iter().find(|known| *known == near));
                return Err(AddressError::Parameter {
                    name: name.to_owned(),
                    near,
                });
            }
        };
        *place = filled(value);
        Ok(())
    }

    fn finish(self, folder: &std::path::Path) -> Result<Address, AddressError> {
        let port = self.port.unwrap_or(PORT);
        let host = self.address.or(self.host);
        if host.as_deref().is_some_and(|host| host.contains(',')) {
            return Err(AddressError::Hosts);
        }
        let place = match host {
            Some(path) if path.starts_with('/') => {
                Place::Socket(PathBuf::from(path).join(format!(".s.PGSQL.{port}")))
            }
            Some(host) => Place::Host(host, port),
            None => Place::Host("localhost".to_owned(), port),
        };
        Ok(Address {
            tls: encryption(self.mode.as_deref(), self.authorities, folder)?,
            place,
            user: self.user,
            password: self.password.map(Secret::new),
            database: self.database,
            connect_timeout: self.connect_timeout.unwrap_or(Address::CONNECT_TIMEOUT),
            application_name: self
                .application_name
                .unwrap_or_else(|| "opsbook".to_owned()),
            options: self.options,
        })
    }
}

/// As libpq, `require` encrypts and asks nobody who the server is. What libpq does with a file of authorities beside it
/// has surprised many, so that is refused.
fn encryption(
    mode: Option<&str>,
    authorities: Option<String>,
    folder: &std::path::Path,
) -> Result<Encryption, AddressError> {
    let encryption = match mode.unwrap_or("prefer") {
        "disable" => Encryption::Disable,
        "prefer" => Encryption::Prefer,
        "require" => Encryption::Require,
        "verify-full" => {
            return Ok(Encryption::Verify(match authorities.as_deref() {
                None | Some("system") => Trust::System,
                Some(path) => Trust::Only(folder.join(path)),
            }));
        }
        _ => {
            return Err(AddressError::Value {
                name: "sslmode",
                expected: MODES,
            });
        }
    };
    match authorities {
        None => Ok(encryption),
        Some(_) => Err(AddressError::Value {
            name: "sslmode",
            expected: "verify-full, and only that looks at sslrootcert",
        }),
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn host_and_port(server: &str) -> Result<(&str, Option<u16>), AddressError> {
    if server.contains(',') {
        return Err(AddressError::Hosts);
    }
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(AddressError::Port)?;
            match after.strip_prefix(':') {
                Some(port) => (host, port),
                None if after.is_empty() => (host, ""),
                None => return Err(AddressError::Port),
            }
        }
        None => server.split_once(':').unwrap_or((server, "")),
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = port.parse().map_err(|_| AddressError::Port)?;
    Ok((host, Some(port)))
}

fn decoded(part: &'static str, text: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned)
        .map_err(|_| AddressError::Text(part))
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::{any, proptest};
    use proptest::prop_assert;

    use super::{Address, AddressError, Encryption, Place};
    use crate::platform::tls::Trust;

    fn parse(url: &str) -> Result<Address, AddressError> {
        Address::parse(url, Path::new("/estate"))
    }

    #[test]
    fn reads_what_libpq_reads() {
        let full = parse(
            "postgresql://app%40x:p%3Aw%2F@db.example.com:6432/crm?sslmode=verify-full&sslrootcert=ca.pem\
             &connect_timeout=3&application_name=night&options=-c%20geqo%3Doff",
        )
        .unwrap();
        assert_eq!(full.place, Place::Host("db.example.com".to_owned(), 6432));
        assert_eq!(full.user.as_deref(), Some("app@x"));
        assert_eq!(full.password.as_ref().unwrap().expose(), "p:w/");
        assert_eq!(full.database.as_deref(), Some("crm"));
        let trust = Trust::Only("/estate/ca.pem".into());
        assert_eq!(full.tls, Encryption::Verify(trust));
        assert_eq!(full.connect_timeout, Duration::from_secs(3));
        assert_eq!(full.application_name, "night");
        assert_eq!(full.options.as_deref(), Some("-c geqo=off"));

        let bare = parse("postgres://").unwrap();
        assert_eq!(bare.server(), "localhost:5432");
        assert_eq!(bare.tls, Encryption::Prefer);
        assert_eq!(bare.application_name, "opsbook");
        assert!(bare.user.is_none() && bare.password.is_none() && bare.database.is_none());

        assert_eq!(
            parse("postgres://[2001:db8::1]:1/x").unwrap().server(),
            "[2001:db8::1]:1"
        );
        let sockets = [
            "postgres:///x?host=/run/pg&port=5433",
            "postgres://%2Frun%2Fpg:5433/x",
            "postgres://me@/x?host=/run/pg&port=5433",
        ];
        for socket in sockets {
            assert_eq!(
                parse(socket).unwrap().place,
                Place::Socket("/run/pg/.s.PGSQL.5433".into()),
                "{socket}"
            );
        }
        // A password is often written as it is.
        let raw = parse("postgres://me:a@b@db/x").unwrap();
        assert_eq!(raw.password.as_ref().unwrap().expose(), "a@b");
        assert_eq!(raw.server(), "db:5432");
    }

    #[test]
    fn refuses_what_it_would_have_to_ignore() {
        assert_eq!(parse("mysql://db").unwrap_err(), AddressError::Scheme);
        assert_eq!(parse("postgres://a,b/x").unwrap_err(), AddressError::Hosts);
        assert_eq!(
            parse("postgres://?host=a,b").unwrap_err(),
            AddressError::Hosts
        );
        for cut in [
            "postgres://me:12/3@db/x",
            "postgres://me:12?3@db/x",
            "postgres://me:a@12/3@db/x",
        ] {
            assert_eq!(parse(cut).unwrap_err(), AddressError::Ambiguous, "{cut}");
        }
        assert_eq!(parse("postgres://a:x/").unwrap_err(), AddressError::Port);
        assert_eq!(parse("postgres://a?port=").unwrap_err(), AddressError::Port);
        assert_eq!(
            parse("postgres://a?sslmod=require").unwrap_err(),
            AddressError::Parameter {
                name: "sslmod".to_owned(),
                near: Some("sslmode")
            }
        );
        for wrong in [
            "postgres://a?sslmode=verify-ca",
            "postgres://a?sslmode=require&sslrootcert=ca.pem",
            "postgres://a?connect_timeout=soon",
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(matches!(error, AddressError::Value { .. }), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_message_holds_the_password(tail in any::<String>()) {
            let url = format!("postgres://app:hunter2/{tail}");
            let told = parse(&url).map(|address| format!("{address:?}"));
            let told = told.unwrap_or_else(|error| format!("{error} {error:?}"));
            prop_assert!(!told.contains("hunter2"), "{told}");
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&format!("postgres://{text}"));
        }
    }
}
