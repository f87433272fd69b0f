//! Redis servers, read and never changed. Sends only the commands that are written here.

mod address;
mod info;
mod reply;

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::dns::DnsError;
use super::tcp::ConnectError;
use super::tls::{TlsError, Trust};
use super::{dns, tcp, tls};
use crate::base::Secret;
use reply::{Reply, Unreadable, command};

pub use address::{Address, AddressError};

/// How many keys a server is asked to look at before it answers others again.
const SCANNED: &[u8] = b"500";

/// How many answers a scan may take: a server that never ends one is not followed for ever.
const MOST_SCANS: usize = 1_000_000;

/// What can go wrong with a Redis server. No message holds a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The host has no address.
    #[error("{0}")]
    Lookup(#[from] DnsError),
    /// No address of the host can be connected to.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// There is no TLS connection.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The server says no.
    #[error("{server}: {message}")]
    Refused {
        /// The server.
        server: String,
        /// What it says; its first word is the kind: `NOAUTH`, `LOADING`.
        message: String,
    },
    /// The connection ended in the middle.
    #[error("the connection to {server} was cut: {reason}")]
    Cut {
        /// The server.
        server: String,
        /// How.
        reason: String,
    },
    /// What answers is something else, or answers what was not asked.
    #[error("{server} does not speak the protocol of Redis")]
    NotRedis {
        /// What was connected to.
        server: String,
    },
    /// A reply that is larger than is held in memory.
    #[error("{server} sent a reply that is larger than 16 MiB")]
    TooLarge {
        /// The server.
        server: String,
    },
}

impl RedisError {
    /// The kind of a refusal: `NOAUTH`, `LOADING`, `ERR`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. } => message.split(' ').next(),
            _ => None,
        }
    }

    /// The same, where the server quotes a password.
    fn without(self, password: &Secret) -> Self {
        match self {
            Self::Refused { server, message } if !password.expose().is_empty() => Self::Refused {
                server,
                message: message.replace(password.expose(), &password.to_string()),
            },
            other => other,
        }
    }
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// A connection to a Redis server. Ends when it is dropped.
pub struct Redis {
    stream: BufReader<Box<dyn Duplex>>,
    server: String,
    /// The address that answered.
    pub peer: SocketAddr,
    /// How long it took to look the name up, to connect and to shake hands.
    pub connected: Duration,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// How long a PING took.
    pub ping: Duration,
    /// The fields of INFO; empty where this user may not ask.
    pub info: Map<String, Value>,
    /// How many keys the database holds; none where this user may not ask.
    pub keys: Option<i64>,
}

/// A key and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its name; one that is no UTF-8 is lossy.
    pub key: String,
    /// `string`, `hash`, `list`, `set`, `zset`, `stream`; none where there is no such key.
    pub kind: Option<String>,
    /// How long it lives yet, in seconds; none where it never expires or is not there.
    pub ttl: Option<f64>,
    /// How many bytes, fields, elements or entries it has.
    pub length: Option<i64>,
    /// The beginning of a string; a value that is no UTF-8 is `{"base64": "…"}`.
    pub value: Value,
    /// Whether the string is longer than that.
    pub truncated: bool,
}

/// Keys that match a pattern.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    /// The keys, sorted by name.
    pub keys: Vec<Key>,
    /// Whether there are more than were kept.
    pub truncated: bool,
}

impl Redis {
    /// Connects, proves who asks and chooses the database.
    ///
    /// # Errors
    /// When the server cannot be reached or does not let this user in.
    pub async fn connect(address: &Address, trust: &Trust) -> Result<Self, RedisError> {
        let started = Instant::now();
        let found = dns::lookup(&address.host).await?;
        let found: Vec<_> = found
            .into_iter()
            .map(|found| SocketAddr::new(found, address.port))
            .collect();
        let stream = tcp::connect(&found).await?;
        let server = address.server();
        let peer = stream.peer_addr().map_err(|error| RedisError::Cut {
            server: server.clone(),
            reason: tcp::reason(&error),
        })?;
        let stream: Box<dyn Duplex> = match address.is_secure {
            true => Box::new(tls::connect(stream, &address.host, trust, &[]).await?.0),
            false => Box::new(stream),
        };
        let mut redis = Self {
            stream: BufReader::new(stream),
            server,
            peer,
            connected: started.elapsed(),
        };
        if let Some(password) = &address.password {
            let mut words = vec![b"AUTH".as_slice()];
            words.extend(address.user.as_deref().map(str::as_bytes));
            words.push(password.expose().as_bytes());
            let proven = redis.ask(&words).await;
            // A server that does not know the command, for it was renamed, quotes its words.
            proven.map_err(|error| error.without(password))?;
        }
        if address.database != 0 {
            let number = address.database.to_string();
            redis.ask(&[b"SELECT", number.as_bytes()]).await?;
        }
        Ok(redis)
    }

