//! What the estate "manuscripts" does about its database.

use serde_json::json;

use crate::d1_api::refusal;
use crate::estates::Run::{Runbook, Unanswered};
use crate::estates::{Case, Estate, Run, case, outputs};
use crate::terminal::Terminal;

use super::{API, MODELS, PAYMENTS, down, estate, high};

/// The estate's tables with their rows, when all is well.
pub(super) const TABLES: &str = "
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT UNIQUE, role TEXT, created_at TEXT, email_verified INTEGER, password_hash TEXT);
CREATE TABLE manuscripts (id INTEGER PRIMARY KEY, author_id TEXT, title TEXT, created_at TEXT);
CREATE INDEX idx_manuscripts_user_id ON manuscripts (author_id);
CREATE INDEX idx_manuscripts_created ON manuscripts (created_at);
CREATE TABLE verification_tokens (id INTEGER PRIMARY KEY, user_id TEXT, token_type TEXT);
INSERT INTO verification_tokens (user_id, token_type) VALUES ('u1', 'email'), ('u2', 'password_reset');
INSERT INTO users VALUES ('u1', 'ada@example.com', 'admin', '2026-01-01', 1, 'old'), ('u2', 'grace@example.com', 'author', '2026-01-02', 0, 'old'),
  ('t1', 'prodtest1@test.example.com', 'author', '2026-01-03', 0, ''), ('t3', 'prodtest3@test.example.com', 'author', '2026-01-03', 1, '');
INSERT INTO manuscripts (author_id, title, created_at) VALUES ('u2', 'One', '2026-01-04'), ('t3', 'Of a test', '2026-01-04');";

/// The procedures.
pub(super) const IDS: [&str; 8] = [
    "manuscripts.db.add-indexes",
    "manuscripts.db.cleanup-test-users",
    "manuscripts.db.ping",
    "manuscripts.db.recent-registrations",
    "manuscripts.db.reset-password",
    "manuscripts.db.safe-write",
    "manuscripts.db.user-count",
    "manuscripts.diagnose.slow",
];

const PING: Run = Runbook(&["db", "ping"]);
const USERS: Run = Runbook(&["db", "user-count"]);
const RECENT: Run = Runbook(&["db", "recent-registrations"]);
const CLEANUP: &[&str] = &["db", "cleanup-test-users"];
const RESET: &[&str] = &["db", "reset-password", "grace@example.com"];
const ADD_INDEXES: &[&str] = &["db", "add-indexes"];
/// Whatever the machine is doing meanwhile: what is unwell is what the test makes so.
const SLOW: Run = Runbook(&["diagnose", "slow", "--most", "1h", "--vendors", "1h"]);
const NEVER_FAST: Run = Runbook(&["diagnose", "slow", "--most", "0s", "--vendors", "1h"]);
const VENDORS_LATE: Run = Runbook(&["diagnose", "slow", "--most", "1h", "--vendors", "0s"]);
/// Those that are unwell by their options alone.
const UNWELL_BY_OPTION: [Run; 2] = [NEVER_FAST, VENDORS_LATE];
const VERIFY: &[&str] = &[
    "db",
    "execute",
    "UPDATE users SET email_verified = 1 WHERE email = 'grace@example.com'",
];
const ALL: &[&str] = &["db", "execute", "UPDATE users SET email_verified = 1"];
const EVERY: &[&str] = &["db", "execute", "DELETE FROM manuscripts"];

/// The next request finds no database.
pub(super) fn is_gone(estate: &Estate) {
    estate.d1_answers(refusal(
        "404 Not Found",
        7404,
        "The database could not be found",
    ));
}

fn has_no_users(estate: &Estate) {
    estate.d1_sql("DELETE FROM users");
}

