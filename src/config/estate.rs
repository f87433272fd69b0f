//! The estate as validated data, with the chosen environment laid over the base.

use std::path::PathBuf;

use crate::base::{Place, SourceFile, Span};
use crate::book::EstateNames;
use crate::model::{Heartbeat, Step, Template};
use crate::sql::Dialect;

use super::migrations::Migrations;
use super::window::Window;

/// What `opsbook.toml` describes, with the chosen environment laid over the base. Empty when there is no such file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file, if there is one.
    pub source: Option<SourceFile>,
    /// The folder that relative paths in it start from: the file's own.
    pub folder: PathBuf,
    /// The name of the project.
    pub project: Option<String>,
    /// The chosen environment.
    pub environment: Option<String>,
    /// The environments that the file names.
    pub environments: Vec<String>,
    /// Whether the chosen environment asks for typed names before a destroy.
    pub protected: bool,
    /// Where the journal lies, if not in the user's state folder. Starts from `folder` where it was relative.
    pub store: Option<PathBuf>,
    /// Where the project's runbooks lie; `runbooks` beside the file unless said. Starts from `folder` where it was
    /// relative.
    pub runbooks: Option<PathBuf>,
    /// `[secret]`
    pub secrets: Vec<(String, SecretSource)>,
    /// `[service.*]`
    pub services: Vec<Service>,
    /// `[database.*]`
    pub databases: Vec<Database>,
    /// `[health]`
    pub health: Health,
    /// `[queue.*]`
    pub queues: Vec<Queue>,
    /// `[kv.*]`
    pub kvs: Vec<Kv>,
    /// `[object.*]`
    pub objects: Vec<ObjectStore>,
    /// `[metrics.*]`
    pub metrics: Vec<Metrics>,
    /// `[window.*]`
    pub windows: Vec<Window>,
    /// `retention` of `[journal]`: the age from which on `runs prune` takes runs out.
    pub retention: Option<Span>,
    /// `[policy]`
    pub policy: Policy,
    /// `[heartbeat]`: told of every run whose runbook has none of its own.
    pub heartbeat: Option<Heartbeat>,
}

/// `[policy]`: what must be so before something is changed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `[policy.write]`: for a runbook that may write or worse.
    pub write: Demands,
    /// `[policy.destroy]`: what a runbook that may destroy needs beyond that.
    pub destroy: Demands,
    /// `[[policy.freeze]]`: when nothing is changed.
    pub freezes: Vec<Freeze>,
}

/// What a policy asks of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// It needs `--reason`.
    pub reason: bool,
    /// It needs `--incident`.
    pub incident: bool,
    /// It needs a second person's approval.
    pub approval: bool,
    /// It is refused.
    pub deny: bool,
}

/// A time in which nothing is changed, unless for an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Why, in words.
    pub title: String,
    /// When it begins.
    pub from: chrono::DateTime<chrono::Utc>,
    /// When it is over.
    pub until: chrono::DateTime<chrono::Utc>,
    /// The mildest effect that is refused.
    pub effect: crate::base::Effect,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, without its last line feed. Starts from the configuration's folder where it was relative.
    File(PathBuf),
    /// What a program prints, without its last line feed.
    Command(Vec<String>),
}

/// `[service.NAME]`: something that answers HTTP.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The base of its URLs, without the last slash.
    pub url: Option<String>,
    /// How a request proves who sends it.
    pub auth: Option<Auth>,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// How long a request may take unless a step says otherwise.
    pub timeout: Option<Span>,
    /// What its answers are held to over time, unless a check says otherwise.
    pub objective: Objective,
    /// `[[service.NAME.check]]`
    pub checks: Vec<Check>,
}

/// `[[service.NAME.check]]`: a step that only reads, and what its verdict depends on beside its own look.
#[derive(Clone, Debug)]
pub struct Check {
    /// The step: it has no list of items, no question and nothing to take back.
    pub step: Step,
    /// What must be well for it to be well: the service's own needs first.
    pub needs: Vec<Need>,
    /// How many looks in a row must be bad before its verdict is, at least 1.
    pub failures: u32,
    /// How many looks in a row must be good before its verdict is again, at least 1.
    pub successes: u32,
    /// How long it must have been bad without a good look before its verdict is.
    pub sustained: Option<Span>,
    /// What it is held to over time: the service's objective where it sets no part of its own.
    pub objective: Objective,
    /// What is wrong when its verdict is bad, in words.
    pub cause: Option<Template>,
    /// The command to run then, without the leading `opsbook`.
    pub remedy: Option<Template>,
}

