//! What the estate "wellness" does about its database, and how it finds out what is wrong.

use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, ID, TOKEN, refusal};
use crate::estates::Run::{Runbook, Unanswered};
use crate::estates::{Case, Estate, Reply, Run, case, example, migrated, outputs};

use super::{ANALYTICS, CHAT, DB, STATUS, TASKS, down, high};

/// What vendors tell of the app, of secrets, of a bucket, of a project, of themselves.
const APP: &str = "GET /onesignal/api/v1/apps/app-1";
const SECRETS: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/workers/scripts/wellness-prod/secrets";
const BUCKET: &str =
    "GET /cloudflare/accounts/00000000000000000000000000000000/r2/buckets/time-wellness-voice";
const PROJECT: &str = "GET /deepgram/v1/projects/project-1";
const VENDOR: &str = "GET /openai-status/api/v2/summary.json";

/// What the estate's tables hold when all is well: of most, two of each kind in the last week, one in the week before.
const ROWS: &str = "
CREATE TABLE ages (at TEXT);
INSERT INTO ages VALUES (datetime('now', '-1 hour')), (datetime('now', '-2 days')), (datetime('now', '-10 days')), (datetime('now', '-20 days'));
INSERT INTO users SELECT 'u' || rowid, at FROM ages;
INSERT INTO tasks (user_id, status, created_at, completed_at) SELECT 'u1', 'done', at, at FROM ages;
INSERT INTO tasks (user_id, status, created_at) VALUES ('u1', 'open', datetime('now', '-1 day'));
INSERT INTO health_logs (user_id, type, recorded_at, created_at) SELECT 'u1', 'water', at, at FROM ages;
INSERT INTO focus_sessions (user_id, start_time, completed_at) SELECT 'u1', at, at FROM ages;
INSERT INTO focus_sessions (user_id, start_time) VALUES ('u1', datetime('now', '-300 days'));
INSERT INTO voice_notes (created_at) SELECT at FROM ages;
INSERT INTO achievement_definitions VALUES ('first_task', 'First task', 'productivity', 1, 1), ('ten_tasks', 'Ten tasks', 'productivity', 10, 1), ('old', 'Old', 'productivity', 1, 0);
INSERT INTO user_badges SELECT 'u1', CASE rowid WHEN 1 THEN 'first_task' ELSE 'old' END, at, at FROM ages;
INSERT INTO badge_progress VALUES ('u1', 'first_task', 1), ('u1', 'ten_tasks', 4), ('u1', 'old', 1);
INSERT INTO notification_devices VALUES ('u1', 'ios');
INSERT INTO notification_preferences VALUES ('u1', 1);
INSERT INTO user_connections SELECT at FROM ages;
INSERT INTO student_verifications SELECT at FROM ages;
DROP TABLE ages;";

/// The estate's tables with their indexes and rows, when all is well.
pub(super) fn tables() -> String {
    migrated("wellness") + &example("wellness/optimize-indexes.sql") + ROWS
}

/// What the vendors answer about the parts that a diagnosis asks for.
pub(super) fn play_vendors(estate: &Estate) {
    let world = &estate.world;
    let cloudflare =
        |body: Value| Reply::json(body).asks("authorization", &format!("Bearer {TOKEN}"));
    let onesignal =
        |body: Value| Reply::json(body).asks("authorization", "Basic hunter2-onesignal");
    let deepgram = |body: Value| Reply::json(body).asks("authorization", "Token hunter2-deepgram");
    world.route(
        SECRETS,
        cloudflare(
            json!({"success": true, "result": [{"name": "JWT_SECRET", "type": "secret_text"}]}),
        ),
    );
    world.route(
        BUCKET,
        cloudflare(json!({"success": true, "result": {"name": "time-wellness-voice"}})),
    );
    world.route(
        VENDOR,
        Reply::json(json!({
            "page": {"name": "OpenAI", "url": "https://openai-status.example.com"},
            "status": {"indicator": "none", "description": "All Systems Operational"}, "components": [], "incidents": [],
            "scheduled_maintenances": [],
        })),
    );
    world.route(
        APP,
        onesignal(json!({"id": "app-1", "messageable_players": 143})),
    );
    world.route(
        PROJECT,
        deepgram(json!({"project_id": "project-1", "name": "wellness"})),
    );
}

