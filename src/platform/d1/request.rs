//! One request to the API, tried again where that cannot do harm. Must not know what is asked.

use chrono::Utc;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::error::said;
use super::retry::{self, Again};
use super::{D1, D1Error};
use crate::platform::http::{Request, Response, send};

/// The largest answer, in bytes: the API has no way to ask for less than all rows.
const LARGEST_ANSWER: u64 = 32 << 20;

/// Which of the errors of a request means that the database is the trouble: an error of SQL, or of D1 itself.
const D1_ERROR: i64 = 7500;

impl D1 {
    /// Asks the API; gives the `result` of its envelope.
    pub(super) async fn ask(&self, method: &str, path: &str) -> Result<Value, D1Error> {
        let response = self.exchange(method, path, None, Again::Harmless).await?;
        let envelope: Option<Map<String, Value>> = serde_json::from_slice(&response.body).ok();
        let result = envelope.and_then(|mut envelope| envelope.remove("result"));
        result.ok_or(D1Error::Unreadable("it holds no result"))
    }

    /// Asks the API; gives its answer where that is a success.
    pub(super) async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        again: Again,
    ) -> Result<Response, D1Error> {
        let account = super::encoded(&self.account);
        let api = self.api.trim_end_matches('/');
        let url = format!("{api}/accounts/{account}/{path}");
        let authorization = format!("Bearer {}", self.token.expose());
        let mut request = Request::new(method, &url).header("authorization", &authorization);
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request.body = body.to_string().into_bytes();
        }
        request.body_limit = LARGEST_ANSWER;
        // The token goes nowhere else.
        request.redirects = 0;
        request.proxies = self.proxies.clone();
        let mut tries = 1;
        loop {
            let error = match self.once(&mut request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
            match retry::pause(&error, tries, again, self.deadline.map(left)) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
            tries += 1;
        }
    }

    async fn once(&self, request: &mut Request) -> Result<Response, D1Error> {
        if let Some(deadline) = self.deadline {
            request.timeout = deadline.saturating_duration_since(Instant::now());
            request.deadline = Some(deadline);
        }
        let response = send(request).await;
        let response = response.map_err(|error| D1Error::Http(Box::new(error)))?;
        self.judged(response, request.body.len())
    }

    /// The answer to a request of so many bytes where it is a success.
    fn judged(&self, response: Response, bytes: usize) -> Result<Response, D1Error> {
        /// What tells of an envelope how it went; its result is left unread.
        #[derive(Default, serde::Deserialize)]
        struct Envelope {
            success: Option<bool>,
            errors: Option<Value>,
        }
        let envelope: Option<Envelope> = serde_json::from_slice(&response.body).ok();
        let is_json = envelope.is_some();
        let Envelope { success, errors } = envelope.unwrap_or_default();
        let errors = errors.unwrap_or_default();
        let code = errors.pointer("/0/code").and_then(Value::as_i64);
        let said = said(&errors);
        let retry_after = retry::after(
            response.header("retry-after"),
            response.header("date"),
            Utc::now(),
        );
        match response.status {
            401 => Err(D1Error::Unauthorized(said)),
            403 => Err(D1Error::Forbidden(said)),
            404 => Err(D1Error::Missing {
                name: self.name.clone(),
            }),
            413 => Err(D1Error::TooLong { bytes }),
            429 => Err(D1Error::TooMany { retry_after }),
            // Some answers say in a 500 that the statement is wrong.
            _ if code == Some(D1_ERROR) => Err(D1Error::of_d1(said)),
            status @ 500.. => Err(D1Error::Failing {
                status,
                message: if said.is_empty() {
                    response.reason.to_owned()
                } else {
                    said
                },
                retry_after,
            }),
            200..300 if !is_json => Err(D1Error::Unreadable("it is no JSON")),
            200..300 if success == Some(true) => Ok(response),
            200..300 => Err(D1Error::of_d1(said)),
            _ if said.is_empty() => Err(D1Error::Unreadable("it is neither a result nor an error")),
            _ => Err(D1Error::of_d1(said)),
        }
    }
}
