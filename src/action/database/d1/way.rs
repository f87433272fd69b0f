//! The ways to a D1 database: Cloudflare's API, or the program wrangler. Both run statements as one transaction.

use std::path::Path;

use serde_json::Value;
use tokio::time::Instant;

use crate::base::{Masker, Secret};
use crate::config::{D1Via, Database, DatabaseKind, WranglerTool};
use crate::engine::{ActionContext, ActionError};
use crate::model::Template;
use crate::platform::d1::{API, Again, D1, LONGEST_STATEMENT, Statement};
use crate::platform::http::Proxies;
use crate::platform::rows::Rows;
use crate::platform::wrangler::{Place, Wrangler};
use crate::sql;

use super::failure::Failure;
use super::insights::Insights;
use crate::action::database::system::variable;

/// What says the account where the configuration does not; wrangler reads it too.
const ACCOUNT: &str = "CLOUDFLARE_ACCOUNT_ID";

/// What says the token where the configuration does not; wrangler reads it too.
const TOKEN: &str = "CLOUDFLARE_API_TOKEN";

/// How a database is reached.
pub(super) enum Way {
    /// Over the API.
    Api {
        /// The database.
        d1: D1,
        /// What Cloudflare has counted of its statements.
        insights: Insights,
    },
    /// By wrangler.
    Wrangler {
        /// The program.
        wrangler: Wrangler,
        /// Knows what must not stand on its command line.
        masker: Masker,
    },
}

impl Way {
    /// The way that the configuration says.
    pub(super) fn new(
        database: &Database,
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let DatabaseKind::D1 {
            name,
            id,
            account,
            token,
            via,
        } = &database.kind
        else {
            return Err(ActionError::config(format!(
                "{} is not of kind d1",
                database.name
            )));
        };
        let (account, token) = (account.as_ref(), token.as_ref());
        match via {
            D1Via::Api => over_api(database, name, id.as_deref(), (account, token), context),
            D1Via::Wrangler(tool) => {
                by_wrangler(name, tool, Place::Remote, (account, token), context)
            }
            D1Via::Local(tool) => by_wrangler(name, tool, Place::Local, (account, token), context),
        }
    }

    /// Runs statements in one transaction, all or nothing; gives what each gave, at most `limit` rows of each.
    pub(super) async fn batch(
        &self,
        statements: &[Statement],
        limit: usize,
        again: Again,
    ) -> Result<Vec<Rows>, Failure> {
        match self {
            Self::Api { d1, .. } => {
                let exactly = |statement: &Statement| {
                    let (sql, parameters) = sql::with_exact(&statement.sql, &statement.parameters);
                    Statement { sql, parameters }
                };
                let statements: Vec<Statement> = statements.iter().map(exactly).collect();
                let results = d1.batch(&statements, limit, again).await;
                results.map_err(Failure::Api)
            }
            Self::Wrangler { .. } if statements.is_empty() => Ok(Vec::new()),
            Self::Wrangler { wrangler, masker } => {
                let texts = written(statements);
                if wrangler.shows_statements() && hold_secret(statements, &texts, masker) {
                    return Err(Failure::Shown);
                }
                if let Some(long) = texts.iter().find(|text| text.len() > LONGEST_STATEMENT) {
                    return Err(Failure::TooLong(long.len()));
                }
                let results = wrangler.execute(&texts, limit).await;
                results.map_err(Failure::Wrangler)
            }
        }
    }

    /// Where statements are more than one call takes that tells what each gave: imports them, and gives how many rows that
    /// changed. None where they are not.
    pub(super) async fn import(&self, statements: &[Statement]) -> Option<Result<u64, Failure>> {
        let Self::Wrangler { wrangler, .. } = self else {
            return None;
        };
        let statements = written(statements);
        if wrangler.takes(&statements) {
            return None;
        }
        let changed = wrangler.import(&statements).await;
        Some(changed.map_err(Failure::Wrangler))
    }

    /// Where the database is in its own past.
    pub(super) async fn bookmark(&self) -> Result<String, Failure> {
        match self {
            Self::Api { d1, .. } => d1.bookmark().await.map_err(Failure::Api),
            Self::Wrangler { wrangler, .. } => wrangler.bookmark().await.map_err(Failure::Wrangler),
        }
    }

