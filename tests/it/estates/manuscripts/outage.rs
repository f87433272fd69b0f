//! What the estate "manuscripts" does about an API that is down or fails in part, and about jobs that wait.

use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, TOKEN};
use crate::estates::Run::Runbook;
use crate::estates::{Case, Estate, Reply, Run};

use super::database::is_gone;
use super::diagnose::SECRETS;
use super::{API, MODELS, down, estate, high};

/// The procedures.
pub(super) const IDS: [&str; 3] = [
    "manuscripts.diagnose.api-down",
    "manuscripts.diagnose.error-rate",
    "manuscripts.diagnose.queue-delays",
];

const DOWN: Run = Runbook(&["diagnose", "api-down"]);
const RATE: Run = Runbook(&["diagnose", "error-rate"]);
const QUEUE: Run = Runbook(&["diagnose", "queue-delays", "--between", "1ms"]);
const DOWN_AND_LOG: Run = Runbook(&["diagnose", "api-down", "--log-for", "60s"]);
const RATE_AND_LOG: Run = Runbook(&["diagnose", "error-rate", "--log-for", "60s"]);
const QUEUE_AND_LOG: Run = Runbook(&["diagnose", "queue-delays", "--log-for", "60s"]);

const DEPLOYMENTS: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/workers/scripts/manuscript-platform/deployments";
const STATUS: &str = "GET /cloudflare-status/api/v2/summary.json";
const ANALYTICS: &str = "POST /cloudflare";
const QUEUES: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/queues";
const DEPTH: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/queues/q1/metrics";
const DEAD: &str = "GET /cloudflare/accounts/00000000000000000000000000000000/queues/q2/metrics";

const ZONE: &str = "/data/viewer/zones/0";
const THROTTLED: &str = "/data/viewer/accounts/0/throttled";

fn result(result: Value) -> Reply {
    let token = format!("Bearer {TOKEN}");
    Reply::json(json!({"success": true, "errors": [], "messages": [], "result": result}))
        .asks("authorization", &token)
}

fn depth(messages: u64) -> Reply {
    result(
        json!({"backlog_count": messages, "backlog_bytes": 100 * messages, "oldest_message_timestamp_ms": 0}),
    )
}

/// What is asked when all is well. Of Cloudflare's API the documented answers:
/// <https://developers.cloudflare.com/api/>, <https://developers.cloudflare.com/analytics/graphql-api/>,
/// <https://www.cloudflarestatus.com/api>.
pub(super) fn routes(estate: &Estate) {
    let world = &estate.world;
    let deployment = |created_on: &str, version: &str| {
        json!({
            "id": "d", "created_on": created_on, "source": "wrangler", "strategy": "percentage",
            "versions": [{"version_id": version, "percentage": 100}],
        })
    };
    world.route(
        DEPLOYMENTS,
        result(json!({"deployments": [
            deployment("2026-01-02T00:00:00Z", "version-2"), deployment("2026-01-01T00:00:00Z", "version-1"),
        ]})),
    );
    world.route(
        STATUS,
        Reply::json(json!({
            "page": {"name": "Cloudflare", "url": "https://cloudflare-status.example.com"},
            "status": {"indicator": "minor", "description": "Minor Service Outage"}, "incidents": [], "scheduled_maintenances": [],
            "components": [
                {"name": "Workers", "status": "operational"}, {"name": "D1", "status": "operational"},
                {"name": "Images", "status": "partial_outage"},
            ],
        })),
    );
    let route = |path: &str, count: u64| json!({"count": count, "dimensions": {"clientRequestPath": path, "edgeResponseStatus": 500}});
    world.route(
        ANALYTICS,
        Reply::json(json!({"data": {"viewer": {
            "zones": [{
                "all": [{"count": 10_000}], "failed": [{"count": 10}], "malformed": [{"count": 20}],
                "routes": [route("/manuscripts", 5), route("/auth/login", 5)],
                "allBefore": [{"count": 10_000}], "failedBefore": [{"count": 600}],
                "allSince": [{"count": 10_000}], "failedSince": [{"count": 600}],
            }],
            "accounts": [{"throttled": []}],
        }}, "errors": null}))
        .asks("authorization", &format!("Bearer {TOKEN}"))
        .dated(),
    );
    let consumers = json!([{"type": "worker", "script": "manuscript-platform"}]);
    world.route(
        QUEUES,
        result(json!([
            {"queue_id": "q2", "queue_name": "manuscript-analysis-dlq", "consumers": [], "settings": {"delivery_paused": false}},
            {"queue_id": "q1", "queue_name": "manuscript-analysis-queue", "consumers": consumers, "settings": {"delivery_paused": false}},
        ])),
    );
    world.route(DEPTH, depth(40).then(depth(30)));
    world.route(DEAD, depth(0));
}

/// What runs was deployed just now.
fn is_deployed(estate: &Estate) {
    let now = chrono::Utc::now().to_rfc3339();
    let place = "/result/deployments/0/created_on";
    estate.world.has(DEPLOYMENTS, place, json!(now));
}

fn has_no_secret(estate: &Estate) {
    estate
        .world
        .has(SECRETS, "/result/0/name", json!("OTHER_SECRET"));
}

fn many_fail(estate: &Estate, more: &[(&str, Value)]) {
    let failed = ("failed", json!([{"count": 600}]));
    for (name, value) in [&[failed], more].concat() {
        estate
            .world
            .has_too(ANALYTICS, &format!("{ZONE}/{name}"), value);
    }
}

