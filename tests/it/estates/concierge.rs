//! The estate "concierge": a Worker with a D1 database and a queue, measured by Cloudflare and Sentry.

use serde_json::json;

use super::Run::{Check, Runbook};
use super::{Case, Estate, Reply, case, covers, page};

/// Its procedures.
const IDS: [&str; 3] = [
    "concierge.health.live",
    "concierge.health.env",
    "concierge.health.queue",
];

const CASES: &[Case] = &[
    case(
        "concierge.health.live",
        Check("web", "live"),
        |world| world.has("GET /web/health", "/status", json!("starting")),
        "critical",
        2,
    ),
    case(
        "concierge.health.live",
        Check("web", "live"),
        |world| world.hangs_up("GET /web/health"),
        "critical",
        2,
    ),
    case(
        "concierge.health.env",
        Check("api", "env"),
        |world| world.has("GET /api/debug/env", "/environment", json!("staging")),
        "critical",
        2,
    ),
    case(
        "concierge.health.queue",
        Check("api", "queue"),
        |world| {
            world.has(
                "GET /api/debug/queue-status",
                "/queueHealth",
                json!("stuck"),
            )
        },
        "critical",
        2,
    ),
];

fn estate() -> Estate {
    let estate =
        Estate::new("concierge", &["web", "api"], "").variable("MONITOR_TOKEN", "hunter2hunter2");
    let world = &estate.world;
    world.route(
        "GET /web/health",
        Reply::json(json!({"status": "healthy", "timestamp": "2026-01-01T00:00:00Z"})),
    );
    let monitored = |body| Reply::json(body).asks("authorization", "Bearer hunter2hunter2");
    world.route(
        "GET /api/debug/env",
        monitored(json!({
            "environment": "prod",
            "hasDatabase": true,
            "user": {"role": "admin", "email": "monitor@example.com"},
            "timestamp": "2026-01-01T00:00:00Z",
        })),
    );
    world.route(
        "GET /api/debug/queue-status",
        monitored(json!({
            "queueHealth": "healthy",
            "pendingJobs": 15,
            "processingJobs": 3,
            "completedToday": 245,
            "failedToday": 2,
            "processingSeconds": 4,
        })),
    );
    estate
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds(CASES);
}

#[test]
fn its_procedures_are_all_there() {
    covers(CASES, &IDS);
    page::tells("concierge", CASES);
}
