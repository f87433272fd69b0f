//! The estate "concierge": a Worker with a D1 database and a queue, measured by Cloudflare and Sentry.

mod database;

use serde_json::{Value, json};

use crate::d1_api::{TOKEN, refusal};

use super::Run::{Attended, Check, Runbook};
use super::{Case, Estate, Reply, Run, case, covers, outputs, page};

/// Its procedures.
const IDS: [&str; 23] = [
    "concierge.alert.routing",
    "concierge.health.dashboards",
    "concierge.health.db",
    "concierge.health.env",
    "concierge.health.live",
    "concierge.health.queue",
    "concierge.kpi.db-query-time",
    "concierge.kpi.error-rate",
    "concierge.kpi.queue-processing",
    "concierge.kpi.response-time",
    "concierge.kpi.uptime",
    "concierge.perf.baseline-update",
    "concierge.perf.benchmark",
    "concierge.perf.bundle-analysis",
    "concierge.perf.bundle-size",
    "concierge.perf.cache-headers",
    "concierge.perf.metrics",
    "concierge.perf.server-timing",
    "concierge.perf.slow-endpoints",
    "concierge.perf.weekly-report",
    "concierge.security.failed-logins",
    "concierge.security.headers",
    "concierge.security.metrics",
];

const HEALTH: &str = "GET /web/health";
const DRAFT: &str = "GET /web/draft";
const TIMED: &str = "HEAD /web/draft";
const GENERATE: &str = "HEAD /api/api/generate-draft";
const ROOT: &str = "HEAD /web/";
const STATIC: &str = "HEAD /web/static/app.js";
const ENV: &str = "GET /api/debug/env";
const DB: &str = "GET /api/debug/db-health";
const QUEUE: &str = "GET /api/debug/queue-status";
const FIGURES: &str = "GET /api/debug/performance";
const ROUTES: &str = "GET /api/monitoring/performance";
const REPORT: &str = "GET /api/monitoring/weekly-report";
const BASELINE: &str = "GET /api/monitoring/baseline-update";
const COUNTERS: &str = "GET /api/debug/security-metrics";
const LIMITS: &str = "GET /api/debug/rate-limit-status";
const LOGINS: &str = "GET /api/api/audit-logs?actionType=auth_failure&limit=100";
const FAILURE_RATE: &str = "GET /sentry/api/0/organizations/concierge/events/?field=failure_rate%28%29&query=event.type%3Atransaction&statsPeriod=1h";
const EVENTS: &str = "GET /sentry/api/0/organizations/concierge/events/";
const EVENT: &str = "POST /sentry/api/1/store/";
const ANALYTICS: &str = "POST /cloudflare";
const PAGER: &str = "POST /pagerduty/v2/enqueue";
const SLACK: &str = "POST /slack/services/T00000000/B00000000/hunter2-slack";

const SERVER_TIMING: Run = Runbook(&["perf", "server-timing"]);
const BENCHMARK: Run = Runbook(&["perf", "benchmark"]);
const CACHE: Run = Runbook(&["perf", "cache-headers"]);
const DASHBOARDS: Run = Runbook(&["perf", "dashboards"]);
const METRICS: Run = Runbook(&["perf", "metrics"]);
const SLOW: Run = Runbook(&["perf", "slow-endpoints"]);
const ROUTING: Run = Attended(&["alert", "routing"]);
const SECURITY: Run = Runbook(&["security", "metrics"]);

/// A critical failure of a check.
const fn down(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "critical", 2)
}

/// A threshold of a warning.
const fn high(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "warning", 1)
}

/// Answers with these times.
fn takes(estate: &Estate, route: &str, times: &str) {
    estate.world.has_header(route, "server-timing", Some(times));
}

