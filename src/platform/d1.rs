//! Cloudflare D1 over its REST API: one request a call, nothing tried again. Must not decide what a piece of SQL may do:
//! the API has no request that cannot write.
//! See <https://developers.cloudflare.com/api/resources/d1/subresources/database/>.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::base::Secret;
use crate::base::text::{fit, one_line};

use super::http::{HttpCause, HttpError, Proxies, Request, Response, send};
use super::rows::{Collector, Rows};

/// Where the API is unless said otherwise.
pub const API: &str = "https://api.cloudflare.com/client/v4";

/// The largest answer, in bytes: the API has no way to ask for less than all rows.
const LARGEST_ANSWER: u64 = 32 << 20;

/// A message quotes at most so many characters of the API.
const QUOTED: usize = 300;

/// Whole numbers beyond this are rounded on their way: the API computes in doubles.
const LARGEST_EXACT: u64 = 1 << 53;

/// Which of the errors of a request means that the database is the trouble: an error of SQL, or of D1 itself.
const D1_ERROR: i64 = 7500;

/// A D1 database.
pub struct D1 {
    /// The base of the API's URLs.
    pub api: String,
    /// The account.
    pub account: String,
    /// What proves who asks.
    pub token: Secret,
    /// The database's name.
    pub name: String,
    /// Its id; looked up by the name where it is not known.
    pub id: Option<String>,
    /// When it must be over.
    pub deadline: Option<Instant>,
    /// Which proxies stand between.
    pub proxies: Proxies,
}

/// What can go wrong with D1. No message holds the token.
#[derive(Debug, thiserror::Error)]
pub enum D1Error {
    /// There is no answer.
    #[error("{0}")]
    Http(Box<HttpError>),
    /// The API does not know who asks: 401.
    #[error("the API does not accept the token: {0}")]
    Unauthorized(String),
    /// The API does not let this token do it: 403.
    #[error("the token may not do this: {0}")]
    Forbidden(String),
    /// There is no such account or database.
    #[error("there is no D1 database {name:?} in this account")]
    Missing {
        /// What was looked for.
        name: String,
    },
    /// Too many requests of this account: 429.
    #[error("the API answers no more requests of this account{}", after(.retry_after.as_deref()))]
    TooMany {
        /// How long to wait, as the API says it.
        retry_after: Option<String>,
    },
    /// D1 refuses the statement.
    #[error("{0}")]
    Refused(String),
    /// The API or the database is in trouble itself: 5xx.
    #[error("the API answers {status}: {message}")]
    Failing {
        /// The status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The answer is not what is documented.
    #[error("the answer of the API cannot be read: {0}")]
    Unreadable(&'static str),
    /// A value that D1 cannot take as it is.
    #[error("{value} cannot be bound exactly in D1")]
    Inexact {
        /// The value.
        value: String,
    },
}

fn after(retry_after: Option<&str>) -> String {
    retry_after.map_or_else(String::new, |seconds| {
        format!(" before {seconds} s are over")
    })
}

impl D1 {
    /// Runs one statement; at most `limit` rows are kept. Whole numbers beyond 2^53 come rounded: D1 rounds them.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses, or a value cannot be bound as it is.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[Value],
        limit: usize,
    ) -> Result<Rows, D1Error> {
        let parameters: Vec<Value> = parameters.iter().map(bound).collect::<Result<_, _>>()?;
        let id = self.id().await?;
        // Not /query: that loses columns of the same name, and the names of all where there is no row.
        let path = format!("d1/database/{id}/raw");
        let body = json!({ "sql": sql, "params": parameters });
        let result = self.ask("POST", &path, Some(&body)).await?;
        let results = result.pointer("/0/results");
        let results = results.ok_or(D1Error::Unreadable("it holds no results"))?;
        rows(results, limit)
    }

    /// What is to know of the database, as names and values.
    ///
    /// # Errors
    /// As [`D1::query`].
    pub async fn info(&self) -> Result<Vec<(&'static str, Value)>, D1Error> {
        let id = self.id().await?;
        let result = self.ask("GET", &format!("d1/database/{id}"), None).await?;
        let of = |name: &str| result.get(name).cloned().unwrap_or_default();
        Ok(vec![
            ("id", of("uuid")),
            ("name", of("name")),
            ("version", of("version")),
            ("bytes", of("file_size")),
            ("tables", of("num_tables")),
            ("created", of("created_at")),
            ("region", of("running_in_region")),
            (
                "replication",
                result
                    .pointer("/read_replication/mode")
                    .cloned()
                    .unwrap_or_default(),
            ),
        ])
    }

    /// The database's id, asked for by its name where it is not known.
    async fn id(&self) -> Result<String, D1Error> {
        if let Some(id) = &self.id {
            return Ok(encoded(id));
        }
        let missing = || D1Error::Missing {
            name: self.name.clone(),
        };
        let path = format!("d1/database?name={}", encoded(&self.name));
        let result = self.ask("GET", &path, None).await?;
        let mut found = result.as_array().ok_or_else(missing)?.iter();
        // The name of the request is a search.
        let found = found.find(|database| database["name"] == self.name.as_str());
        let id = found.and_then(|database| database["uuid"].as_str());
        id.map(encoded).ok_or_else(missing)
    }

    /// Asks the API; gives the `result` of its envelope.
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, D1Error> {
        let account = encoded(&self.account);
        let api = self.api.trim_end_matches('/');
        let url = format!("{api}/accounts/{account}/{path}");
        let authorization = format!("Bearer {}", self.token.expose());
        let mut request = Request::new(method, &url).header("authorization", &authorization);
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request.body = body.to_string().into_bytes();
        }
        if let Some(deadline) = self.deadline {
            request.timeout = deadline.saturating_duration_since(Instant::now());
            request.deadline = Some(deadline);
        }
        request.body_limit = LARGEST_ANSWER;
        // The token goes nowhere else.
        request.redirects = 0;
        request.proxies = self.proxies.clone();
        let response = send(&request).await;
        let response = response.map_err(|error| D1Error::Http(Box::new(error)))?;
        self.judged(&response)
    }

