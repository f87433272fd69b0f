//! `opsbook.toml` described for editors. Tests hold the keys against the parser.

use serde_json::Value;

use crate::book::schema::{Extension, HEARTBEAT, Key, STEP, Shape, TableShape, schema};
use crate::model::Vocabulary;

use super::check::NOT_OF_A_CHECK;
use super::migrations::Rule;
use super::policy::EFFECTS;

/// The schema of `opsbook.toml`: JSON Schema, Draft 4.
#[must_use]
pub fn config_schema(vocabulary: Vocabulary) -> Value {
    schema("The configuration of opsbook", &CONFIG, vocabulary)
}

const PROJECT: Key = Key::new("project", Shape::Text, "The name of the project");
const STORE: Key = Key::new(
    "store",
    Shape::Text,
    "Where the journal lies; the user's state folder unless given",
);
const RUNBOOKS: Key = Key::new(
    "runbooks",
    Shape::Text,
    "Where the project's runbooks lie: runbooks beside this file unless given",
);
const SECRETS: Key = Key::new("secret", Shape::Named(&SECRET), "Where secrets come from");
const SERVICES: Key = Key::new("service", Shape::Named(&SERVICE), "What answers HTTP");
const DATABASES: Key = Key::new("database", Shape::Named(&DATABASE), "Databases");
const QUEUES: Key = Key::new("queue", Shape::Named(&QUEUE), "Queues");
const KVS: Key = Key::new("kv", Shape::Named(&KV), "Namespaces of Cloudflare KV");
const OBJECTS: Key = Key::new("object", Shape::Named(&OBJECT), "Buckets of Cloudflare R2");
const MEASURES: Key = Key::new(
    "metrics",
    Shape::Named(&METRICS),
    "Systems that measure and can be asked",
);
const WINDOWS: Key = Key::new("window", Shape::Named(&WINDOW), "When something may happen");
const POLICIES: Key = Key::new(
    "policy",
    Shape::Table(&POLICY),
    "What must be so before something is changed",
);

const HEARTBEATS: Key = Key::new(
    "heartbeat",
    HEARTBEAT,
    "Where the runs are told to a watch whose runbook says nothing else",
);
const JOURNAL: Key = Key::new("journal", Shape::Table(&KEPT), "How long runs are kept");

const HEALTHS: Key = Key::new(
    "health",
    Shape::Table(&HEALTH),
    "How checks are run and how long their samples are kept",
);

static KEPT: TableShape = TableShape {
    acts: false,
    keys: &[Key::new(
        "retention",
        Shape::Duration,
        "The age from which on `opsbook runs prune` takes runs out: 365d",
    )],
};

static CONFIG: TableShape = TableShape {
    acts: false,
    keys: &[
        PROJECT,
        Key::new(
            "default_environment",
            Shape::Text,
            "The environment that is meant when nothing else names one",
        ),
        STORE,
        RUNBOOKS,
        JOURNAL,
        Key::new(
            "environment",
            Shape::Overlays(&ENVIRONMENT),
            "Environments: what each lays over the rest",
        ),
        SECRETS,
        HEALTHS,
        SERVICES,
        DATABASES,
        QUEUES,
        KVS,
        OBJECTS,
        MEASURES,
        WINDOWS,
        HEARTBEATS,
        POLICIES,
    ],
};

static ENVIRONMENT: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "protected",
            Shape::Boolean,
            "Whether a destroy asks for the typed name",
        ),
        PROJECT,
        STORE,
        RUNBOOKS,
        JOURNAL,
        SECRETS,
        HEALTHS,
        SERVICES,
        DATABASES,
        QUEUES,
        KVS,
        OBJECTS,
        MEASURES,
        WINDOWS,
        HEARTBEATS,
        POLICIES,
    ],
};

static SECRET: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("env", Shape::Text, "The environment variable that holds it"),
        Key::new("file", Shape::Text, "The file that holds it"),
        Key::new(
            "command",
            Shape::Texts,
            "The program that prints it, with its arguments",
        ),
    ],
};