const HEALTH_CASES: &[Case] = &[
    down("concierge.health.live", Check("web", "live"), |estate| {
        estate.world.has(HEALTH, "/status", json!("starting"));
    }),
    down("concierge.health.live", Check("web", "live"), |estate| {
        estate.world.fails(HEALTH)
    }),
    down("concierge.health.live", Check("web", "live"), |estate| {
        estate.world.hangs_up(HEALTH)
    }),
    down("concierge.health.env", Check("api", "env"), |estate| {
        estate.world.has(ENV, "/environment", json!("staging"));
    }),
    down("concierge.health.env", Check("api", "env"), |estate| {
        estate.world.has(ENV, "/user/role", json!("user"));
    }),
    down("concierge.health.env", Check("api", "env"), |estate| {
        estate.world.has(ENV, "/hasDatabase", json!(false));
    }),
    down("concierge.health.db", Check("api", "db"), |estate| {
        estate.world.fails(DB)
    }),
    down(
        "concierge.health.db",
        Check("database", "users"),
        |estate| estate.d1_answers(refusal("503 Service Unavailable", 7500, "overloaded")),
    ),
    down("concierge.health.queue", Check("api", "queue"), |estate| {
        estate.world.has(QUEUE, "/queueHealth", json!("stuck"));
    }),
    high("concierge.health.dashboards", DASHBOARDS, |estate| {
        estate.world.has(
            ANALYTICS,
            "/data/viewer/zones/0/all/0/avg/edgeTimeToFirstByteMs",
            json!(101),
        );
    }),
    down("concierge.health.dashboards", DASHBOARDS, |estate| {
        estate.world.has(EVENTS, "/data/0/p95()", json!(501));
    }),
    down("concierge.health.dashboards", DASHBOARDS, |estate| {
        estate.world.answers(
            ANALYTICS,
            Reply::json(json!({"data": null, "errors": [{"message": "not entitled"}]})),
        );
    }),
];

const KPI_CASES: &[Case] = &[
    high(
        "concierge.kpi.response-time",
        Check("web", "response-time"),
        |estate| {
            takes(estate, TIMED, "db;dur=8.5, total;dur=100.1, queue;dur=2.1");
        },
    ),
    down(
        "concierge.kpi.response-time",
        Check("web", "response-time"),
        |estate| {
            takes(estate, TIMED, "db;dur=8.5, total;dur=500.1, queue;dur=2.1");
        },
    ),
    high(
        "concierge.kpi.db-query-time",
        Check("web", "db-query-time"),
        |estate| {
            takes(estate, TIMED, "db;dur=50.1, total;dur=60, queue;dur=2.1");
        },
    ),
    down(
        "concierge.kpi.db-query-time",
        Check("web", "db-query-time"),
        |estate| {
            takes(estate, TIMED, "db;dur=200.1, total;dur=260, queue;dur=2.1");
        },
    ),
    high(
        "concierge.kpi.error-rate",
        Check("kpi", "error-rate"),
        |estate| {
            estate
                .world
                .has(FAILURE_RATE, "/data/0/failure_rate()", json!(0.011));
        },
    ),
    down(
        "concierge.kpi.error-rate",
        Check("kpi", "error-rate"),
        |estate| {
            estate
                .world
                .has(FAILURE_RATE, "/data/0/failure_rate()", json!(0.051));
        },
    ),
    high("concierge.kpi.uptime", Check("kpi", "uptime"), |estate| {
        estate
            .world
            .has(ANALYTICS, "/data/viewer/zones/0/failed/0/count", json!(510));
    }),
    down("concierge.kpi.uptime", Check("kpi", "uptime"), |estate| {
        estate.world.has(
            ANALYTICS,
            "/data/viewer/zones/0/failed/0/count",
            json!(1010),
        );
    }),
    high(
        "concierge.kpi.queue-processing",
        Check("api", "queue-processing"),
        |estate| {
            estate.world.has(QUEUE, "/processingSeconds", json!(31));
        },
    ),
    down(
        "concierge.kpi.queue-processing",
        Check("api", "queue-processing"),
        |estate| {
            estate.world.has(QUEUE, "/processingSeconds", json!(121));
        },
    ),
];

