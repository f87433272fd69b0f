//! Where a server is and how to speak to it: from a URL or keywords, a service, the environment and the files beside
//! them, as libpq takes them. No message of this folder quotes the text: a password stands in it.

mod encryption;
mod files;
mod parts;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::ChannelBinding;

use crate::base::Secret;

use encryption::tls;
use files::{Passwords, service};
use parts::{Parts, conninfo};

pub(super) use encryption::{Mode, Tls, Way};

/// Where a database is, who asks and how: `postgres://user:password@host:5432/database?sslmode=verify-full`.
/// Described at <https://www.postgresql.org/docs/current/libpq-connect.html>.
#[derive(Clone, Debug)]
pub struct Address {
    /// The servers, tried in this order. At least one.
    pub(super) servers: Vec<Server>,
    pub(super) target: Target,
    pub(super) user: Option<String>,
    pub(super) database: Option<String>,
    pub(super) tls: Tls,
    /// Whether who lets us in must be who encrypts: the proof of the password holds the server's certificate then.
    pub(super) channel_binding: ChannelBinding,
    /// How long one server may take to let us in.
    pub(super) connect_timeout: Duration,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    /// Why a file of passwords that is there is not used.
    pub(super) unused_passwords: Option<String>,
}

/// One of the servers.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) password: Option<Secret>,
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host and a port, and the address of the host where it is not to be looked up.
    Host {
        name: String,
        address: Option<String>,
        port: u16,
    },
    /// A socket of this machine: `/run/postgresql/.s.PGSQL.5432`.
    Socket(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { name, port, .. } if name.contains(':') => {
                write!(formatter, "[{name}]:{port}")
            }
            Self::Host { name, port, .. } => write!(formatter, "{name}:{port}"),
            Self::Socket(path) => path.display().fmt(formatter),
        }
    }
}

/// Which of several servers will do: `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Target {
    const ALL: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, target)| *target == self);
        found.map_or("any", |(word, _)| word)
    }
}

/// The words of `channel_binding`.
pub(super) const CHANNEL_BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

/// What a connection is made in.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Where relative paths start from.
    pub folder: &'a Path,
    /// The variables of the environment.
    pub variables: &'a [(String, String)],
}

impl Surroundings<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let mut variables = self.variables.iter();
        let found = variables.find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }
}

/// What is said of a connection by who wants it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// A URL, or keywords with values.
    pub text: Option<&'a str>,
    /// A service, where the text names none.
    pub service: Option<&'a str>,
    /// The password, where the text has none.
    pub password: Option<&'a str>,
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing says where the server is.
    #[error("nothing says where the database is")]
    Nothing,
    /// It does not begin as one.
    #[error("the URL of the database does not begin with postgres:// or postgresql://")]
    Scheme,
    /// It is no list of keywords.
    #[error("the address of the database is no list of keyword=value")]
    Conninfo,
    /// A keyword that has no meaning. It is not named: it may be a piece of a password.
    #[error("the address of the database has an unknown keyword")]
    Keyword {
        /// The known one that looks like it.
        near: Option<&'static str>,
    },
    /// There are other numbers of hosts, addresses and ports.
    #[error("the address of the database names {hosts} hosts and {others} {what}")]
    Lists {
        /// How many hosts.
        hosts: usize,
        /// How many of the others.
        others: usize,
        /// What the others are.
        what: &'static str,
    },
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
    #[error("{name} of the database's address is not {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A service that no file has.
    #[error("there is no service {name:?} in {tried}")]
    Service {
        /// Its name.
        name: String,
        /// The files.
        tried: String,
    },
    /// A file that cannot be understood.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Where a server listens unless said.
const PORT: &str = "5432";

/// Where a server runs unless said.
const HOST: &str = "localhost";