static SERVICE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "url",
            Shape::Text,
            "The base of its URLs: https://api.example.com",
        ),
        Key::new(
            "auth",
            Shape::Table(&AUTH),
            "How a request proves who sends it",
        ),
        Key::new("headers", Shape::TextMap, "Headers of every request"),
        Key::new(
            "timeout",
            Shape::Duration,
            "How long a request may take unless a step says otherwise",
        ),
        NEEDS,
        FAILURES,
        SUCCESSES,
        OBJECTIVES,
        Key::new(
            "check",
            Shape::Extended(&CHECKS),
            "Steps that tell whether it is well, and only read",
        ),
    ],
};

const NEEDS: Key = Key::new(
    "needs",
    Shape::Texts,
    "Services, or checks as service/check, without which it cannot be well",
);
const FAILURES: Key = Key::new(
    "failures",
    Shape::Integer,
    "How many looks in a row must be bad before the verdict is: 1 unless given",
);
const SUCCESSES: Key = Key::new(
    "successes",
    Shape::Integer,
    "How many looks in a row must be good before the verdict is again: 1 unless given",
);
const OBJECTIVES: Key = Key::new(
    "objective",
    Shape::Table(&OBJECTIVE),
    "What its answers are held to over time",
);

/// The keys of a check beside those of a step.
static CHECK: TableShape = TableShape {
    acts: false,
    keys: &[
        NEEDS,
        FAILURES,
        SUCCESSES,
        Key::new(
            "sustained",
            Shape::Duration,
            "How long it must have been bad, without a good look, before the verdict is",
        ),
        OBJECTIVES,
        Key::new(
            "cause",
            Shape::Text,
            "What is wrong when the verdict is bad, in words",
        ),
        Key::new(
            "remedy",
            Shape::Text,
            "The command to run then, without the leading opsbook",
        ),
    ],
};

static CHECKS: Extension = Extension {
    own: &CHECK,
    base: &STEP,
    without: &NOT_OF_A_CHECK,
};

static OBJECTIVE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "availability",
            Shape::Number,
            "The share of good looks, in percent: 99.9",
        ),
        Key::new(
            "p95",
            Shape::Duration,
            "The time that 95 of 100 answers take at most",
        ),
        Key::new("window", Shape::Duration, "Over how long: 30d"),
    ],
};

static HEALTH: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "concurrency",
            Shape::Integer,
            "How many checks run at the same time: 64 unless given",
        ),
        Key::new(
            "per_host",
            Shape::Integer,
            "How many of them work on one host: 16 unless given",
        ),
        Key::new(
            "keep",
            Shape::Duration,
            "How long samples are kept one by one before they are rolled up by the hour: 8d unless given",
        ),
        Key::new(
            "history",
            Shape::Duration,
            "How long the hours of older samples are kept: 400d unless given",
        ),
    ],
};

static AUTH: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("bearer", Shape::Text, "The token: {{ secret.monitor }}"),
        Key::new("basic", Shape::Table(&BASIC), "A user's name and password"),
    ],
};

static BASIC: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("user", Shape::Text, "The user's name").required(),
        Key::new(
            "password",
            Shape::Text,
            "The password: {{ secret.password }}",
        )
        .required(),
    ],
};