    /// Has the server answer and say how it is. What this user may not ask stays empty.
    ///
    /// # Errors
    /// When it does not answer, or answers that it cannot serve.
    pub async fn health(&mut self) -> Result<Health, RedisError> {
        let started = Instant::now();
        let pong = self.ask(&[b"PING"]).await?;
        let ping = started.elapsed();
        if pong != Reply::Word("PONG".to_owned()) {
            return Err(self.foreign());
        }
        let info = match self.unless_forbidden(&[b"INFO"]).await? {
            Some(Reply::Bytes(text)) => info::parse(&String::from_utf8_lossy(&text)),
            _ => Map::new(),
        };
        let keys = match self.unless_forbidden(&[b"DBSIZE"]).await? {
            Some(Reply::Number(keys)) => Some(keys),
            _ => None,
        };
        Ok(Health { ping, info, keys })
    }

    /// Looks at a key; of a string at most the first `most` bytes.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn look(&mut self, key: &str, most: usize) -> Result<Key, RedisError> {
        let found = self.look_at(&[key.as_bytes().to_vec()], Some(most)).await?;
        found.into_iter().next().ok_or_else(|| self.foreign())
    }

    /// The keys that match a pattern (`session:*`), at most `limit`; with `most`, the first bytes of strings too.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn scan(
        &mut self,
        pattern: &str,
        limit: usize,
        most: Option<usize>,
    ) -> Result<Keys, RedisError> {
        let mut found = Keys::default();
        // A scan may come upon a key twice.
        let mut seen = HashSet::new();
        let mut cursor = b"0".to_vec();
        for scan in 1..=MOST_SCANS {
            let words: [&[u8]; 6] = [
                b"SCAN",
                &cursor,
                b"MATCH",
                pattern.as_bytes(),
                b"COUNT",
                SCANNED,
            ];
            let (next, names) = self.scanned(&words).await?;
            let mut fresh: Vec<Vec<u8>> = Vec::new();
            for name in names {
                if seen.contains(&name) {
                    continue;
                }
                if seen.len() == limit {
                    found.truncated = true;
                    break;
                }
                seen.insert(name.clone());
                fresh.push(name);
            }
            let looked = self.look_at(&fresh, most).await?;
            // What has expired since it was found is no key any more.
            found
                .keys
                .extend(looked.into_iter().filter(|key| key.kind.is_some()));
            if found.truncated || next == b"0" {
                break;
            }
            cursor = next;
            found.truncated = scan == MOST_SCANS;
        }
        found.keys.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    async fn scanned(&mut self, words: &[&[u8]]) -> Result<(Vec<u8>, Vec<Vec<u8>>), RedisError> {
        let Reply::List(mut parts) = self.ask(words).await? else {
            return Err(self.foreign());
        };
        let (Some(Reply::List(names)), Some(Reply::Bytes(next)), None) =
            (parts.pop(), parts.pop(), parts.pop())
        else {
            return Err(self.foreign());
        };
        let names = names.into_iter().filter_map(|name| match name {
            Reply::Bytes(name) => Some(name),
            _ => None,
        });
        Ok((next, names.collect()))
    }

    /// Looks at several keys in two round trips.
    async fn look_at(
        &mut self,
        names: &[Vec<u8>],
        most: Option<usize>,
    ) -> Result<Vec<Key>, RedisError> {
        let asked: Vec<[&[u8]; 2]> = names
            .iter()
            .flat_map(|name| [[b"TYPE".as_slice(), name], [b"PTTL".as_slice(), name]])
            .collect();
        let asked: Vec<&[&[u8]]> = asked.iter().map(<[&[u8]; 2]>::as_slice).collect();
        let mut keys = Vec::with_capacity(names.len());
        let replies = self.ask_all(&asked).await?;
        for (name, reply) in names.iter().zip(replies.chunks(2)) {
            let [Reply::Word(kind), Reply::Number(ttl)] = reply else {
                return Err(self.foreign());
            };
            keys.push(Key {
                key: String::from_utf8_lossy(name).into_owned(),
                kind: (kind != "none").then(|| kind.clone()),
                // -1: it never expires; -2: it is not there.
                ttl: (*ttl >= 0).then_some(*ttl as f64 / 1000.0),
                length: None,
                value: Value::Null,
                truncated: false,
            });
        }
        if let Some(most) = most {
            self.measure(names, &mut keys, most).await?;
        }
        Ok(keys)
    }

    /// Adds lengths, and the values of strings.
    async fn measure(
        &mut self,
        names: &[Vec<u8>],
        keys: &mut [Key],
        most: usize,
    ) -> Result<(), RedisError> {
        let last = most.saturating_sub(1).to_string();
        for (name, key) in names.iter().zip(keys) {
            let length: &[u8] = match key.kind.as_deref() {
                Some("string") => b"STRLEN",
                Some("hash") => b"HLEN",
                Some("list") => b"LLEN",
                Some("set") => b"SCARD",
                Some("zset") => b"ZCARD",
                Some("stream") => b"XLEN",
                _ => continue,
            };
            let length: &[&[u8]] = &[length, name];
            let begin: &[&[u8]] = &[b"GETRANGE", name, b"0", last.as_bytes()];
            let is_string = key.kind.as_deref() == Some("string");
            let asked = if is_string {
                &[length, begin][..]
            } else {
                &[length][..]
            };
            let mut replies = self.ask_all(asked).await?.into_iter();
            if let Some(Reply::Number(length)) = replies.next() {
                key.length = Some(length);
            }
            if let Some(Reply::Bytes(value)) = replies.next() {
                key.truncated = key.length.is_some_and(|length| length > value.len() as i64);
                key.value = match String::from_utf8(value) {
                    Ok(text) => Value::from(text),
                    Err(error) => json!({ "base64": STANDARD.encode(error.as_bytes()) }),
                };
            }
        }
        Ok(())
    }

    /// What a command gives; nothing where this user may not give it, or the server does not know it.
    async fn unless_forbidden(&mut self, words: &[&[u8]]) -> Result<Option<Reply>, RedisError> {
        match self.ask(words).await {
            Ok(reply) => Ok(Some(reply)),
            Err(error) if error.code() == Some("NOPERM") => Ok(None),
            Err(RedisError::Refused { message, .. })
                if message.starts_with("ERR unknown command") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, RedisError> {
        let mut replies = self.ask_all(&[words]).await?;
        replies.pop().ok_or_else(|| self.foreign())
    }

    /// Sends commands together and takes their replies; the first refusal is the error.
    async fn ask_all(&mut self, commands: &[&[&[u8]]]) -> Result<Vec<Reply>, RedisError> {
        let sent: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
        let cut = |server: &str, error: &io::Error| RedisError::Cut {
            server: server.to_owned(),
            reason: tcp::reason(error),
        };
        let written = self.stream.write_all(&sent).await;
        written.map_err(|error| cut(&self.server, &error))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| cut(&self.server, &error))?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            match reply::read(&mut self.stream).await {
                Ok(Reply::Refusal(message)) => {
                    return Err(RedisError::Refused {
                        server: self.server.clone(),
                        message,
                    });
                }
                Ok(reply) => replies.push(reply),
                Err(Unreadable::Io(error)) => return Err(cut(&self.server, &error)),
                Err(Unreadable::Foreign) => return Err(self.foreign()),
                Err(Unreadable::TooLarge) => {
                    return Err(RedisError::TooLarge {
                        server: self.server.clone(),
                    });
                }
            }
        }
        Ok(replies)
    }

    fn foreign(&self) -> RedisError {
        RedisError::NotRedis {
            server: self.server.clone(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{Address, Redis};
    use crate::platform::tls::Trust;

    #[tokio::test]
    async fn a_password_that_the_server_quotes_is_not_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 512];
            let _ = stream.read(&mut asked).await.unwrap();
            let refusal = b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2'\r\n";
            stream.write_all(refusal).await.unwrap();
        };
        let address = Address::parse(&format!("redis://:hunter2@127.0.0.1:{port}/0")).unwrap();
        let (connected, ()) = tokio::join!(Redis::connect(&address, &Trust::System), server);
        let error = connected.err().unwrap().to_string();
        assert!(error.contains("unknown command 'AUTH'"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