/// The procedures.
pub(super) const IDS: [&str; 19] = [
    "wellness.db.cleanup-old-data",
    "wellness.db.engagement",
    "wellness.db.growth",
    "wellness.db.indexes",
    "wellness.db.integrity",
    "wellness.db.migrate-dev",
    "wellness.db.migrate-prod",
    "wellness.db.migrate-rollback",
    "wellness.db.optimize",
    "wellness.db.query-performance",
    "wellness.diagnose.ai",
    "wellness.diagnose.auth",
    "wellness.diagnose.badges",
    "wellness.diagnose.database",
    "wellness.diagnose.error-code",
    "wellness.diagnose.latency",
    "wellness.diagnose.notifications",
    "wellness.diagnose.rate-limits",
    "wellness.diagnose.voice",
];

const GROWTH: Run = Runbook(&["db", "growth"]);
const ENGAGEMENT: Run = Runbook(&["db", "engagement"]);
const ADD_INDEXES: &[&str] = &["db", "add-indexes"];
/// Whatever the machine is doing meanwhile: what is unwell is the plan.
const PERFORMANCE: Run = Runbook(&["db", "query-performance", "--target", "1h"]);
const AT_ONCE: Run = Runbook(&["db", "query-performance", "--target", "0s"]);
const INTEGRITY: Run = Runbook(&["db", "integrity"]);
const OPTIMIZE: Run = Runbook(&["db", "optimize"]);
const MIGRATE_DEV: Run = Runbook(&["db", "migrate-dev"]);
const MIGRATE_PROD: &[&str] = &["db", "migrate-prod"];
const ROLLBACK: &[&str] = &["db", "migrate-rollback"];
const PRUNE: &[&str] = &["db", "prune"];
const REACHED: Run = Runbook(&["diagnose", "database"]);
const LATENCY: Run = Runbook(&[
    "diagnose",
    "latency",
    "--target",
    "1h",
    "--query-target",
    "1h",
]);
const LATENCY_AND_LOG: Run = Runbook(&[
    "diagnose",
    "latency",
    "--target",
    "1h",
    "--query-target",
    "1h",
    "--log-for",
    "60s",
]);
const NEVER_FAST: Run = Runbook(&[
    "diagnose",
    "latency",
    "--target",
    "0s",
    "--query-target",
    "1h",
]);
const AUTH: Run = Runbook(&["diagnose", "auth"]);
const LIMITS: Run = Runbook(&["diagnose", "rate-limits"]);
const VOICE: Run = Runbook(&["diagnose", "voice", "test-audio.wav"]);
const AI: Run = Runbook(&["diagnose", "ai"]);
const BADGES: Run = Runbook(&["diagnose", "badges", "u1"]);
const NOTIFICATIONS: Run = Runbook(&["diagnose", "notifications", "u1"]);

/// The runs of the table that are unwell by their options alone.
pub(super) const UNWELL_BY_OPTION: [Run; 3] = [
    AT_ONCE,
    NEVER_FAST,
    Runbook(&["diagnose", "voice", "test-audio.ogg"]),
];

/// The next request finds no database.
fn is_gone(estate: &Estate) {
    estate.d1_answers(refusal(
        "404 Not Found",
        7404,
        "The database could not be found",
    ));
}

/// Nobody agreed, or nobody knows of it: it does not run.
const fn refused(
    id: &'static str,
    words: &'static [&'static str],
    red: fn(&Estate),
    exit: i32,
) -> Case {
    case(id, Unanswered(words), red, "refused", exit)
}

const DATABASE_CASES: &[Case] = &[
    high("wellness.db.growth", GROWTH, |estate| {
        estate.d1_sql("ALTER TABLE users RENAME TO persons");
    }),
    high("wellness.db.engagement", ENGAGEMENT, |estate| {
        estate.d1_sql("DROP TABLE health_logs");
    }),
    refused(
        "wellness.db.indexes",
        ADD_INDEXES,
        |estate| {
            estate.d1_sql("DROP INDEX idx_tasks_user_status");
        },
        75,
    ),
    high("wellness.db.indexes", Runbook(ADD_INDEXES), |estate| {
        estate.d1_sql("DROP TABLE tasks");
    }),
    high("wellness.db.query-performance", PERFORMANCE, |estate| {
        estate.d1_sql("DROP INDEX idx_tasks_user_status");
    }),
    high("wellness.db.query-performance", PERFORMANCE, |estate| {
        estate.d1_sql("DROP INDEX idx_health_logs_user_type");
    }),
    high("wellness.db.query-performance", AT_ONCE, |_| {}),
    down("wellness.db.integrity", INTEGRITY, Estate::d1_dangles),
    down("wellness.db.optimize", OPTIMIZE, is_gone),
    down("wellness.db.cleanup-old-data", Runbook(PRUNE), |estate| {
        estate.d1_sql("DROP TABLE voice_notes");
    }),
    refused(
        "wellness.db.cleanup-old-data",
        PRUNE,
        |estate| {
            estate.d1_sql(OLD);
        },
        75,
    ),
];

