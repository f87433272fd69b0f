//! What the estate "concierge" does about its database and about growth.

use serde_json::json;

use crate::d1_api::{ACCOUNT, refusal};
use crate::estates::Run::{Attended, Runbook, Unanswered};
use crate::estates::{Case, Estate, Run, case, migrated, outputs};

use super::{FAILURE_RATE, QUEUE, TIMED, down, high, takes};

/// How the application tells of its growth.
pub(super) const VOLUME: &str = "GET /api/monitoring/request-volume";
pub(super) const CAPACITY: &str = "GET /api/monitoring/capacity-report";

/// What the estate's tables hold when all is well.
const ROWS: &str = "
INSERT INTO users VALUES ('u1', 'one@example.com', '2026-01-01'), ('u2', 'two@example.com', '2026-01-02');
INSERT INTO audit_logs (user_id, action, created_at) VALUES ('u1', 'login', datetime('now', '-1 hour')), ('u2', 'login', datetime('now', '-91 days'));
INSERT INTO patient_briefs VALUES ('b1', 'u1', '2026-01-03'), ('b2', NULL, '2026-01-03');";

/// The estate's tables with their rows, when all is well.
pub(super) fn tables() -> String {
    migrated("concierge") + ROWS
}

/// The procedures.
pub(super) const IDS: [&str; 18] = [
    "concierge.capacity.db-size",
    "concierge.capacity.monthly-review",
    "concierge.capacity.request-volume",
    "concierge.capacity.scale-actions",
    "concierge.capacity.scale-triggers",
    "concierge.capacity.worker-resources",
    "concierge.db.add-indexes",
    "concierge.db.analyze",
    "concierge.db.cleanup-audit-logs",
    "concierge.db.cleanup-orphans",
    "concierge.db.integrity",
    "concierge.db.migrations-apply",
    "concierge.db.migrations-revert",
    "concierge.db.migrations-status",
    "concierge.db.ping",
    "concierge.db.slow-queries",
    "concierge.db.table-sizes",
    "concierge.db.vacuum",
];

const PING: Run = Runbook(&["db", "ping"]);
const SLOW: Run = Runbook(&["db", "slow-queries"]);
const ADD_INDEXES: &[&str] = &["db", "add-indexes"];
const TABLE_SIZES: Run = Runbook(&["db", "tables"]);
const SIZE: Run = Runbook(&["db", "size"]);
const OVER_SIZE: Run = Runbook(&["db", "size", "--max", "1KiB"]);
const ANALYZE: Run = Runbook(&["db", "analyze"]);
const INTEGRITY: Run = Runbook(&["db", "integrity"]);
const VACUUM: Run = Runbook(&["db", "vacuum"]);
const ORPHANS: &[&str] = &["db", "cleanup-orphans"];
const MIGRATIONS: Run = Runbook(&["db", "migrations", "status"]);
const APPLY: &[&str] = &["db", "migrations", "apply"];
const REVERT: &[&str] = &["db", "migrations", "revert", "--to", "0002_patient_briefs"];
const PRUNE: &[&str] = &["db", "prune", "audit_logs"];
const PRUNE_YOUNGER: &[&str] = &["db", "prune", "audit_logs", "--older-than", "90d"];
const REQUESTS: Run = Runbook(&["capacity", "request-volume"]);
const TRIGGERS: Run = Runbook(&["capacity", "scale-triggers"]);
const SCALE: Run = Attended(&["capacity", "scale-actions", "--way", "queue"]);
const RESOURCES: Run = Runbook(&["capacity", "worker-resources"]);
const REVIEW: Run = Runbook(&["capacity", "monthly-review"]);

/// The next request finds no database.
fn is_gone(estate: &Estate) {
    estate.d1_answers(refusal(
        "404 Not Found",
        7404,
        "The database could not be found",
    ));
}

/// What the policy lets go.
const EIGHT_YEARS_OLD: &str = "INSERT INTO audit_logs (user_id, action, created_at) VALUES ('u1', 'login', datetime('now', '-8 years'))";