const PERFORMANCE_CASES: &[Case] = &[
    high("concierge.perf.metrics", METRICS, |estate| {
        estate.world.has(FIGURES, "/databaseQueryTime", json!(51));
    }),
    down("concierge.perf.metrics", METRICS, |estate| {
        estate.world.has(FIGURES, "/responseTime", json!(501));
    }),
    high("concierge.perf.server-timing", SERVER_TIMING, |estate| {
        estate.world.has_header(TIMED, "server-timing", None);
    }),
    high("concierge.perf.server-timing", SERVER_TIMING, |estate| {
        estate.world.answers(GENERATE, Reply::of(405, ""));
    }),
    down("concierge.perf.server-timing", SERVER_TIMING, |estate| {
        takes(estate, TIMED, "db;dur=201, total;dur=245.2, queue;dur=2.1");
    }),
    down("concierge.perf.benchmark", BENCHMARK, |estate| {
        estate.world.fails(DRAFT)
    }),
    high(
        "concierge.perf.bundle-size",
        Runbook(&["perf", "bundle-size"]),
        |estate| estate.unwell("big"),
    ),
    high(
        "concierge.perf.bundle-size",
        Runbook(&["perf", "bundle-size"]),
        |estate| estate.unwell("broken"),
    ),
    high(
        "concierge.perf.bundle-analysis",
        Runbook(&["perf", "bundle-analysis"]),
        |estate| estate.unwell("unused"),
    ),
    high("concierge.perf.slow-endpoints", SLOW, |estate| {
        estate
            .world
            .has(ROUTES, "/endpoints/0/responseTime", json!(101));
    }),
    down("concierge.perf.slow-endpoints", SLOW, |estate| {
        estate
            .world
            .has(ROUTES, "/endpoints/1/responseTime", json!(501));
    }),
    high("concierge.perf.cache-headers", CACHE, |estate| {
        estate
            .world
            .has_header(STATIC, "cache-control", Some("public, max-age=3600"));
    }),
    high("concierge.perf.cache-headers", CACHE, |estate| {
        estate
            .world
            .has_header(STATIC, "cf-cache-status", Some("MISS"));
    }),
    high(
        "concierge.perf.weekly-report",
        Runbook(&["perf", "weekly-report"]),
        |estate| {
            estate.world.answers(REPORT, Reply::of(200, ""));
        },
    ),
    high(
        "concierge.perf.baseline-update",
        Runbook(&["perf", "baseline-update"]),
        |estate| estate.world.fails(BASELINE),
    ),
];

const OTHER_CASES: &[Case] = &[
    down(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate
                .world
                .has_header(ROOT, "strict-transport-security", None);
        },
    ),
    down(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate
                .world
                .has_header(ROOT, "content-security-policy", None);
        },
    ),
    high(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate.world.has_header(
                ROOT,
                "strict-transport-security",
                Some("max-age=3600; includeSubDomains"),
            );
        },
    ),
    high(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate.world.has_header(
                ROOT,
                "content-security-policy",
                Some("default-src 'self'; script-src 'self' 'unsafe-inline'"),
            );
        },
    ),
    high(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate
                .world
                .has_header(ROOT, "x-frame-options", Some("SAMEORIGIN"));
        },
    ),
    high(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate
                .world
                .has_header(ROOT, "x-content-type-options", None);
        },
    ),
    high(
        "concierge.security.headers",
        Check("web", "headers"),
        |estate| {
            estate
                .world
                .has_header(ROOT, "referrer-policy", Some("unsafe-url"));
        },
    ),
    down("concierge.security.metrics", SECURITY, |estate| {
        estate.world.fails(COUNTERS)
    }),
    down("concierge.security.metrics", SECURITY, |estate| {
        estate.world.fails(LIMITS)
    }),
    down(
        "concierge.security.failed-logins",
        Runbook(&["security", "failed-logins"]),
        |estate| {
            estate.world.fails(LOGINS);
        },
    ),
    down("concierge.alert.routing", ROUTING, |estate| {
        estate.world.fails(PAGER)
    }),
    down("concierge.alert.routing", ROUTING, |estate| {
        estate.world.answers(SLACK, Reply::of(200, "no_team"))
    }),
    down("concierge.alert.routing", ROUTING, |estate| {
        estate.world.fails(EVENT)
    }),
];