fn has_logged(estate: &Estate) {
    estate.writes(
        "events",
        "{\"outcome\": \"exception\", \"exceptions\": [], \"logs\": []}\n",
    );
}

pub(super) const CASES: &[Case] = &[
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        is_deployed(estate);
        estate.world.fails(API);
    }),
    // Nothing of what is asked for is wrong.
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        estate.world.hangs_up(API);
    }),
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        let place = "/result/deployments";
        estate.world.has(DEPLOYMENTS, place, json!([]));
    }),
    down("manuscripts.diagnose.api-down", DOWN, is_gone),
    // A young deployment is not what is wrong.
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        is_deployed(estate);
        estate.world.fails(API);
        is_gone(estate);
    }),
    down("manuscripts.diagnose.api-down", DOWN, has_no_secret),
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        estate.world.fails(API);
        has_no_secret(estate);
    }),
    down("manuscripts.diagnose.api-down", DOWN, |estate| {
        let place = "/components/0/status";
        estate.world.has(STATUS, place, json!("major_outage"));
        estate.world.fails(API);
    }),
    high("manuscripts.diagnose.api-down", DOWN, |estate| {
        let place = "/components/1/status";
        estate
            .world
            .has(STATUS, place, json!("degraded_performance"));
    }),
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        is_deployed(estate);
        let before = ("failedBefore", json!([{"count": 10}]));
        many_fail(estate, &[before]);
    }),
    // As many failed before the last deployment.
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        is_deployed(estate);
        many_fail(estate, &[]);
    }),
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        let route = json!([{"count": 590, "dimensions": {"clientRequestPath": "/manuscripts/upload", "edgeResponseStatus": 500}}]);
        many_fail(estate, &[("routes", route)]);
    }),
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        estate.d1_counted("SELECT * FROM manuscripts", 1000.1);
    }),
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        let throttled = json!([{"sum": {"requests": 7}, "dimensions": {"bucketName": "manuscripts", "actionType": "PutObject"}}]);
        estate.world.has(ANALYTICS, THROTTLED, throttled);
    }),
    high("manuscripts.diagnose.error-rate", RATE, |estate| {
        let place = format!("{ZONE}/malformed/0/count");
        estate.world.has(ANALYTICS, &place, json!(501));
    }),
    high("manuscripts.diagnose.queue-delays", QUEUE, |estate| {
        estate.world.answers(DEPTH, depth(40).then(depth(41)));
    }),
    high("manuscripts.diagnose.queue-delays", QUEUE, |estate| {
        estate.world.has(QUEUES, "/result/1/consumers", json!([]));
    }),
    high("manuscripts.diagnose.queue-delays", QUEUE, |estate| {
        let place = "/result/1/settings/delivery_paused";
        estate.world.has(QUEUES, place, json!(true));
    }),
    high("manuscripts.diagnose.queue-delays", QUEUE, |estate| {
        estate.world.answers(DEAD, depth(1));
    }),
    high("manuscripts.diagnose.queue-delays", QUEUE, |estate| {
        estate.world.answers(MODELS, Reply::of(429, ""));
    }),
];

const LOGGED: &[Case] = &[
    high("manuscripts.diagnose.api-down", DOWN_AND_LOG, has_logged),
    high("manuscripts.diagnose.error-rate", RATE_AND_LOG, has_logged),
    high(
        "manuscripts.diagnose.queue-delays",
        QUEUE_AND_LOG,
        |estate| {
            estate.world.answers(DEPTH, depth(0));
            has_logged(estate);
        },
    ),
];

#[test]
fn outages_failures_and_waiting_jobs_tell_well_from_unwell() {
    estate().holds(CASES);
}

/// What wrangler's live log has of a failure is seen.
#[test]
fn the_live_log_is_followed_when_asked() {
    let estate = estate()
        .file("events", "")
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .wrangler()
        .live_log();
    for case in LOGGED {
        (case.red)(&estate);
        let Runbook(words) = case.run else {
            unreachable!("a runbook")
        };
        let output = estate.json(words).exits(1);
        let findings = output.json()["findings"].as_array().unwrap().clone();
        assert_eq!(findings.len(), 1, "{}", output.shown());
        let cause = findings[0]["cause"].as_str().unwrap();
        assert!(cause.contains("while somebody looked"), "{cause}");
    }
}

/// What holds is named, in words of its own, and only that.
#[test]
fn each_cause_is_named_and_no_other() {
    let named = [
        "Go back: wrangler rollback version-1 --name manuscript-platform",
        "older than 1h",
        "never deployed",
        "the database does not answer",
        "the database does not answer",
        "wrangler secret put JWT_SECRET",
        "wrangler secret put JWT_SECRET",
        "Cloudflare reports an outage of its own",
        "Cloudflare reports trouble of its own",
        "0.1 % before, 6 % since. Go back: wrangler rollback version-1",
        "6 % fail on many routes",
        "/manuscripts/upload has 100",
        "statements take longer than a second",
        "R2 throttled 7 requests",
        "5.0 % of the requests are refused as malformed",
        "40 messages, then 41",
        "nobody takes messages",
        "is paused",
        "manuscript-analysis-dlq",
        "Anthropic does not answer well",
    ];
    estate().names_each_cause(CASES, &named, TOKEN);
}
