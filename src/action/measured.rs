//! Values that several actions tell alike: lengths of time, TLS connections and certificates.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::base::Span;
use crate::platform::certificate::CertificateFacts;
use crate::platform::tls::{TlsError, TlsFacts};

/// Milliseconds with three decimals.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    Span(duration).milliseconds()
}

/// A TLS connection and its certificate.
pub(super) fn tls(facts: &TlsFacts) -> Value {
    let mut values = Map::new();
    if let Some(facts) = &facts.certificate {
        certificate(facts, &mut values);
    }
    values.insert("protocol".to_owned(), json!(facts.protocol));
    values.insert("cipher".to_owned(), json!(facts.cipher));
    let problem = facts.problem.as_ref().map(ToString::to_string);
    values.insert("problem".to_owned(), json!(problem));
    Value::Object(values)
}

/// What is known of a TLS connection that did not come about.
pub(super) fn refused_tls(error: &TlsError) -> Value {
    let mut values = Map::new();
    if let Some(facts) = &error.certificate {
        certificate(facts, &mut values);
    }
    values.insert("problem".to_owned(), json!(error.problem.to_string()));
    Value::Object(values)
}

fn certificate(facts: &CertificateFacts, values: &mut Map<String, Value>) {
    let not_after = facts.not_after.to_rfc3339_opts(SecondsFormat::Secs, true);
    values.insert("expires_in".to_owned(), json!(facts.days_left(Utc::now())));
    values.insert("not_after".to_owned(), json!(not_after));
    values.insert("issuer".to_owned(), json!(facts.issuer));
    values.insert("subject".to_owned(), json!(facts.subject));
    values.insert("names".to_owned(), json!(facts.names));
}
