//! The way to a server in the keywords that PostgreSQL's own programs take:
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>. Holds no password: such a
//! text is an argument, and anybody on the machine may read it.

use tokio_postgres::config::ChannelBinding;

use crate::base::Secret;
use crate::platform::tls::Trust;

use super::Postgres;
use super::address::{Address, CHANNEL_BINDINGS, Mode, Place};

impl Postgres {
    /// The keywords by which `pg_dump` and its like reach the same database, and no password.
    #[must_use]
    pub fn keywords(&self) -> String {
        keywords(&self.address)
    }

    /// The same for another database of the server.
    #[must_use]
    pub fn keywords_to(&self, database: &str) -> String {
        keywords(&Address {
            database: Some(database.to_owned()),
            ..self.address.clone()
        })
    }

    /// The password for them, to be handed over as the variable `PGPASSWORD`; none where there is none, or where each server
    /// has another, which a file of passwords tells.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        let mut passwords = self
            .address
            .servers
            .iter()
            .map(|server| server.password.as_ref());
        let first = passwords.next()??;
        let same =
            |other: Option<&Secret>| other.is_some_and(|other| other.expose() == first.expose());
        passwords.all(same).then_some(first)
    }
}

fn keywords(address: &Address) -> String {
    let places = || address.servers.iter().map(|server| &server.place);
    let of_each =
        |word: &dyn Fn(&Place) -> String| places().map(word).collect::<Vec<_>>().join(",");
    let hosts = of_each(&|place| match place {
        Place::Host { name, .. } => name.clone(),
        Place::Socket(path) => {
            let folder = path.parent().map(|folder| folder.display().to_string());
            folder.unwrap_or_default()
        }
    });
    let ports = of_each(&|place| match place {
        Place::Host { port, .. } => port.to_string(),
        Place::Socket(path) => {
            let port = path
                .extension()
                .map(|port| port.to_string_lossy().into_owned());
            port.unwrap_or_default()
        }
    });
    let addresses = of_each(&|place| match place {
        Place::Host { address, .. } => address.clone().unwrap_or_default(),
        Place::Socket(_) => String::new(),
    });
    let (mode, root) = mode(&address.tls.mode);
    let identity = address.tls.identity.as_ref();
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let timeout = address.connect_timeout.as_secs().max(1).to_string();
    let binding = CHANNEL_BINDINGS.iter().find(|(_, binding)| {
        *binding == address.channel_binding && *binding != ChannelBinding::Prefer
    });
    let given = [
        ("host", Some(hosts)),
        ("port", Some(ports)),
        (
            "hostaddr",
            Some(addresses).filter(|all| all.chars().any(|mark| mark != ',')),
        ),
        ("user", address.user.clone()),
        ("dbname", address.database.clone()),
        ("sslmode", Some(mode.to_owned())),
        ("sslrootcert", root),
        ("sslcert", identity.map(|files| path(&files.certificate))),
        ("sslkey", identity.map(|files| path(&files.key))),
        (
            "channel_binding",
            binding.map(|(word, _)| (*word).to_owned()),
        ),
        ("connect_timeout", Some(timeout)),
        (
            "target_session_attrs",
            (address.servers.len() > 1).then(|| address.target.word().to_owned()),
        ),
        ("options", address.options.clone()),
    ];
    let pairs = given.into_iter().filter_map(|(name, value)| {
        let value = value?.replace('\\', "\\\\").replace('\'', "\\'");
        let plain = |mark: char| mark.is_ascii_alphanumeric() || "_-./:,".contains(mark);
        Some(match !value.is_empty() && value.chars().all(plain) {
            true => format!("{name}={value}"),
            false => format!("{name}='{value}'"),
        })
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// The word of `sslmode`, and whose certificates are believed.
fn mode(mode: &Mode) -> (&'static str, Option<String>) {
    let (word, trust) = match mode {
        Mode::Disable => return ("disable", None),
        Mode::Allow => return ("allow", None),
        Mode::Prefer => return ("prefer", None),
        Mode::Require => return ("require", None),
        Mode::VerifyAuthority(trust) => ("verify-ca", trust),
        Mode::VerifyFull(trust) => ("verify-full", trust),
    };
    let root = match trust {
        Trust::Only(file) | Trust::Also(file) => file.display().to_string(),
        Trust::System | Trust::Anything => "system".to_owned(),
    };
    (word, Some(root))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use super::super::Postgres;
    use super::Address;

    fn of(url: &str) -> Postgres {
        Postgres::new(Address::parse(url, Path::new("/estate")).unwrap())
    }

    #[test]
    fn a_program_reaches_the_same_servers_as_the_same_user_and_is_told_no_password() {
        let url = "postgres://ada:p%40ss@db.example.com:5433/the%20shop?sslmode=verify-full&sslrootcert=ca.pem";
        let postgres = of(url);
        assert_eq!(
            postgres.keywords(),
            "host=db.example.com port=5433 user=ada dbname='the shop' sslmode=verify-full sslrootcert=/estate/ca.pem connect_timeout=10"
        );
        assert_eq!(postgres.password().unwrap().expose(), "p@ss");
        let socket = of("postgres://ada@/shop?host=/run/postgresql&port=5444");
        assert!(
            socket
                .keywords()
                .starts_with("host=/run/postgresql port=5444 user=ada")
        );
        assert_eq!(
            socket
                .password()
                .map(|password| password.expose().to_owned()),
            None
        );
        let several = of(
            "postgres://ada@one.example.com:1,two.example.com:2/shop?target_session_attrs=primary",
        );
        let told = several.keywords();
        assert!(
            told.starts_with("host=one.example.com,two.example.com port=1,2 "),
            "{told}"
        );
        assert!(told.ends_with("target_session_attrs=primary"), "{told}");
        let bound = of("postgres://ada@db.example.com/shop?channel_binding=require").keywords();
        assert!(bound.contains(" channel_binding=require "), "{bound}");
    }
}
