//! Where the migrations of a call lie and who applies them: the configuration and the database of it, resolved.

use std::path::{Path, PathBuf};

use crate::action::database::system::{self, DatabaseSystem, GRACE, transaction_unless_stopped};
use crate::config::{
    Commands, D1Via, Database, DatabaseKind, MigrationTool, Migrations, WorkerMigrations,
    worker_migrations,
};
use crate::engine::{ActionContext, ActionError};
use crate::sql::Dialect;

use super::folder::{self, Migration};
use super::ledger::{Keeper, Ledger};

/// The folder unless the configuration names one.
const FOLDER: &str = "migrations";

/// What is known of a migration that failed.
pub(super) enum Known {
    /// What the account says by now.
    ByLedger(Ledger),
    /// It was taken back whole: there was no time for that look, and nothing was kept.
    TakenBack,
    /// Nothing: something may be kept, and the database does not tell.
    Nothing,
}

/// A database whose migrations opsbook applies itself.
pub(super) struct Site<'a> {
    pub(super) context: &'a ActionContext<'a>,
    pub(super) database: &'a Database,
    pub(super) system: Box<dyn DatabaseSystem>,
    pub(super) dialect: Dialect,
    pub(super) keeper: Keeper,
    /// The table that keeps account, perhaps with its schema before a dot.
    table: String,
    folder: PathBuf,
    rollback: Option<PathBuf>,
}

/// The database of this name and what the configuration says of its migrations.
pub(super) fn find<'a>(
    context: &'a ActionContext<'a>,
    name: &str,
) -> Result<(&'a Database, &'a Migrations), ActionError> {
    let database = system::find(context.config, Some(name))?;
    match &database.migrations {
        Some(migrations) => Ok((database, migrations)),
        None => Err(ActionError::config(format!(
            "nothing says where the migrations of the database {} lie",
            database.name
        ))
        .help(format!(
            "add [database.{}.migrations] to opsbook.toml, with `folder`",
            database.name
        ))),
    }
}

/// The commands that apply the migrations, where another program does.
pub(super) fn commands(migrations: &Migrations) -> Option<&Commands> {
    match &migrations.tool {
        MigrationTool::Command(commands) => Some(commands),
        MigrationTool::Sql { .. } | MigrationTool::Wrangler { .. } => None,
    }
}

/// Where the files lie, and the table, as far as the configuration or wrangler's says.
pub(super) fn places(
    database: &Database,
    migrations: &Migrations,
    context: &ActionContext<'_>,
) -> Result<(PathBuf, Option<String>), ActionError> {
    let said = |table: &Option<String>| table.clone();
    let (table, worker) = match &migrations.tool {
        MigrationTool::Sql { table } => (said(table), None),
        MigrationTool::Wrangler { table } => (said(table), worker(database, context)?),
        MigrationTool::Command(_) => (None, None),
    };
    let (worker_folder, worker_table) = match worker {
        Some(worker) => (Some(worker.folder), worker.table),
        None => (None, None),
    };
    let folder = migrations.folder.clone().or(worker_folder);
    Ok((
        folder.unwrap_or_else(|| context.config.folder.join(FOLDER)),
        table.or(worker_table),
    ))
}

/// What wrangler's own configuration says: the one that the database names, or that beside opsbook's.
fn worker(
    database: &Database,
    context: &ActionContext<'_>,
) -> Result<Option<WorkerMigrations>, ActionError> {
    let DatabaseKind::D1 { name, id, via, .. } = &database.kind else {
        return Ok(None);
    };
    let own = match via {
        D1Via::Wrangler(tool) | D1Via::Local(tool) => tool.config.as_deref(),
        D1Via::Api => None,
    };
    // The empty path is the folder that opsbook itself is in.
    let beside = match context.config.folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => &context.config.folder,
    };
    let read = worker_migrations(own.unwrap_or(beside), name, id.as_deref());
    read.map_err(|mistakes| {
        ActionError::own(crate::base::text::one_line(&mistakes.to_string()))
            .help("correct wrangler's configuration, or name `folder` and `table`")
    })
}

