//! The way to a server in the variables that PostgreSQL's own programs read:
//! <https://www.postgresql.org/docs/current/libpq-envars.html>. Must not be told to anybody but such a program: a password
//! is among them.

use std::path::Path;

use crate::base::Secret;
use crate::platform::tls::Trust;

use super::Postgres;
use super::address::{Address, Mode, Place, Server};

impl Postgres {
    /// The variables by which `pg_dump` and its like reach the same database, the password last where there is one.
    #[must_use]
    pub fn libpq_variables(&self) -> Vec<(String, String)> {
        variables(&self.address)
    }
}

fn variables(address: &Address) -> Vec<(String, String)> {
    let list = |of: fn(&Place) -> String| {
        let each = address.servers.iter().map(|server| of(&server.place));
        Some(each.collect::<Vec<_>>().join(","))
    };
    let has_address = |server: &Server| {
        matches!(
            server.place,
            Place::Host {
                address: Some(_),
                ..
            }
        )
    };
    let hostaddr = address.servers.iter().any(has_address);
    let (mode, root) = mode(&address.tls.mode);
    let identity = address.tls.identity.as_ref();
    let path = |path: &Path| path.display().to_string();
    let timeout = address.connect_timeout.as_secs().max(1).to_string();
    let of = |name: &str, value: Option<String>| Some((name.to_owned(), value?));
    [
        of("PGHOST", list(host)),
        of("PGHOSTADDR", list(host_address).filter(|_| hostaddr)),
        of("PGPORT", list(port)),
        of(
            "PGTARGETSESSIONATTRS",
            Some(address.target.word().to_owned()),
        ),
        of("PGUSER", address.user.clone()),
        // Without one libpq takes the user's, as opsbook does.
        of("PGDATABASE", address.database.clone()),
        of("PGSSLMODE", Some(mode.to_owned())),
        of("PGSSLROOTCERT", root),
        of(
            "PGSSLCERT",
            identity.map(|identity| path(&identity.certificate)),
        ),
        of("PGSSLKEY", identity.map(|identity| path(&identity.key))),
        of("PGCONNECT_TIMEOUT", Some(timeout)),
        of("PGAPPNAME", Some(address.application_name.clone())),
        of("PGOPTIONS", address.options.clone()),
        of("PGPASSWORD", password(address)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn host(place: &Place) -> String {
    match place {
        Place::Host { name, .. } => name.clone(),
        Place::Socket(path) => path
            .parent()
            .map(|folder| folder.display().to_string())
            .unwrap_or_default(),
    }
}

fn host_address(place: &Place) -> String {
    match place {
        Place::Host { address, .. } => address.clone().unwrap_or_default(),
        Place::Socket(_) => String::new(),
    }
}

fn port(place: &Place) -> String {
    match place {
        Place::Host { port, .. } => port.to_string(),
        Place::Socket(path) => path
            .extension()
            .map(|port| port.to_string_lossy().into_owned())
            .unwrap_or_default(),
    }
}

/// `sslmode` and `sslrootcert`.
fn mode(mode: &Mode) -> (&'static str, Option<String>) {
    let root = |trust: &Trust| match trust {
        Trust::Only(file) | Trust::Also(file) => file.display().to_string(),
        Trust::System | Trust::Anything => "system".to_owned(),
    };
    match mode {
        Mode::Disable => ("disable", None),
        Mode::Allow => ("allow", None),
        Mode::Prefer => ("prefer", None),
        Mode::Require => ("require", None),
        Mode::VerifyAuthority(trust) => ("verify-ca", Some(root(trust))),
        Mode::VerifyFull(trust) => ("verify-full", Some(root(trust))),
    }
}

/// The password that goes for every server. Where each has an own, the program finds them in the same file.
fn password(address: &Address) -> Option<String> {
    let mut all = address.passwords().map(Secret::expose);
    let first = all.next()?;
    (all.all(|other| other == first)).then(|| first.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use super::{Address, variables};

    fn of(url: &str, name: &str) -> Option<String> {
        let address = Address::parse(url, Path::new("/estate")).unwrap();
        let found = variables(&address)
            .into_iter()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    #[test]
    fn a_program_reaches_the_same_server_as_the_same_user() {
        let url =
            "postgres://ada:p%40ss@db.example.com:5433/shop?sslmode=verify-full&sslrootcert=ca.pem";
        for (name, value) in [
            ("PGHOST", "db.example.com"),
            ("PGPORT", "5433"),
            ("PGUSER", "ada"),
            ("PGDATABASE", "shop"),
            ("PGPASSWORD", "p@ss"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/estate/ca.pem"),
        ] {
            assert_eq!(of(url, name).as_deref(), Some(value), "{name}");
        }
        let socket = "postgres://ada@/shop?host=/run/postgresql&port=5444";
        assert_eq!(of(socket, "PGHOST").as_deref(), Some("/run/postgresql"));
        assert_eq!(of(socket, "PGPORT").as_deref(), Some("5444"));
        assert_eq!(of(socket, "PGPASSWORD"), None);

        let several = "postgres://ada:x@a:1,b:2/shop?hostaddr=127.0.0.1,127.0.0.2&sslmode=verify-ca&sslrootcert=ca.pem\
                       &target_session_attrs=read-write&sslcert=me.pem&sslkey=me.key";
        for (name, value) in [
            ("PGHOST", "a,b"),
            ("PGHOSTADDR", "127.0.0.1,127.0.0.2"),
            ("PGPORT", "1,2"),
            ("PGTARGETSESSIONATTRS", "read-write"),
            ("PGSSLMODE", "verify-ca"),
            ("PGSSLCERT", "/estate/me.pem"),
            ("PGSSLKEY", "/estate/me.key"),
            ("PGPASSWORD", "x"),
        ] {
            assert_eq!(of(several, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(of(url, "PGHOSTADDR"), None);
    }
}
