//! The way to a server in the variables that PostgreSQL's own programs read:
//! <https://www.postgresql.org/docs/current/libpq-envars.html>. Must not be told to anybody but such a program: a password
//! is among them.

use crate::platform::tls::Trust;

use super::Postgres;
use super::address::{Address, Encryption, Place};

impl Postgres {
    /// The variables by which `pg_dump` and its like reach the same database, the password last where there is one.
    #[must_use]
    pub fn libpq_variables(&self) -> Vec<(String, String)> {
        variables(&self.address)
    }
}

fn variables(address: &Address) -> Vec<(String, String)> {
    let (host, port) = match &address.place {
        Place::Host(host, port) => (host.clone(), port.to_string()),
        Place::Socket(path) => {
            let folder = path.parent().map(|folder| folder.display().to_string());
            let port = path
                .extension()
                .map(|port| port.to_string_lossy().into_owned());
            (folder.unwrap_or_default(), port.unwrap_or_default())
        }
    };
    let (mode, root) = match &address.tls {
        Encryption::Disable => ("disable", None),
        Encryption::Prefer => ("prefer", None),
        Encryption::Require => ("require", None),
        Encryption::Verify(Trust::Only(file) | Trust::Also(file)) => {
            ("verify-full", Some(file.display().to_string()))
        }
        Encryption::Verify(Trust::System | Trust::Anything) => {
            ("verify-full", Some("system".to_owned()))
        }
    };
    let timeout = address.connect_timeout.as_secs().max(1).to_string();
    let of = |name: &str, value: Option<String>| Some((name.to_owned(), value?));
    [
        of("PGHOST", Some(host)),
        of("PGPORT", Some(port)),
        of("PGUSER", address.user.clone()),
        // Without one libpq takes the user's, as opsbook does.
        of("PGDATABASE", address.database.clone()),
        of("PGSSLMODE", Some(mode.to_owned())),
        of("PGSSLROOTCERT", root),
        of("PGCONNECT_TIMEOUT", Some(timeout)),
        of("PGAPPNAME", Some(address.application_name.clone())),
        of("PGOPTIONS", address.options.clone()),
        of(
            "PGPASSWORD",
            address
                .password
                .as_ref()
                .map(|password| password.expose().to_owned()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
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
    }
}
