//! What the estate "crm" does about requests that fail and payments that do not come through.

use serde_json::{Value, json};

use crate::estates::Run::Runbook;
use crate::estates::{Case, Estate, Reply, Run};

use super::database::{PROVIDER, provider};
use super::{EVENTS, PAYMENTS, down, estate, high, payments};

/// The procedures.
pub(super) const IDS: [&str; 2] = ["crm.diagnose.error-rate", "crm.diagnose.payments"];

const RATE: Run = Runbook(&["diagnose", "error-rate"]);
const PAID: Run = Runbook(&["diagnose", "payments"]);

const STRIPE: &str = "GET /stripe-status/api/v2/summary.json";
const DEPLOYMENTS: &str = "GET /vercel/v6/deployments";
const ENDPOINT: &str = "GET /api/api/webhooks/stripe";
const ENDPOINTS: &str = "GET /stripe/v1/webhook_endpoints";
const UNDELIVERED: &str = "GET /stripe/v1/events?delivery_success=false&limit=100";

/// What is asked when all is well, by what the vendors document: <https://vercel.com/docs/rest-api>,
/// <https://docs.stripe.com/api>.
pub(super) fn routes(estate: &Estate) {
    let world = &estate.world;
    world.route(STRIPE, Reply::json(provider("none")));
    let deployment = |created: i64, name: &str| json!({"uid": name, "url": format!("{name}.vercel.app"), "created": created, "state": "READY"});
    let list = [
        deployment(1_767_312_000_000, "crm-2"),
        deployment(1_767_225_600_000, "crm-1"),
    ];
    world.route(
        DEPLOYMENTS,
        Reply::json(json!({"deployments": list})).asks("authorization", "Bearer hunter2-vercel"),
    );
    // A question without a signature.
    world.route(ENDPOINT, Reply::of(405, ""));
    let stripe = |body: Value| Reply::json(body).asks("authorization", "Bearer hunter2-stripe");
    let of = |status: &str, url: &str| json!({"object": "webhook_endpoint", "status": status, "url": url});
    let endpoints = [
        of("enabled", "https://crm.example.com/api/webhooks/stripe"),
        of("enabled", "https://other.example.com/hook"),
    ];
    world.route(
        ENDPOINTS,
        stripe(json!({"object": "list", "data": endpoints})),
    );
    world.route(UNDELIVERED, stripe(payments(0)));
}

fn is_deployed(estate: &Estate) {
    let now = chrono::Utc::now().timestamp_millis();
    estate
        .world
        .has(DEPLOYMENTS, "/deployments/0/created", json!(now));
}

fn failing(share: f64) -> Reply {
    Reply::json(json!({"data": [{"failure_rate()": share}], "meta": {"fields": {}}}))
}

fn errors(counts: [u64; 2]) -> Reply {
    let row = |kind: &str, count: u64| json!({"error.type": kind, "transaction": "POST /orders", "count()": count});
    let rows = [row("TypeError", counts[0]), row("RangeError", counts[1])];
    Reply::json(json!({"data": rows, "meta": {"fields": {}}}))
}

/// Sentry is asked how many fail, with what, and how many failed before and since the last deployment.
fn many_fail(estate: &Estate, counts: [u64; 2], before: f64) {
    let compared = failing(before).then(failing(0.08));
    let reply = failing(0.08).then(errors(counts).then(compared));
    estate.world.answers(EVENTS, reply);
}

pub(super) const CASES: &[Case] = &[
    down("crm.diagnose.error-rate", RATE, |estate| {
        is_deployed(estate);
        many_fail(estate, [50, 50], 0.01);
    }),
    // As many failed before.
    down("crm.diagnose.error-rate", RATE, |estate| {
        is_deployed(estate);
        many_fail(estate, [50, 50], 0.07);
    }),
    down("crm.diagnose.error-rate", RATE, |estate| {
        many_fail(estate, [90, 10], 0.0);
    }),
    high("crm.diagnose.error-rate", RATE, |estate| {
        estate.world.says(PROVIDER, provider("minor"));
    }),
    high("crm.diagnose.error-rate", RATE, |estate| {
        estate.world.says(STRIPE, provider("minor"));
    }),
    high("crm.diagnose.payments", PAID, |estate| {
        estate.world.says(STRIPE, provider("minor"));
    }),
    down("crm.diagnose.payments", PAID, |estate| {
        estate.world.answers(ENDPOINT, Reply::of(404, ""));
    }),
    down("crm.diagnose.payments", PAID, |estate| {
        estate.world.answers(ENDPOINTS, Reply::of(401, "{}"));
    }),
    down("crm.diagnose.payments", PAID, |estate| {
        estate
            .world
            .has(ENDPOINTS, "/data/0/status", json!("disabled"));
    }),
    high("crm.diagnose.payments", PAID, |estate| {
        estate.world.says(UNDELIVERED, payments(3));
    }),
    down("crm.diagnose.payments", PAID, |estate| {
        estate.world.says(PAYMENTS, payments(6));
    }),
    high("crm.diagnose.payments", PAID, |estate| {
        estate.world.has(EVENTS, "/data/0/count()", json!(2));
    }),
];

#[test]
fn failures_and_payments_tell_well_from_unwell() {
    estate().holds(CASES);
}

/// What holds is named, in words of its own, and only that.
#[test]
fn each_cause_is_named_and_no_other() {
    let named = [
        "1.0 % before, 8.0 % since. Go back: vercel rollback crm-1.vercel.app",
        "8.0 % fail with many errors",
        "TypeError in POST /orders, 90",
        "the provider of the database reports",
        "Stripe reports trouble",
        "Stripe reports trouble",
        "our endpoint /api/webhooks/stripe is not there",
        "see the key",
        "no enabled endpoint",
        "3 events were not delivered",
        "6 payments failed",
        "2 requests used an idempotency key again",
    ];
    estate().names_each_cause(CASES, &named, "hunter2");
}