/// Nobody agreed: it is refused.
const fn refused(id: &'static str, words: &'static [&'static str], red: fn(&Estate)) -> Case {
    case(id, Unanswered(words), red, "refused", 75)
}

pub(super) const CASES: &[Case] = &[
    down("manuscripts.db.ping", PING, is_gone),
    down("manuscripts.db.user-count", USERS, has_no_users),
    down("manuscripts.db.recent-registrations", RECENT, has_no_users),
    refused("manuscripts.db.safe-write", VERIFY, |_| {}),
    down("manuscripts.db.safe-write", Runbook(VERIFY), |estate| {
        estate.d1_sql("DROP TABLE users");
    }),
    refused("manuscripts.db.cleanup-test-users", CLEANUP, |_| {}),
    high(
        "manuscripts.db.cleanup-test-users",
        Runbook(CLEANUP),
        |estate| {
            estate.d1_sql("INSERT INTO manuscripts (author_id, title) VALUES ('t1', 'A real one')");
        },
    ),
    refused("manuscripts.db.reset-password", RESET, |_| {}),
    high("manuscripts.db.reset-password", Runbook(RESET), |estate| {
        estate.d1_sql("DELETE FROM users WHERE id = 'u2'");
    }),
    refused("manuscripts.db.add-indexes", ADD_INDEXES, |estate| {
        estate.d1_sql("DROP INDEX idx_manuscripts_user_id");
    }),
    high(
        "manuscripts.db.add-indexes",
        Runbook(ADD_INDEXES),
        |estate| {
            estate.d1_sql("DROP TABLE manuscripts");
        },
    ),
    high("manuscripts.diagnose.slow", NEVER_FAST, |_| {}),
    high("manuscripts.diagnose.slow", VENDORS_LATE, |_| {}),
    high("manuscripts.diagnose.slow", SLOW, |estate| {
        estate.d1_sql("DROP INDEX idx_manuscripts_user_id");
    }),
    high("manuscripts.diagnose.slow", SLOW, |estate| {
        estate.d1_counted("SELECT * FROM manuscripts", 1000.1);
    }),
    high("manuscripts.diagnose.slow", SLOW, |estate| {
        estate.world.fails(MODELS)
    }),
    high("manuscripts.diagnose.slow", SLOW, |estate| {
        estate.world.fails(PAYMENTS)
    }),
    case(
        "manuscripts.diagnose.slow",
        SLOW,
        |estate| estate.world.fails(API),
        "warning",
        2,
    ),
];

#[test]
fn its_database_tells_well_from_unwell() {
    estate()
        .variable("NEW_PASSWORD", "hunter2-the-new-one")
        .holds_but(CASES, &UNWELL_BY_OPTION);
}

/// A slow answer is named as such where nothing that it waits for is slow, and a vendor where it is the vendor.
#[test]
fn what_makes_answers_slow_is_named() {
    let estate = estate();
    let causes = |run: Run| -> Vec<String> {
        let Runbook(words) = run else {
            unreachable!("a runbook")
        };
        let told = estate.json(words).exits(1).json();
        let findings = told["findings"].as_array().unwrap();
        let cause = |finding: &serde_json::Value| finding["cause"].as_str().unwrap().to_owned();
        findings.iter().map(cause).collect()
    };
    let slow = causes(NEVER_FAST);
    assert!(
        slow.len() == 1 && slow[0].starts_with("95 of 100 answers"),
        "{slow:?}"
    );
    let late = causes(VENDORS_LATE);
    assert!(
        late.len() == 2
            && late[0].starts_with("Anthropic answers late")
            && late[1].starts_with("Stripe answers late"),
        "{late:?}"
    );
}

/// The accounts that were listed go, and neither the standing one nor a person's.
#[test]
fn accounts_of_tests_go_and_no_others() {
    let estate = estate();
    estate.json(CLEANUP).exits(0);
    assert_eq!(
        estate.d1_sql("SELECT id FROM users ORDER BY id"),
        json!([["t3"], ["u1"], ["u2"]])
    );
}

/// Just the row that was shown is changed.
#[test]
fn a_row_is_changed_and_no_other() {
    let estate = estate();
    estate.json(VERIFY).exits(0);
    assert_eq!(
        estate.d1_sql("SELECT id FROM users WHERE email_verified ORDER BY id"),
        json!([["t3"], ["u1"], ["u2"]])
    );
    let shown = estate
        .project
        .run(&[VERIFY, &["--dry-run"]].concat())
        .exits(0);
    assert!(
        shown.stdout.contains("grace@example.com"),
        "{}",
        shown.shown()
    );
}

/// Without a WHERE it is all rows: it destroys, and the question says so.
#[test]
fn what_has_no_where_destroys() {
    let estate = estate();
    for (words, effect, rows) in [
        (VERIFY, "write", 1),
        (ALL, "destroy", 4),
        (EVERY, "destroy", 2),
    ] {
        let dry = estate.json(&[words, &["--dry-run"]].concat()).exits(0);
        let step = &dry.json()["steps"][1];
        let told = (&step["effect"], &step["preview"]["rows"]);
        assert_eq!(told, (&json!(effect), &json!(rows)), "{words:?}");
        let mut terminal = Terminal::start(&estate.project, words);
        terminal.wait_for("[y/N]");
        terminal.press("n\r");
        let (code, shown) = terminal.end();
        assert_eq!(code, 75, "{shown}");
        assert!(shown.contains(&format!("may {effect}")), "{shown}");
        // Without a person nothing is agreed to.
        estate.project.run(words).exits(75).prints("needs --yes");
    }
    assert_eq!(
        estate.d1_sql("SELECT count(*), sum(email_verified) FROM users"),
        json!([[4, 2]])
    );
    assert_eq!(
        estate.d1_sql("SELECT count(*) FROM manuscripts"),
        json!([[2]])
    );
}

/// The hash is the application's, and neither it nor the password is told anywhere.
#[test]
fn a_password_is_written_and_told_to_nobody() {
    let estate = estate().variable("NEW_PASSWORD", "hunter2-the-new-one");
    let output = estate.json(RESET).exits(0);
    let hash = estate.d1_sql("SELECT password_hash FROM users WHERE id = 'u2'");
    let hash = hash[0][0].as_str().unwrap();
    assert!(hash.starts_with("pbkdf2$100000$"), "{hash}");
    for secret in [hash, "hunter2-the-new-one"] {
        assert!(!output.shown().contains(secret));
    }
    assert_eq!(
        estate.d1_sql("SELECT count(*) FROM users WHERE password_hash LIKE 'pbkdf2%'"),
        json!([[1]])
    );
}

/// Addresses are of people: they are shown to who asks for them.
#[test]
fn addresses_are_shown_in_full_only_where_they_are_asked_for() {
    let estate = estate();
    let newest = |words: &[&str]| {
        let output = estate.json(words).exits(0);
        outputs(&output, "accounts")["rows"][3]["email"].clone()
    };
    let words = ["db", "recent-registrations"];
    assert_eq!(newest(&words), "a…@example.com");
    let words = ["db", "recent-registrations", "--addresses"];
    assert_eq!(newest(&words), "ada@example.com");
}

#[test]
fn an_index_that_is_missing_is_made() {
    let estate = estate();
    estate.d1_sql("DROP INDEX idx_manuscripts_user_id");
    estate.json(ADD_INDEXES).exits(0);
    let made = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'idx_manuscripts%'";
    assert_eq!(estate.d1_sql(made), json!([[2]]));
}