/// What is older than it is kept.
const OLD: &str = "INSERT INTO focus_sessions (user_id, start_time) VALUES ('u1', datetime('now', '-366 days')); \
    INSERT INTO voice_notes (created_at) VALUES (datetime('now', '-184 days'))";

const MIGRATION_CASES: &[Case] = &[
    high("wellness.db.migrate-dev", MIGRATE_DEV, |estate| {
        estate.writes(
            "migrations/0002_broken.sql",
            "INSERT INTO nowhere VALUES (1);\n",
        );
    }),
    down(
        "wellness.db.migrate-prod",
        Runbook(MIGRATE_PROD),
        |estate| {
            estate.writes(
                "migrations/0002_broken.sql",
                "INSERT INTO nowhere VALUES (1);\n",
            );
        },
    ),
    refused(
        "wellness.db.migrate-prod",
        MIGRATE_PROD,
        |estate| {
            estate.writes("migrations/0002_notes.sql", NOTES);
        },
        75,
    ),
    down(
        "wellness.db.migrate-rollback",
        Runbook(ROLLBACK),
        |estate| {
            estate.writes("package.json", r#"{"name": "wellness", "scripts": {}}"#);
        },
    ),
    refused("wellness.db.migrate-rollback", ROLLBACK, |_| {}, 75),
];

/// A migration that waits.
const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n";

/// What the manual names and the project has: `migrate:rollback` takes back its last migration, whatever that is.
const SCRIPTS: &str = r#"{"name": "wellness", "scripts": {
  "migrate:create": "wrangler d1 migrations create time-wellness-db",
  "migrate:dev": "wrangler d1 migrations apply time-wellness-db --local",
  "migrate:prod": "wrangler d1 migrations apply time-wellness-db --remote",
  "migrate:rollback": "wrangler d1 execute time-wellness-db --remote --command \"DROP TABLE student_verifications; DELETE FROM d1_migrations WHERE id = (SELECT max(id) FROM d1_migrations)\""
}}"#;

/// The estate with the scripts of its project, and the real npm and wrangler.
fn scripted() -> Estate {
    let binding = json!({"binding": "DB", "database_name": "time-wellness-db", "database_id": ID, "migrations_dir": "migrations"});
    let worker = json!({"name": "wellness-prod", "compatibility_date": "2026-01-01", "d1_databases": [binding]});
    super::estate()
        .file("package.json", SCRIPTS)
        .file("wrangler.jsonc", worker.to_string())
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .variable("WRANGLER_SEND_METRICS", "false")
        .wrangler()
}

const SLOW_CASES: &[Case] = &[
    high("wellness.diagnose.latency", NEVER_FAST, |_| {}),
    high("wellness.diagnose.latency", LATENCY, |estate| {
        estate.d1_sql("DROP INDEX idx_tasks_user_status");
    }),
    high("wellness.diagnose.latency", LATENCY, |estate| {
        estate.world.has(STATUS, "/metrics/latency/ai", json!(3000));
    }),
    high("wellness.diagnose.latency", LATENCY, |estate| {
        estate.world.has(
            ANALYTICS,
            "/data/viewer/accounts/0/workersInvocationsAdaptive/0/quantiles/cpuTimeP99",
            json!(50_001),
        );
    }),
    high("wellness.diagnose.latency", LATENCY_AND_LOG, |estate| {
        estate.writes(
            "events",
            "{\"outcome\": \"exception\", \"exceptions\": [], \"logs\": []}\n",
        );
    }),
];

