//! The journal as a whole: proved, handed out, and freed of what is old.

use std::io::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::Span;
use crate::base::text::count;
use crate::store::{ChainHash, Exported, Prune, Pruned, SqliteJournal, Verified};

use super::application::no_such_run;
use super::output::unprintable;
use super::{App, AppError};

impl App {
    /// Proves that nothing in the journal was changed, removed or moved, and that it had this head once.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn verify_journal(&self, earlier: Option<&ChainHash>) -> Result<Verified, AppError> {
        Ok(self.journal_that_is_there()?.verify(earlier)?)
    }

    /// Prints events of the journal as lines of JSON, and the texts that they refer to.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or standard output cannot be written.
    pub fn export_journal(&self, wish: Exported) -> Result<(), AppError> {
        let journal = self.journal_that_is_there()?;
        let mut output = self.terminal().output();
        let mut lines = 0_u64;
        let printed = journal.export(wish, &mut |line| {
            lines += 1;
            output.write_all(line.as_bytes())?;
            output.write_all(b"\n")
        })?;
        printed
            .and_then(|()| output.flush())
            .map_err(|error| unprintable(&error))?;
        match wish {
            Exported::Run(run) if lines == 0 => Err(no_such_run(run)),
            _ => Ok(()),
        }
    }

    /// Takes the runs out of the journal that ended longer ago than this; without one, than its `retention`. `yes` agrees in
    /// advance.
    ///
    /// # Errors
    /// When no age is known, nobody agrees, or the journal cannot be written.
    pub fn prune_journal(
        &self,
        older_than: Option<Span>,
        dry: bool,
        yes: bool,
    ) -> Result<Pruned, AppError> {
        let config = self.config()?;
        let age = older_than.or(config.retention).ok_or_else(|| {
            AppError::usage("how old must a run be to be taken out?").hint(
                "give --older-than 365d, or write retention = \"365d\" under [journal] in opsbook.toml",
            )
        })?;
        let environment = self.environment();
        let now = environment.clock.now();
        let mut wish = Prune {
            before: self.ago(age)?,
            dry: true,
            now,
            user: environment.user.clone(),
            host: environment.host.clone(),
        };
        let counted = self.journal_that_is_there()?.prune(&wish)?;
        if dry || counted.runs == 0 {
            return Ok(counted);
        }
        self.agreed(
            &format!(
                "Take {} that ended before {} out of the journal, for good?",
                count(usize::try_from(counted.runs).unwrap_or(usize::MAX), "run"),
                wish.before.format("%Y-%m-%d %H:%MZ"),
            ),
            yes,
        )?;
        wish.dry = false;
        Ok(self.journal_of(&config)?.prune(&wish)?)
    }

    /// The moment that lies so long back.
    ///
    /// # Errors
    /// When no calendar has it.
    pub fn ago(&self, age: Span) -> Result<DateTime<Utc>, AppError> {
        TimeDelta::from_std(age.0)
            .ok()
            .and_then(|age| self.environment().clock.now().checked_sub_signed(age))
            .ok_or_else(|| AppError::usage(format!("{age} ago is before any calendar")))
    }

    /// The journal for reading. Nothing can be said of one that is not there: it may have been removed.
    fn journal_that_is_there(&self) -> Result<SqliteJournal, AppError> {
        let path = self.journal_path(&self.config()?)?;
        if !path.exists() {
            return Err(
                AppError::unknown(format!("there is no journal at {}", path.display()))
                    .hint("name another place with --store FILE"),
            );
        }
        Ok(SqliteJournal::open_read_only(path)?)
    }
}
