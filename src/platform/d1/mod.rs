//! Cloudflare D1 over its REST API. Must not decide what a piece of SQL may do: the API has no request that cannot write.
//! See <https://developers.cloudflare.com/api/resources/d1/subresources/database/>.

mod answer;
mod error;
mod request;
mod retry;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::base::Secret;

use super::http::Proxies;
use super::rows::Rows;

pub(super) use answer::{Cell, MOST_CELLS};
pub use error::D1Error;
pub(super) use error::PASSING;
pub use retry::Again;

/// Where the API is unless said otherwise.
pub const API: &str = "https://api.cloudflare.com/client/v4";

/// Whole numbers beyond this are rounded on their way, in either direction: D1 computes in doubles.
pub const LARGEST_EXACT: u64 = 1 << 53;

/// The longest statement that it takes, in bytes: <https://developers.cloudflare.com/d1/platform/limits/>.
pub const LONGEST_STATEMENT: usize = 100_000;

/// A statement with its values apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// The statement, with `?1`, `?2`, … where its values go.
    pub sql: String,
    /// The values: null, numbers and texts.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement without values.
    pub fn of(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }
}

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

impl D1 {
    /// Runs statements in one transaction, all or nothing; gives what each gave, at most `limit` rows of each. Whole
    /// numbers beyond 2^53 come rounded, an infinite one as null: D1 sends them so.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses, or a value cannot be bound as it is.
    pub async fn batch(
        &self,
        statements: &[Statement],
        limit: usize,
        again: Again,
    ) -> Result<Vec<Rows>, D1Error> {
        let one = |statement: &Statement| {
            let parameters = statement.parameters.iter().map(bound);
            let parameters: Vec<Value> = parameters.collect::<Result<_, D1Error>>()?;
            Ok(json!({"sql": statement.sql, "params": parameters}))
        };
        let body = match statements {
            [] => return Ok(Vec::new()),
            [only] => one(only)?,
            several => {
                let batch: Vec<Value> = several.iter().map(one).collect::<Result<_, D1Error>>()?;
                json!({"batch": batch})
            }
        };
        let id = self.id().await?;
        // Not /query: that loses columns of the same name, and the names of all where there is no row.
        let path = format!("d1/database/{id}/raw");
        let response = self.exchange("POST", &path, Some(&body), again).await?;
        answer::tables(&response.body, statements.len(), limit)
    }

    /// Where the database is in its own past: what it can be taken back to.
    ///
    /// # Errors
    /// As [`D1::batch`].
    pub async fn bookmark(&self) -> Result<String, D1Error> {
        let id = self.id().await?;
        let path = format!("d1/database/{id}/time_travel/bookmark");
        let result = self.ask("GET", &path).await?;
        let bookmark = result.get("bookmark").and_then(Value::as_str);
        let bookmark = bookmark.filter(|bookmark| !bookmark.is_empty());
        bookmark
            .map(str::to_owned)
            .ok_or(D1Error::Unreadable("it holds no bookmark"))
    }

    /// What is to know of the database, as names and values.
    ///
    /// # Errors
    /// As [`D1::batch`].
    pub async fn info(&self) -> Result<Vec<(&'static str, Value)>, D1Error> {
        let id = self.id().await?;
        let result = self.ask("GET", &format!("d1/database/{id}")).await?;
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
        let result = self.ask("GET", &path).await?;
        let mut found = result.as_array().ok_or_else(missing)?.iter();
        // The name of the request is a search.
        let found = found.find(|database| database["name"] == self.name.as_str());
        let id = found.and_then(|database| database["uuid"].as_str());
        id.map(encoded).ok_or_else(missing)
    }
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

/// A part of a URL's path or query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::bound;

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
}