impl Check {
    /// Its name, unique within its service.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.step.name
    }
}

/// `needs`: a service, or one check of it: `database`, `cache/ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The service.
    pub service: String,
    /// One check of it; all of them unless given.
    pub check: Option<String>,
    /// Where it is written.
    pub place: Place,
}

/// `objective`: what a service is held to over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Objective {
    /// The share of good looks, in percent.
    pub availability: Option<f64>,
    /// The time that 95 of 100 answers take at most.
    pub p95: Option<Span>,
    /// The time over which it is held to that.
    pub window: Option<Span>,
}

/// `[health]`: how checks are run and how long their samples are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// How many checks run at the same time, at least 1.
    pub concurrency: usize,
    /// How many of them work on one host, at least 1.
    pub per_host: usize,
    /// How long samples are kept one by one; older ones are rolled up by the hour.
    pub keep: Span,
    /// How long those hours are kept.
    pub history: Span,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            concurrency: 64,
            per_host: 16,
            keep: Span::seconds(8 * 86_400),
            history: Span::seconds(400 * 86_400),
        }
    }
}

/// How a request proves who sends it.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(Template),
    /// `Authorization: Basic …`
    Basic {
        /// The user's name.
        user: Template,
        /// The password.
        password: Template,
    },
}

/// `[metrics.NAME]`: a system that measures and can be asked.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Its name.
    pub name: String,
    /// What answers.
    pub kind: MetricsKind,
    /// Prometheus and Sentry: the base of its URLs, without the last slash. Cloudflare: where its GraphQL is.
    pub url: String,
    /// How a request proves who sends it.
    pub auth: Option<Auth>,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// How long a request may take unless a step says otherwise.
    pub timeout: Option<Span>,
}

/// What answers questions about metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsKind {
    /// Prometheus, or what answers like it: queries are PromQL.
    Prometheus,
    /// Cloudflare's analytics: queries are GraphQL.
    Cloudflare,
    /// Sentry: queries are its tables of events and their counts.
    Sentry {
        /// The name of the organization in URLs.
        organization: String,
        /// The number of the project that is looked at; all that the token may see unless given.
        project: Option<String>,
    },
}

impl MetricsKind {
    /// The word in `kind`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Cloudflare => "cloudflare",
            Self::Sentry { .. } => "sentry",
        }
    }
}

/// `[database.NAME]`
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What serves it.
    pub kind: DatabaseKind,
    /// What may be deleted when it is old.
    pub retention: Vec<Retention>,
    /// The folder that `database.copy` puts copies into, below the folder of the configuration.
    pub copies: Option<PathBuf>,
    /// Where its migrations lie, if it has any.
    pub migrations: Option<Migrations>,
    /// Where its table begins.
    pub place: Place,
}

impl Database {
    /// The templates in it, each with its key: a secret may stand in them.
    pub fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let migrations = self.migrations.iter().flat_map(Migrations::templates);
        self.kind.templates().chain(migrations)
    }
}

/// What serves a database.
#[derive(Clone, Debug)]
pub enum DatabaseKind {
    /// A file on this machine.
    Sqlite {
        /// The file. Starts from the configuration's folder where it was relative.
        path: PathBuf,
        /// The SQL file that makes it when it is not there.
        create: Option<PathBuf>,
    },
    /// A PostgreSQL server.
    Postgres(PostgresSettings),
    /// Cloudflare D1.
    D1 {
        /// The database's name at Cloudflare; the table's own name unless said.
        name: String,
        /// The database's id.
        id: Option<String>,
        /// The account that it belongs to; the variable `CLOUDFLARE_ACCOUNT_ID` unless given.
        account: Option<Template>,
        /// What proves who asks; the variable `CLOUDFLARE_API_TOKEN` unless given.
        token: Option<Template>,
        /// How it is reached.
        via: D1Via,
    },
}

/// What is said of a database of kind postgres.
#[derive(Clone, Debug, Default)]
pub struct PostgresSettings {
    /// `postgres://…` or `keyword=value …`; the variable `DATABASE_URL` unless given.
    pub url: Option<Template>,
    /// The password, where the URL has none.
    pub password: Option<Template>,
    /// The service in `pg_service.conf` that says what the URL leaves open.
    pub service: Option<String>,
    /// How long one statement may take.
    pub statement_timeout: Option<Span>,
    /// How long a change may wait for a lock.
    pub lock_timeout: Option<Span>,
}

/// How a D1 database is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum D1Via {
    /// Over Cloudflare's REST API.
    #[default]
    Api,
    /// By wrangler, at Cloudflare.
    Wrangler(WranglerTool),
    /// By wrangler, the copy of this machine.
    Local(WranglerTool),
}

