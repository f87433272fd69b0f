//! Certificates as any server may send them.

use chrono::{DateTime, Utc};
use opsbook::platform::certificate::CertificateFacts;

use super::steers;

/// What is read can be shown and counted with.
pub fn check(data: &[u8]) {
    let Some(facts) = CertificateFacts::read(data) else {
        return;
    };
    for text in [&facts.subject, &facts.issuer]
        .into_iter()
        .chain(&facts.names)
    {
        assert!(!text.chars().any(steers), "{text:?}");
    }
    for now in [
        DateTime::<Utc>::MIN_UTC,
        DateTime::<Utc>::UNIX_EPOCH,
        DateTime::<Utc>::MAX_UTC,
    ] {
        assert_eq!(facts.days_left(now) < 0, facts.not_after < now);
    }
}