const DIAGNOSIS_CASES: &[Case] = &[
    high("wellness.diagnose.ai", AI, |estate| {
        estate
            .world
            .has(VENDOR, "/status/indicator", json!("minor"));
    }),
    down("wellness.diagnose.ai", AI, |estate| {
        estate
            .world
            .has(VENDOR, "/status/indicator", json!("major"));
    }),
    down("wellness.diagnose.ai", AI, |estate| {
        estate.world.fails(CHAT)
    }),
    down("wellness.diagnose.auth", AUTH, |estate| {
        estate
            .world
            .has(SECRETS, "/result/0/name", json!("OTHER_SECRET"));
    }),
    down("wellness.diagnose.auth", AUTH, |estate| {
        estate.world.answers(TASKS, Reply::of(401, ""));
    }),
    high("wellness.diagnose.rate-limits", LIMITS, |estate| {
        estate.world.has(
            ANALYTICS,
            "/data/viewer/zones/0/httpRequestsAdaptiveGroups",
            json!([{"count": 40, "dimensions": {"clientIP": "192.0.2.1", "clientRequestPath": "/api/auth/login"}}]),
        );
    }),
    high("wellness.diagnose.voice", VOICE, |estate| {
        estate.world.fails(BUCKET)
    }),
    high("wellness.diagnose.voice", VOICE, |estate| {
        estate.world.fails(PROJECT)
    }),
    high(
        "wellness.diagnose.voice",
        Runbook(&["diagnose", "voice", "test-audio.ogg"]),
        |_| {},
    ),
    down("wellness.diagnose.database", REACHED, is_gone),
    down("wellness.diagnose.database", REACHED, |estate| {
        estate.world.has(DB, "/database", json!("disconnected"));
    }),
    high("wellness.diagnose.badges", BADGES, |estate| {
        estate.d1_sql("DELETE FROM user_badges WHERE badge_key = 'first_task'");
    }),
    high("wellness.diagnose.badges", BADGES, |estate| {
        estate.d1_sql("UPDATE achievement_definitions SET is_active = 0");
    }),
    high("wellness.diagnose.badges", BADGES, |estate| {
        estate.d1_sql("DELETE FROM tasks; DELETE FROM focus_sessions; DELETE FROM health_logs");
    }),
    high("wellness.diagnose.notifications", NOTIFICATIONS, |estate| {
        estate.d1_sql("DELETE FROM notification_devices");
    }),
    high("wellness.diagnose.notifications", NOTIFICATIONS, |estate| {
        estate.d1_sql("UPDATE notification_preferences SET push_enabled = 0");
    }),
    high("wellness.diagnose.notifications", NOTIFICATIONS, |estate| {
        estate.world.fails(APP);
    }),
    refused(
        "wellness.diagnose.error-code",
        &["diagnose", "error-code", "DB_999"],
        |_| {},
        64,
    ),
];

/// Its procedures.
pub(super) fn cases() -> Vec<Case> {
    [DATABASE_CASES, MIGRATION_CASES, SLOW_CASES, DIAGNOSIS_CASES].concat()
}

#[test]
fn its_database_tells_well_from_unwell() {
    super::estate().holds_but(DATABASE_CASES, &UNWELL_BY_OPTION);
}

#[test]
fn its_scripts_migrate_or_say_why_not() {
    scripted().holds(MIGRATION_CASES);
}

#[test]
fn what_is_too_old_goes_and_the_rest_stays() {
    let estate = super::estate();
    estate.d1_sql(OLD);
    estate.json(PRUNE).exits(0);
    let left = "SELECT (SELECT count(*) FROM focus_sessions), (SELECT count(*) FROM voice_notes)";
    assert_eq!(estate.d1_sql(left), json!([[5, 4]]));
}

#[test]
fn a_new_migration_is_created_by_the_projects_script() {
    let estate = scripted();
    estate.json(&["db", "migrate-dev", "add notes"]).exits(0);
    let created = estate.reads("migrations/0002_add_notes.sql");
    assert!(created.contains("0002"), "{created}");
}

