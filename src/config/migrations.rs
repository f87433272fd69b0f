//! `[database.NAME.migrations]`: where the migrations of a database lie, what keeps account of them, and how strictly they
//! are judged. Must not read the folder.

use std::path::PathBuf;

use regex::Regex;

use crate::book::{Field, TableReader};
use crate::model::Template;

use super::load::Site;

/// Where the migrations of a database lie and what applies them.
#[derive(Clone, Debug)]
pub struct Migrations {
    /// What applies them and keeps account.
    pub tool: MigrationTool,
    /// The folder of SQL files; with wrangler that of its own configuration unless said. Starts from the configuration's
    /// folder where it was relative.
    pub folder: Option<PathBuf>,
    /// The folder with a file of the same name for each migration, which takes it back.
    pub rollback: Option<PathBuf>,
    /// What the name of each must match.
    pub names: Option<Regex>,
    /// The levels of rules that are not the usual ones.
    pub levels: Vec<(Rule, Level)>,
}

/// What applies migrations and keeps account of them.
#[derive(Clone, Debug)]
pub enum MigrationTool {
    /// Opsbook, in a table of this name; `opsbook_migrations` unless said.
    Sql {
        /// The table, perhaps with its schema before a dot.
        table: Option<String>,
    },
    /// Opsbook, in the table of wrangler, so that both agree.
    Wrangler {
        /// The table; that of wrangler's configuration unless said.
        table: Option<String>,
    },
    /// Another program.
    Command(Box<Commands>),
}

/// The commands of another program, each with its arguments.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// Tells what is pending.
    pub status: Vec<String>,
    /// Applies what is pending.
    pub apply: Option<Vec<String>>,
    /// Applies up to the migration whose name is put behind it.
    pub apply_to: Option<Vec<String>>,
    /// Takes the last one back.
    pub revert: Option<Vec<String>>,
    /// Takes back to the migration whose name is put behind it.
    pub revert_to: Option<Vec<String>>,
    /// Writes a new one whose name is put behind it.
    pub new: Option<Vec<String>>,
    /// How the answer of `status` is read.
    pub answer: Answer,
    /// The folder that they run in.
    pub cwd: PathBuf,
    /// Variables beside those that opsbook inherited.
    pub env: Vec<(String, Template)>,
}

/// How the answer of `status` is read.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Each match is a migration that is pending; its first group, or all of it, is the name.
    pub pending: Option<Regex>,
    /// Where it matches, nothing is pending; where it does not, something is.
    pub settled: Option<Regex>,
    /// The exit codes by which the program says that something is pending.
    pub pending_codes: Vec<i32>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is not told.
    Allow,
    /// A warning.
    Warn,
    /// A problem.
    Deny,
}

/// What a migration can have against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A comment that allows something is not as it must be.
    Allow,
    /// What runs in no transaction stands beside other statements.
    Alone,
    /// An UPDATE or DELETE that can touch every row.
    AllRows,
    /// A column gets another type.
    ChangeType,
    /// A foreign key or CHECK is held against all rows while the table is locked.
    ConstraintScan,
    /// A column with its values is dropped.
    DropColumn,
    /// A table is dropped whose rows take others along.
    DropParent,
    /// A schema or database is dropped.
    DropSchema,
    /// A table with its rows is dropped.
    DropTable,
    /// Two migrations have the same number.
    DuplicateVersion,
    /// It cannot be run a second time.
    Idempotent,
    /// An index names a column that its table does not have.
    IndexColumn,
    /// An index is built while nobody can write.
    IndexLock,
    /// Lines end as on Windows, which breaks triggers on D1.
    LineEndings,
    /// The name is not as the others.
    Name,
    /// A column that takes no NULL and has no default.
    NotNull,
    /// A setting that does nothing within a transaction.
    Pragma,
    /// A table or column is renamed.
    Rename,
    /// Nothing takes it back.
    Revert,
    /// All rows are looked at for NULL while the table is locked.
    SetNotNull,
    /// A statement is longer than D1 takes.
    StatementSize,
    /// No transaction stands around it.
    Transaction,
    /// It begins or ends transactions itself.
    TransactionControl,
    /// All rows of a table are deleted.
    Truncate,
    /// A unique constraint is built while nobody can read or write.
    UniqueLock,
    /// It cannot be parsed.
    Unparsed,
    /// Every row is written anew for the default of a new column.
    VolatileDefault,
}

