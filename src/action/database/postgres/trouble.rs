//! What can go wrong with a PostgreSQL server: whose trouble it is, and what to do about it.

use crate::base::text::{fit, one_line};
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::postgres::{AddressError, Holder, PostgresError};
use crate::sql::Piece;

use super::super::system::{beyond, in_script};
use super::PostgresSystem;

impl PostgresSystem {
    /// Whose trouble it is, and what to do about it. The server's words stay: they are what people search for.
    pub(super) fn trouble(&self, error: &PostgresError) -> ActionError {
        let message = one_line(&error.to_string());
        let name = &self.name;
        match error {
            PostgresError::Lookup(_) => ActionError::target(message)
                .help(format!("check the host in `url` of [database.{name}]")),
            PostgresError::Connect(connect) if connect.own => ActionError::own(message),
            PostgresError::Socket { is_own: true, .. } => ActionError::own(message)
                .help("check who may use the socket: it is the folder's and the socket's mode"),
            PostgresError::Connect(_) | PostgresError::Socket { .. } => {
                ActionError::target(message).help("see whether the server runs and listens there")
            }
            PostgresError::Tls(tls) if tls.problem.is_own() => ActionError::own(message)
                .help(format!("correct sslrootcert, sslcert and sslkey of [database.{name}]")),
            PostgresError::Tls(_) => ActionError::target(message),
            PostgresError::NoTls { .. } => ActionError::target(message).help(format!(
                "switch TLS on in the server, or say sslmode=disable in `url` of [database.{name}]"
            )),
            PostgresError::NotPostgres { .. } => ActionError::target(message)
                .help(format!("check host and port in `url` of [database.{name}]")),
            PostgresError::NoPassword { .. } => ActionError::own(message).help(format!(
                "set `password` in [database.{name}] from `{{{{ secret.NAME }}}}`, or the variable PGPASSWORD, or a line in ~/.pgpass"
            )),
            PostgresError::Authentication { .. } => ActionError::own(message)
                .help("let the server ask this role for a password: scram-sha-256 in pg_hba.conf, over TLS for channel_binding=require"),
            PostgresError::Stopped => ActionError::own(message),
            PostgresError::Nowhere { wanted, .. } => ActionError::target(message).help(match *wanted {
                "any" => "see whether one of them runs and lets you in",
                _ => "see which is which with `database.info`; target_session_attrs says which is wanted",
            }),
            PostgresError::Silent { .. } => ActionError::late(message),
            PostgresError::Late { .. } => ActionError::late(message).help(
                "see what it waits for with `database.activity`, or give the step a longer `timeout`",
            ),
            PostgresError::Server { code, hint, .. } => refusal(code, message, hint.as_deref(), name),
            PostgresError::Cut { .. } => ActionError::target(message)
                .help("see the server's log: it was stopped, or something between cuts connections"),
            PostgresError::TooLarge { .. } => ActionError::own(message)
                .help("select less of it: left(column, 1000), or its length"),
            PostgresError::Waited { holders, error } => self.waited(holders, error),
            PostgresError::Script { error, .. } => self.trouble(error),
            PostgresError::Bounds(broken) => beyond(*broken),
            PostgresError::Uncounted { .. } => ActionError::refused(message)
                .help("a limit of rows can be held only where it counts them: ALTER SYSTEM SET track_counts = on"),
            PostgresError::Left => ActionError::target(message)
                .help("see what is in the database now, before anything else is done"),
            PostgresError::InDoubt { transaction, .. } => in_doubt(message, transaction.as_deref()),
            PostgresError::Parameters { .. } => ActionError::config(message),
            PostgresError::Unreadable { .. } => ActionError::own(message)
                .help("cast the column to text: column::text"),
        }
    }

    /// Names who held the lock that was waited for.
    fn waited(&self, holders: &[Holder], error: &PostgresError) -> ActionError {
        self.held(self.trouble(error), holders)
    }

    /// The trouble of who waited for a lock, with those who held it.
    pub(super) fn held(&self, kind: ActionError, holders: &[Holder]) -> ActionError {
        let shown = holders.iter().map(|holder| Holder {
            query: fit(&one_line(&self.masker.text(&holder.query)), LONGEST_QUERY),
            ..holder.clone()
        });
        let first = holders.first().map_or(0, |holder| holder.pid);
        let told = Holder::in_words(&shown.collect::<Vec<_>>());
        ActionError {
            message: format!("{}; it waited for {told}", kind.message),
            ..kind
        }
        .help(self.help_with_holder(first))
    }