/// What `pnpm` does to the files, with `depcheck` behind it.
const PNPM: &str = r#"#!/bin/sh
unwell=$(cat unwell 2>/dev/null)
case "$*" in
build)
    [ "$unwell" = broken ] && { echo "no such module" >&2; exit 1; }
    rm -rf dist; mkdir -p dist/assets
    head -c 1000 /dev/zero > dist/assets/app.js
    head -c 600000 /dev/zero > dist/assets/picture.png
    [ "$unwell" != big ] || head -c 512001 /dev/zero > dist/assets/vendor.js ;;
"run analyze") echo "app.js 1000" ;;
"dlx depcheck --json")
    [ "$unwell" = unused ] || { echo '{"dependencies": [], "devDependencies": []}'; exit 0; }
    echo '{"dependencies": ["left-pad"], "devDependencies": []}'; exit 255 ;;
*) echo "pnpm: $*" >&2; exit 64 ;;
esac
"#;

fn estate() -> Estate {
    let estate = Estate::new(
        "concierge",
        &[
            "service.web",
            "service.api",
            "service.pagerduty",
            "service.slack",
            "service.sentry",
            "metrics.sentry",
            "metrics.cloudflare",
        ],
        "",
    );
    let estate = estate
        .variable("MONITOR_TOKEN", "hunter2-monitor")
        .variable("SENTRY_TOKEN", "hunter2-sentry")
        .variable("SENTRY_PUBLIC_KEY", "hunter2-key")
        .variable("PAGERDUTY_ROUTING_KEY", "hunter2-pagerduty")
        .variable("SLACK_WEBHOOK_TOKEN", "hunter2-slack")
        .program("pnpm", PNPM)
        .d1(&database::tables());
    play_application(&estate);
    play_vendors(&estate);
    estate
}

/// What the application answers when all is well.
fn play_application(estate: &Estate) {
    let world = &estate.world;
    world.route(
        HEALTH,
        Reply::json(json!({"status": "healthy", "timestamp": "2026-01-01T00:00:00Z"})),
    );
    world.route(DRAFT, Reply::of(200, "<!doctype html>"));
    let timed =
        |reply: Reply| reply.header("server-timing", "db;dur=8.5, total;dur=45.2, queue;dur=2.1");
    world.route(TIMED, timed(Reply::of(200, "")));
    world.route(
        ROOT,
        Reply::of(200, "")
            .header(
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            )
            .header(
                "content-security-policy",
                "default-src 'self'; script-src 'self' 'nonce-4f1c2d'",
            )
            .header("x-frame-options", "DENY")
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "strict-origin-when-cross-origin"),
    );
    let cached = |state| {
        Reply::of(200, "")
            .header("cache-control", "public, max-age=31536000, immutable")
            .header("cf-cache-status", state)
    };
    world.route(STATIC, cached("MISS").then(cached("HIT")));

    let monitored = |reply: Reply| reply.asks("authorization", "Bearer hunter2-monitor");
    world.route(GENERATE, monitored(timed(Reply::of(200, ""))));
    for (route, body) in [
        (
            ENV,
            json!({
                "environment": "prod", "hasDatabase": true, "timestamp": "2026-01-01T00:00:00Z",
                "user": {"role": "admin", "email": "monitor@example.com"},
            }),
        ),
        (DB, json!({"connected": true})),
        (
            QUEUE,
            json!({
                "queueHealth": "healthy", "pendingJobs": 15, "processingJobs": 3, "completedToday": 245, "failedToday": 2,
                "processingSeconds": 4,
            }),
        ),
        (
            FIGURES,
            json!({"responseTime": 45.2, "databaseQueryTime": 8.5}),
        ),
        (
            ROUTES,
            json!({"endpoints": [
                {"path": "/draft", "responseTime": 40}, {"path": "/api/generate-draft", "responseTime": 90},
            ]}),
        ),
        (REPORT, json!({"week": 1})),
        (BASELINE, json!({"updated": true})),
        (database::VOLUME, json!({"total": 12_000})),
        (
            database::CAPACITY,
            json!({"requests": 12_000, "databaseBytes": 43_008, "queueMessages": 300, "errorPercent": 0.1}),
        ),
        (COUNTERS, json!({"authFailures": 3, "blockedRequests": 12})),
        (LIMITS, json!({"limited": 1, "window": 60})),
        (
            LOGINS,
            json!({"logs": [
                {"userId": "u1", "ipAddress": "192.0.2.1"}, {"userId": "u1", "ipAddress": "192.0.2.2"},
                {"userId": "u2", "ipAddress": "192.0.2.1"},
            ]}),
        ),
    ] {
        world.route(route, monitored(Reply::json(body)));
    }
}

