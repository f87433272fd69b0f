//! Remembers the certificate that a server showed, for only the verifier sees one that is refused.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use super::super::certificate::CertificateFacts;

/// Verifies as always and remembers what it saw.
#[derive(Debug)]
pub(super) struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    /// What is let pass.
    lenience: Lenience,
    seen: Mutex<Seen>,
}

/// What of a certificate is let pass that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lenience {
    /// Nothing.
    None,
    /// That it is for a server of another name. Who vouches for it and when it is valid is looked at before its names.
    Names,
    /// Everything.
    All,
}

impl Lenience {
    fn passes(self, error: &rustls::Error) -> bool {
        match self {
            Self::None => false,
            Self::Names => matches!(
                error,
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. }
                )
            ),
            Self::All => true,
        }
    }
}

/// What a handshake showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The certificate, if it can be read.
    pub(super) certificate: Option<CertificateFacts>,
    /// The last certificate of the chain that was sent, where something is wrong: who signed that one is not there.
    pub(super) last: Option<CertificateFacts>,
    /// What is wrong with it.
    pub(super) problem: Option<rustls::Error>,
}

impl Witness {
    pub(super) fn new(verifier: Arc<WebPkiServerVerifier>, lenience: Lenience) -> Self {
        Self {
            verifier,
            lenience,
            seen: Mutex::default(),
        }
    }

    /// What was seen since the last time.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Goes from a certificate to who signed it, as far as those who signed were sent too.
fn last(
    certificate: Option<&CertificateFacts>,
    intermediates: &[CertificateDer<'_>],
) -> Option<CertificateFacts> {
    let mut others: Vec<_> = intermediates
        .iter()
        .filter_map(|der| CertificateFacts::read(der))
        .collect();
    let mut last = certificate?.clone();
    while !last.self_signed
        && let Some(next) = others.iter().position(|other| other.subject == last.issuer)
    {
        last = others.swap_remove(next);
    }
    Some(last)
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
        if seen.problem.is_some() {
            seen.last = last(seen.certificate.as_ref(), intermediates);
        }
        match verified {
            Err(error) if self.lenience.passes(&error) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
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
