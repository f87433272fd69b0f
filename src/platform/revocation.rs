//! Whether a server's certificate, or one that it rests on, was revoked: the lists that the certificates name are fetched
//! (RFC 5280, section 4.2.1.13) and asked. What cannot be told is said to be so, with the reason.

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::certificate::CertificateFacts;
use super::http::{Proxies, Request, send};
use super::tls::{Standing, TrustPath, Withdrawal};

/// The largest list that is taken, in bytes: those of the large authorities have a few mebibytes.
const LARGEST_LIST: u64 = 8 << 20;

/// So many certificates are looked up at the same time, so that their lists never fill the memory.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// What the issuers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// No certificate on the way to the authority was revoked.
    Good,
    /// One was.
    Revoked {
        /// Whom it names.
        subject: String,
        /// Whether it is the server's own, and not one between it and the authority.
        own: bool,
        /// When and why.
        withdrawal: Withdrawal,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// How the lists are fetched.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Which proxies stand between.
    pub proxies: Proxies,
    /// When it must be over.
    pub deadline: Instant,
}

/// Looks every certificate of a path up in the list that it names.
pub async fn look_up(path: &TrustPath, fetch: &Fetch) -> Revocation {
    let Ok(Ok(_permit)) = timeout_at(fetch.deadline, AT_ONCE.acquire()).await else {
        return Revocation::Unknown {
            reason: "too many other certificates were being looked up".to_owned(),
        };
    };
    let facts: Vec<_> = path
        .certificates
        .iter()
        .map(|der| CertificateFacts::read(der))
        .collect();
    let lists = join_all(facts.iter().map(|facts| list_of(facts.as_ref(), fetch))).await;
    let mut good = Vec::new();
    let mut reasons = Vec::new();
    for (position, list) in lists.into_iter().enumerate() {
        let (url, list) = match list {
            Ok(found) => found,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        match path.revokes(&list, position) {
            Ok(Some(withdrawal)) => {
                return Revocation::Revoked {
                    subject: subject(facts[position].as_ref()),
                    own: position == 0,
                    withdrawal,
                };
            }
            Ok(None) => good.push(list),
            Err(reason) => reasons.push(format!("{url}: {reason}")),
        }
    }
    if !reasons.is_empty() {
        return Revocation::Unknown {
            reason: reasons.join("; "),
        };
    }
    match path.standing(&good) {
        Standing::Good => Revocation::Good,
        Standing::Unknown => Revocation::Unknown {
            reason: "the lists that the certificates name are not about them".to_owned(),
        },
        Standing::Useless(reason) => Revocation::Unknown {
            reason: format!("a list of revoked certificates: {reason}"),
        },
    }
}

fn subject(facts: Option<&CertificateFacts>) -> String {
    facts.map_or_else(|| "unreadable".to_owned(), |facts| facts.subject.clone())
}

/// The list that a certificate names and where it is from: the first that can be fetched.
async fn list_of(
    facts: Option<&CertificateFacts>,
    fetch: &Fetch,
) -> Result<(String, Vec<u8>), String> {
    let urls = facts.map_or(&[][..], |facts| &facts.revocation_lists);
    let mut trouble = format!(
        "the certificate {} names no list of revoked certificates",
        subject(facts)
    );
    for url in urls {
        match get(url, fetch).await {
            Ok(list) => return Ok((url.clone(), list)),
            Err(reason) => trouble = format!("{url}: {reason}"),
        }
    }
    Err(trouble)
}

async fn get(url: &str, fetch: &Fetch) -> Result<Vec<u8>, String> {
    let mut request = Request::new("GET", url);
    request.proxies = fetch.proxies.clone();
    request.deadline = Some(fetch.deadline);
    request.timeout = fetch.deadline.saturating_duration_since(Instant::now());
    request.body_limit = LARGEST_LIST;
    let response = send(&request).await.map_err(|error| error.to_string())?;
    if response.status == 200 {
        Ok(response.body)
    } else {
        Err(
            format!("it answers {} {}", response.status, response.reason)
                .trim_end()
                .to_owned(),
        )
    }
}