/// A brief whose doctor is gone.
fn loses_a_doctor(estate: &Estate) {
    estate.d1_sql("INSERT INTO patient_briefs VALUES ('b3', 'u9', '2026-01-03')");
}

/// Nobody agreed: it is refused.
const fn refused(id: &'static str, words: &'static [&'static str], red: fn(&Estate)) -> Case {
    case(id, Unanswered(words), red, "refused", 75)
}

const LOOK_CASES: &[Case] = &[
    down("concierge.db.ping", PING, is_gone),
    high("concierge.db.slow-queries", SLOW, |estate| {
        estate.d1_counted("SELECT * FROM users", 50.1);
    }),
    high("concierge.db.slow-queries", SLOW, |estate| {
        estate.d1_sql("DROP INDEX idx_users_email");
    }),
    high("concierge.db.slow-queries", SLOW, |estate| {
        estate.d1_sql("DROP INDEX idx_audit_logs_created_at");
    }),
    down("concierge.db.table-sizes", TABLE_SIZES, is_gone),
    down("concierge.capacity.db-size", SIZE, is_gone),
    down("concierge.capacity.db-size", OVER_SIZE, |_| {}),
    down("concierge.db.integrity", INTEGRITY, Estate::d1_dangles),
    down("concierge.db.analyze", ANALYZE, is_gone),
    down("concierge.db.vacuum", VACUUM, is_gone),
];

const CHANGE_CASES: &[Case] = &[
    refused("concierge.db.add-indexes", ADD_INDEXES, |estate| {
        estate.d1_sql("DROP INDEX idx_users_email");
    }),
    high("concierge.db.add-indexes", Runbook(ADD_INDEXES), |estate| {
        estate.d1_sql("DROP TABLE patient_briefs");
    }),
    down("concierge.db.cleanup-audit-logs", Runbook(PRUNE), is_gone),
    refused("concierge.db.cleanup-audit-logs", PRUNE, |estate| {
        estate.d1_sql(EIGHT_YEARS_OLD);
    }),
    // The policy is seven years, whatever one section of the manual says.
    refused("concierge.db.cleanup-audit-logs", PRUNE_YOUNGER, |_| {}),
    refused("concierge.db.cleanup-orphans", ORPHANS, loses_a_doctor),
    down("concierge.db.cleanup-orphans", Runbook(ORPHANS), |estate| {
        estate.d1_sql("DELETE FROM audit_logs; DELETE FROM users");
    }),
];

const MIGRATION_CASES: &[Case] = &[
    high("concierge.db.migrations-status", MIGRATIONS, |estate| {
        estate.writes(
            "migrations/0004_notes.sql",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n",
        );
    }),
    down("concierge.db.migrations-apply", Runbook(APPLY), |estate| {
        estate.writes(
            "migrations/0004_broken.sql",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);\n",
        );
    }),
    refused("concierge.db.migrations-apply", APPLY, |estate| {
        estate.writes("migrations/0004_drop.sql", "DROP TABLE patient_briefs;\n");
    }),
    refused("concierge.db.migrations-revert", REVERT, |_| {}),
    down(
        "concierge.db.migrations-revert",
        Runbook(REVERT),
        |estate| {
            estate.d1_sql("DROP INDEX idx_users_email");
        },
    ),
];

