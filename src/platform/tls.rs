//! TLS as a client: whom to trust, the handshake, and what the certificate says, also when it is not valid.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, client::Resumption,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::CertificateFacts;
use super::tls_error::{TlsError, TlsProblem, certificate_problem, handshake_problem};

/// A file of authorities is read up to this size, in bytes: the whole Mozilla list takes a quarter of a mebibyte.
const LARGEST_AUTHORITIES: u64 = 4 << 20;

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those signed by the authorities that this machine trusts.
    #[default]
    System,
    /// Those too that are signed by the authorities in this PEM file.
    Also(PathBuf),
    /// All. What is wrong with a certificate is still told.
    Anything,
}

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
    let server = ServerName::try_from(name.to_owned()).map_err(|_| {
        TlsError::from(TlsProblem::Name {
            name: name.to_owned(),
        })
    })?;
    let witness = Arc::new(Witness {
        verifier: verifier(trust)?,
        lenient: *trust == Trust::Anything,
        seen: Mutex::default(),
    });
    let config = config(Arc::clone(&witness), applications).map_err(|error| {
        TlsError::from(TlsProblem::Handshake {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    })?;
    let connected = TlsConnector::from(Arc::new(config))
        .connect(server, stream)
        .await;
    let Seen {
        certificate,
        problem,
    } = witness.take();
    match connected {
        Ok(stream) => {
            let problem = problem.map(|error| certificate_problem(name, &error, &certificate));
            let facts = facts(&stream, certificate, problem);
            Ok((stream, facts))
        }
        Err(error) => Err(TlsError {
            problem: handshake_problem(name, &error, &certificate),
            certificate: certificate.map(Box::new),
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
        problem,
    }
}

fn config(witness: Arc<Witness>, applications: &[&str]) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = applications
        .iter()
        .map(|application| application.as_bytes().to_vec())
        .collect();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// The authorities that this machine trusts, read once a process and only when TLS is spoken: reading takes milliseconds.
/// Mozilla's list stands in where the machine has none, as in an empty container.
fn system_authorities() -> Arc<RootCertStore> {
    static AUTHORITIES: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(AUTHORITIES.get_or_init(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(store)
    }))
}

fn verifier(trust: &Trust) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let authorities = match trust {
        Trust::System | Trust::Anything => system_authorities(),
        Trust::Also(path) => {
            let mut store = RootCertStore::clone(&system_authorities());
            add_authorities(&mut store, path).map_err(|reason| {
                TlsError::from(TlsProblem::Authorities {
                    path: path.clone(),
                    reason,
                })
            })?;
            Arc::new(store)
        }
    };
    WebPkiServerVerifier::builder_with_provider(authorities, provider())
        .build()
        .map_err(|error| {
            TlsError::from(TlsProblem::Authorities {
                path: PathBuf::new(),
                reason: error.to_string(),
            })
        })
}

fn add_authorities(store: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_AUTHORITIES + 1).read_to_end(&mut text))
        .map_err(|error: io::Error| error.to_string())?;
    if text.len() as u64 > LARGEST_AUTHORITIES {
        return Err(format!("larger than {LARGEST_AUTHORITIES} bytes"));
    }
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err("holds no certificate in PEM".to_owned())
    }
}

/// Verifies as always and remembers what it saw, for only the verifier sees a certificate that is refused.
#[derive(Debug)]
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    lenient: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    certificate: Option<CertificateFacts>,
    problem: Option<rustls::Error>,
}

impl Witness {
    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.certificate = CertificateFacts::read(end_entity);
        seen.problem = verified.as_ref().err().cloned();
        if self.lenient {
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