static DATABASE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "kind",
            Shape::Words(|| vec!["d1", "postgres", "sqlite"]),
            "What serves it",
        )
        .required(),
        Key::new(
            "name",
            Shape::Text,
            "d1: its name at Cloudflare; the table's own name unless given",
        ),
        Key::new("id", Shape::Text, "d1: its id at Cloudflare"),
        Key::new(
            "account",
            Shape::Text,
            "d1: the account that it belongs to; CLOUDFLARE_ACCOUNT_ID unless given",
        ),
        Key::new(
            "token",
            Shape::Text,
            "d1: what proves who asks, as {{ secret.cloudflare }}; CLOUDFLARE_API_TOKEN unless given",
        ),
        Key::new(
            "via",
            Shape::Words(|| vec!["api", "local", "wrangler"]),
            "d1: how it is reached: over the API, or by wrangler, which `local` has take the copy of this machine; api unless given",
        ),
        Key::new(
            "wrangler",
            Shape::Text,
            "d1 by wrangler: its configuration file; found by wrangler unless given",
        ),
        Key::new(
            "env",
            Shape::Text,
            "d1 by wrangler: the environment of that file",
        ),
        Key::new(
            "persist_to",
            Shape::Text,
            "d1 local: the folder of wrangler's copies, where it is not .wrangler/state",
        ),
        Key::new(
            "tool",
            Shape::Text,
            "d1 by wrangler: the program; the one of node_modules, else of PATH unless given",
        ),
        Key::new(
            "url",
            Shape::Text,
            "postgres: where it is, as {{ secret.database_url }}; DATABASE_URL unless given",
        ),
        Key::new(
            "password",
            Shape::Text,
            "postgres: the password where the URL has none, as {{ secret.database_password }}; PGPASSWORD unless given",
        ),
        Key::new(
            "service",
            Shape::Text,
            "postgres: the service in pg_service.conf that says what the URL leaves open; PGSERVICE unless given",
        ),
        Key::new(
            "statement_timeout",
            Shape::Duration,
            "postgres: how long one statement may take; as long as the step unless given",
        ),
        Key::new(
            "lock_timeout",
            Shape::Duration,
            "postgres: how long a change may wait for a lock; 10s unless given or the role says",
        ),
        Key::new("path", Shape::Text, "sqlite: the file"),
        Key::new(
            "create",
            Shape::Text,
            "sqlite: the SQL file that makes it when it is not there",
        ),
        Key::new(
            "copies",
            Shape::Text,
            "The folder that `database.copy` puts copies into: copies beside this file unless given",
        ),
        Key::new(
            "retention",
            Shape::Tables(&RETENTION),
            "Rows that may be deleted when they are old",
        ),
        Key::new(
            "migrations",
            Shape::Table(&MIGRATIONS),
            "Where its migrations lie and what applies them",
        ),
    ],
};

static MIGRATIONS: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "tool",
            Shape::Words(|| vec!["sql", "wrangler", "command"]),
            "What applies them: sql (opsbook itself) unless given",
        ),
        Key::new(
            "folder",
            Shape::Text,
            "The folder of SQL files: migrations unless given; with wrangler that of its configuration",
        ),
        Key::new(
            "rollback",
            Shape::Text,
            "The folder with a file of the same name for each migration, which takes it back",
        ),
        Key::new(
            "names",
            Shape::Text,
            "The regular expression that the name of each must match, without .sql",
        ),
        Key::new("allow", RULES, "Rules whose findings are not told"),
        Key::new("warn", RULES, "Rules whose findings are warnings"),
        Key::new("deny", RULES, "Rules whose findings are problems"),
        Key::new(
            "table",
            Shape::Text,
            "sql, wrangler: the table that keeps account: opsbook_migrations or d1_migrations unless given",
        ),
        Key::new(
            "status",
            Shape::Texts,
            "command: the program that tells what is pending, with its arguments",
        ),
        Key::new(
            "pending",
            Shape::Text,
            "command: the regular expression whose matches in the answer of `status` are what is pending",
        ),
        Key::new(
            "settled",
            Shape::Text,
            "command: the regular expression that matches the answer of `status` when nothing is pending",
        ),
        Key::new(
            "pending_codes",
            Shape::List,
            "command: the exit codes of `status` that say that something is pending",
        ),
        Key::new(
            "apply",
            Shape::Texts,
            "command: the program that applies what is pending",
        ),
        Key::new(
            "apply_to",
            Shape::Texts,
            "command: the program that applies up to the migration whose name is put behind it",
        ),
        Key::new(
            "revert",
            Shape::Texts,
            "command: the program that takes the last migration back",
        ),
        Key::new(
            "revert_to",
            Shape::Texts,
            "command: the program that takes back to the migration whose name is put behind it",
        ),
        Key::new(
            "new",
            Shape::Texts,
            "command: the program that writes a new migration whose name is put behind it",
        ),
        Key::new(
            "cwd",
            Shape::Text,
            "command: the folder that the programs run in; that of this file unless given",
        ),
        Key::new(
            "env",
            Shape::TextMap,
            "command: variables for the programs, beside those that opsbook inherited",
        ),
    ],
};

