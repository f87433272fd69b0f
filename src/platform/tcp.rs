//! TCP connections to the first of several addresses that answers, as RFC 8305 has it ("happy eyeballs").

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nix::errno::Errno;
use tokio::net::TcpStream;

/// The head start that an address has before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A message names at most so many addresses.
const NAMED: usize = 4;

/// What to do next where nobody answers.
pub const SILENT: &str = "the host is down, or a firewall drops what is sent to this port";

/// Why none of the addresses can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// Each address that was tried, in the order of failing, with what happened there.
    pub failures: Vec<(SocketAddr, String)>,
    /// Whether this machine had nothing left to connect with, so that nobody knows whether a target would answer.
    pub own: bool,
}

impl std::error::Error for ConnectError {}

impl ConnectError {
    /// What to do next, where that can be said.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        let all = |word: &str| {
            let mut reasons = self.failures.iter().map(|(_, reason)| reason);
            !self.failures.is_empty() && reasons.all(|reason| reason.starts_with(word))
        };
        if self.own {
            Some("this machine is short of open files or memory: look at `ulimit -n`")
        } else if all("connection refused") {
            Some("is the service running, and does it listen on this address and port?")
        } else if all("no route") {
            Some("this machine has no way there: look at its routes, its VPN and the firewall")
        } else {
            None
        }
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((_, first)) = self.failures.first() else {
            return formatter.write_str("there is no address to connect to");
        };
        let more = self.failures.len().saturating_sub(NAMED);
        let named = &self.failures[..self.failures.len() - more];
        let failures: Vec<_> = if named.iter().all(|(_, reason)| reason == first) {
            let addresses: Vec<_> = named
                .iter()
                .map(|(address, _)| address.to_string())
                .collect();
            vec![failure(first, &addresses.join(" and "))]
        } else {
            named
                .iter()
                .map(|(address, reason)| failure(reason, &address.to_string()))
                .collect()
        };
        formatter.write_str(&failures.join(", "))?;
        if more > 0 {
            write!(formatter, " and {more} more")?;
        }
        Ok(())
    }
}

/// `connection refused by 192.0.2.1:443`, `192.0.2.1:443: no route to the host`
fn failure(reason: &str, addresses: &str) -> String {
    if reason.starts_with("connection") {
        format!("{reason} by {addresses}")
    } else {
        format!("{addresses}: {reason}")
    }
}

/// Connects to the first address that answers.
///
/// The families take turns, IPv6 first. Each address has a head start of 250 ms, and none once it has failed: a dead
/// address costs a moment, never the timeout. There is no limit of time in here; dropping the future ends every attempt.
///
/// # Errors
/// When every address has failed.
pub async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut waiting = take_turns(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    let mut own = false;
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(async move { (address, attempt(address).await) });
        }
        let ended = if waiting.len() == 0 {
            attempts.next().await
        } else {
            match tokio::time::timeout(HEAD_START, attempts.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((address, Err(error))) => {
                own |= is_own(&error);
                failures.push((address, reason(&error)));
            }
            None => return Err(ConnectError { failures, own }),
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small requests must not wait for more to send. A socket that cannot do so still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// IPv6 and IPv4 in turn, each in the given order.
fn take_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut sixes = addresses.iter().filter(|address| address.is_ipv6());
    let mut fours = addresses.iter().filter(|address| address.is_ipv4());
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(sixes.next());
        ordered.extend(fours.next());
    }
    ordered
}

/// Whether the machine itself has too little of something: open files, memory.
fn is_own(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
    )
}

/// What happened to a connection, in words: `connection refused`.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            "connection closed".to_owned()
        }
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no address of that kind".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        io::ErrorKind::UnexpectedEof => "connection closed early".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::super::http::testing::closed;
    use super::{ConnectError, connect, take_turns};

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn goes_on_to_the_next_address_when_one_refuses() {
        let dead = closed();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let stream = connect(&[dead.address, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }

    #[tokio::test]
    async fn an_address_that_never_answers_costs_a_head_start() {
        // 192.0.2.0/24 is for documentation (RFC 5737): it refuses, is unreachable or stays silent, and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let stream = connect(&[socket("192.0.2.1:9"), alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }

    #[tokio::test]
    async fn names_every_address_that_refused() {
        let held = [closed(), closed()];
        let [one, two] = held.each_ref().map(|closed| closed.address);
        let error = connect(&[one, two]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("connection refused by {one} and {two}")
        );
        assert_eq!(
            connect(&[]).await.unwrap_err().to_string(),
            "there is no address to connect to"
        );
    }

    #[test]
    fn names_different_reasons_apart_and_not_without_end() {
        let failures = (1..=6)
            .map(|port| {
                let reason = match port {
                    2 => "connection lost".to_owned(),
                    _ => format!("reason {port}"),
                };
                (SocketAddr::from(([192, 0, 2, 1], port)), reason)
            })
            .collect();
        assert_eq!(
            ConnectError {
                failures,
                own: false
            }
            .to_string(),
            "192.0.2.1:1: reason 1, connection lost by 192.0.2.1:2, 192.0.2.1:3: reason 3, 192.0.2.1:4: reason 4 and 2 more"
        );
    }

    #[test]
    fn the_families_take_turns_with_six_first() {
        let mixed = [
            socket("192.0.2.1:1"),
            socket("192.0.2.2:1"),
            socket("[2001:db8::1]:1"),
        ];
        assert_eq!(
            take_turns(&mixed),
            [
                socket("[2001:db8::1]:1"),
                socket("192.0.2.1:1"),
                socket("192.0.2.2:1")
            ]
        );
    }
}
