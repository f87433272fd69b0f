//! A copy of a PostgreSQL database: a dump by the server's own program. The password goes by its environment, never by its
//! arguments.

use std::path::Path;
use std::time::Duration;

use crate::action::database::copy::{CopyKind, CopySystem};
use crate::action::database::system::Answer;
use crate::base::text::{one_line, shell_word};
use crate::engine::ActionError;
use crate::platform::process::{self, Program};

use super::PostgresSystem;

/// How long `pg_dump` may take to end after TERM.
const GRACE: Duration = Duration::from_secs(2);

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
            self.run(
                "pg_dump",
                &["--format=custom", "--no-password", &database, &file],
            )
            .await?;
            // A dump that was cut off has no list of what it holds.
            self.run("pg_restore", &["--list", "--file=/dev/null", &to])
                .await
        })
    }

    fn restore_in_words(&self, copy: &str) -> String {
        format!(
            "pg_restore --clean --if-exists --single-transaction --dbname={} {}",
            shell_word(&self.postgres.keywords()),
            shell_word(copy)
        )
    }
}
