//! `probe.tls`: shakes hands with a server, looks at its certificates and asks their issuers whether they were revoked.

use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;

use crate::base::text::one_line;
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::expr::Argument;
use crate::platform::certificate::CertificateFacts;
use crate::platform::http::Proxies;
use crate::platform::revocation::{Fetch, Revocation, look_up};
use crate::platform::tls::{TlsFacts, Trust, TrustPath, connect};

use super::super::measured::{milliseconds, refused_tls, tls as tls_value};
use super::{reach, with_all};

/// How long the lists of revoked certificates may take where the step has no limit.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn probe(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let trust = invocation
        .path("ca")
        .map_or(Trust::System, |path| Trust::Also(context.folder.join(path)));
    let reached = reach(invocation.object_text()).await?;
    let name = invocation.text("server_name").unwrap_or(&reached.host);
    let started = Instant::now();
    let connected = connect(reached.stream, name, &trust, &[]).await;
    let found = Outputs::default()
        .with("address", reached.address.to_string())
        .with("handshake", milliseconds(started.elapsed()));
    match connected {
        Ok((stream, facts)) => {
            // The lists are fetched from elsewhere: the server need not wait for that.
            drop(stream);
            let mut found = with_all(found, tls_value(&facts));
            if let Some(days) = found.values.get("expires_in") {
                found.detail = format!("{days} days left");
            }
            let path = way(&facts, &trust).await?;
            let found = with_chain(found, &path);
            judge(name, found, revocation(&path, invocation, context).await)
        }
        Err(error) => {
            let failure = if error.problem.is_own() {
                ActionError::own(error.to_string())
            } else {
                ActionError::target(error.to_string())
            };
            let failure = match error.problem.remedy() {
                Some(remedy) => failure.help(remedy),
                None => failure,
            };
            Err(failure.outputs(with_all(found, refused_tls(&error))))
        }
    }
}

/// The certificates from the server's to the last before an authority, which a handshake found a moment ago.
async fn way(facts: &TlsFacts, trust: &Trust) -> Result<TrustPath, ActionError> {
    TrustPath::find(&facts.sent, trust)
        .await
        .map_err(|error| ActionError::own(error.to_string()))?
        .ok_or_else(|| ActionError::target("the certificate has just become invalid"))
}

/// How many certificates there are up to the authority, and when the first of them expires.
fn with_chain(found: Outputs, path: &TrustPath) -> Outputs {
    let now = Utc::now();
    let days = path
        .certificates
        .iter()
        .filter_map(|der| CertificateFacts::read(der))
        .map(|facts| facts.days_left(now))
        .min();
    found
        .with("chain", path.certificates.len())
        .with("chain_expires_in", days)
}

/// What the issuers say; none where the step does not want them to be asked.
async fn revocation(
    path: &TrustPath,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Option<Revocation> {
    if matches!(
        invocation.option("revocation"),
        Some(Argument::Boolean(false))
    ) {
        return None;
    }
    let now = Instant::now();
    // A list that does not come must not cost the step its time: what the handshake told is still worth telling.
    let left = context.deadline.map_or(REVOCATION_TIMEOUT, |deadline| {
        deadline.saturating_duration_since(now) / 2
    });
    let fetch = Fetch {
        proxies: Proxies::from_variables(context.environment),
        deadline: now + left,
    };
    Some(look_up(path, &fetch).await)
}

fn judge(
    name: &str,
    found: Outputs,
    revocation: Option<Revocation>,
) -> Result<Outputs, ActionError> {
    let told = |found: Outputs, revoked: Value, words: Value| {
        found.with("revoked", revoked).with("revocation", words)
    };
    match revocation {
        None => Ok(told(
            found,
            Value::Null,
            Value::from("the step does not ask for it"),
        )),
        Some(Revocation::Good) => Ok(told(found, Value::from(false), Value::Null)),
        Some(Revocation::Unknown { reason }) => {
            Ok(told(found, Value::Null, Value::from(one_line(&reason))))
        }
        Some(Revocation::Revoked {
            subject,
            own,
            withdrawal,
        }) => {
            let which = if own {
                format!("the certificate of {name}")
            } else {
                format!("the certificate {subject}, on which that of {name} rests,")
            };
            let on = withdrawal
                .on
                .map(|on| format!(" on {}", on.format("%Y-%m-%d")))
                .unwrap_or_default();
            let why = withdrawal
                .reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            let message = format!("{which} was revoked by its issuer{on}{why}");
            let found = told(found, Value::from(true), Value::from(message.as_str()));
            Err(ActionError::target(message)
                .help("replace it: clients that ask its issuer refuse the connection")
                .outputs(found))
        }
    }
}