impl Rule {
    /// Every rule with its name, how much it matters unless said, and what it finds.
    pub const ALL: [(Self, &'static str, Level, &'static str); 27] = [
        (
            Self::AllRows,
            "all-rows",
            Level::Deny,
            "an UPDATE or DELETE without WHERE, or whose WHERE is the same for every row",
        ),
        (
            Self::Allow,
            "allow",
            Level::Warn,
            "a comment `-- opsbook: allow RULE reason` without a reason, with an unknown rule, or that silences nothing",
        ),
        (
            Self::Alone,
            "alone",
            Level::Deny,
            "a statement that runs in no transaction, as CREATE INDEX CONCURRENTLY, beside others: what fails between them is neither done nor undone",
        ),
        (
            Self::ChangeType,
            "change-type",
            Level::Deny,
            "a column gets another type: the table is written anew under a lock, and values may not fit",
        ),
        (
            Self::ConstraintScan,
            "constraint-scan",
            Level::Deny,
            "postgres: a foreign key or CHECK without NOT VALID holds every row against it under a lock",
        ),
        (
            Self::DropColumn,
            "drop-column",
            Level::Deny,
            "a column is dropped with its values",
        ),
        (
            Self::DropParent,
            "drop-parent",
            Level::Deny,
            "d1, and sqlite in no transaction: a table is dropped that others refer to with ON DELETE CASCADE or SET NULL, which is acted upon",
        ),
        (
            Self::DropSchema,
            "drop-schema",
            Level::Deny,
            "a schema or database is dropped",
        ),
        (
            Self::DropTable,
            "drop-table",
            Level::Deny,
            "a table is dropped with its rows",
        ),
        (
            Self::DuplicateVersion,
            "duplicate-version",
            Level::Deny,
            "two migrations have the same number: their order hangs on the rest of their names",
        ),
        (
            Self::Idempotent,
            "idempotent",
            Level::Allow,
            "CREATE without IF NOT EXISTS and DROP without IF EXISTS, for tools that may run a file twice",
        ),
        (
            Self::IndexColumn,
            "index-column",
            Level::Deny,
            "an index names a column that its table does not have",
        ),
        (
            Self::IndexLock,
            "index-lock",
            Level::Deny,
            "postgres: CREATE INDEX without CONCURRENTLY on a table that there was before keeps writers waiting",
        ),
        (
            Self::LineEndings,
            "line-endings",
            Level::Deny,
            "d1: lines that end in CR LF, which break triggers",
        ),
        (
            Self::Name,
            "name",
            Level::Warn,
            "a name that does not match `names`",
        ),
        (
            Self::NotNull,
            "not-null",
            Level::Deny,
            "a new column takes no NULL and has no default: it fails where there are rows",
        ),
        (
            Self::Pragma,
            "pragma",
            Level::Warn,
            "sqlite: a PRAGMA that does nothing within a transaction, as foreign_keys",
        ),
        (
            Self::Rename,
            "rename",
            Level::Deny,
            "a table or column is renamed while the running release uses the old name",
        ),
        (
            Self::Revert,
            "revert",
            Level::Warn,
            "there is no file that takes the migration back, or no statement in it",
        ),
        (
            Self::SetNotNull,
            "set-not-null",
            Level::Deny,
            "postgres: SET NOT NULL without a validated CHECK looks at every row under a lock",
        ),
        (
            Self::StatementSize,
            "statement-size",
            Level::Deny,
            "d1: a statement is longer than 100,000 bytes",
        ),
        (
            Self::Transaction,
            "transaction",
            Level::Allow,
            "no BEGIN and COMMIT stand around the migration, for tools that add none",
        ),
        (
            Self::TransactionControl,
            "transaction-control",
            Level::Deny,
            "a transaction is begun or ended anywhere but around the whole migration",
        ),
        (
            Self::Truncate,
            "truncate",
            Level::Deny,
            "TRUNCATE deletes all rows of a table",
        ),
        (
            Self::UniqueLock,
            "unique-lock",
            Level::Deny,
            "postgres: a UNIQUE or PRIMARY KEY constraint builds its index while nobody can read or write",
        ),
        (
            Self::Unparsed,
            "unparsed",
            Level::Warn,
            "a statement that cannot be parsed, so that nothing is known of it",
        ),
        (
            Self::VolatileDefault,
            "volatile-default",
            Level::Deny,
            "postgres: a default that differs from row to row writes the whole table anew under a lock",
        ),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(rule, ..)| *rule == self);
        found.map_or("", |(_, name, ..)| name)
    }

    /// The rule of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known, ..)| *known == name);
        found.map(|(rule, ..)| *rule)
    }

    /// The names of all.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|(_, name, ..)| *name).collect()
    }
}

impl Migrations {
    /// How much a finding of this rule matters here.
    #[must_use]
    pub fn level(&self, rule: Rule) -> Level {
        let said = self.levels.iter().find(|(known, _)| *known == rule);
        let usual = || {
            let found = Rule::ALL.iter().find(|(known, ..)| *known == rule);
            found.map_or(Level::Deny, |(_, _, level, _)| *level)
        };
        said.map_or_else(usual, |(_, level)| *level)
    }

