//! A copy of a PostgreSQL database: a dump by the server's own program. The password goes by its environment, never by its
//! arguments.

use std::path::Path;
use std::time::Duration;

use crate::action::database::copy::{CopyKind, CopySystem};
use crate::action::database::system::Answer;
use crate::base::Span;
use crate::base::text::{one_line, shell_word};
use crate::engine::ActionError;
use crate::platform::postgres::PostgresError;
use crate::platform::process::{self, Program};

use super::PostgresSystem;

/// How long `pg_dump` may take to end after TERM.
const GRACE: Duration = Duration::from_secs(2);

/// What `createdb` is told of the encoding and the locale of this database, by its options; no row where these are those of
/// the template. Only later servers know providers of locales other than the C library, and they call them in their own ways.
const ENCODING: &str = "\
WITH known AS (
    SELECT datname, pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate, datctype::text AS ctype,
           to_jsonb(d) ->> 'datlocprovider' AS provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
    FROM pg_database AS d)
SELECT own.encoding, own.collate AS \"lc-collate\", own.ctype AS \"lc-ctype\",
       CASE own.provider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END AS \"locale-provider\",
       CASE own.provider WHEN 'i' THEN own.locale END AS \"icu-locale\",
       CASE own.provider WHEN 'b' THEN own.locale END AS \"builtin-locale\"
FROM known AS own, known AS base
WHERE own.datname = current_database() AND base.datname = 'template0'
      AND (own.encoding, own.collate, own.ctype, own.provider, own.locale)
          IS DISTINCT FROM (base.encoding, base.collate, base.ctype, base.provider, base.locale)";

impl PostgresSystem {
    /// Runs one of PostgreSQL's own programs on the database.
    async fn run(&self, name: &str, arguments: &[&str]) -> Result<(), ActionError> {
        let mut program = Program::new(name, arguments.iter().copied());
        let password = self.postgres.password();
        let password =
            password.map(|password| ("PGPASSWORD".to_owned(), password.expose().to_owned()));
        program.variables = self.variables.iter().cloned().chain(password).collect();
        program.grace = GRACE;
        let never = std::future::pending();
        let ended = process::run(&program, &|_| {}, never).await.map_err(|error| {
            ActionError::own(one_line(&error.to_string())).help(format!(
                "{name} comes with PostgreSQL's client: postgresql-client on Debian, libpq elsewhere"
            ))
        })?;
        if ended.code == Some(0) {
            return Ok(());
        }
        let said = one_line(&ended.stderr.text(&self.masker));
        if said.contains("server version mismatch") {
            return Err(ActionError::own(said).help(format!(
                "{name} must be at least as new as the server: put that of the newer version first in PATH"
            )));
        }
        let how = ended.code.map_or_else(
            || "a signal ended it".to_owned(),
            |code| format!("exit code {code}"),
        );
        Err(match said.as_str() {
            "" => ActionError::target(format!("{name}: {how}")),
            said => ActionError::target(said),
        })
    }

    /// Why `pg_dump` failed: where that was at a lock which is still held, who holds it.
    async fn explained(&self, said: ActionError, patience: Duration) -> ActionError {
        let Some(statement) = lock_statement(&said.message) else {
            return said;
        };
        // It needs the same lock, and is told what a program is not.
        match self.postgres.look(statement, &[], 0).await {
            Err(PostgresError::Waited { holders, .. }) => {
                let patience = Span(patience);
                let message =
                    format!("pg_dump gave up waiting for a lock after {patience}: {statement}");
                self.held(ActionError::target(message), &holders)
            }
            Ok(_) | Err(_) => said,
        }
    }
}

/// The statement that `pg_dump` says it failed with, where that is for the locks of tables.
fn lock_statement(said: &str) -> Option<&str> {
    const ENDS: &str = " IN ACCESS SHARE MODE";
    let statement = said.get(said.find("LOCK TABLE ")?..)?;
    statement.get(..statement.find(ENDS)? + ENDS.len())
}

impl CopySystem for PostgresSystem {
    fn copy_kind(&self) -> Result<CopyKind, ActionError> {
        Ok(CopyKind::File {
            how: "pg_dump --format=custom",
            ending: "dump",
        })
    }

    fn copy<'a>(&'a self, to: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move {
            let to = to.display().to_string();
            let file = format!("--file={to}");
            // Keywords are believed before a service or a variable that stands in the environment.
            let database = format!("--dbname={}", self.postgres.keywords());
            let patience = self.postgres.lock_patience();
            // It waits without end otherwise, and everybody who wants a stronger lock waits behind it.
            let wait = format!("--lock-wait-timeout={}", patience.as_millis().max(1));
            let arguments = ["--format=custom", "--no-password", &wait, &database, &file];
            if let Err(said) = self.run("pg_dump", &arguments).await {
                return Err(self.explained(said, patience).await);
            }
            // A dump that was cut off has no list of what it holds.
            self.run("pg_restore", &["--list", "--file=/dev/null", &to])
                .await
        })
    }

    /// The options of `createdb` for a database of the same encoding and locale, where those are not what it takes unasked.
    /// None, where the server does not tell: a dump is worth more than they are.
    fn restored_as(&self) -> Answer<'_, String> {
        Box::pin(async move {
            let Ok(found) = self.postgres.look(ENCODING, &[], 1).await else {
                return Ok(String::new());
            };
            let row = found.rows.first();
            let option = |column: &String| {
                let value = row?.get(column)?.as_str()?;
                Some(format!(" --{column}={}", shell_word(value)))
            };
            Ok(found.columns.iter().filter_map(option).collect())
        })
    }

    /// Into a database beside it: what was made since the copy is not in its list, so it would stay in this one, and may
    /// keep the tables from being made anew that it refers to.
    fn restore_in_words(&self, copy: &str, restored_as: &str) -> String {
        let database = self.postgres.database().unwrap_or(&self.name);
        let stem = Path::new(copy).file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let moment = stem.strip_prefix(&self.name).unwrap_or(&stem);
        let beside = format!("{database}{moment}");
        format!(
            "createdb --template=template0{restored_as} --maintenance-db={} {} && pg_restore --single-transaction --dbname={} {}",
            shell_word(&self.postgres.keywords()),
            shell_word(&beside),
            shell_word(&self.postgres.keywords_to(&beside)),
            shell_word(copy)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::lock_statement;

    #[test]
    fn the_statement_that_locks_is_found_in_what_pg_dump_says() {
        let said = "pg_dump: error: query failed: ERROR: canceling statement due to statement timeout pg_dump: detail: \
                    Query was: LOCK TABLE public.\"a b\", public.t IN ACCESS SHARE MODE";
        assert_eq!(
            lock_statement(said),
            Some("LOCK TABLE public.\"a b\", public.t IN ACCESS SHARE MODE")
        );
        assert_eq!(lock_statement("pg_dump: error: LOCK TABLE t"), None);
        assert_eq!(lock_statement("Query was: SELECT 1"), None);
    }
}
