//! Certificates for tests: authorities that only a test trusts, and what they sign and revoke.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, RevocationReason,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, and those that lead from it to an authority.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn acceptor(self, applications: &[&[u8]]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, PrivateKeyDer::try_from(self.key).unwrap())
            .unwrap();
        config.alpn_protocols = applications.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A certificate for `localhost` that vouches for itself.
    pub(crate) fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters("localhost").self_signed(&key).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
        }
    }

    /// The same, from a server that leaves out what leads to the authority.
    pub(crate) fn alone(mut self) -> Self {
        self.chain.truncate(1);
        self
    }
}

/// An authority that only the test trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What leads from its certificates to the authority that is trusted.
    chain: Vec<CertificateDer<'static>>,
    folder: tempfile::TempDir,
}

impl Authority {
    /// The number of the certificates of [`Self::revocable`] and [`Self::below`].
    pub(crate) const SERIAL: u64 = 7;

    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let parameters = authority("Authority of a test");
        let certificate = parameters.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            chain: Vec::new(),
            folder,
        }
    }

    /// An authority below this one, until a day of 2040 unless said, whose certificate names a list if there is one.
    pub(crate) fn below(&self, list: Option<&str>, until: Option<(i32, u8, u8)>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = authority("Authority between");
        parameters.serial_number = Some(SerialNumber::from(Self::SERIAL));
        let (year, month, day) = until.unwrap_or((2040, 1, 1));
        parameters.not_after = date_time_ymd(year, month, day);
        parameters.crl_distribution_points = points(list);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            chain: vec![certificate.der().clone()],
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Its certificate as a PEM file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a name, valid for years.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.sign(&parameters(name))
    }

    /// A certificate for `localhost` that was or will be valid between two days: `(2024, 3, 1)`.
    pub(crate) fn between(&self, from: (i32, u8, u8), until: (i32, u8, u8)) -> Identity {
        let mut parameters = parameters("localhost");
        parameters.not_before = date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = date_time_ymd(until.0, until.1, until.2);
        self.sign(&parameters)
    }

    /// A certificate for `localhost` that expired on 2024-03-01.
    pub(crate) fn expired(&self) -> Identity {
        self.between((2024, 1, 1), (2024, 3, 1))
    }

    /// A certificate for `localhost` that names where its issuer lists what it revoked.
    pub(crate) fn revocable(&self, list: &str) -> Identity {
        let mut parameters = parameters("localhost");
        parameters.serial_number = Some(SerialNumber::from(Self::SERIAL));
        parameters.crl_distribution_points = points(Some(list));
        self.sign(&parameters)
    }

    /// A list of the certificates that it revoked on 2025-05-06 since their keys leaked; the next is due in that year.
    pub(crate) fn list(&self, revoked: &[u64], next: i32) -> Vec<u8> {
        let revoked_certs = revoked.iter().map(|number| RevokedCertParams {
            serial_number: SerialNumber::from(*number),
            revocation_time: date_time_ymd(2025, 5, 6),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 5, 7),
            next_update: date_time_ymd(next, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    fn sign(&self, parameters: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let own = std::iter::once(certificate.der().clone());
        Identity {
            chain: own.chain(self.chain.iter().cloned()).collect(),
            key: key.serialize_der(),
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    let subject = format!("Server {name} of a test");
    parameters
        .distinguished_name
        .push(DnType::CommonName, subject);
    parameters
}

fn points(list: Option<&str>) -> Vec<CrlDistributionPoint> {
    list.map(|list| CrlDistributionPoint {
        uris: vec![list.to_owned()],
    })
    .into_iter()
    .collect()
}