    /// The templates in it, each with its key.
    pub fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let env = match &self.tool {
            MigrationTool::Command(commands) => commands.env.as_slice(),
            MigrationTool::Sql { .. } | MigrationTool::Wrangler { .. } => &[],
        };
        env.iter().map(|(_, template)| ("env", template))
    }
}

/// The words of `tool`, each with the reader of its own keys.
const TOOLS: [(&str, Reader); 3] = [("sql", sql), ("wrangler", wrangler), ("command", command)];

type Reader = fn(&TableReader<'_>, Site<'_>) -> Option<MigrationTool>;

/// The words that set levels, each a list of rules.
const LEVELS: [(&str, Level); 3] = [
    ("allow", Level::Allow),
    ("warn", Level::Warn),
    ("deny", Level::Deny),
];

/// `[database.NAME.migrations]` of a database of this kind.
pub(super) fn read(field: Field<'_>, kind: &str, site: Site<'_>) -> Option<Migrations> {
    let table = field.table("migrations")?;
    let reader = match table.optional("tool") {
        Some(field) => {
            let reader = field.choice(&TOOLS);
            if field.text() == Some("wrangler") && kind != "d1" {
                field.mistake_with_help(
                    format!("wrangler keeps migrations of d1, and this database is of kind {kind}"),
                    "write tool = \"sql\"",
                );
            }
            reader
        }
        None => Some(sql as Reader),
    };
    let path = |key: &str| match table.optional(key) {
        Some(field) => site.path(field).map(Some),
        None => Some(None),
    };
    let (folder, rollback) = (path("folder"), path("rollback"));
    let names = pattern(&table, "names");
    let mut levels = Vec::new();
    for (key, level) in LEVELS {
        for field in table
            .optional(key)
            .and_then(|field| field.list())
            .unwrap_or_default()
        {
            let rules: Vec<(&str, Rule)> = Rule::ALL
                .iter()
                .map(|(rule, name, ..)| (*name, *rule))
                .collect();
            levels.extend(field.choice(&rules).map(|rule| (rule, level)));
        }
    }
    // Which keys belong here is not known, so none is told to be unknown.
    let tool = reader?(&table, site);
    table.finish();
    Some(Migrations {
        tool: tool?,
        folder: folder?,
        rollback: rollback?,
        names: names?,
        levels,
    })
}

fn sql(table: &TableReader<'_>, _: Site<'_>) -> Option<MigrationTool> {
    Some(MigrationTool::Sql {
        table: ledger(table)?,
    })
}

fn wrangler(table: &TableReader<'_>, _: Site<'_>) -> Option<MigrationTool> {
    Some(MigrationTool::Wrangler {
        table: ledger(table)?,
    })
}

/// The name of a table, as SQL writes it without quotes.
#[expect(
    clippy::option_option,
    reason = "a wrong value is told and is no left-out one"
)]
fn ledger(table: &TableReader<'_>) -> Option<Option<String>> {
    let Some(field) = table.optional("table") else {
        return Some(None);
    };
    let text = field.filled_text()?;
    let is_plain = |part: &str| {
        let first = part.bytes().next();
        first.is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if text.split('.').count() > 2 || !text.split('.').all(is_plain) {
        field.mistake_with_help(
            format!("{text:?} is no name for the table of migrations"),
            "write small letters, digits and _, perhaps with a schema before a dot",
        );
        return None;
    }
    Some(Some(text.to_owned()))
}

#[expect(
    clippy::option_option,
    reason = "a wrong value is told and is no left-out one"
)]
fn pattern(table: &TableReader<'_>, key: &str) -> Option<Option<Regex>> {
    let Some(field) = table.optional(key) else {
        return Some(None);
    };
    match Regex::new(field.filled_text()?) {
        Ok(pattern) => Some(Some(pattern)),
        Err(error) => {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            field.mistake(format!("no regular expression: {}", reason.trim()));
            None
        }
    }
}

fn command(table: &TableReader<'_>, site: Site<'_>) -> Option<MigrationTool> {
    let argv = |key: &str| match table.optional(key) {
        Some(field) => arguments(field).map(Some),
        None => Some(None),
    };
    let status = table.required("status").and_then(arguments);
    let (apply, apply_to) = (argv("apply"), argv("apply_to"));
    let (revert, revert_to) = (argv("revert"), argv("revert_to"));
    let new = argv("new");
    let answer = answer(table);
    let cwd = match table.optional("cwd") {
        Some(field) => site.path(field),
        None => Some(site.folder.to_owned()),
    };
    let env = match table.optional("env") {
        Some(field) => field.table("env").and_then(variables),
        None => Some(Vec::new()),
    };
    Some(MigrationTool::Command(Box::new(Commands {
        status: status?,
        apply: apply?,
        apply_to: apply_to?,
        revert: revert?,
        revert_to: revert_to?,
        new: new?,
        answer: answer?,
        cwd: cwd?,
        env: env?,
    })))
}

