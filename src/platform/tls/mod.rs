//! TLS as a client: the handshake, and what the certificate says, also when it is not valid.

mod error;
mod identity;
mod path;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod witness;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::CertificateFacts;
use error::{certificate_problem, handshake_problem};
use trust::{provider, verifier};
use witness::{Lenience, Witness};

pub use error::{TlsError, TlsProblem};
pub use identity::ClientFiles;
use identity::Identity;
pub use path::{Standing, TrustPath, Withdrawal};
pub use trust::Trust;

/// What a handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`
    pub protocol: String,
    /// `TLS13_AES_256_GCM_SHA384`
    pub cipher: String,
    /// The protocol on top that both sides speak (ALPN): `h2`.
    pub application: Option<String>,
    /// The server's certificate, if it can be read.
    pub certificate: Option<CertificateFacts>,
    /// The certificates that the server sent, its own first, in DER.
    pub sent: Vec<CertificateDer<'static>>,
    /// What is wrong with the certificate, where [`Trust::Anything`] let it pass.
    pub problem: Option<TlsProblem>,
}

/// Shakes hands with `name`, a host name or an address, over a connection that is there.
///
/// `applications` are the protocols to offer on top (ALPN), best first. Sessions are never resumed: each handshake is a
/// whole one, so that times can be compared and the certificate is looked at every time.
///
/// # Errors
/// When the certificate is not believed, with what it says of itself; when the handshake fails; when the file of
/// authorities cannot be read.
pub async fn connect(
    stream: TcpStream,
    name: &str,
    trust: &Trust,
    applications: &[&str],
) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
    let peer = Peer {
        name,
        trust,
        by_any_name: false,
        identity: None,
    };
    connect_to(stream, &peer, applications).await
}

/// Whom to shake hands with, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'p> {
    /// A host name or an address.
    pub name: &'p str,
    /// Who may vouch for it.
    pub trust: &'p Trust,
    /// Whether its certificate may be for any other name.
    pub by_any_name: bool,
    /// Who we are, where it asks.
    pub identity: Option<&'p ClientFiles>,
}

/// As [`connect`], with more to choose.
///
/// # Errors
/// As [`connect`], and when the files that say who we are cannot be used.
pub async fn connect_to(
    stream: TcpStream,
    peer: &Peer<'_>,
    applications: &[&str],
) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
    let Peer { name, trust, .. } = *peer;
    let server = ServerName::try_from(name.to_owned()).map_err(|_| {
        TlsError::from(TlsProblem::Name {
            name: name.to_owned(),
        })
    })?;
    let lenience = match trust {
        Trust::Anything => Lenience::All,
        _ if peer.by_any_name => Lenience::Names,
        _ => Lenience::None,
    };
    let identity = peer.identity.map(ClientFiles::read).transpose()?;
    let witness = Arc::new(Witness::new(verifier(trust).await?, lenience));
    let config = config(Arc::clone(&witness), applications, identity).map_err(|error| {
        TlsError::from(TlsProblem::Handshake {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    })?;
    let connected = TlsConnector::from(Arc::new(config))
        .connect(server, stream)
        .await;
    let seen = witness.take();
    match connected {
        Ok(stream) => {
            let problem = seen
                .problem
                .as_ref()
                .map(|error| certificate_problem(name, error, &seen));
            let facts = facts(&stream, seen.certificate, problem);
            Ok((stream, facts))
        }
        Err(error) => Err(TlsError {
            problem: handshake_problem(name, &error, &seen),
            certificate: seen.certificate.map(Box::new),
        }),
    }
}

fn facts(
    stream: &TlsStream<TcpStream>,
    certificate: Option<CertificateFacts>,
    problem: Option<TlsProblem>,
) -> TlsFacts {
    let (_, session) = stream.get_ref();
    let word = |version| format!("{version:?}").replace('_', ".");
    TlsFacts {
        protocol: session.protocol_version().map(word).unwrap_or_default(),
        cipher: session
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        application: session
            .alpn_protocol()
            .map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
        certificate,
        sent: session
            .peer_certificates()
            .map(<[_]>::to_vec)
            .unwrap_or_default(),
        problem,
    }
}

fn config(
    witness: Arc<Witness>,
    applications: &[&str],
    identity: Option<Identity>,
) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(witness);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => config.with_client_auth_cert(chain, key)?,
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = applications
        .iter()
        .map(|application| application.as_bytes().to_vec())
        .collect();
    Ok(config)
}
