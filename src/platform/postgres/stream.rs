//! The connection below the protocol: a socket, encrypted as asked, that no message longer than memory allows passes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::PostgresError;
use super::address::{Place, Tls, Way};
use super::session::State;
use super::stage::Stage;
use crate::platform::tls::{self, Peer, Trust};
use crate::platform::{certificate, dns, tcp};

/// The longest message of a server that is taken, in bytes: a row of any sensible size.
const LONGEST_MESSAGE: usize = 32 * 1024 * 1024;

/// Asks a server for TLS: the length of the message and the code 1234.5679, see
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A message that is longer than is taken.
#[derive(Debug, thiserror::Error)]
#[error("a message of {bytes} bytes")]
pub(super) struct TooLong {
    pub(super) bytes: usize,
}

/// Connects, and encrypts as asked.
pub(super) async fn open(
    place: &Place,
    tls: &Tls,
    way: &Way,
    state: &State,
) -> Result<Bounded, PostgresError> {
    state.stages(|stages| {
        stages.anew();
        stages.begins(Stage::first(place));
    });
    let (stream, end_point): (Box<dyn Duplex>, _) = match place {
        // Nobody listens in on a socket of this machine, and the server does not offer TLS on it.
        Place::Socket(path) => {
            let stream = UnixStream::connect(path).await;
            let stream = stream.map_err(|error| PostgresError::Socket {
                path: path.clone(),
                reason: match error.kind() {
                    io::ErrorKind::NotFound => {
                        "there is none: the server is stopped, or its sockets lie elsewhere"
                            .to_owned()
                    }
                    _ => tcp::reason(&error),
                },
                is_own: error.kind() == io::ErrorKind::PermissionDenied,
            })?;
            (Box::new(stream), None)
        }
        Place::Host {
            name,
            address,
            port,
        } => {
            let addresses: Vec<_> = dns::lookup(address.as_ref().unwrap_or(name))
                .await
                .map_err(PostgresError::Lookup)?
                .into_iter()
                .map(|found| SocketAddr::new(found, *port))
                .collect();
            state.stages(|stages| stages.begins(Stage::Tcp));
            let stream = tcp::connect(&addresses)
                .await
                .map_err(PostgresError::Connect)?;
            if *way != Way::Plain {
                state.stages(|stages| stages.begins(Stage::Tls));
            }
            encrypted(stream, name, place, (tls, way)).await?
        }
    };
    Ok(Bounded {
        end_point,
        ..Bounded::new(stream)
    })
}

/// Encrypts as asked; tells what a session can be bound to by, where that is said of the server's certificate.
async fn encrypted(
    mut stream: TcpStream,
    host: &str,
    place: &Place,
    (settings, way): (&Tls, &Way),
) -> Result<(Box<dyn Duplex>, Option<Vec<u8>>), PostgresError> {
    let (trust, by_any_name) = match way {
        Way::Plain => return Ok((Box::new(stream), None)),
        Way::IfOffered => (&Trust::Anything, true),
        Way::Encrypted { trust, by_any_name } => (trust, *by_any_name),
    };
    let server = place.to_string();
    let cut = |error: io::Error| PostgresError::Cut {
        server: server.clone(),
        reason: tcp::reason(&error),
    };
    stream.write_all(&TLS_REQUEST).await.map_err(cut)?;
    // One byte and no more: what a server says before the handshake must not count as said after it.
    match stream.read_u8().await.map_err(cut)? {
        b'S' => {
            let peer = Peer {
                name: host,
                trust,
                by_any_name,
                identity: settings.identity.as_ref(),
            };
            let (stream, facts) = tls::connect_to(stream, &peer, &[])
                .await
                .map_err(PostgresError::Tls)?;
            let end_point = facts
                .sent
                .first()
                .and_then(|der| certificate::end_point(der));
            Ok((Box::new(stream), end_point))
        }
        b'N' if *way == Way::IfOffered => Ok((Box::new(stream), None)),
        b'N' => Err(PostgresError::NoTls { server }),
        _ => Err(PostgresError::NotPostgres { server }),
    }
}

/// A stream of messages, each of one byte of type and four of length, that ends with an error at one that is too long:
/// the protocol allows a gibibyte, and a message is held in memory as a whole.
pub(super) struct Bounded {
    inner: Box<dyn Duplex>,
    /// What a session is bound to the server's certificate by, where it is encrypted.
    end_point: Option<Vec<u8>>,
    head: [u8; 5],
    /// How much of the head has come.
    known: usize,
    /// How much of the message's body is still to come.
    left: usize,
}

impl Bounded {
    fn new(inner: Box<dyn Duplex>) -> Self {
        Self {
            inner,
            end_point: None,
            head: [0; 5],
            known: 0,
            left: 0,
        }
    }

    fn look_at(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(next) = bytes.first() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.known] = *next;
            self.known += 1;
            bytes = &bytes[1..];
            if self.known == self.head.len() {
                self.known = 0;
                let [_, length @ ..] = self.head;
                // The length counts itself.
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                if self.left > LONGEST_MESSAGE {
                    return Err(io::Error::other(TooLong { bytes: self.left }));
                }
            }
        }
        Ok(())
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        Poll::Ready(self.look_at(&buffer.filled()[before..]))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl TlsStream for Bounded {
    fn channel_binding(&self) -> ChannelBinding {
        let end_point = self.end_point.clone();
        end_point.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Shakes no hands: a stream comes encrypted already where it is to be.
pub(super) struct Already;

impl TlsConnect<Bounded> for Already {
    type Stream = Bounded;
    type Error = Infallible;
    type Future = Ready<Result<Bounded, Infallible>>;

    fn connect(self, stream: Bounded) -> Self::Future {
        ready(Ok(stream))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::{collection::vec, prop_assert, prop_assert_eq};

    use super::{Bounded, LONGEST_MESSAGE};

    fn message(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        message.extend(body);
        message
    }

    proptest! {
        #[test]
        fn follows_the_messages_however_they_are_cut(
            bodies in vec(vec(any::<u8>(), 0..20), 0..8),
            piece in 1_usize..9,
        ) {
            let mut bytes: Vec<u8> = Vec::new();
            for body in &bodies {
                bytes.extend(message(b'D', body.len() as u32 + 4, body));
            }
            let mut stream = Bounded::new(Box::new(tokio::io::empty()));
            for piece in bytes.chunks(piece) {
                prop_assert!(stream.look_at(piece).is_ok());
            }
            prop_assert_eq!((stream.known, stream.left), (0, 0));
            let long = message(b'D', LONGEST_MESSAGE as u32 + 5, &[]);
            prop_assert!(stream.look_at(&long).is_err());
        }
    }
}