impl Address {
    /// How long connecting may take unless something else is said.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Reads what is wanted; what that leaves open is taken from the service that it names, then from the environment, and
    /// the password from the file of passwords.
    ///
    /// # Errors
    /// When something of that is not understood, which is never ignored, and when none of it says anything.
    pub fn find(wanted: Wanted<'_>, around: &Surroundings<'_>) -> Result<Self, AddressError> {
        let mut parts = match wanted.text {
            None => Parts::default(),
            Some(text) => parts_of(text)?,
        };
        let mut beside = Parts::default();
        beside.set("password", wanted.password.unwrap_or_default().to_owned());
        beside.set("service", wanted.service.unwrap_or_default().to_owned());
        parts.or(beside);
        let named = parts
            .take("service")
            .or_else(|| around.variable("PGSERVICE"));
        if let Some(name) = &named {
            parts.or(service(name, around)?);
        }
        parts.or_variables(|name| around.variable(name));
        let says_where = ["host", "hostaddr", "dbname", "port"]
            .iter()
            .any(|keyword| parts.get(keyword).is_some());
        if wanted.text.is_none() && named.is_none() && !says_where {
            return Err(AddressError::Nothing);
        }
        finished(parts, around)
    }

    /// Reads a URL, or keywords with values, and nothing beside it. Relative paths start from `folder`.
    ///
    /// # Errors
    /// As [`Address::find`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, AddressError> {
        let wanted = Wanted {
            text: Some(text),
            ..Wanted::default()
        };
        let variables = &[];
        Self::find(wanted, &Surroundings { folder, variables })
    }

    /// The servers, to be named: `db.example.com:5432`.
    #[must_use]
    pub fn server(&self) -> String {
        let names = self.servers.iter().map(|server| server.place.to_string());
        names.collect::<Vec<_>>().join(",")
    }

    /// The passwords, wherever they were found.
    pub fn passwords(&self) -> impl Iterator<Item = &Secret> {
        self.servers
            .iter()
            .filter_map(|server| server.password.as_ref())
    }
}

/// What a text says, whichever of the two forms it has.
fn parts_of(text: &str) -> Result<Parts, AddressError> {
    let url = text
        .strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"));
    match url {
        Some(rest) => parts_of_url(rest),
        None if text.contains("://") || !text.contains('=') => Err(AddressError::Scheme),
        None => conninfo(text),
    }
}

fn parts_of_url(rest: &str) -> Result<Parts, AddressError> {
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    if rest[authority.len()..].contains('@') {
        return Err(AddressError::Ambiguous);
    }
    let (identity, servers) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = identity.split_once(':').unwrap_or((identity, ""));
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for server in servers.split(',') {
        let (host, port) = host_and_port(server)?;
        hosts.push(decoded("host", host)?);
        ports.push(port);
    }
    let list = |items: &[&str], empty: &str| match items.iter().all(|item| item.is_empty()) {
        true => String::new(),
        false => {
            let filled = items
                .iter()
                .map(|item| if item.is_empty() { empty } else { item });
            filled.collect::<Vec<_>>().join(",")
        }
    };
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut parts = Parts::default();
    parts.set("user", decoded("user", user)?);
    parts.set("password", decoded("password", password)?);
    parts.set("dbname", decoded("name", path)?);
    parts.set("host", list(&hosts, HOST));
    parts.set("port", list(&ports, PORT));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded("parameter", name)?;
        let keyword =
            Parts::keyword(&name).map_err(|near| AddressError::Parameter { name, near })?;
        let value = decoded("parameter", value)?;
        if keyword == "port" && value.is_empty() {
            return Err(AddressError::Port);
        }
        parts.set(keyword, value);
    }
    Ok(parts)
}