    fn judged(&self, response: &Response) -> Result<Value, D1Error> {
        let envelope: Option<Map<String, Value>> = serde_json::from_slice(&response.body).ok();
        let errors = envelope
            .as_ref()
            .and_then(|envelope| envelope.get("errors"));
        let said = errors.map_or_else(String::new, said);
        let code = errors.and_then(|errors| errors.pointer("/0/code")?.as_i64());
        match response.status {
            401 => Err(D1Error::Unauthorized(said)),
            403 => Err(D1Error::Forbidden(said)),
            404 => Err(D1Error::Missing {
                name: self.name.clone(),
            }),
            429 => Err(D1Error::TooMany {
                retry_after: response.header("retry-after").map(str::to_owned),
            }),
            // Some answers say in a 500 that the statement is wrong.
            _ if code == Some(D1_ERROR) => Err(D1Error::Refused(said)),
            status @ 500.. => Err(D1Error::Failing {
                status,
                message: if said.is_empty() {
                    response.reason.to_owned()
                } else {
                    said
                },
            }),
            200..300 => {
                let mut envelope = envelope.ok_or(D1Error::Unreadable("it is no JSON"))?;
                if envelope.get("success") != Some(&Value::Bool(true)) {
                    return Err(D1Error::Refused(said));
                }
                envelope
                    .remove("result")
                    .ok_or(D1Error::Unreadable("it holds no result"))
            }
            _ if said.is_empty() => Err(D1Error::Unreadable("it is neither a result nor an error")),
            _ => Err(D1Error::Refused(said)),
        }
    }
}

impl D1Error {
    /// Whether no answer came in time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Http(error) if matches!(error.cause, HttpCause::Timeout { .. }))
    }
}

/// What the API says is wrong.
fn said(errors: &Value) -> String {
    let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
    let each = errors.iter().filter_map(|error| {
        let message = error.get("message")?.as_str()?;
        Some(match error.get("code").and_then(Value::as_i64) {
            Some(code) => format!("{message} (code {code})"),
            None => message.to_owned(),
        })
    });
    fit(&one_line(&each.collect::<Vec<_>>().join("; ")), QUOTED)
}

/// A value as D1 binds it. As SQLite: true and false are 1 and 0, a list or a table is its JSON text.
fn bound(value: &Value) -> Result<Value, D1Error> {
    Ok(match value {
        Value::Bool(truth) => Value::from(u8::from(*truth)),
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if size.is_some_and(|size| size > LARGEST_EXACT) {
                return Err(D1Error::Inexact {
                    value: value.to_string(),
                });
            }
            value.clone()
        }
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("base64") => {
            return Err(D1Error::Inexact {
                value: "a blob".to_owned(),
            });
        }
        Value::Array(_) | Value::Object(_) => Value::from(value.to_string()),
        Value::Null | Value::String(_) => value.clone(),
    })
}

/// The rows of `{"columns": […], "rows": [[…]]}`.
fn rows(results: &Value, limit: usize) -> Result<Rows, D1Error> {
    let wrong = || D1Error::Unreadable("its rows are no table");
    let columns = results["columns"].as_array().ok_or_else(wrong)?;
    let names = columns.iter().map(|name| name.as_str().unwrap_or_default());
    let mut collector = Collector::new(names, limit);
    for row in results["rows"].as_array().ok_or_else(wrong)? {
        let row = row.as_array().filter(|row| row.len() == columns.len());
        if !collector.push(row.ok_or_else(wrong)?.clone()) {
            break;
        }
    }
    Ok(collector.finish())
}

/// A part of a URL's path or query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{bound, rows};

    #[test]
    fn a_value_is_bound_as_it_is_or_not_at_all() {
        let told = |value| bound(&value).map_err(|error| error.to_string());
        assert_eq!(told(json!(true)), Ok(json!(1)));
        assert_eq!(told(json!([1, "a"])), Ok(json!("[1,\"a\"]")));
        assert_eq!(
            told(json!(9_007_199_254_740_992_i64)),
            Ok(json!(9_007_199_254_740_992_i64))
        );
        for inexact in [
            json!(9_007_199_254_740_993_i64),
            json!(-9_007_199_254_740_993_i64),
            json!({"base64": "AA=="}),
        ] {
            assert!(told(inexact.clone()).is_err(), "{inexact}");
        }
    }

    #[test]
    fn rows_that_are_no_table_are_refused() {
        assert!(rows(&json!({"columns": ["a"], "rows": [[1, 2]]}), 9).is_err());
        assert!(rows(&json!({"rows": []}), 9).is_err());
        let two = rows(&json!({"columns": ["a", "a"], "rows": [[1, 2]]}), 9);
        assert!(two.is_ok_and(|two| two.columns == ["a", "a_2"]));
    }
}