fn arguments(field: Field<'_>) -> Option<Vec<String>> {
    let texts = field.texts()?;
    if texts.is_empty() {
        field.mistake("there is no program to run: the list is empty");
        return None;
    }
    Some(texts)
}

fn variables(table: TableReader<'_>) -> Option<Vec<(String, Template)>> {
    let entries = table.entries();
    let read: Vec<_> = entries
        .iter()
        .map(|field| Some((field.key().to_owned(), field.template()?)))
        .collect();
    read.into_iter().collect()
}

fn answer(table: &TableReader<'_>) -> Option<Answer> {
    let (pending, settled) = (pattern(table, "pending"), pattern(table, "settled"));
    let codes = table.optional("pending_codes");
    let pending_codes: Vec<i32> = codes
        .and_then(|field| field.list())
        .unwrap_or_default()
        .iter()
        .filter_map(|field| field.integer_in(1..=255))
        .filter_map(|code| i32::try_from(code).ok())
        .collect();
    let answer = Answer {
        pending: pending?,
        settled: settled?,
        pending_codes,
    };
    let says_nothing =
        answer.pending.is_none() && answer.settled.is_none() && answer.pending_codes.is_empty();
    if says_nothing && table.contains("status") {
        table.mistake(
            "nothing says how the answer of `status` is read: give `pending`, `settled` or `pending_codes`",
        );
        return None;
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, clippy::expect_used, reason = "tests")]

    use crate::model::Vocabulary;

    use super::super::parse;
    use super::{Level, MigrationTool, Migrations, Rule};
    use crate::base::SourceFile;

    fn read(kind: &str, text: &str) -> Result<Migrations, String> {
        let path = match kind {
            "sqlite" => "path = \"a.db\"\n",
            _ => "",
        };
        let text =
            format!("[database.main]\nkind = \"{kind}\"\n{path}[database.main.migrations]\n{text}");
        let config = parse(SourceFile::new("opsbook.toml", text), None, Vocabulary(&[]));
        let mut config = config.map_err(|mistakes| mistakes.to_string())?;
        let database = config.databases.remove(0);
        database.migrations.ok_or_else(|| "none".to_owned())
    }

    #[test]
    fn little_is_enough() {
        let migrations = read("sqlite", "").map_err(|_| ());
        let Ok(Migrations {
            tool: MigrationTool::Sql { table: None },
            folder: None,
            ..
        }) = migrations
        else {
            panic!("{migrations:?}");
        };
    }

    #[test]
    fn levels_are_what_is_said_or_usual() {
        let text = "allow = [\"rename\"]\nwarn = [\"drop-table\"]\ndeny = [\"revert\", \"name\"]\n";
        let migrations = read("d1", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for (rule, level) in [
            (Rule::Rename, Level::Allow),
            (Rule::DropTable, Level::Warn),
            (Rule::Revert, Level::Deny),
            (Rule::Truncate, Level::Deny),
            (Rule::Idempotent, Level::Allow),
        ] {
            assert_eq!(migrations.level(rule), level, "{rule:?}");
        }
    }

    #[test]
    fn every_rule_is_found_by_its_name() {
        for (rule, name, ..) in Rule::ALL {
            assert_eq!((Rule::of(name), rule.name()), (Some(rule), name));
        }
        assert!(Rule::names().is_sorted());
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        for (kind, text, told) in [
            (
                "sqlite",
                "tool = \"wrangler\"",
                "wrangler keeps migrations of d1",
            ),
            ("sqlite", "tool = \"sqll\"", "did you mean \"sql\"?"),
            ("sqlite", "table = \"a b\"", "is no name for the table"),
            ("sqlite", "table = \"a.b.c\"", "is no name for the table"),
            ("sqlite", "names = \"(\"", "no regular expression: "),
            (
                "sqlite",
                "deny = [\"drop-tabel\"]",
                "did you mean \"drop-table\"?",
            ),
            ("sqlite", "tool = \"command\"", "has no `status`"),
            (
                "sqlite",
                "tool = \"command\"\nstatus = []\npending = \"x\"",
                "the list is empty",
            ),
            (
                "sqlite",
                "tool = \"command\"\nstatus = [\"x\"]",
                "how the answer of `status` is read",
            ),
            ("sqlite", "status = [\"x\"]", "unknown key in migrations"),
        ] {
            let mistakes = read(kind, text).expect_err(text);
            assert!(mistakes.contains(told), "{text}: {mistakes}");
        }
    }
}
