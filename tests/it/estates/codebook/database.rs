//! What the estate "codebook" does about its database: migrations, slow statements, and what is wrong when it is busy.

use serde_json::{Value, json};

use crate::estates::Run::{Attended, Runbook, Unanswered};
use crate::estates::{Case, Estate, Reply, Run, case, example, outputs};
use crate::postgres_cluster::cluster;
use crate::postgres_session::{Session, until};

use super::{MODELS, MODELS_STATUS, TABLES, down, high, refuses_connections};

/// The procedures.
pub(super) const IDS: [&str; 9] = [
    "codebook.db.add-index",
    "codebook.db.migrate-apply",
    "codebook.db.migrate-precheck",
    "codebook.db.migrate-rollback",
    "codebook.db.migration-lint",
    "codebook.db.slow-queries",
    "codebook.diagnose.db-cpu",
    "codebook.diagnose.llm",
    "codebook.diagnose.queue-backlog",
];

const PRECHECK: Run = Attended(&["db", "migrate-precheck"]);
const APPLY: &[&str] = &["db", "migrations", "apply"];
const REVERT: &[&str] = &["db", "migrations", "revert"];
const LINT: Run = Runbook(&["db", "migrations", "check"]);
const SLOW: Run = Runbook(&["db", "slow-queries"]);
const ADD_INDEX: &[&str] = &["db", "add-index"];
const BUSY: Run = Runbook(&["diagnose", "db-cpu"]);
const MODEL: Run = Runbook(&["diagnose", "llm"]);
const BACKLOG: Run = Runbook(&["diagnose", "queue-backlog"]);

/// The last migration.
const LAST: &str = "20260212_141500_jobs";
/// A statement that took longer than a second.
const SLEEPS: &str = "SELECT pg_sleep(1.05)";
const NEW: &str = "migrations/20260301_080000_notes.sql";
const BACK: &str = "migrations/rollback/20260301_080000_notes.sql";
const MAKES: &str = "BEGIN;\nCREATE TABLE notes (id bigint PRIMARY KEY, body text);\nCOMMIT;\n";

/// The tables of its migrations, and those beside them.
pub(super) fn tables() -> String {
    ["20260105_093000_items", "20260212_141500_jobs"]
        .map(|name| example(&format!("codebook/migrations/{name}.sql")))
        .concat()
        + TABLES
}

/// A migration that nobody applied.
fn is_new(estate: &Estate) {
    estate.writes(NEW, MAKES);
    estate.writes(BACK, "DROP TABLE notes;\n");
}

/// The manual's own example: the index is of a column that the table lacks.
fn is_the_manuals(estate: &Estate) {
    let table = "CREATE TABLE tasks (id uuid PRIMARY KEY, status text)";
    let index = "CREATE INDEX idx_tasks_status ON tasks (status, started_at)";
    estate.writes(NEW, &format!("BEGIN;\n{table};\n{index};\nCOMMIT;\n"));
    estate.writes(BACK, "DROP TABLE tasks;\n");
}

const MIGRATION_CASES: &[Case] = &[
    down("codebook.db.migrate-precheck", PRECHECK, is_new),
    down("codebook.db.migrate-precheck", PRECHECK, |estate| {
        std::fs::remove_file(estate.project.path("copies/main.dump")).unwrap();
        estate.writes("copies/main.txt", "");
    }),
    case(
        "codebook.db.migrate-precheck",
        Unanswered(&["db", "migrate-precheck"]),
        |_| {},
        "refused",
        75,
    ),
    down("codebook.db.migrate-apply", Runbook(APPLY), is_the_manuals),
    case(
        "codebook.db.migrate-apply",
        Unanswered(APPLY),
        |estate| {
            estate.writes(NEW, "BEGIN;\nDROP TABLE jobs;\nCOMMIT;\n");
            estate.writes(BACK, "SELECT 1;\n");
        },
        "refused",
        75,
    ),
    case(
        "codebook.db.migrate-rollback",
        Unanswered(REVERT),
        |_| {},
        "refused",
        75,
    ),
    down("codebook.db.migration-lint", LINT, is_the_manuals),
    high("codebook.db.migration-lint", LINT, |estate| {
        estate.writes(NEW, MAKES);
    }),
    high("codebook.db.migration-lint", LINT, |estate| {
        estate.writes("migrations/notes.sql", MAKES);
    }),
];

