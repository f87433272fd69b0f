//! What changes something in a PostgreSQL server: each statement on the way that the server takes it. Must not send what
//! would leave its transaction, or wait for what nobody sends.

use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::{Bounds, Count};
use crate::platform::halted::Halted;
use crate::platform::postgres::{ChangeStatement, PostgresError, Script};
use crate::platform::rows::Changed;
use crate::sql::{self, Dialect, Piece, Way};

use super::super::system::{in_script, must_read, refuse_transaction};
use super::trouble::placed;
use super::{PostgresSystem, sent};

/// The indexes that are no use to anybody and are kept up with every change, as they are written in SQL.
const INVALID: &str =
    "SELECT indexrelid::regclass::text AS index FROM pg_index WHERE NOT indisvalid ORDER BY 1";

impl PostgresSystem {
    /// Runs one statement within its bounds, or alone where the server runs it in no transaction.
    pub(super) async fn change(
        &self,
        sql: &SqlText,
        limit: usize,
        bounds: &Bounds,
    ) -> Result<Changed, ActionError> {
        self.may_change()?;
        let piece = one(sql)?;
        if piece.way == Way::Alone {
            let ended = self.alone(&[piece]).await;
            return ended
                .map(|()| Changed::default())
                .map_err(|halted| halted.error);
        }
        let text = sent(&sql.text);
        let change = ChangeStatement {
            sql: &text,
            parameters: &sql.parameters,
            limit,
            is_counted: piece.way == Way::Counted,
        };
        let bounds = Bounds {
            count: bounds.count.as_ref().map(|count| Count {
                sql: sent(&count.sql),
                parameters: count.parameters.clone(),
            }),
            ..bounds.clone()
        };
        let done = self.postgres.execute(change, &bounds).await;
        done.map_err(|error| placed(self.trouble_of_change(&error), &error, sql, ""))
    }

    /// Runs the statements of a script in one session, each in no transaction.
    pub(super) async fn change_alone(&self, text: &str) -> Result<(), Halted<ActionError>> {
        self.may_change().map_err(Halted::at_once)?;
        let pieces = pieces(text).map_err(Halted::at_once)?;
        for piece in &pieces {
            refuse_unsendable(piece).map_err(Halted::at_once)?;
        }
        let ended = self.alone(&pieces).await;
        ended.map_err(|Halted { done, error }| Halted {
            done,
            error: match pieces.get(done) {
                Some(piece) => in_script(error, piece, piece.line),
                None => error,
            },
        })
    }

