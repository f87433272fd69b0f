//! Whose certificates are believed, and the authorities behind that.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::AsyncReadExt as _;

use super::{TlsError, TlsProblem};

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
    /// Those alone that are signed by the authorities in this PEM file.
    Only(PathBuf),
    /// All. What is wrong with a certificate is still told.
    Anything,
}

/// The cryptography, chosen once.
pub(super) fn provider() -> Arc<CryptoProvider> {
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

/// The authorities behind a trust.
///
/// # Errors
/// When the file of authorities is of no use.
pub(super) async fn authorities(trust: &Trust) -> Result<Arc<RootCertStore>, TlsError> {
    match trust {
        Trust::System | Trust::Anything => Ok(system_authorities()),
        Trust::Also(path) | Trust::Only(path) => {
            let mut store = match trust {
                Trust::Only(_) => RootCertStore::empty(),
                _ => RootCertStore::clone(&system_authorities()),
            };
            add_authorities(&mut store, path).await.map_err(|reason| {
                TlsError::from(TlsProblem::Authorities {
                    path: path.clone(),
                    reason,
                })
            })?;
            Ok(Arc::new(store))
        }
    }
}

/// What judges the certificates of servers.
///
/// # Errors
/// When the file of authorities is of no use.
pub(super) async fn verifier(trust: &Trust) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(authorities(trust).await?, provider())
        .build()
        .map_err(|error| {
            TlsError::from(TlsProblem::Authorities {
                path: PathBuf::new(),
                reason: error.to_string(),
            })
        })
}

async fn add_authorities(store: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut text = Vec::new();
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| error.to_string())?;
    file.take(LARGEST_AUTHORITIES + 1)
        .read_to_end(&mut text)
        .await
        .map_err(|error| error.to_string())?;
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