    /// When whatever is asked must be over.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Api { d1, .. } => d1.deadline,
            Self::Wrangler { wrangler, .. } => wrangler.deadline,
        }
    }

    /// Whether nothing of what it held is kept.
    pub(super) fn keeps_no_past(&self) -> bool {
        self.is_local()
    }

    /// Whether columns of the same name become one.
    pub(super) const fn loses_columns(&self) -> bool {
        matches!(self, Self::Wrangler { .. })
    }

    /// Whether a blob comes as the text of a list of numbers.
    pub(super) fn gives_blobs_as_lists(&self) -> bool {
        self.is_local()
    }

    /// Whether it is the copy of this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Wrangler { wrangler, .. } if wrangler.place == Place::Local)
    }
}

fn over_api(
    database: &Database,
    name: &str,
    id: Option<&str>,
    (account, token): (Option<&Template>, Option<&Template>),
    context: &ActionContext<'_>,
) -> Result<Way, ActionError> {
    let table = &database.name;
    let said = |template: Option<&Template>, key: &str, name: &str| match template {
        Some(template) => (context.resolve)(template),
        None => variable(context, name).ok_or_else(|| {
            ActionError::own(format!("nothing says the {key} of the database {table}")).help(
                format!("set `{key}` in [database.{table}], or the variable {name}"),
            )
        }),
    };
    let api = variable(context, "CLOUDFLARE_API_BASE_URL").unwrap_or_else(|| API.to_owned());
    let account = said(account, "account", ACCOUNT)?;
    let token = said(token, "token", TOKEN)?;
    Ok(Way::Api {
        insights: Insights::new(&api, &account, &token, context),
        d1: D1 {
            api,
            account,
            token: Secret::new(token),
            name: name.to_owned(),
            id: id.map(str::to_owned),
            deadline: context.deadline,
            proxies: Proxies::from_variables(context.environment),
        },
    })
}

/// Without a token wrangler uses the login of who runs it.
fn by_wrangler(
    name: &str,
    tool: &WranglerTool,
    place: Place,
    (account, token): (Option<&Template>, Option<&Template>),
    context: &ActionContext<'_>,
) -> Result<Way, ActionError> {
    // By those of the context it is known as a program of the run.
    let mut variables = context.variables.to_vec();
    for (variable, template) in [(ACCOUNT, account), (TOKEN, token)] {
        if let Some(template) = template {
            variables.push((variable.to_owned(), (context.resolve)(template)?));
        }
    }
    let absolute = |path: &Path| {
        let folder = context.config.folder.join(path);
        std::path::absolute(&folder).unwrap_or(folder)
    };
    let program = |name: &str| match name.contains('/') {
        true => absolute(Path::new(name)).display().to_string(),
        false => name.to_owned(),
    };
    let config = tool.config.as_deref().map(absolute);
    let folder = config.as_deref().and_then(Path::parent);
    let wrangler = Wrangler {
        program: tool.program.as_deref().map(program),
        folder: folder.map_or_else(|| absolute(Path::new("")), Path::to_owned),
        environment: tool.environment.clone(),
        persist_to: tool.persist_to.as_deref().map(absolute),
        database: name.to_owned(),
        place,
        variables,
        deadline: context.deadline,
        config,
    };
    let masker = context.masker.clone();
    Ok(Way::Wrangler { wrangler, masker })
}

/// Whether a secret stands in statements. One with a quote in it is another text in SQL, so that the values are looked at
/// as they were too.
fn hold_secret(statements: &[Statement], texts: &[String], masker: &Masker) -> bool {
    let mut values = statements
        .iter()
        .flat_map(|statement| &statement.parameters);
    texts.iter().any(|text| masker.finds_in(text))
        || values.any(|value| masker.finds_in_json(value))
}

/// Statements with their values in them: wrangler binds none.
fn written(statements: &[Statement]) -> Vec<String> {
    let statements = statements.iter();
    statements
        .map(|Statement { sql, parameters }| {
            let values: &[Value] = parameters;
            sql::with_values(sql, values)
        })
        .collect()
}
