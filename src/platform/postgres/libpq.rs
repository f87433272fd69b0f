//! The way to a server in the variables that PostgreSQL's own programs read:
//! <https://www.postgresql.org/docs/current/libpq-envars.html>. Must not be told to anybody but such a program: a password
//! is among them.

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
    let listed = |part: fn(&Place) -> String| {
        let parts = address.servers.iter().map(|server| part(&server.place));
        Some(parts.collect::<Vec<_>>().join(","))
    };
    let (mode, root) = match &address.tls.mode {
        Mode::Disable => ("disable", None),
        Mode::Allow => ("allow", None),
        Mode::Prefer => ("prefer", None),
        Mode::Require => ("require", None),
        Mode::VerifyAuthority(trust) => ("verify-ca", Some(root_of(trust))),
        Mode::VerifyFull(trust) => ("verify-full", Some(root_of(trust))),
    };
    let identity = address.tls.identity.as_ref();
    let file = |path: &std::path::Path| path.display().to_string();
    let timeout = address.connect_timeout.as_secs().max(1).to_string();
    let of = |name: &str, value: Option<String>| Some((name.to_owned(), value?));
    [
        of("PGHOST", listed(host)),
        of("PGPORT", listed(port)),
        of(
            "PGTARGETSESSIONATTRS",
            Some(address.target.word().to_owned()),
        ),
        of("PGUSER", address.user.clone()),
        // Without one libpq takes the user's, as opsbook does.
        of("PGDATABASE", address.database.clone()),
        of("PGSSLMODE", Some(mode.to_owned())),
        of("PGSSLROOTCERT", root),
        of("PGSSLCERT", identity.map(|own| file(&own.certificate))),
        of("PGSSLKEY", identity.map(|own| file(&own.key))),
        of("PGCONNECT_TIMEOUT", Some(timeout)),
        of("PGAPPNAME", Some(address.application_name.clone())),
        of("PGOPTIONS", address.options.clone()),
        of(
            "PGPASSWORD",
            // Several servers of one database know the same users.
            address.servers.first().and_then(password),
        ),
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
            .map_or_else(String::new, |folder| folder.display().to_string()),
    }
}

fn port(place: &Place) -> String {
    match place {
        Place::Host { port, .. } => port.to_string(),
        Place::Socket(path) => path
            .extension()
            .map_or_else(String::new, |port| port.to_string_lossy().into_owned()),
    }
}

/// The file of those who are trusted, in libpq's words.
fn root_of(trust: &Trust) -> String {
    match trust {
        Trust::Only(file) | Trust::Also(file) => file.display().to_string(),
        Trust::System | Trust::Anything => "system".to_owned(),
    }
}

fn password(server: &Server) -> Option<String> {
    let password = server.password.as_ref()?;
    Some(password.expose().to_owned())
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
        let several = "postgres://ada@one:1,two:2/shop?target_session_attrs=primary";
        for (name, value) in [
            ("PGHOST", "one,two"),
            ("PGPORT", "1,2"),
            ("PGTARGETSESSIONATTRS", "primary"),
        ] {
            assert_eq!(of(several, name).as_deref(), Some(value), "{name}");
        }
    }
}