    /// The same in few words, where it is said beside something else: who waited for a lock is late.
    pub(super) fn trouble_in_brief(&self, error: &PostgresError) -> ActionError {
        let holder = match error {
            PostgresError::Waited { holders, .. } => holders.first().map(|holder| holder.pid),
            error if error.is_lock_timeout() => None,
            error => return self.trouble(error),
        };
        ActionError::late(match holder {
            None => "somebody holds a lock".to_owned(),
            Some(0) => "a prepared transaction holds a lock".to_owned(),
            Some(pid) => format!("session {pid} holds a lock"),
        })
    }

    /// What to do about who holds a lock, as commands for this database.
    fn help_with_holder(&self, pid: i64) -> String {
        let name = &self.name;
        let end = match pid {
            0 => "finish it: COMMIT PREPARED or ROLLBACK PREPARED, as pg_prepared_xacts names it"
                .to_owned(),
            pid => format!("let it end, or end it: `opsbook db terminate {pid} -d {name}`"),
        };
        format!("{end}; who waits for whom: `opsbook db locks {name}`")
    }

    /// What went wrong with a change. One that the server refuses as a whole is no mistake of who wrote it.
    pub(super) fn trouble_of_change(&self, error: &PostgresError) -> ActionError {
        let trouble = self.trouble(error);
        match error.code() {
            Some("25006") => ActionError::target(trouble.message).help(
                "it is a replica, or default_transaction_read_only is on: change the primary, or see why it was made so",
            ),
            _ => trouble,
        }
    }

    /// What became of a change whose answer nobody waits for any more.
    pub(super) fn doubt(&self) -> Result<(), ActionError> {
        let stopped = PostgresError::Stopped;
        match self.postgres.doubt(stopped) {
            PostgresError::Stopped if self.postgres.may_have_left_something() => Err(ActionError::target(
                "stopped behind a statement that runs in no transaction: what it did may be there",
            )
            .in_doubt()
            .help("see what is in the database, `opsbook db indexes` for invalid ones, before you do it again")),
            PostgresError::Stopped => Ok(()),
            doubt => Err(self.trouble(&doubt)),
        }
    }

    /// What went wrong with a statement that was sent as a person wrote it behind these words of ours, and in which line.
    pub(super) fn trouble_of_written(
        &self,
        error: &PostgresError,
        sql: &SqlText,
        ours: &str,
    ) -> ActionError {
        placed(self.trouble(error), error, sql, ours)
    }

