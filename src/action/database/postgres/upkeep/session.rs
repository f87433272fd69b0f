//! Ends the statement of a session, or the session: of this database, of this very session, and waits until it is so.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::action::database::postgres::PostgresSystem;
use crate::action::database::postgres::looks::own;
use crate::action::database::system::Report;
use crate::base::Span;
use crate::base::text::{fit, one_line};
use crate::engine::ActionError;

/// How long a session may take to end what it does. The server asks it to; it hears that at its next chance.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How much of a statement is told, in terminal cells.
const STATEMENT: usize = 80;

type Row = Map<String, Value>;

impl PostgresSystem {
    pub(super) async fn cancel_statement(&self, pid: i64) -> Result<Report, ActionError> {
        let session = self.session(pid).await?;
        let terminate = format!(
            "to end the session: `opsbook db terminate {pid} -d {}`",
            self.name
        );
        match session["state"].as_str() {
            // Nobody tells this role.
            None | Some("active" | "fastpath function call") => {}
            Some(state) => {
                let message = format!(
                    "session {pid} of {} runs no statement: it is {state}",
                    who(&session)
                );
                return Err(ActionError::target(message).help(terminate));
            }
        }
        self.signal(&session, include_str!("cancel.sql")).await?;
        let is_done =
            |now: &Row| now["state"] != session["state"] || now["asked"] != session["asked"];
        // Whoever may not see it cannot see it end.
        if !session["state"].is_null() && !self.wait(&session, is_done).await? {
            let message = format!(
                "session {pid} still runs its statement after {}",
                Span(PATIENCE)
            );
            return Err(ActionError::target(message).help(terminate));
        }
        Ok(told("ended the statement", session))
    }

    pub(super) async fn terminate(&self, pid: i64) -> Result<Report, ActionError> {
        let session = self.session(pid).await?;
        self.signal(&session, include_str!("terminate.sql")).await?;
        if !self.wait(&session, |_| false).await? {
            let message = format!("session {pid} is still there after {}", Span(PATIENCE));
            return Err(ActionError::target(message).help(
                "it may be writing to a disk that does not answer: see the server's machine",
            ));
        }
        Ok(told("ended the session", session))
    }

    /// The session of this process id, which must be one of this database.
    async fn session(&self, pid: i64) -> Result<Row, ActionError> {
        let found = match i32::try_from(pid) {
            Ok(pid) => self.look_at(&json!(pid), &Value::Null).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            let message = format!("no session of {} has the process id {pid}", self.name);
            ActionError::target(message).help(format!(
                "see which there are: `opsbook db activity {}`",
                self.name
            ))
        })
    }

    async fn look_at(&self, pid: &Value, began: &Value) -> Result<Option<Row>, ActionError> {
        let parameters = [pid.clone(), began.clone()];
        let found = self.ask(include_str!("session.sql"), &parameters).await?;
        Ok(found.rows.into_iter().next())
    }

    /// Sends the signal to exactly this session.
    async fn signal(&self, session: &Row, sql: &str) -> Result<(), ActionError> {
        let parameters = [session["pid"].clone(), session["began"].clone()];
        let sent = self.postgres.query(own(sql), &parameters, 1).await;
        let sent = sent.map_err(|error| {
            let trouble = self.trouble(&error);
            match error.code() {
                Some("42501") => ActionError::own(trouble.message)
                    .help("connect as the same role, or GRANT pg_signal_backend TO this one; a superuser's sessions end only superusers"),
                _ => trouble,
            }
        })?;
        // It ended by itself where there is nobody to ask any more.
        match sent.rows.first().map(|row| &row["is_sent"]) {
            Some(Value::Bool(false)) => {
                let message = format!("the server could not reach session {}", session["pid"]);
                Err(ActionError::target(message).help("see the server's log"))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the session is gone or it is done. False where neither came about in time.
    async fn wait(
        &self,
        session: &Row,
        is_done: impl Fn(&Row) -> bool,
    ) -> Result<bool, ActionError> {
        let began = Instant::now();
        loop {
            match self.look_at(&session["pid"], &session["began"]).await? {
                None => return Ok(true),
                Some(now) if is_done(&now) => return Ok(true),
                Some(_) if began.elapsed() >= PATIENCE => return Ok(false),
                Some(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Whose session it is: `app (worker)`.
fn who(session: &Row) -> String {
    let of = |name: &str| session[name].as_str().unwrap_or_default();
    match of("application") {
        "" => of("user").to_owned(),
        application => format!("{} ({application})", of("user")),
    }
}

fn told(what: &str, mut session: Row) -> Report {
    let query = one_line(session["query"].as_str().unwrap_or_default());
    let detail = format!("{what} of {}: {}", who(&session), fit(&query, STATEMENT));
    session.retain(|name, _| !matches!(name.as_str(), "began" | "asked"));
    Report {
        rows: vec![session],
        detail,
        ..Report::default()
    }
}