fn finished(mut parts: Parts, around: &Surroundings<'_>) -> Result<Address, AddressError> {
    if !matches!(parts.get("gssencmode"), None | Some("disable" | "prefer")) {
        return Err(AddressError::Value {
            name: "gssencmode",
            expected: "disable or prefer: GSSAPI is not spoken here",
        });
    }
    let binding = choice(
        &parts,
        ("channel_binding", "disable, prefer or require"),
        &CHANNEL_BINDINGS,
    )?;
    let tls = tls(&parts, around)?;
    let target = choice(
        &parts,
        (
            "target_session_attrs",
            "any, read-write, read-only, primary, standby or prefer-standby",
        ),
        &Target::ALL,
    )?
    .unwrap_or(Target::Any);
    let connect_timeout = match parts.get("connect_timeout") {
        None => None,
        Some(text) => {
            let seconds: u64 = text.trim().parse().map_err(|_| AddressError::Value {
                name: "connect_timeout",
                expected: "a whole number of seconds",
            })?;
            // Nought is libpq's word for no limit.
            (seconds > 0).then(|| Duration::from_secs(seconds))
        }
    };
    let places = places(&parts)?;
    let (user, database) = (parts.take("user"), parts.take("dbname"));
    let password = parts.take("password");
    let passwords = match password {
        Some(_) => Passwords::default(),
        None => Passwords::read(parts.get("passfile"), around),
    };
    let servers = places.into_iter().map(|place| {
        let user = user.as_deref().unwrap_or_default();
        let found = || {
            of_place(
                &passwords,
                &place,
                database.as_deref().unwrap_or(user),
                user,
            )
        };
        let password = password.clone().map(Secret::new).or_else(found);
        Server { place, password }
    });
    Ok(Address {
        servers: servers.collect(),
        target,
        user,
        database,
        tls,
        channel_binding: binding.unwrap_or(ChannelBinding::Prefer),
        connect_timeout: connect_timeout.unwrap_or(Address::CONNECT_TIMEOUT),
        application_name: parts
            .take("application_name")
            .unwrap_or_else(|| "opsbook".to_owned()),
        options: parts.take("options"),
        unused_passwords: passwords.unused,
    })
}

/// The password that a file has for a server. A socket is known there by its folder, and as `localhost`.
fn of_place(passwords: &Passwords, place: &Place, database: &str, user: &str) -> Option<Secret> {
    match place {
        Place::Host { name, port, .. } => passwords.of([name, &port.to_string(), database, user]),
        Place::Socket(path) => {
            let folder = path.parent()?.to_str()?;
            let port = path.extension()?.to_str()?;
            let of = |host| passwords.of([host, port, database, user]);
            of(folder).or_else(|| of(HOST))
        }
    }
}

/// The word of a keyword that has only some.
fn choice<T: Copy>(
    parts: &Parts,
    (name, expected): (&'static str, &'static str),
    words: &[(&str, T)],
) -> Result<Option<T>, AddressError> {
    let Some(given) = parts.get(name) else {
        return Ok(None);
    };
    let found = words.iter().find(|(word, _)| *word == given);
    found
        .map(|(_, choice)| Some(*choice))
        .ok_or(AddressError::Value { name, expected })
}

/// The servers, in their order. One port goes for all.
fn places(parts: &Parts) -> Result<Vec<Place>, AddressError> {
    let list = |keyword| {
        let items = parts.get(keyword).map(|text| text.split(','));
        items.map(|items| items.map(str::trim).collect::<Vec<_>>())
    };
    let addresses = list("hostaddr").unwrap_or_default();
    let hosts = match list("host") {
        Some(hosts) => hosts,
        None if addresses.is_empty() => vec![HOST],
        None => vec![""; addresses.len()],
    };
    let ports = list("port").unwrap_or_else(|| vec![PORT]);
    for (others, what) in [(addresses.len(), "addresses"), (ports.len(), "ports")] {
        let fits = others == hosts.len() || (what == "ports" && others == 1) || others == 0;
        if !fits {
            let hosts = hosts.len();
            return Err(AddressError::Lists {
                hosts,
                others,
                what,
            });
        }
    }
    let place = |(index, host): (usize, &&str)| {
        let port = ports.get(index).or(ports.first()).copied();
        let port = port.filter(|port| !port.is_empty()).unwrap_or(PORT);
        let port = port.parse().map_err(|_| AddressError::Port)?;
        let address = addresses.get(index).filter(|address| !address.is_empty());
        let name = match (*host, address) {
            ("", Some(address)) => address,
            ("", None) => HOST,
            (host, _) => host,
        };
        Ok(match (name.starts_with('/'), address) {
            (true, None) => Place::Socket(Path::new(name).join(format!(".s.PGSQL.{port}"))),
            _ => Place::Host {
                name: name.to_owned(),
                address: address.map(|address| (*address).to_owned()),
                port,
            },
        })
    };
    hosts.iter().enumerate().map(place).collect()
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn host_and_port(server: &str) -> Result<(&str, &str), AddressError> {
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
    let is_port = port.is_empty() || port.parse::<u16>().is_ok();
    is_port.then_some((host, port)).ok_or(AddressError::Port)
}

fn decoded(part: &'static str, text: &str) -> Result<String, AddressError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned)
        .map_err(|_| AddressError::Text(part))
}
