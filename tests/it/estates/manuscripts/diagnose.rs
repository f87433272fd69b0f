//! What the estate "manuscripts" does about logins and mails that fail.

use serde_json::json;

use crate::estates::Run::Runbook;
use crate::estates::{Case, Estate, Reply, Run};

use super::{API, down, estate};

/// The procedures.
pub(super) const IDS: [&str; 2] = [
    "manuscripts.diagnose.auth",
    "manuscripts.diagnose.password-reset",
];

const AUTH: Run = Runbook(&["diagnose", "auth"]);
const RESET: Run = Runbook(&["diagnose", "password-reset"]);

const LOGIN: &str = "POST /api/auth/login";
const REQUEST: &str = "POST /api/auth/password-reset-request";
const SEND: &str = "POST /mailchannels/tx/v1/send";
pub(super) const SECRETS: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/workers/scripts/manuscript-platform/secrets";
const SETTINGS: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/workers/scripts/manuscript-platform/settings";
const NAMESPACES: &str =
    "GET /cloudflare/accounts/00000000000000000000000000000000/storage/kv/namespaces";

/// What is asked when all is well. Of Cloudflare's API the documented answers:
/// <https://developers.cloudflare.com/api/>.
pub(super) fn routes(estate: &Estate) {
    let world = &estate.world;
    let user = json!({"email": "test@example.com", "password": "hunter2-test-user"});
    world.route(LOGIN, Reply::json(json!({"success": true})).takes(user));
    let user = json!({"email": "test@example.com"});
    world.route(REQUEST, Reply::json(json!({"success": true})).takes(user));
    world.route(
        SEND,
        Reply::json(json!({"data": ["message"]})).asks("x-api-key", "hunter2-mail"),
    );
    let all = |result| json!({"success": true, "errors": [], "messages": [], "result": result});
    let secrets = json!([{"name": "JWT_SECRET", "type": "secret_text"}]);
    world.route(SECRETS, Reply::json(all(secrets)));
    let bindings = json!({"bindings": [{"name": "EMAIL_FROM", "type": "plain_text", "text": "noreply@manuscripts.example.com"}]});
    world.route(SETTINGS, Reply::json(all(bindings)));
    let namespaces = json!([{"id": "1", "title": "manuscript-platform-sessions"}]);
    world.route(NAMESPACES, Reply::json(all(namespaces)));
}

pub(super) const CASES: &[Case] = &[
    down("manuscripts.diagnose.auth", AUTH, |estate| {
        let other = json!("OTHER_SECRET");
        estate.world.has(SECRETS, "/result/0/name", other);
    }),
    down("manuscripts.diagnose.auth", AUTH, |estate| {
        estate.world.has(NAMESPACES, "/result", json!([]));
    }),
    down("manuscripts.diagnose.auth", AUTH, |estate| {
        let other = Some("https://other.example.com");
        let name = "access-control-allow-origin";
        estate.world.has_header(API, name, other);
    }),
    down("manuscripts.diagnose.auth", AUTH, |estate| {
        estate.world.answers(LOGIN, Reply::of(401, "{}"));
    }),
    down("manuscripts.diagnose.password-reset", RESET, |estate| {
        estate.world.fails(REQUEST);
    }),
    down("manuscripts.diagnose.password-reset", RESET, |estate| {
        estate.d1_sql("DELETE FROM verification_tokens WHERE token_type = 'password_reset'");
    }),
    down("manuscripts.diagnose.password-reset", RESET, |estate| {
        estate.world.has(SETTINGS, "/result/bindings", json!([]));
    }),
    down("manuscripts.diagnose.password-reset", RESET, |estate| {
        estate.world.answers(SEND, Reply::of(401, "{}"));
    }),
];

#[test]
fn logins_and_mails_tell_well_from_unwell() {
    estate().holds(CASES);
}

/// The likely cause is named, and only that.
#[test]
fn each_link_that_is_missing_is_named() {
    for case in CASES {
        let estate = estate();
        (case.red)(&estate);
        let Runbook(words) = case.run else {
            unreachable!("a runbook")
        };
        let output = estate.json(words).exits(2);
        let findings = output.json()["findings"].as_array().unwrap().len();
        assert_eq!(findings, 1, "{}", output.shown());
        assert!(!output.shown().contains("hunter2"), "{}", output.shown());
    }
}