const LOOK_CASES: &[Case] = &[
    high("codebook.db.slow-queries", SLOW, |estate| {
        estate.parts.sql(SLEEPS);
    }),
    high(
        "codebook.db.add-index",
        Runbook(ADD_INDEX),
        refuses_connections,
    ),
    case(
        "codebook.db.add-index",
        Unanswered(ADD_INDEX),
        |estate| {
            estate
                .parts
                .sql("DROP INDEX IF EXISTS idx_items_client_created");
        },
        "refused",
        75,
    ),
    high("codebook.diagnose.db-cpu", BUSY, |estate| {
        estate.parts.sql(SLEEPS);
    }),
    down("codebook.diagnose.db-cpu", BUSY, |estate| {
        let sql = "ALTER DATABASE {database} CONNECTION LIMIT 1";
        estate.parts.administers(sql);
    }),
    high("codebook.diagnose.queue-backlog", BACKLOG, super::queues),
    high("codebook.diagnose.queue-backlog", BACKLOG, |estate| {
        let failed = "UPDATE jobs SET status = 'failed', error = 'timeout' WHERE id = (SELECT id FROM jobs LIMIT 1)";
        estate.parts.sql(failed);
    }),
    high("codebook.diagnose.queue-backlog", BACKLOG, |estate| {
        estate.parts.sql(
            "UPDATE jobs SET created_at = now() - interval '16 minutes' WHERE id = (SELECT id FROM jobs LIMIT 1)",
        );
    }),
    down("codebook.diagnose.queue-backlog", BACKLOG, |estate| {
        estate.unwell("workers");
    }),
];

const MODEL_CASES: &[Case] = &[
    high("codebook.diagnose.llm", MODEL, |estate| {
        let place = "/status/indicator";
        estate.world.has(MODELS_STATUS, place, json!("minor"));
    }),
    down("codebook.diagnose.llm", MODEL, |estate| {
        estate.world.answers(MODELS, Reply::of(401, "{}"));
    }),
    down("codebook.diagnose.llm", MODEL, |estate| {
        estate.world.fails(MODELS);
    }),
    down("codebook.diagnose.llm", MODEL, |estate| {
        estate.world.hangs_up(MODELS);
    }),
    case(
        "codebook.diagnose.llm",
        MODEL,
        |estate| estate.unwell("refused"),
        "warning",
        2,
    ),
    high("codebook.diagnose.llm", MODEL, |estate| {
        estate.unwell("limited");
    }),
    high("codebook.diagnose.llm", MODEL, |estate| {
        estate.unwell("broken");
    }),
];

/// Its procedures.
pub(super) fn cases() -> Vec<Case> {
    [MIGRATION_CASES, LOOK_CASES, MODEL_CASES].concat()
}

#[test]
fn its_language_model_tells_well_from_unwell() {
    super::estate().holds(MODEL_CASES);
}

/// What holds is named, and only that.
#[test]
fn it_is_told_why_the_language_model_does_not_answer() {
    let named = [
        "the provider reports trouble",
        "the provider refuses our key",
        "reports no trouble: status is 500",
        "reports no trouble: connection closed",
        "were refused 1 times while our key is good",
        "1 calls were too many",
        "1 calls ended in an error",
    ];
    assert_eq!(MODEL_CASES.len(), named.len());
    let estate = super::estate();
    for (case, named) in MODEL_CASES.iter().zip(named) {
        estate.well();
        (case.red)(&estate);
        let output = estate.json(&["diagnose", "llm"]);
        let findings = output.json()["findings"].as_array().unwrap().clone();
        assert_eq!(findings.len(), 1, "{named}: {}", output.shown());
        let cause = findings[0]["cause"].as_str().unwrap();
        assert!(cause.contains(named), "{named}: {cause}");
    }
}

/// The estate with a staging that is another database, both with every migration, and a dump of production.
fn migrated() -> Estate {
    let staging = cluster().socket_url(&cluster().database(&tables()));
    let estate = super::estate_with(&format!("database.staging.url = {staging:?}\n"))
        .file("copies/main.dump", "PGDMP");
    for database in ["main", "staging"] {
        let words = ["db", "migrations", "baseline", LAST, "-d", database];
        estate.json(&words).exits(0);
    }
    estate
}

#[test]
fn its_migrations_tell_well_from_unwell() {
    migrated().holds(MIGRATION_CASES);
}

#[test]
fn its_database_tells_well_from_unwell() {
    super::estate().holds(LOOK_CASES);
}

/// Production is changed after it was copied, and back.
#[test]
fn a_migration_is_applied_and_taken_back() {
    let estate = migrated();
    is_new(&estate);
    let there = || estate.parts.sql("SELECT to_regclass('notes') IS NOT NULL");
    estate.json(APPLY).exits(0);
    assert_eq!(there(), "t");
    estate.json(REVERT).exits(0);
    assert_eq!(there(), "f");
    let copies = std::fs::read_dir(estate.project.path("copies")).unwrap();
    assert_eq!(copies.count(), 3);
}