    /// Runs statements each in no transaction; tells what is left of the one that fails.
    async fn alone(&self, pieces: &[Piece<'_>]) -> Result<(), Halted<ActionError>> {
        let before = match pieces.iter().any(makes_indexes) {
            true => self.told(self.invalid_indexes().await),
            false => Ok(Vec::new()),
        };
        let before = before.map_err(Halted::at_once)?;
        let statements: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
        let Err(Halted { done, error }) = self.postgres.alone(&statements).await else {
            return Ok(());
        };
        let error = self.trouble_of_change(&error);
        let error = match pieces.get(done).is_some_and(makes_indexes) {
            true => self.with_what_is_left(error, &before).await,
            false => error,
        };
        Err(Halted { done, error })
    }

    /// An index that could not be built stays, and is of no use.
    async fn with_what_is_left(&self, error: ActionError, before: &[String]) -> ActionError {
        match self.invalid_indexes().await {
            Ok(after) => match after.iter().find(|index| !before.contains(index)) {
                Some(left) => ActionError {
                    message: format!("{}; the invalid index {left} is left", error.message),
                    ..error
                }
                .help(format!(
                    "take it away before you try again: DROP INDEX CONCURRENTLY {left}"
                )),
                None => error,
            },
            Err(_) => ActionError {
                message: format!("{}; an invalid index may be left", error.message),
                ..error
            }
            .help("see with `opsbook db indexes`, and DROP INDEX CONCURRENTLY what is invalid"),
        }
    }

    async fn invalid_indexes(&self) -> Result<Vec<String>, PostgresError> {
        let found = self.postgres.query(INVALID, &[], usize::MAX).await?.rows;
        let names = found.into_iter().filter_map(|mut row| row.remove("index"));
        Ok(names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect())
    }

    /// Runs the statements of a script in one transaction.
    pub(super) async fn change_by_script(&self, text: &str) -> Result<u64, ActionError> {
        self.may_change()?;
        let pieces = of_transaction(text)?;
        let is_counted: Vec<bool> = pieces
            .iter()
            .map(|piece| piece.way == Way::Counted)
            .collect();
        let script = Script {
            sql: text,
            is_counted: &is_counted,
        };
        let done = self.postgres.script(script).await;
        done.map_err(|error| self.trouble_of_script(&error, text, &pieces))
    }

    /// Runs the statements of a script that must not write.
    pub(super) async fn read_by_script(&self, text: &str) -> Result<(), ActionError> {
        let pieces = pieces(text)?;
        for piece in &pieces {
            refuse_unsendable(piece)?;
        }
        must_read_all(text)?;
        let done = self.postgres.read_script(text).await;
        done.map_err(|error| self.trouble_of_script(&error, text, &pieces))
    }

    fn may_change(&self) -> Result<(), ActionError> {
        match self.may_change {
            true => Ok(()),
            false => Err(ActionError::refused(format!(
                "{} must not be changed by this run",
                self.name
            ))
            .help("leave --dry-run and --read-only away")),
        }
    }
}

/// What must only be read, one statement after the other.
fn must_read_all(text: &str) -> Result<(), ActionError> {
    match sql::effect(text, Dialect::Postgres).statements {
        0 | 1 => must_read(text, Dialect::Postgres),
        _ => {
            let analysis = sql::effect(text, Dialect::Postgres);
            if analysis.effect == crate::base::Effect::Read {
                return Ok(());
            }
            Err(ActionError::config(format!(
                "this is not known to read only: {}",
                analysis.reason
            )))
        }
    }
}

fn makes_indexes(piece: &Piece<'_>) -> bool {
    matches!(
        piece.kind().as_str(),
        "CREATE INDEX" | "CREATE UNIQUE" | "REINDEX" | "REINDEX TABLE" | "REINDEX INDEX"
    )
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ActionError> {
    sql::whole_pieces(text, Dialect::Postgres)
        .map_err(|error| ActionError::config(error.to_string()))
}

/// The one statement that is to be run.
pub(super) fn one(sql: &SqlText) -> Result<Piece<'_>, ActionError> {
    let mut pieces = pieces(&sql.text)?;
    if pieces.len() > 1 {
        return Err(ActionError::config("there is more than one statement")
            .help("write a step for each, or a file for `sql.file`"));
    }
    let piece = pieces.pop();
    let piece = piece.ok_or_else(|| ActionError::config("there is no statement"))?;
    refuse_unsendable(&piece)?;
    if piece.way == Way::Alone && !sql.parameters.is_empty() {
        return Err(
            ActionError::config(format!("{} takes no values", piece.kind()))
                .help("a name is written `{{ name | identifier }}`, and a value as it is"),
        );
    }
    Ok(piece)
}

/// The statements of a script that runs in one transaction.
pub(super) fn of_transaction(text: &str) -> Result<Vec<Piece<'_>>, ActionError> {
    let pieces = pieces(text)?;
    for piece in &pieces {
        refuse_unsendable(piece)?;
        if piece.way == Way::Alone {
            return Err(ActionError::config(format!(
                "{} in line {} cannot run in a transaction, and a file runs in one",
                piece.kind(),
                piece.line
            ))
            .help("write a step of `sql.execute` for it"));
        }
    }
    Ok(pieces)
}

/// Refuses what would end the transaction that it stands in, or what the server answers in another way than with rows.
fn refuse_unsendable(piece: &Piece<'_>) -> Result<(), ActionError> {
    let (what, instead) = match piece.way {
        Way::Counted | Way::Within | Way::Alone | Way::Savepoint => return Ok(()),
        Way::Transaction => return refuse_transaction(piece),
        Way::Streams => (
            "COPY over the connection is not done",
            "write INSERT, or use `command.run` with psql and \\copy",
        ),
        Way::Psql => (
            "it has a command of psql",
            "use `command.run` with psql, or take what begins with \\ out",
        ),
    };
    Err(ActionError::config(format!("line {}: {what}", piece.line)).help(instead))
}