const RULES: Shape = Shape::WordList(Rule::names);

static RETENTION: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("table", Shape::Text, "The table").required(),
        Key::new(
            "column",
            Shape::Text,
            "The column that holds each row's age",
        )
        .required(),
        Key::new("keep", Shape::Duration, "How long a row is kept").required(),
        Key::new(
            "batch",
            Shape::Integer,
            "How many rows are deleted in one transaction: 5000 unless given",
        ),
        Key::new(
            "max_rows",
            Shape::Integer,
            "With more old rows than this nothing is deleted",
        ),
        Key::new(
            "max_share",
            Shape::Number,
            "With more old rows than this share of the table, in percent, nothing is deleted",
        ),
    ],
};

static QUEUE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "kind",
            Shape::Words(|| vec!["cloudflare"]),
            "What serves it",
        )
        .required(),
        Key::new(
            "name",
            Shape::Text,
            "Its name at Cloudflare; the table's own name unless given",
        ),
        Key::new(
            "dead_letter",
            Shape::Text,
            "The queue that takes what could not be handled",
        ),
    ],
};

static KV: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "binding",
            Shape::Text,
            "The name by which the Worker knows it",
        ),
        Key::new("id", Shape::Text, "The namespace's id"),
    ],
};

static OBJECT: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "binding",
            Shape::Text,
            "The name by which the Worker knows it",
        ),
        Key::new(
            "bucket",
            Shape::Text,
            "The bucket's name; the table's own name unless given",
        ),
    ],
};

static METRICS: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "kind",
            Shape::Words(|| vec!["cloudflare", "prometheus", "sentry"]),
            "What answers",
        )
        .required(),
        Key::new(
            "url",
            Shape::Text,
            "prometheus: the base of its URLs, http://127.0.0.1:9090; the other kinds know their own",
        ),
        Key::new(
            "auth",
            Shape::Table(&AUTH),
            "How a request proves who sends it",
        ),
        Key::new("headers", Shape::TextMap, "Headers of every request"),
        Key::new(
            "timeout",
            Shape::Duration,
            "How long a request may take unless a step says otherwise",
        ),
        Key::new(
            "organization",
            Shape::Text,
            "sentry: the name of the organization in URLs",
        ),
        Key::new(
            "project",
            Shape::Text,
            "sentry: the number of a project; all that the token may see unless given",
        ),
    ],
};

static WINDOW: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "cron",
            Shape::Text,
            "When it opens, as five cron fields: 0 2 * * SUN",
        )
        .required(),
        Key::new("for", Shape::Duration, "How long it stays open").required(),
        Key::new(
            "zone",
            Shape::Text,
            "The time zone of cron, as Europe/Berlin: UTC unless given",
        ),
    ],
};

static POLICY: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "write",
            Shape::Table(&DEMANDS),
            "What a runbook needs that may write or destroy",
        ),
        Key::new(
            "destroy",
            Shape::Table(&DEMANDS),
            "What a runbook that may destroy needs beyond that",
        ),
        Key::new(
            "freeze",
            Shape::Tables(&FREEZE),
            "When nothing is changed, unless for an incident",
        ),
    ],
};

static DEMANDS: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("reason", Shape::Boolean, "Whether it needs --reason"),
        Key::new("incident", Shape::Boolean, "Whether it needs --incident"),
        Key::new(
            "approval",
            Shape::Boolean,
            "Whether a second person must agree: opsbook approve",
        ),
        Key::new("deny", Shape::Boolean, "Whether it is refused"),
    ],
};

static FREEZE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("title", Shape::Text, "Why, in words").required(),
        Key::new(
            "from",
            Shape::Anything,
            "When it begins: a date, or a date and time; UTC unless it names an offset",
        )
        .required(),
        Key::new("until", Shape::Anything, "When it is over").required(),
        Key::new(
            "effect",
            Shape::Words(|| EFFECTS.map(|(word, _)| word).to_vec()),
            "The mildest effect that is refused: write unless given",
        ),
    ],
};