/// What the vendors answer when all is well, as they document it.
fn play_vendors(estate: &Estate) {
    let world = &estate.world;
    let sentry = |body: Value| Reply::json(body).asks("authorization", "Bearer hunter2-sentry");
    let cloudflare =
        |body: Value| Reply::json(body).asks("authorization", &format!("Bearer {TOKEN}"));
    world.route(
        FAILURE_RATE,
        sentry(json!({"data": [{"failure_rate()": 0.0005}], "meta": {"fields": {}}})),
    );
    world.route(
        EVENTS,
        sentry(json!({"data": [{
            "transaction": "GET /draft", "p95()": 80.5, "failure_rate()": 0.0005, "count_unique(user)": 12,
            "span.description": "SELECT", "p95(span.duration)": 9.5, "error.type": "TypeError", "count()": 4,
        }], "meta": {"fields": {}}})),
    );
    world.route(
        EVENT,
        Reply::json(json!({"id": "fd6d8c0c43fc4630ad850ee518f1b9d0"})).asks(
            "x-sentry-auth",
            "Sentry sentry_version=7, sentry_client=opsbook, sentry_key=hunter2-key",
        ),
    );
    world.route(
        ANALYTICS,
        cloudflare(json!({"data": {"viewer": {"zones": [{
            "all": [{"count": 100_000, "avg": {"edgeTimeToFirstByteMs": 45.2}}],
            "failed": [{"count": 10}],
            "httpRequestsAdaptiveGroups": [{"count": 9_000, "dimensions": {"clientCountryName": "DE"}}],
        }]}}, "errors": null})).dated(),
    );
    world.route(PAGER, Reply::of(202, "{}"));
    world.route(
        SLACK,
        Reply::of(200, "ok").takes(json!({"text": "Test of the alerts of concierge"})),
    );
}

/// Its procedures but those of its database.
fn cases() -> Vec<Case> {
    [HEALTH_CASES, KPI_CASES, PERFORMANCE_CASES, OTHER_CASES].concat()
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds(&cases());
}

#[test]
fn its_procedures_are_all_there() {
    let cases = [cases(), database::cases()].concat();
    covers(&cases, &[IDS.as_slice(), &database::IDS].concat());
    page::tells("concierge", &cases);
}

/// A GET that changes something is a write because its runbook says so: a rehearsal never sends it.
#[test]
fn a_dry_run_leaves_the_baseline_alone() {
    let estate = estate();
    estate.world.fails(BASELINE);
    let output = estate
        .json(&["perf", "baseline-update", "--dry-run"])
        .exits(0);
    let told = output.json();
    assert_eq!(told["effect"], "write");
    let sent = told["steps"][0]["preview"]["sent"].as_str().unwrap();
    assert!(sent.starts_with("GET http"), "{sent}");
}

#[test]
fn failed_logins_are_told_by_user() {
    let estate = estate();
    let output = estate.json(&["security", "failed-logins"]).exits(0);
    assert_eq!(
        outputs(&output, "users[0]"),
        json!({"user": "u1", "failures": 2, "addresses": "192.0.2.1, 192.0.2.2"})
    );
}
