//! The way from a server's certificate to an authority that is trusted, and what lists of revoked certificates say of it
//! (RFC 5280, section 6). Fetches nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage,
    RevocationOptions, RevocationOptionsBuilder, RevocationReason, UnknownStatusPolicy,
};

use super::trust::{authorities, provider};
use super::{TlsError, Trust};

/// The certificates from the server's to the last one before an authority.
#[derive(Clone, Debug)]
pub struct TrustPath {
    /// In DER, the server's first.
    pub certificates: Vec<CertificateDer<'static>>,
    authorities: Arc<RootCertStore>,
}

/// That a list names a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// When; none when the list says nothing that is a date.
    pub on: Option<DateTime<Utc>>,
    /// Why, as its issuer says: `its key is compromised`.
    pub reason: Option<&'static str>,
}

/// What lists say of all certificates of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None is revoked.
    Good,
    /// The lists do not cover each of them.
    Unknown,
    /// The lists are of no use: why.
    Useless(String),
}

impl TrustPath {
    /// Finds the way among the certificates that a server sent, its own first; none when there is no way.
    ///
    /// # Errors
    /// When the file of authorities is of no use.
    pub async fn find(
        sent: &[CertificateDer<'static>],
        trust: &Trust,
    ) -> Result<Option<Self>, TlsError> {
        let authorities = authorities(trust).await?;
        Ok(walk(sent, &authorities, None)
            .ok()
            .map(|certificates| Self {
                certificates,
                authorities,
            }))
    }

    /// Whether a list says that one of these certificates was revoked. The list counts, however old it is, when the issuer
    /// of a certificate on this path signed it.
    ///
    /// # Errors
    /// When the list is of no use: why.
    pub fn revokes(&self, list: &[u8], certificate: usize) -> Result<Option<Withdrawal>, String> {
        let list = read(list)?;
        let lists = [&list];
        let options = options(&lists, UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore)?;
        match walk(&self.certificates, &self.authorities, Some(options)) {
            Ok(_) => Ok(None),
            Err(webpki::Error::CertRevoked) => Ok(Some(self.withdrawal(&list, certificate))),
            Err(error) => Err(words(&error)),
        }
    }

    /// What the lists, which [`Self::revokes`] found to revoke nothing, say together.
    #[must_use]
    pub fn standing(&self, lists: &[Vec<u8>]) -> Standing {
        let read: Result<Vec<_>, _> = lists.iter().map(|list| read(list)).collect();
        let standing = || -> Result<Standing, String> {
            let read = read?;
            if read.is_empty() {
                return Ok(Standing::Unknown);
            }
            let lists: Vec<_> = read.iter().collect();
            let options = options(&lists, UnknownStatusPolicy::Deny, ExpirationPolicy::Enforce)?;
            match walk(&self.certificates, &self.authorities, Some(options)) {
                Ok(_) => Ok(Standing::Good),
                Err(webpki::Error::UnknownRevocationStatus) => Ok(Standing::Unknown),
                Err(error) => Err(words(&error)),
            }
        };
        standing().unwrap_or_else(Standing::Useless)
    }

    fn withdrawal(&self, list: &CertRevocationList<'_>, certificate: usize) -> Withdrawal {
        let found = self
            .certificates
            .get(certificate)
            .and_then(|der| EndEntityCert::try_from(der).ok())
            .and_then(|parsed| list.find_serial(parsed.serial()).ok().flatten());
        Withdrawal {
            on: found.as_ref().and_then(|entry| {
                DateTime::from_timestamp(i64::try_from(entry.revocation_date.as_secs()).ok()?, 0)
            }),
            reason: found.and_then(|entry| entry.reason_code).and_then(reason),
        }
    }
}

/// The certificates that were used between the server and an authority.
fn walk(
    sent: &[CertificateDer<'static>],
    authorities: &RootCertStore,
    revocation: Option<RevocationOptions<'_>>,
) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
    let (first, others) = sent.split_first().ok_or(webpki::Error::BadDer)?;
    let server = EndEntityCert::try_from(first)?;
    let path = server.verify_for_usage(
        provider().signature_verification_algorithms.all,
        &authorities.roots,
        others,
        UnixTime::now(),
        KeyUsage::server_auth(),
        revocation,
        None,
    )?;
    let between = path.intermediate_certificates();
    Ok(std::iter::once(first.clone())
        .chain(between.map(|certificate| certificate.der().into_owned()))
        .collect())
}

fn read(list: &[u8]) -> Result<CertRevocationList<'_>, String> {
    BorrowedCertRevocationList::from_der(list)
        .map(Into::into)
        .map_err(|error| words(&error))
}

fn options<'a>(
    lists: &'a [&'a CertRevocationList<'a>],
    unknown: UnknownStatusPolicy,
    expired: ExpirationPolicy,
) -> Result<RevocationOptions<'a>, String> {
    let builder = RevocationOptionsBuilder::new(lists).map_err(|_| "it is missing".to_owned())?;
    Ok(builder
        .with_status_policy(unknown)
        .with_expiration_policy(expired)
        .build())
}

/// What is wrong with a list, to follow its name.
fn words(error: &webpki::Error) -> String {
    match error {
        webpki::Error::InvalidCrlSignatureForPublicKey => {
            "it is not signed by the issuer of the certificate".to_owned()
        }
        webpki::Error::IssuerNotCrlSigner => "its issuer may not sign such lists".to_owned(),
        webpki::Error::CrlExpired { .. } => {
            "it is out of date, and its issuer gives no newer one".to_owned()
        }
        webpki::Error::BadDer | webpki::Error::BadDerTime | webpki::Error::TrailingData(_) => {
            "it is no list of revoked certificates".to_owned()
        }
        other => format!("it cannot be used: {other}"),
    }
}

/// Why, in words (RFC 5280, section 5.3.1).
fn reason(code: RevocationReason) -> Option<&'static str> {
    match code {
        RevocationReason::KeyCompromise => Some("its key is compromised"),
        RevocationReason::CaCompromise | RevocationReason::AaCompromise => {
            Some("the key of its issuer is compromised")
        }
        RevocationReason::AffiliationChanged => Some("its names changed hands"),
        RevocationReason::Superseded => Some("it was replaced"),
        RevocationReason::CessationOfOperation => Some("it is out of use"),
        RevocationReason::CertificateHold => Some("it is on hold"),
        RevocationReason::PrivilegeWithdrawn => Some("its issuer withdrew it"),
        RevocationReason::Unspecified | RevocationReason::RemoveFromCrl => None,
    }
}
