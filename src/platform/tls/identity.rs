//! Who a client is: a certificate and its key in files, for servers that ask for one.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, TlsProblem};

/// Such a file is read up to this size, in bytes.
const LARGEST: u64 = 1 << 20;

/// The files of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// Its certificate and those that lead from it to an authority, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM without a password. Nobody else may read it.
    pub key: PathBuf,
}

/// A client's certificates, its own first, and its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl ClientFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them is of no use, or others may read the key.
    pub(super) fn read(&self) -> Result<Identity, TlsError> {
        let unusable = |path: &Path, reason: String| {
            TlsError::from(TlsProblem::Identity {
                path: path.to_owned(),
                reason,
            })
        };
        let chain = text_of(&self.certificate).and_then(|text| {
            CertificateDer::pem_slice_iter(&text)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| error.to_string())
        });
        let chain = chain.map_err(|reason| unusable(&self.certificate, reason))?;
        if chain.is_empty() {
            let reason = "holds no certificate in PEM".to_owned();
            return Err(unusable(&self.certificate, reason));
        }
        let key = private(&self.key)
            .and_then(|()| text_of(&self.key))
            .and_then(|text| {
                PrivateKeyDer::from_pem_slice(&text)
                    .map_err(|_| "holds no key in PEM without a password".to_owned())
            });
        Ok((chain, key.map_err(|reason| unusable(&self.key, reason))?))
    }
}

/// As libpq: only its owner may read a key, or a group to which root gave it.
fn private(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let allowed = if metadata.uid() == 0 { 0o640 } else { 0o600 };
    match metadata.mode() & 0o777 & !allowed {
        0 => Ok(()),
        _ => Err("others may read it (chmod 600)".to_owned()),
    }
}

fn text_of(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(LARGEST + 1).read_to_end(&mut text);
    match read.map_err(|error| error.to_string())? as u64 > LARGEST {
        true => Err(format!("larger than {LARGEST} bytes")),
        false => Ok(text),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::ClientFiles;

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let files = ClientFiles {
            certificate: folder.path().join("c.pem"),
            key: folder.path().join("k.pem"),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        let with = |mode| {
            std::fs::set_permissions(&files.key, Permissions::from_mode(mode)).unwrap();
            files.read().map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(with(0o600), Ok(()));
        let refused = with(0o644).unwrap_err();
        assert!(refused.contains("others may read it"), "{refused}");
        std::fs::write(&files.key, "no key").unwrap();
        let refused = with(0o600).unwrap_err();
        assert!(refused.contains("holds no key"), "{refused}");
        std::fs::write(&files.certificate, "none").unwrap();
        assert!(with(0o600).is_err());
    }
}
