//! The statements that took a D1 database most time, as Cloudflare's GraphQL analytics has counted them
//! (<https://developers.cloudflare.com/d1/observability/metrics-analytics/>). Busy accounts are sampled: then they are
//! estimates. Nothing is asked of the database itself.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::action::api;
use crate::action::database::system::{Question, Report, row};
use crate::base::Masker;
use crate::base::text::{count, one_line};
use crate::engine::{ActionContext, ActionError};
use crate::platform::http::Request;

/// How far back is looked.
const DAY: TimeDelta = TimeDelta::days(1);

/// The most groups that the analytics gives at once.
const MOST_GROUPS: usize = 10_000;

/// Asks for the statements of one database, those that took most time first.
fn query(limit: usize) -> String {
    format!(
        "query ($account: string!, $database: string!, $from: Time!, $to: Time!) {{
  viewer {{
    accounts(filter: {{accountTag: $account}}) {{
      d1QueriesAdaptiveGroups(
        limit: {limit}
        filter: {{databaseId: $database, datetimeHour_geq: $from, datetimeHour_leq: $to}}
        orderBy: [sum_queryDurationMs_DESC]
      ) {{
        count
        avg {{ queryDurationMs }}
        sum {{ queryDurationMs rowsRead rowsReturned }}
        dimensions {{ query }}
      }}
    }}
  }}
}}"
    )
}

/// Whose statements are asked for, and where.
pub(super) struct Insights {
    /// The request, ready but for its body.
    request: Request,
    now: DateTime<Utc>,
    account: String,
    masker: Masker,
}

impl Insights {
    /// The analytics of this account, at the API of this base.
    pub(super) fn new(base: &str, account: &str, token: &str, context: &ActionContext<'_>) -> Self {
        let url = format!("{}/graphql", base.trim_end_matches('/'));
        let mut request = api::request("POST", &url, None, context)
            .header("authorization", &format!("Bearer {token}"))
            .header("content-type", "application/json");
        // The token goes nowhere else.
        request.redirects = 0;
        Self {
            request,
            now: context.now,
            account: account.to_owned(),
            masker: context.masker.clone(),
        }
    }

    /// The statements of the last day, as rows {query, calls, mean_ms, max_ms, total_ms, rows, rows_read}; nobody counts
    /// the longest.
    pub(super) async fn slow(
        &self,
        database: &str,
        question: &Question,
    ) -> Result<Report, ActionError> {
        let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let variables = json!({
            "account": self.account,
            "database": database,
            "from": moment(self.now - DAY),
            "to": moment(self.now),
        });
        let mut request = self.request.clone();
        request.body =
            json!({"query": query(question.limit.min(MOST_GROUPS)), "variables": variables})
                .to_string()
                .into_bytes();
        let response = api::send(&request).await?;
        if matches!(response.status, 401 | 403) {
            let error = api::trouble(&response, &self.masker);
            return Err(ActionError::own(error.message)
                .help("give the token the permission Account Analytics Read"));
        }
        // An answer with status 200 can hold errors: then it is none.
        let body = api::json(&response).filter(|_| response.status == 200);
        let Some(body) = body.filter(|body| body["errors"].as_array().is_none_or(Vec::is_empty))
        else {
            return Err(api::trouble(&response, &self.masker)
                .help("the token needs the permission Account Analytics Read"));
        };
        let groups = body.pointer("/data/viewer/accounts/0/d1QueriesAdaptiveGroups");
        let Some(groups) = groups.and_then(Value::as_array) else {
            return Err(api::trouble(&response, &self.masker));
        };
        Ok(report(groups, question))
    }
}

fn report(groups: &[Value], question: &Question) -> Report {
    let over = question.over.map(|over| over.as_secs_f64() * 1000.0);
    let number = |group: &Value, pointer: &str| group.pointer(pointer).and_then(Value::as_f64);
    let rows: Vec<_> = groups
        .iter()
        .filter_map(|group| {
            let query = group.pointer("/dimensions/query")?.as_str()?;
            let mean = number(group, "/avg/queryDurationMs")?;
            (!query.is_empty() && over.is_none_or(|over| mean > over)).then(|| {
                row([
                    ("query", json!(one_line(query))),
                    ("calls", json!(number(group, "/count").map(|n| n as u64))),
                    ("mean_ms", json!(mean)),
                    ("max_ms", Value::Null),
                    ("total_ms", json!(number(group, "/sum/queryDurationMs"))),
                    (
                        "rows",
                        json!(number(group, "/sum/rowsReturned").map(|n| n as u64)),
                    ),
                    (
                        "rows_read",
                        json!(number(group, "/sum/rowsRead").map(|n| n as u64)),
                    ),
                ])
            })
        })
        .collect();
    let which = match question.over {
        Some(over) => format!(" slower than {}", crate::base::Span(over)),
        None => String::new(),
    };
    Report {
        detail: format!("{}{which} in the last day", count(rows.len(), "statement")),
        rows,
        ..Report::default()
    }
}
