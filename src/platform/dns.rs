//! The addresses of a name, as the system's resolver knows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What to do next where a name has no address.
pub const REMEDY: &str =
    "is the name right, and does this machine's resolver know it (getent hosts NAME)?";

/// What to do next where the resolver does not answer in time.
pub const SLOW: &str = "this machine's resolver does not answer: look at /etc/resolv.conf and at the way to the servers in it";

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The resolver says no or does not answer.
    #[error("cannot look up {host}: {reason}")]
    Failed {
        /// The name.
        host: String,
        /// The resolver's own words.
        reason: String,
    },
    /// The resolver answers without an address.
    #[error("{host} has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// The addresses of a name in the resolver's order, each once. An address is its own name.
///
/// `localhost` and the names below it are the loopback addresses by definition (RFC 6761, section 6.3): no resolver is asked.
///
/// # Errors
/// When the name has no address.
pub async fn lookup(host: &str) -> Result<Vec<IpAddr>, DnsError> {
    if is_localhost(host) {
        return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
    }
    let found = tokio::net::lookup_host((host, 0))
        .await
        .map_err(|error| DnsError::Failed {
            host: host.to_owned(),
            reason: reason(&error),
        })?;
    let mut addresses = Vec::new();
    for address in found.map(|socket| socket.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(DnsError::Empty {
            host: host.to_owned(),
        });
    }
    Ok(addresses)
}

/// Where names have their addresses from: the system's resolver, except for the names whose addresses are given.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<(String, Vec<IpAddr>)>);

impl Names {
    /// Gives a name, in small letters, these addresses.
    #[must_use]
    pub fn with(mut self, host: &str, addresses: &[IpAddr]) -> Self {
        self.0.push((host.to_owned(), addresses.to_vec()));
        self
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// When the name has no address.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        match self.0.iter().find(|(name, _)| name == host) {
            Some((_, addresses)) => Ok(addresses.clone()),
            None => lookup(host).await,
        }
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The resolver's words without the frame that the standard library puts around them.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text)
        .to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{DnsError, lookup};

    #[tokio::test]
    async fn an_address_is_its_own_name() {
        assert_eq!(
            lookup("192.0.2.7").await.unwrap(),
            ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]
        );
        assert_eq!(
            lookup("2001:db8::1").await.unwrap(),
            ["2001:db8::1".parse::<std::net::IpAddr>().unwrap()]
        );
    }

    #[tokio::test]
    async fn localhost_is_the_loopback_and_nothing_else() {
        for name in ["localhost", "LOCALHOST.", "api.localhost"] {
            assert!(
                lookup(name)
                    .await
                    .unwrap()
                    .iter()
                    .all(std::net::IpAddr::is_loopback)
            );
        }
        assert!(lookup("localhost.invalid").await.is_err());
    }

    #[tokio::test]
    async fn a_name_without_address_is_named() {
        let error = lookup("name.invalid").await.unwrap_err();
        assert!(matches!(error, DnsError::Failed { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("cannot look up name.invalid: "),
            "{error}"
        );
        assert!(!error.to_string().contains("failed to lookup"), "{error}");
    }
}