const CAPACITY_CASES: &[Case] = &[
    high("concierge.capacity.request-volume", REQUESTS, |estate| {
        estate.world.says(VOLUME, json!({"total": "many"}));
    }),
    high("concierge.capacity.scale-triggers", TRIGGERS, |estate| {
        takes(estate, TIMED, "db;dur=8.5, total;dur=100.1, queue;dur=2.1");
    }),
    high("concierge.capacity.scale-triggers", TRIGGERS, |estate| {
        takes(estate, TIMED, "db;dur=50.1, total;dur=90, queue;dur=2.1");
    }),
    high("concierge.capacity.scale-triggers", TRIGGERS, |estate| {
        estate.world.has(QUEUE, "/processingSeconds", json!(31));
    }),
    high("concierge.capacity.scale-triggers", TRIGGERS, |estate| {
        estate
            .world
            .has(FAILURE_RATE, "/data/0/failure_rate()", json!(0.011));
    }),
    high("concierge.capacity.scale-actions", SCALE, |estate| {
        estate.writes("wrangler.jsonc", &worker(10, 30));
    }),
    refused(
        "concierge.capacity.scale-actions",
        &["capacity", "scale-actions", "--way", "indexes"],
        |estate| {
            estate.d1_sql("DROP INDEX idx_users_email");
        },
    ),
    down("concierge.capacity.worker-resources", RESOURCES, |estate| {
        estate.writes(
            "events",
            &happened(
                "exceededMemory",
                "Worker exceeded its memory limit: OutOfMemory",
            ),
        );
    }),
    down("concierge.capacity.worker-resources", RESOURCES, |estate| {
        estate.writes("events", &happened("exceededCpu", "CPU_TIME 50"));
    }),
    high("concierge.capacity.worker-resources", RESOURCES, |estate| {
        estate.writes("events", "");
    }),
    high("concierge.capacity.monthly-review", REVIEW, |estate| {
        estate.world.has(CAPACITY, "/databaseBytes", json!(null));
    }),
];

/// The configuration of the worker, with this consumer of its queue.
fn worker(batch: u32, seconds: u32) -> String {
    let consumer = json!({"queue": "jobs", "max_batch_size": batch, "max_batch_timeout": seconds});
    serde_json::to_string_pretty(
        &json!({"name": "concierge-prod", "queues": {"consumers": [consumer]}}),
    )
    .unwrap()
}

/// A request as the live log tells of it, with what it logged.
fn happened(outcome: &str, message: &str) -> String {
    let event = json!({
        "wallTime": 24, "cpuTime": 7, "truncated": false, "outcome": outcome, "scriptName": "concierge-prod",
        "exceptions": [], "logs": [{"message": [message], "level": "log", "timestamp": 1_795_290_366_000_u64}],
        "eventTimestamp": 1_795_290_366_000_u64, "diagnosticsChannelEvents": [],
        "event": {"request": {"url": "https://concierge.example.com/draft", "method": "GET", "headers": {}}, "response": {"status": 200}},
    });
    format!("{event}\n")
}

/// The estate with what its worker says and how it is configured.
fn estate() -> Estate {
    super::estate()
        .file("wrangler.jsonc", worker(20, 15))
        .file("events", happened("ok", "MEMORY 61 MB"))
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .wrangler()
        .live_log()
}

/// Its procedures.
pub(super) fn cases() -> Vec<Case> {
    [LOOK_CASES, CHANGE_CASES, MIGRATION_CASES, CAPACITY_CASES].concat()
}

/// The statistics that queries are planned with are there behind it.
#[test]
fn the_statistics_are_refreshed() {
    let estate = super::estate();
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    assert_eq!(estate.d1_sql(known), json!([[0]]));
    estate.json(&["db", "analyze"]).exits(0);
    let users = estate.d1_sql("SELECT count(*) > 0 FROM sqlite_stat1 WHERE tbl = 'users'");
    assert_eq!(users, json!([[1]]));
}

#[test]
fn its_database_tells_well_from_unwell() {
    super::estate().holds_but(&[LOOK_CASES, CHANGE_CASES].concat(), &[OVER_SIZE]);
}

#[test]
fn its_migrations_tell_well_from_unwell() {
    super::estate().holds(MIGRATION_CASES);
}