/// What takes it back runs as a whole or not at all, and is there or nothing is done.
#[test]
fn a_migration_that_cannot_be_taken_back_stays() {
    let estate = migrated();
    let back = format!("migrations/rollback/{LAST}.sql");
    let is_there = || {
        assert_eq!(estate.parts.sql("SELECT to_regclass('jobs')"), "jobs");
        estate.json(&["db", "migrations", "status"]).exits(0);
    };
    estate.writes(
        &back,
        "BEGIN;\nDROP TABLE jobs;\nDROP TABLE nowhere;\nCOMMIT;\n",
    );
    let output = estate.json(REVERT).exits(2);
    assert!(output.shown().contains("nowhere"), "{}", output.shown());
    is_there();
    std::fs::remove_file(estate.project.path(&back)).unwrap();
    let output = estate.json(REVERT).exits(78);
    assert!(output.shown().contains(LAST), "{}", output.shown());
    is_there();
}

/// An index that is missing and the statement that keeps it busy are each told with what mends that.
#[test]
fn what_keeps_the_database_busy_is_told() {
    let estate = super::estate();
    let name = estate.parts.sql("SELECT current_database()");
    let found = |words: &[&str], code: i32| {
        let output = estate.json(&[&["diagnose", "db-cpu"], words].concat());
        let output = output.exits(code);
        output.json()["findings"].as_array().unwrap().clone()
    };
    let told = found(&[], 1);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["cause"], &told[0]["remedy"]),
        (&json!("first: indexes are missing"), &json!("db indexes"))
    );
    estate.json(ADD_INDEX).exits(0);
    assert_eq!(found(&[], 0), [] as [Value; 0]);

    // That of another database is none of this one's, and longer.
    let mut elsewhere = Session::open(cluster(), &cluster().database(""));
    elsewhere.begin("SELECT pg_sleep(600);");
    let mut busy = Session::open(cluster(), &name);
    busy.begin("SELECT pg_sleep(600);");
    let lasts = format!(
        "EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND now() - query_start > interval '1.1 s' AND state = 'active')",
        busy.pid
    );
    until(cluster(), &name, &lasts);
    assert_eq!(found(&[], 0), [] as [Value; 0]);
    let told = found(&["--long", "1s"], 2);
    let remedy = format!("db cancel {}", busy.pid);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["severity"], &told[0]["remedy"]),
        (&json!("P1"), &json!(remedy))
    );
    let words: Vec<&str> = remedy.split(' ').collect();
    estate.json(&words).exits(0);
    assert_eq!(found(&["--long", "1s"], 0), [] as [Value; 0]);
}

/// A copy that `db copy` made is one.
#[test]
fn a_copy_lets_the_precheck_pass() {
    let estate = migrated();
    std::fs::remove_file(estate.project.path("copies/main.dump")).unwrap();
    let (_, code, shown) = estate.run(PRECHECK);
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("no dump of production"), "{shown}");
    estate.json(&["db", "copy"]).exits(0);
    let (_, code, shown) = estate.run(PRECHECK);
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn the_index_of_the_list_is_made_and_used() {
    let estate = super::estate();
    estate.parts.sql(
        "INSERT INTO clients (id, name) VALUES (gen_random_uuid(), 'acme');
         INSERT INTO codebook_items (client_id, code) SELECT id, n::text FROM clients, generate_series(1, 5000) AS n; ANALYZE codebook_items",
    );
    let output = estate.json(ADD_INDEX).exits(0);
    let plan = |step: &str| outputs(&output, step).to_string();
    assert!(!plan("before").contains("idx_items_client_created"));
    assert!(plan("after").contains("idx_items_client_created"));
    let again = estate.json(ADD_INDEX).exits(0);
    assert_eq!(outputs(&again, "valid")["rows"], json!([{"valid": true}]));
}

/// A chosen query is run for its times; what changes rows is not.
#[test]
fn a_slow_query_is_explained() {
    let estate = super::estate();
    let words = [
        "db",
        "slow-queries",
        "--explain",
        "SELECT * FROM codebooks WHERE created_at > now()",
    ];
    let output = estate.json(&words).exits(1);
    let plan = outputs(&output, "plan");
    assert_eq!(plan["scans"], json!(["codebooks"]), "{plan}");
    assert!(plan.to_string().contains("actual time"), "{plan}");
    let change = ["db", "slow-queries", "--explain", "DELETE FROM codebooks"];
    estate.json(&change).exits(78);
    assert_eq!(estate.parts.sql("SELECT count(*) FROM codebooks"), "3");
}
