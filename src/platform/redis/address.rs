//! Where a Redis server is, from its URL. No message of this file quotes the URL: a password may stand in it.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::base::Secret;

/// Where a Redis server is and who asks: `redis://user:password@host:6379/0`, `rediss://…` for TLS.
/// Registered at <https://www.iana.org/assignments/uri-schemes/prov/redis>.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// The number of the database.
    pub(super) database: u32,
}

/// What is wrong with the URL of a Redis server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL, or not of this kind.
    #[error("this is no URL like redis://host:6379/0 or rediss://host:6379/0")]
    Url,
    /// What stands behind the host is no number of a database.
    #[error("the path of the Redis URL is no number of a database")]
    Database,
    /// It says what is not understood.
    #[error("the Redis URL has a query or a fragment, which has no meaning here")]
    Query,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is no URL of a Redis server, or says what is not understood.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::Url)?;
        let is_secure = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(AddressError::Url),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(AddressError::Url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| AddressError::Database)?,
        };
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(6379),
            is_secure,
            user: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?.map(Secret::new),
            database,
        })
    }

    /// Asks as this user with this password instead, where they are given.
    #[must_use]
    pub fn as_user(mut self, user: Option<&str>, password: Option<&str>) -> Self {
        self.user = user.map(str::to_owned).or(self.user);
        self.password = password
            .map(|password| Secret::new(password.to_owned()))
            .or(self.password);
        self
    }

    /// The server, to be named: `cache.example.com:6379`.
    #[must_use]
    pub fn server(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

fn decoded(text: &str) -> Result<Option<String>, AddressError> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| AddressError::Url)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert;

    use super::{Address, AddressError};

    #[test]
    fn reads_urls() {
        let full = Address::parse("rediss://app:p%40w@cache.example.com:6380/3").unwrap();
        assert!(full.is_secure);
        assert_eq!(full.server(), "cache.example.com:6380");
        assert_eq!(full.user.as_deref(), Some("app"));
        assert_eq!(full.password.as_ref().unwrap().expose(), "p@w");
        assert_eq!(full.database, 3);

        let bare = Address::parse("redis://[2001:db8::1]").unwrap();
        assert_eq!(bare.server(), "[2001:db8::1]:6379");
        assert!(bare.user.is_none() && bare.password.is_none() && bare.database == 0);
        let given = bare.as_user(Some("me"), Some("x"));
        assert_eq!(given.user.as_deref(), Some("me"));
        assert_eq!(given.password.unwrap().expose(), "x");
    }

    #[test]
    fn refuses_what_it_would_have_to_ignore() {
        for (text, error) in [
            ("cache:6379", AddressError::Url),
            ("http://cache", AddressError::Url),
            ("redis://", AddressError::Url),
            ("redis://cache/first", AddressError::Database),
            ("redis://cache?db=1", AddressError::Query),
        ] {
            assert_eq!(Address::parse(text).unwrap_err(), error, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_message_holds_the_password(tail in any::<String>()) {
            let told = Address::parse(&format!("redis://:hunter2/{tail}@cache/0"))
                .map_or_else(|error| error.to_string(), |address| format!("{address:?}"));
            prop_assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