#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::base::SourceFile;
    use crate::book::schema::validate::wrong;
    use crate::config::parse;

    /// The keys that the parser knows in a table, from its own message about an unknown one.
    fn parsed(header: &str) -> BTreeSet<String> {
        let text = format!("{header}qqqqqqqq = 1\n");
        let source = SourceFile::new("opsbook.toml", text);
        let mistakes = parse(source, None, Vocabulary(&[]))
            .expect_err("the key is unknown")
            .to_string();
        let known = mistakes.lines().find_map(|line| {
            Some(
                line.split_once("unknown key in ")?
                    .1
                    .split_once("; known keys: ")?
                    .1,
            )
        });
        let known = known.unwrap_or_else(|| panic!("{mistakes}"));
        known.split(", ").map(str::to_owned).collect()
    }

    fn offered(table: &TableShape) -> BTreeSet<String> {
        table.keys.iter().map(|key| key.name.to_owned()).collect()
    }

    #[test]
    fn the_schema_and_the_parser_know_the_same_keys() {
        for (header, table) in [
            ("", &CONFIG),
            ("[environment.x]\n", &ENVIRONMENT),
            ("[secret.x]\n", &SECRET),
            ("[service.x]\n", &SERVICE),
            ("[health]\n", &HEALTH),
            ("[service.x.objective]\n", &OBJECTIVE),
            ("[service.x.auth]\n", &AUTH),
            ("[service.x.auth.basic]\n", &BASIC),
            ("[[database.x.retention]]\n", &RETENTION),
            ("[queue.x]\n", &QUEUE),
            ("[kv.x]\n", &KV),
            ("[object.x]\n", &OBJECT),
            ("[window.x]\n", &WINDOW),
            ("[policy]\n", &POLICY),
            ("[policy.write]\n", &DEMANDS),
            ("[policy.destroy]\n", &DEMANDS),
            ("[[policy.freeze]]\n", &FREEZE),
        ] {
            assert_eq!(parsed(header), offered(table), "{header}");
        }
        let kinds = ["d1", "postgres", "sqlite"];
        let databases = kinds.map(|kind| parsed(&format!("[database.x]\nkind = \"{kind}\"\n")));
        let databases: BTreeSet<String> = databases.into_iter().flatten().collect();
        assert_eq!(databases, offered(&DATABASE));
        let tools = ["sql", "wrangler", "command"].map(|tool| {
            parsed(&format!(
                "[database.x]\nkind = \"d1\"\n[database.x.migrations]\ntool = \"{tool}\"\n"
            ))
        });
        let tools: BTreeSet<String> = tools.into_iter().flatten().collect();
        assert_eq!(tools, offered(&MIGRATIONS));
        let kinds = ["cloudflare", "prometheus", "sentry"];
        let metrics = kinds.map(|kind| parsed(&format!("[metrics.x]\nkind = \"{kind}\"\n")));
        let metrics: BTreeSet<String> = metrics.into_iter().flatten().collect();
        assert_eq!(metrics, offered(&METRICS));
    }

    #[test]
    fn what_an_environment_lays_over_is_what_there_is() {
        let overlays: BTreeSet<String> = crate::config::environment::OVERLAYS
            .map(str::to_owned)
            .into_iter()
            .chain(["protected".to_owned()])
            .collect();
        assert_eq!(offered(&ENVIRONMENT), overlays);
    }

    #[test]
    fn a_configuration_satisfies_the_schema() {
        let schema = config_schema(Vocabulary(&[]));
        let text = "default_environment = \"live\"\n[environment.live]\nprotected = true\ndatabase.main.name = \"x\"\n\
            [secret]\na = { env = \"A\" }\n[service.api]\nauth.bearer = \"{{ secret.a }}\"\n[database.main]\nkind = \"d1\"\n";
        let value = |text: &str| {
            serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML")).expect("JSON")
        };
        assert_eq!(wrong(&schema, &value(text)), Vec::<String>::new());
        assert_eq!(
            wrong(&schema, &value("[service.api]\nulr = \"x\"\n")),
            ["/service/api/ulr: unknown"]
        );
        assert!(wrong(&schema, &Value::Array(Vec::new())).len() == 1);
    }
}
