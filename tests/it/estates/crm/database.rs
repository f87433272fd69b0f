//! What the estate "crm" does about its database and its Redis.

use serde_json::{Value, json};

use crate::estates::Run::{Runbook, Unanswered};
use crate::estates::{Case, Estate, Reply, Run, case, outputs};

use super::{READY, down, estate, high, refuses_connections};

/// How the provider of the database tells of itself.
pub(super) const PROVIDER: &str = "GET /provider/api/v2/summary.json";

/// The procedures.
pub(super) const IDS: [&str; 4] = [
    "crm.db.query-and-pool",
    "crm.db.reindex",
    "crm.diagnose.database",
    "crm.diagnose.redis",
];

const QUERY: Run = Runbook(&[
    "db",
    "query-and-pool",
    "SELECT * FROM notes WHERE id = 1000",
]);
const SCAN: Run = Runbook(&[
    "db",
    "query-and-pool",
    "SELECT * FROM notes WHERE customer = 7",
]);
const CHANGE: Run = Runbook(&["db", "query-and-pool", "DELETE FROM notes RETURNING id"]);
const REINDEX: &[&str] = &["db", "reindex"];
const DATABASE: &[&str] = &["diagnose", "database"];
const REDIS: Run = Runbook(&["diagnose", "redis"]);

/// The page of a vendor who is as well as `none`, `minor` or `major`.
pub(super) fn provider(indicator: &str) -> Value {
    json!({
        "page": {"name": "Provider"}, "components": [], "incidents": [], "scheduled_maintenances": [],
        "status": {"indicator": indicator, "description": indicator},
    })
}

/// The only connection that the database may have is the one that looks.
fn is_full(estate: &Estate) {
    let sql = "ALTER DATABASE {database} CONNECTION LIMIT 1";
    estate.parts.administers(sql);
}

/// The application waits for a connection in vain.
fn is_exhausted(estate: &Estate) {
    is_full(estate);
    estate.world.answers(READY, Reply::of(503, "{}"));
}

pub(super) const CASES: &[Case] = &[
    high("crm.db.query-and-pool", SCAN, |_| {}),
    down("crm.db.query-and-pool", QUERY, is_full),
    case("crm.db.query-and-pool", CHANGE, |_| {}, "unknown", 78),
    down("crm.db.reindex", Runbook(REINDEX), refuses_connections),
    down("crm.diagnose.database", Runbook(DATABASE), is_exhausted),
    case(
        "crm.diagnose.database",
        Unanswered(DATABASE),
        is_exhausted,
        "refused",
        75,
    ),
    down(
        "crm.diagnose.database",
        Runbook(DATABASE),
        refuses_connections,
    ),
    down("crm.diagnose.database", Runbook(DATABASE), |estate| {
        estate.world.answers(READY, Reply::of(503, "{}"));
    }),
    down("crm.diagnose.redis", REDIS, |estate| {
        estate.world.answers(READY, Reply::of(503, "{}"));
    }),
    case(
        "crm.diagnose.redis",
        REDIS,
        |estate| {
            estate.parts.redis_does("ACL SETUSER default -ping");
        },
        "unknown",
        2,
    ),
];

/// The estate whose application somebody may restart.
fn served() -> Estate {
    estate().program("vercel", "#!/bin/sh\necho \"$*\" >> restarts\n")
}

#[test]
fn its_parts_tell_well_from_unwell() {
    served().holds_but(CASES, &[SCAN, CHANGE]);
}

/// The causes that a run of these words named.
fn causes(estate: &Estate, words: &[&str]) -> Vec<String> {
    let told = estate.json(words).json();
    let findings = told["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["cause"].as_str().unwrap().to_owned())
        .collect()
}

/// The one cause that a run of these words named.
#[track_caller]
fn cause(estate: &Estate, words: &[&str]) -> String {
    let causes = causes(estate, words);
    assert_eq!(causes.len(), 1, "{causes:?}");
    causes.into_iter().next().unwrap()
}

/// Each trouble of the database is told from the others.
#[test]
fn it_is_told_why_the_application_has_no_database() {
    let estate = served();
    estate.world.answers(READY, Reply::of(503, "{}"));
    let of_the_application = cause(&estate, DATABASE);
    assert!(of_the_application.contains("see its connection string"));
    refuses_connections(&estate);
    assert!(cause(&estate, DATABASE).contains("does not let us in"));
    estate.world.says(PROVIDER, provider("major"));
    assert!(cause(&estate, DATABASE).contains("an outage of its own"));
    assert!(!estate.project.path("restarts").exists());
}

/// A restart gives connections back; nobody does one unasked.
#[test]
fn the_application_is_restarted_where_the_pool_is_exhausted() {
    let estate = served();
    is_exhausted(&estate);
    estate.project.run(DATABASE).exits(75);
    assert!(!estate.project.path("restarts").exists());
    assert!(cause(&estate, DATABASE).contains("the pool is exhausted"));
    assert_eq!(estate.reads("restarts"), "redeploy crm.example.com\n");
}

/// What is not there is told from what only the application does not reach.
#[test]
fn redis_that_is_gone_is_told_from_one_that_is_not_reached() {
    let nowhere = estate().variable("REDIS_URL", "redis://127.0.0.1:1");
    let words = ["diagnose", "redis"];
    assert!(cause(&nowhere, &words).contains("Redis does not answer"));
    let well = estate();
    well.world.answers(READY, Reply::of(503, "{}"));
    assert!(cause(&well, &words).contains("see its address and its password"));
}

/// A query is run for its times, and a change is not.
#[test]
fn a_query_is_explained_with_its_times_and_the_pool_is_counted() {
    let estate = estate();
    let words = ["db", "query-and-pool", "SELECT * FROM notes WHERE id = 1"];
    let output = estate.json(&words).exits(0);
    let plan = outputs(&output, "plan");
    assert!(plan.to_string().contains("actual time"), "{plan}");
    assert!(
        outputs(&output, "pool")["rows"][0]["active"]
            .as_u64()
            .is_some()
    );
    let change = ["db", "query-and-pool", "DELETE FROM notes RETURNING id"];
    estate.json(&change).exits(78);
    assert_eq!(estate.parts.sql("SELECT count(*) FROM notes"), "2000");
}

/// They are other files afterwards, and valid.
#[test]
fn indexes_are_built_anew() {
    let estate = estate();
    let file = "SELECT pg_relation_filenode('notes_pkey')";
    let before = estate.parts.sql(file);
    estate.json(REINDEX).exits(0);
    assert_ne!(estate.parts.sql(file), before);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(estate.parts.sql(invalid), "0");
}