/// What is applied and taken back is in wrangler's table, too.
#[test]
fn a_migration_is_applied_and_taken_back() {
    let estate = super::estate();
    estate.writes(
        "migrations/0004_notes.sql",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n",
    );
    estate.json(APPLY).exits(0);
    let last = "SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1";
    assert_eq!(estate.d1_sql(last), json!([["0004_notes.sql"]]));
    estate.writes("migrations/rollback/0004_notes.sql", "DROP TABLE notes;\n");
    estate.json(REVERT).exits(0);
    assert_eq!(estate.d1_sql(last), json!([["0002_patient_briefs.sql"]]));
    let left = "SELECT count(*) FROM sqlite_schema WHERE name = 'notes' OR name LIKE 'idx%'";
    assert_eq!(estate.d1_sql(left), json!([[0]]));
}

#[test]
fn its_capacity_tells_well_from_unwell() {
    estate().holds(CAPACITY_CASES);
}

#[test]
fn a_live_log_is_searched_for_what_matters() {
    let estate = estate();
    let output = estate.json(&["capacity", "worker-resources"]).exits(0);
    let processor = outputs(&output, "processor");
    assert_eq!(
        (&processor["requests"], &processor["cpu_ms_max"]),
        (&json!(1), &json!(7.0))
    );
    assert_eq!(
        outputs(&output, "memory")["messages"],
        json!(["\"MEMORY 61 MB\""])
    );
}

#[test]
fn request_volume_is_told_with_what_came_since() {
    let estate = super::estate();
    let first = estate.json(&["capacity", "request-volume"]).exits(0);
    let told = |output| outputs(output, "growth")["numbers"]["requests"].clone();
    let requests = told(&first);
    assert_eq!(
        (&requests["value"], &requests["grown"]),
        (&json!(12_000), &json!(null))
    );
    estate.world.says(VOLUME, json!({"total": 12_345}));
    let second = estate.json(&["capacity", "request-volume"]).exits(0);
    assert_eq!(told(&second)["grown"], json!(345));
}

#[test]
fn a_month_is_held_against_the_one_before() {
    let estate = super::estate();
    let review = |month| estate.json(&["capacity", "monthly-review", "--month", month]);
    review("2026-01").exits(0);
    estate.world.has(CAPACITY, "/databaseBytes", json!(50_000));
    let second = review("2026-02").exits(0);
    assert_eq!(
        outputs(&second, "trend[1]"),
        json!({"figure": "databaseBytes", "now": 50_000, "before": 43_008, "growth": 6_992})
    );
    // Looking again in the same month still looks at the month before.
    let again = review("2026-02").exits(0);
    assert_eq!(outputs(&again, "trend[1]")["before"], json!(43_008));
}

/// What a person agreed to is done, and to nothing else.
#[test]
fn briefs_without_a_doctor_go_and_no_others() {
    let estate = super::estate();
    loses_a_doctor(&estate);
    estate.json(ORPHANS).exits(0);
    assert_eq!(
        estate.d1_sql("SELECT id FROM patient_briefs ORDER BY id"),
        json!([["b1"], ["b2"]])
    );
}

#[test]
fn audit_logs_go_after_seven_years_and_sooner_only_where_somebody_says_so() {
    let estate = super::estate();
    let left = || estate.d1_sql("SELECT count(*) FROM audit_logs");
    estate.d1_sql(EIGHT_YEARS_OLD);
    estate.json(PRUNE).exits(0);
    assert_eq!(left(), json!([[2]]));
    estate.json(PRUNE_YOUNGER).exits(75);
    assert_eq!(left(), json!([[2]]));
    estate
        .json(&[PRUNE_YOUNGER, &["--override-retention"]].concat())
        .exits(0);
    assert_eq!(left(), json!([[1]]));
}

#[test]
fn a_missing_index_is_created() {
    let estate = super::estate();
    estate.d1_sql("DROP INDEX idx_users_email");
    estate.json(ADD_INDEXES).exits(0);
    let made = "SELECT count(*) FROM sqlite_master WHERE name = 'idx_users_email'";
    assert_eq!(estate.d1_sql(made), json!([[1]]));
}