/// What is migrated is the database of this machine, and not the one that people use.
#[test]
fn the_local_database_is_migrated_and_no_other() {
    let estate = scripted();
    estate.writes("migrations/0002_notes.sql", NOTES);
    estate.json(&["db", "migrate-dev"]).exits(0);
    let folder = estate
        .project
        .path(".wrangler/state/v3/d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let file = files
        .find(|path| {
            path.extension().is_some_and(|kind| kind == "sqlite")
                && !path.ends_with("metadata.sqlite")
        })
        .unwrap();
    let local = rusqlite::Connection::open(file).unwrap();
    let made = "SELECT (SELECT count(*) FROM d1_migrations) * 10 + (SELECT count(*) FROM notes) \
        + (SELECT count(*) FROM sqlite_master WHERE name = 'student_verifications')";
    let made: i64 = local.query_row(made, [], |row| row.get(0)).unwrap();
    assert_eq!(made, 21);
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'";
    assert_eq!(estate.d1_sql(there), json!([[0]]));
}

/// The statistics that queries are planned with are there behind it.
#[test]
fn the_statistics_are_refreshed() {
    let estate = super::estate();
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    assert_eq!(estate.d1_sql(known), json!([[0]]));
    let Runbook(words) = OPTIMIZE else {
        unreachable!("a runbook")
    };
    estate.json(words).exits(0);
    let tasks = estate.d1_sql("SELECT count(*) > 0 FROM sqlite_stat1 WHERE tbl = 'tasks'");
    assert_eq!(tasks, json!([[1]]));
}

#[test]
fn a_pending_migration_is_run_by_the_projects_script() {
    let estate = scripted();
    estate.writes("migrations/0002_notes.sql", NOTES);
    let output = estate.json(MIGRATE_PROD).exits(0);
    assert_eq!(outputs(&output, "before")["pending"], json!(1));
    let made = "SELECT name FROM d1_migrations WHERE id = 2 AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'notes')";
    assert_eq!(estate.d1_sql(made), json!([["0002_notes.sql"]]));
}

#[test]
fn its_diagnoses_tell_well_from_unwell() {
    super::estate().holds_but(DIAGNOSIS_CASES, &UNWELL_BY_OPTION);
}

#[test]
fn what_is_slow_is_found() {
    super::estate()
        .file("events", "")
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .wrangler()
        .live_log()
        .holds_but(SLOW_CASES, &UNWELL_BY_OPTION);
}

/// What a runbook found out: its findings' causes.
fn causes(estate: &Estate, words: &[&str]) -> Vec<String> {
    let told = estate.json(words).json();
    let findings = told["findings"].as_array().unwrap().clone();
    let cause = |finding: &Value| finding["cause"].as_str().unwrap().to_owned();
    findings.iter().map(cause).collect()
}

#[test]
fn a_diagnosis_names_the_missing_link() {
    let estate = super::estate();
    assert_eq!(
        causes(&estate, &["diagnose", "badges", "u9"]),
        ["there is no user u9"]
    );
    estate.d1_sql("DELETE FROM user_badges WHERE badge_key = 'first_task'");
    assert_eq!(
        causes(&estate, &["diagnose", "badges", "u1"]),
        [
            "the target of first_task is reached and the badge is not unlocked: the check of badges did not run"
        ]
    );
    estate.d1_sql("DELETE FROM notification_devices");
    assert_eq!(
        causes(&estate, &["diagnose", "notifications", "u1"]),
        ["u1 has no device: the application never registered one, or the user said no"]
    );
}

#[test]
fn growth_and_engagement_are_counted() {
    let estate = super::estate();
    let growth = outputs(&estate.json(&["db", "growth"]).exits(0), "users");
    assert_eq!(growth["rows"], json!([{"users": 4, "new": 1}]));
    let engagement = estate.json(&["db", "engagement"]).exits(0);
    assert_eq!(
        outputs(&engagement, "tasks")["rows"],
        json!([{"tasks": 3, "done_percent": 66.7}])
    );
    assert_eq!(
        outputs(&engagement, "health-logs")["rows"],
        json!([{"type": "water", "entries": 1}])
    );
    // Nobody had a task in the week: there is no share, and no division.
    estate.d1_sql("DELETE FROM tasks");
    let quiet = estate.json(&["db", "engagement"]).exits(0);
    assert_eq!(
        outputs(&quiet, "tasks")["rows"],
        json!([{"tasks": 0, "done_percent": null}])
    );
}

#[test]
fn an_error_code_has_a_meaning_and_a_runbook() {
    let output = super::estate()
        .json(&["diagnose", "error-code", "DB_001"])
        .exits(0);
    let told = outputs(&output, "meaning");
    assert_eq!(told["rows"][0]["run"], "opsbook diagnose database");
}