impl D1Via {
    /// The word in `via`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Wrangler(_) => "wrangler",
            Self::Local(_) => "local",
        }
    }
}

/// Which wrangler, and what it is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WranglerTool {
    /// Its own configuration file. Starts from the configuration's folder where it was relative.
    pub config: Option<PathBuf>,
    /// The environment of that file.
    pub environment: Option<String>,
    /// Where its copies of this machine lie. Starts from the configuration's folder where it was relative.
    pub persist_to: Option<PathBuf>,
    /// The program's name, or its path from the configuration's folder.
    pub program: Option<String>,
}

impl DatabaseKind {
    /// The word in `kind`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::D1 { .. } => "d1",
        }
    }

    /// Whose SQL it takes.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres { .. } => Dialect::Postgres,
            Self::Sqlite { .. } | Self::D1 { .. } => Dialect::Sqlite,
        }
    }

    /// The templates in it, each with its key: a secret may stand in them.
    pub fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let found = match self {
            Self::Sqlite { .. } => [None, None],
            Self::Postgres(PostgresSettings { url, password, .. }) => [
                url.as_ref().map(|url| ("url", url)),
                password.as_ref().map(|password| ("password", password)),
            ],
            Self::D1 { account, token, .. } => [
                account.as_ref().map(|account| ("account", account)),
                token.as_ref().map(|token| ("token", token)),
            ],
        };
        found.into_iter().flatten()
    }
}

/// `[[database.NAME.retention]]`: rows that may be deleted when they are old.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// The table.
    pub table: String,
    /// The column that holds each row's age.
    pub column: String,
    /// How long a row is kept.
    pub keep: Span,
    /// How many rows are deleted in one transaction.
    pub batch: Option<u64>,
    /// With more old rows than this nothing is deleted.
    pub max_rows: Option<u64>,
    /// With more old rows than this share of the table, in percent, nothing is deleted.
    pub max_share: Option<f64>,
}

/// `[queue.NAME]`
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its name at Cloudflare; the table's own name unless said.
    pub remote: String,
    /// What serves it.
    pub kind: QueueKind,
    /// The queue that takes what could not be handled.
    pub dead_letter: Option<String>,
}

/// What serves a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// Cloudflare Queues.
    Cloudflare,
}

impl QueueKind {
    /// The word in `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloudflare => "cloudflare",
        }
    }
}

/// `[kv.NAME]`: a namespace of Cloudflare KV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv {
    /// Its name.
    pub name: String,
    /// The name by which the Worker knows it.
    pub binding: Option<String>,
    /// The namespace's id.
    pub id: Option<String>,
}

/// `[object.NAME]`: a bucket of Cloudflare R2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStore {
    /// Its name.
    pub name: String,
    /// The name by which the Worker knows it.
    pub binding: Option<String>,
    /// The bucket's name; the table's own name unless said.
    pub bucket: String,
}

impl Config {
    /// The names that inputs can refer to.
    #[must_use]
    pub fn names(&self) -> EstateNames {
        EstateNames {
            services: self
                .services
                .iter()
                .map(|service| service.name.clone())
                .collect(),
            databases: self
                .databases
                .iter()
                .map(|database| database.name.clone())
                .collect(),
            queues: self.queues.iter().map(|queue| queue.name.clone()).collect(),
            deploys: Vec::new(),
            windows: self
                .windows
                .iter()
                .map(|window| window.name.clone())
                .collect(),
            metrics: self
                .metrics
                .iter()
                .map(|metrics| metrics.name.clone())
                .collect(),
        }
    }

    /// Whose policy it is, for messages: `the policy of production (opsbook.toml)`.
    #[must_use]
    pub fn policy_in_words(&self) -> String {
        let file = self.source.as_ref().map(|source| source.path().display());
        match (&self.environment, file) {
            (Some(environment), Some(file)) => format!("the policy of {environment} ({file})"),
            (None, Some(file)) => format!("the policy of {file}"),
            (_, None) => "the policy".to_owned(),
        }
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The database of this name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// The queue of this name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The key-value namespace of this name.
    #[must_use]
    pub fn kv(&self, name: &str) -> Option<&Kv> {
        self.kvs.iter().find(|kv| kv.name == name)
    }

    /// The bucket of this name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&ObjectStore> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The window of this name.
    #[must_use]
    pub fn window(&self, name: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.name == name)
    }

    /// The secret of this name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&SecretSource> {
        self.secrets
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, source)| source)
    }
}
