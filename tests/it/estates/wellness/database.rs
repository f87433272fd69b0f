//! What the estate "wellness" does about its database, and how it finds out what is wrong.

use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, refusal};
use crate::estates::Run::{Runbook, Unanswered};
use crate::estates::{Case, Estate, Reply, Run, case, outputs};

use super::{ANALYTICS, CHAT, DB, STATUS, TASKS, down, high};

/// What vendors tell of the app, of secrets, of a bucket, of a project, of themselves.
pub(super) const APP: &str = "GET /onesignal/api/v1/apps/app-1";
pub(super) const SECRETS: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/workers/scripts/wellness-prod/secrets";
pub(super) const BUCKET: &str =
    "GET /cloudflare/accounts/00000000000000000000000000000000/r2/buckets/time-wellness-voice";
pub(super) const PROJECT: &str = "GET /deepgram/v1/projects/project-1";
pub(super) const VENDOR: &str = "GET /openai-status/api/v2/summary.json";

/// What the estate's tables hold when all is well: of most, two of each kind in the last week, one in the week before.
pub(super) const TABLES: &str = "
CREATE TABLE ages (at TEXT);
INSERT INTO ages VALUES (datetime('now', '-1 hour')), (datetime('now', '-2 days')), (datetime('now', '-10 days')), (datetime('now', '-20 days'));
CREATE TABLE users (id TEXT PRIMARY KEY, created_at TEXT NOT NULL);
INSERT INTO users SELECT 'u' || rowid, at FROM ages;
CREATE TABLE tasks (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), status TEXT NOT NULL, created_at TEXT NOT NULL, completed_at TEXT);
INSERT INTO tasks (user_id, status, created_at, completed_at) SELECT 'u1', 'done', at, at FROM ages;
INSERT INTO tasks (user_id, status, created_at) VALUES ('u1', 'open', datetime('now', '-1 day'));
CREATE TABLE health_logs (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), type TEXT NOT NULL, recorded_at TEXT NOT NULL, created_at TEXT NOT NULL);
INSERT INTO health_logs (user_id, type, recorded_at, created_at) SELECT 'u1', 'water', at, at FROM ages;
CREATE TABLE focus_sessions (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), start_time TEXT NOT NULL, completed_at TEXT);
INSERT INTO focus_sessions (user_id, start_time, completed_at) SELECT 'u1', at, at FROM ages;
INSERT INTO focus_sessions (user_id, start_time) VALUES ('u1', datetime('now', '-300 days'));
CREATE TABLE voice_notes (id INTEGER PRIMARY KEY, created_at TEXT NOT NULL);
INSERT INTO voice_notes (created_at) SELECT at FROM ages;
CREATE TABLE achievement_definitions (badge_key TEXT PRIMARY KEY, name TEXT, category TEXT, target_value INTEGER NOT NULL, is_active INTEGER NOT NULL);
INSERT INTO achievement_definitions VALUES ('first_task', 'First task', 'productivity', 1, 1), ('ten_tasks', 'Ten tasks', 'productivity', 10, 1), ('old', 'Old', 'productivity', 1, 0);
CREATE TABLE user_badges (user_id TEXT, badge_key TEXT, unlocked_at TEXT, created_at TEXT NOT NULL);
INSERT INTO user_badges SELECT 'u1', CASE rowid WHEN 1 THEN 'first_task' ELSE 'old' END, at, at FROM ages;
CREATE TABLE badge_progress (user_id TEXT, badge_key TEXT, progress INTEGER NOT NULL);
INSERT INTO badge_progress VALUES ('u1', 'first_task', 1), ('u1', 'ten_tasks', 4), ('u1', 'old', 1);
CREATE TABLE notification_devices (user_id TEXT NOT NULL, platform TEXT);
INSERT INTO notification_devices VALUES ('u1', 'ios');
CREATE TABLE notification_preferences (user_id TEXT PRIMARY KEY, push_enabled INTEGER NOT NULL);
INSERT INTO notification_preferences VALUES ('u1', 1);
CREATE TABLE user_connections AS SELECT at AS created_at FROM ages;
CREATE TABLE student_verifications AS SELECT at AS created_at FROM ages;
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status);
CREATE INDEX idx_health_logs_user_type ON health_logs (user_id, type);
CREATE INDEX idx_focus_sessions_user_date ON focus_sessions (user_id, start_time);";

/// The procedures.
pub(super) const IDS: [&str; 13] = [
    "wellness.db.engagement",
    "wellness.db.growth",
    "wellness.db.indexes",
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
const PERFORMANCE: Run = Runbook(&["db", "query-performance"]);
const AT_ONCE: Run = Runbook(&["db", "query-performance", "--target", "0s"]);
const REACHED: Run = Runbook(&["diagnose", "database"]);
const LATENCY: Run = Runbook(&["diagnose", "latency"]);
const LATENCY_AND_LOG: Run = Runbook(&["diagnose", "latency", "--log-for", "60s"]);
const AUTH: Run = Runbook(&["diagnose", "auth"]);
const LIMITS: Run = Runbook(&["diagnose", "rate-limits"]);
const VOICE: Run = Runbook(&["diagnose", "voice", "test-audio.wav"]);
const AI: Run = Runbook(&["diagnose", "ai"]);
const BADGES: Run = Runbook(&["diagnose", "badges", "u1"]);
const NOTIFICATIONS: Run = Runbook(&["diagnose", "notifications", "u1"]);

/// The runs of the table that are unwell by their options alone.
pub(super) const UNWELL_BY_OPTION: [Run; 2] =
    [AT_ONCE, Runbook(&["diagnose", "voice", "test-audio.ogg"])];

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
];

const SLOW_CASES: &[Case] = &[
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
    [DATABASE_CASES, SLOW_CASES, DIAGNOSIS_CASES].concat()
}

#[test]
fn its_database_tells_well_from_unwell() {
    super::estate().holds_but(DATABASE_CASES, &UNWELL_BY_OPTION);
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
        .holds(SLOW_CASES);
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