    /// What went wrong with a script, and in which line.
    pub(super) fn trouble_of_script(
        &self,
        error: &PostgresError,
        script: &str,
        pieces: &[Piece<'_>],
    ) -> ActionError {
        let trouble = self.trouble_of_change(error);
        let Some((completed, offset)) = place(error) else {
            return trouble;
        };
        // What is no SQL is found before anything runs, wherever it stands.
        let named = offset.and_then(|offset| {
            let begun = |piece: &&Piece<'_>| piece.range.start <= offset;
            pieces.iter().rfind(begun)
        });
        let Some(piece) = named.or(pieces.get(completed)) else {
            return trouble;
        };
        let before = offset.and_then(|offset| script.get(..offset));
        let line = before.map_or(piece.line, |before| 1 + before.matches('\n').count());
        let placed = in_script(trouble, piece, line);
        ActionError {
            message: format!("{}; nothing was changed", placed.message),
            ..placed
        }
    }
}

/// Trouble with the line and the column of the statement, from 1, where the server names its place in what was sent: these
/// words of ours and the statement. A value before it in its line stands there as a mark of another length than what was
/// written, so that its column is not known.
pub(super) fn placed(
    trouble: ActionError,
    error: &PostgresError,
    sql: &SqlText,
    ours: &str,
) -> ActionError {
    let PostgresError::Server {
        offset: Some(offset),
        ..
    } = error
    else {
        return trouble;
    };
    // A mark is as long as it was sent: `?1` and `$1`.
    let end = offset.checked_sub(ours.len());
    let Some(before) = end.and_then(|end| sql.text.get(..end)) else {
        return trouble;
    };
    let line = 1 + before.matches('\n').count();
    let in_line = before.rsplit('\n').next().unwrap_or_default();
    let place = match !sql.parameters.is_empty() && in_line.contains('?') {
        true => format!("line {line}"),
        false => format!("line {line}, column {}", 1 + in_line.chars().count()),
    };
    ActionError {
        message: format!("{place}: {}", trouble.message),
        ..trouble
    }
}

/// Behind how many statements of a script it failed, and the place that the server names.
fn place(error: &PostgresError) -> Option<(usize, Option<usize>)> {
    match error {
        PostgresError::Script {
            completed, offset, ..
        } => Some((*completed, *offset)),
        PostgresError::Waited { error, .. } => place(error),
        _ => None,
    }
}

/// How much of a statement that holds a lock is shown.
const LONGEST_QUERY: usize = 100;

/// What to do about a change of which nobody knows whether it is kept.
fn in_doubt(message: String, transaction: Option<&str>) -> ActionError {
    let error = ActionError::target(message).in_doubt();
    match transaction {
        Some(number) => error.help(format!(
            "ask the same server before you do it again: SELECT txid_status({number}) says committed or aborted"
        )),
        None => error.help("look at the database before you do it again"),
    }
}

/// What a refusal of the server means, by the classes of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn refusal(code: &str, message: String, hint: Option<&str>, name: &str) -> ActionError {
    // What stands behind the arrow is else our own word.
    let hint = hint.map(|hint| format!("the server's hint: {}", one_line(hint)));
    let class = code.get(..2).unwrap_or_default();
    let (error, help): (fn(String) -> ActionError, String) = match (code, class) {
        ("28P01", _) => (
            ActionError::own,
            format!("correct the user in `url` and the password of [database.{name}]"),
        ),
        (_, "28") => (
            ActionError::own,
            "let this role in from here: pg_hba.conf of the server says who may come how".to_owned(),
        ),
        ("3D000", _) => (
            ActionError::target,
            format!("see which there are with psql -l, or correct `url` of [database.{name}]"),
        ),
        ("42501", _) => (
            ActionError::own,
            "grant the role what it may read; pg_monitor is for watching".to_owned(),
        ),
        ("53300" | "53400", _) => (
            ActionError::target,
            "see who holds the connections: pg_stat_activity, as a superuser, for whom some are kept back".to_owned(),
        ),
        ("57P03", _) => (
            ActionError::target,
            "it is starting, stopping or recovering: its log says which; `retry` waits".to_owned(),
        ),
        ("57P01" | "57P02", _) => (
            ActionError::target,
            "the server was stopped or somebody ended the session: see its log".to_owned(),
        ),
        ("57014", _) => (
            ActionError::target,
            "somebody, or a limit of the role, ended the statement".to_owned(),
        ),
        ("25006", _) => (
            ActionError::config,
            "what reads runs in a read-only transaction".to_owned(),
        ),
        ("55P03", _) => (
            ActionError::target,
            format!("somebody held it for longer than `lock_timeout`: `opsbook db locks {name}`; `retry` tries again"),
        ),
        ("40001" | "40P01", _) => (
            ActionError::target,
            "others changed the same rows at the same time, and nothing was changed here: `retry` tries again".to_owned(),
        ),
        ("53100", _) => (
            ActionError::target,
            "the disk of the server is full and nothing was changed: free space there; opsbook db tables shows what takes it".to_owned(),
        ),
        ("2D000", _) => (
            ActionError::config,
            "it ends transactions itself, so it cannot be all or nothing: use `command.run` with psql".to_owned(),
        ),
        // Whether there is such a name is the database's to say, and so is which grammar it knows.
        ("42P18" | "42725" | "42883" | "42804", _) => (
            ActionError::target,
            hint.unwrap_or_else(|| "say which type a value has: {{ value }}::bigint".to_owned()),
        ),
        _ => {
            let error = ActionError::target(message);
            return match hint {
                Some(hint) => error.help(hint),
                None => error,
            };
        }
    };
    error(message).help(help)
}

pub(super) fn wrong_address(error: &AddressError, name: &str) -> ActionError {
    // Known only once its secrets are: one database that cannot be asked must not end a run that asks others.
    let wrong = ActionError::own(error.to_string());
    match error {
        AddressError::Parameter {
            near: Some(near), ..
        } => wrong.help(format!("did you mean {near}?")),
        AddressError::Parameter { near: None, .. } => {
            wrong.help(format!("take it out of `url` of [database.{name}]"))
        }
        AddressError::Nothing => ActionError::own(format!("{error} {name}")).help(format!(
            "set `url` or `service` in [database.{name}], or the variable DATABASE_URL, PGSERVICE or PGHOST"
        )),
        AddressError::Keyword { near: Some(near) } => wrong.help(format!("did you mean {near}?")),
        AddressError::Keyword { near: None } | AddressError::Conninfo => wrong.help(
            "write keyword=value with a space between; a value with a space in it stands in single quotes",
        ),
        AddressError::Lists { .. } => wrong.help("name one for each host, or one port for all"),
        AddressError::Service { name: service, .. } => wrong.help(format!(
            "write [{service}] with its lines into one of them, or set PGSERVICEFILE"
        )),
        AddressError::File { .. } => wrong.help("correct the file"),
        AddressError::Ambiguous | AddressError::Port | AddressError::Text(_) => wrong.help(format!(
            "in `url` of [database.{name}] write / as %2F, ? as %3F, # as %23 and % as %25, or give the password as `password`"
        )),
        AddressError::Scheme | AddressError::Value { .. } => {
            wrong.help(format!("correct `url` of [database.{name}]"))
        }
    }
}
