//! What an X.509 certificate says of itself (RFC 5280). Judges nothing.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_HASH_SHA1, OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512,
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512, Oid,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::time::ASN1Time;

use crate::base::text::one_line;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it names: `CN=api.example.com`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: DateTime<Utc>,
    /// Until when it is valid.
    pub not_after: DateTime<Utc>,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// Where its issuer lists the certificates that it revoked; one list each, to be had over HTTP.
    pub revocation_lists: Vec<String>,
}

impl CertificateFacts {
    /// Reads a certificate in DER; none when it cannot be read.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|extension| {
                extension
                    .value
                    .general_names
                    .iter()
                    .filter_map(name)
                    .collect()
            })
            .unwrap_or_default();
        Some(Self {
            subject: one_line(&certificate.subject().to_string()),
            issuer: one_line(&certificate.issuer().to_string()),
            names,
            not_before: moment(certificate.validity().not_before)?,
            not_after: moment(certificate.validity().not_after)?,
            self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            revocation_lists: revocation_lists(&certificate),
        })
    }

    /// Whole days until it expires; negative once it has.
    #[must_use]
    pub fn days_left(&self, now: DateTime<Utc>) -> i64 {
        (self.not_after - now).num_seconds().div_euclid(86_400)
    }
}

/// What a session over TLS is bound to the server by that showed this certificate in DER: `tls-server-end-point`, its digest
/// by the algorithm of its signature, and no weaker one than SHA-256 (RFC 5929, section 4.1). None where the signature has
/// no such algorithm, as Ed25519.
#[must_use]
pub fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let signature = &certificate.signature_algorithm;
    let algorithm = match SignatureAlgorithm::try_from(signature).ok()? {
        SignatureAlgorithm::RSASSA_PSS(parameters) => {
            parameters.hash_algorithm_oid().to_id_string()
        }
        _ => signature.algorithm.to_id_string(),
    };
    let is = |names: &[Oid<'_>]| names.iter().any(|name| name.to_id_string() == algorithm);
    if is(&SHA_256) {
        Some(Sha256::digest(der).to_vec())
    } else if is(&SHA_384) {
        Some(Sha384::digest(der).to_vec())
    } else if is(&SHA_512) {
        Some(Sha512::digest(der).to_vec())
    } else {
        None
    }
}

/// The algorithms of signatures that are digested by SHA-256, and those that are too weak for it.
const SHA_256: [Oid<'static>; 6] = [
    OID_NIST_HASH_SHA256,
    OID_PKCS1_SHA256WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256,
    OID_HASH_SHA1,
    OID_PKCS1_SHA1WITHRSA,
    OID_PKCS1_MD5WITHRSAENC,
];

const SHA_384: [Oid<'static>; 3] = [
    OID_NIST_HASH_SHA384,
    OID_PKCS1_SHA384WITHRSA,
    OID_SIG_ECDSA_WITH_SHA384,
];

const SHA_512: [Oid<'static>; 3] = [
    OID_NIST_HASH_SHA512,
    OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA512,
];

/// The addresses in the extension "CRL distribution points" (RFC 5280, section 4.2.1.13). LDAP and the like are left out.
fn revocation_lists(certificate: &X509Certificate<'_>) -> Vec<String> {
    let points = certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => Some(&points.points),
            _ => None,
        })
        .flatten();
    let names = points.filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
    });
    names
        .flatten()
        .filter_map(|name| match name {
            GeneralName::URI(address) => Some(one_line(address)),
            _ => None,
        })
        .filter(|address| address.starts_with("http://") || address.starts_with("https://"))
        .collect()
}

fn moment(time: ASN1Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.timestamp(), 0)
}

/// A host name or an address; other kinds of names say nothing about a server.
fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(one_line(name)),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let six = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            four.or(six).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use chrono::{TimeZone as _, Utc};

    use super::{CertificateFacts, end_point};

    #[test]
    fn a_session_is_bound_by_the_digest_of_the_signature() {
        for (algorithm, bytes) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let found = end_point(certificate.der());
            assert_eq!(found.map(|digest| digest.len()), bytes, "{algorithm:?}");
        }
        assert_eq!(end_point(b"no certificate"), None);
    }

    #[test]
    fn tells_names_and_dates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![
            "api.example.com".to_owned(),
            "192.0.2.7".to_owned(),
            "2001:db8::1".to_owned(),
        ])
        .unwrap();
        parameters.not_before = rcgen::date_time_ymd(2024, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2024, 3, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let facts = CertificateFacts::read(certificate.der()).unwrap();
        assert_eq!(facts.names, ["api.example.com", "192.0.2.7", "2001:db8::1"]);
        assert!(facts.self_signed);
        assert_eq!(facts.not_after.to_string(), "2024-03-01 00:00:00 UTC");
        let noon = |day| Utc.with_ymd_and_hms(2024, 2, day, 12, 0, 0).unwrap();
        assert_eq!(facts.days_left(noon(29)), 0);
        assert_eq!(facts.days_left(noon(28)), 1);
        assert_eq!(facts.days_left(noon(29) + chrono::Duration::days(1)), -1);
    }

    proptest::proptest! {
        #[test]
        fn bytes_of_any_kind_are_no_certificate(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(CertificateFacts::read(&bytes), None);
        }
    }
}