impl<'a> Site<'a> {
    /// The site of a database whose migrations no other program applies.
    pub(super) fn open(
        database: &'a Database,
        migrations: &Migrations,
        context: &'a ActionContext<'a>,
    ) -> Result<Self, ActionError> {
        let (folder, table) = places(database, migrations, context)?;
        let keeper = match migrations.tool {
            MigrationTool::Wrangler { .. } => Keeper::Wrangler,
            MigrationTool::Sql { .. } | MigrationTool::Command(_) => Keeper::Opsbook,
        };
        Ok(Self {
            context,
            database,
            system: system::open(database, context)?,
            dialect: database.kind.dialect(),
            keeper,
            table: table.unwrap_or_else(|| keeper.usual_table().to_owned()),
            folder,
            rollback: migrations.rollback.clone(),
        })
    }

    /// The files.
    pub(super) fn migrations(&self) -> Result<Vec<Migration>, ActionError> {
        let migrations = folder::read(&self.folder, self.rollback.as_deref())?;
        let beside = |migration: &&Migration| {
            let down = migration.down.as_deref().and_then(Path::parent);
            down == Some(&self.folder)
        };
        match migrations.iter().find(beside) {
            Some(migration) if self.keeper == Keeper::Wrangler => Err(ActionError::config(
                format!(
                    "wrangler would apply what takes {} back: it lies in the folder of migrations",
                    migration.name
                ),
            )
            .help(
                "move it to a folder of its own, under the migration's name, and say `rollback`",
            )),
            _ => Ok(migrations),
        }
    }

    /// The account.
    pub(super) async fn ledger(&self) -> Result<Ledger, ActionError> {
        Ledger::read(self.system.as_ref(), self.keeper, self.dialect, &self.table).await
    }

    /// What is known of a migration that failed, of which the database had kept so much before.
    pub(super) async fn known_after(&self, kept_before: u64, error: &ActionError) -> Known {
        let may_be_kept = error.in_doubt || self.system.kept() > kept_before;
        match self.ledger_soon().await {
            Ok(ledger) => Known::ByLedger(ledger),
            Err(_) if self.context.is_cancelled() && !may_be_kept => Known::TakenBack,
            Err(_) => Known::Nothing,
        }
    }

    /// How many rows all of them changed, where one failed of which the database had kept so much before; none where
    /// something was kept and nobody knows how much that changed.
    pub(super) fn changed_since(&self, kept_before: u64, changed: u64) -> Option<u64> {
        let is_known = changed > 0 || self.system.kept() == kept_before;
        is_known.then_some(changed)
    }

    /// The account, behind what may have been cut off: who has to end waits no longer than a moment for it.
    async fn ledger_soon(&self) -> Result<Ledger, ActionError> {
        let moment = async {
            self.context.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            ledger = self.ledger() => ledger,
            () = moment => Err(ActionError::own("stopped")),
        }
    }

    /// Runs the statements of one migration with its account, all or nothing; gives how many rows they changed, of which
    /// the account is one. None where it had to end before they were kept.
    pub(super) async fn migrate(&self, script: &str) -> Result<Option<u64>, ActionError> {
        if self.context.is_cancelled() {
            return Ok(None);
        }
        let system = self.system.as_ref();
        let changed = transaction_unless_stopped(system, self.context, system.migrate(script));
        Ok(changed.await?.map(|changed| changed.max(1)))
    }

    /// The time by the clock that the database goes by too: of a file on this machine.
    pub(super) fn clock(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        match &self.database.kind {
            DatabaseKind::Sqlite { .. } => Some(chrono::Utc::now()),
            DatabaseKind::Postgres { .. } | DatabaseKind::D1 { .. } => None,
        }
    }

    /// What applies what is pending.
    pub(super) fn apply_again(&self) -> String {
        format!("opsbook db migrations apply {}", self.database.name)
    }

    /// What to do about a migration that no file takes back.
    pub(super) fn without_down(&self) -> String {
        let write = "write what takes it back: NAME.down.sql beside it, or the same name in the folder `rollback`";
        match &self.database.kind {
            DatabaseKind::D1 { name, .. } => format!(
                "{write}; or take the whole database to the moment before, with all its rows: \
                 wrangler d1 time-travel restore {name} --timestamp=…"
            ),
            DatabaseKind::Sqlite { .. } | DatabaseKind::Postgres { .. } => write.to_owned(),
        }
    }
}
