//! The estate "wellness": a Worker with D1 and R2 that hears voices and asks an AI.

mod database;

use serde_json::{Value, json};

use crate::d1_api::{TOKEN, refusal};

use super::Run::{Check, Runbook};
use super::{Case, Estate, Reply, Run, case, covers, outputs, page};

/// Its procedures.
const IDS: [&str; 20] = [
    "wellness.alert.db-connection",
    "wellness.alert.error-rate",
    "wellness.alert.memory",
    "wellness.alert.response-time",
    "wellness.external.deepgram-test",
    "wellness.external.deepgram-usage",
    "wellness.external.onesignal-delivery",
    "wellness.external.onesignal-test",
    "wellness.external.openai-test",
    "wellness.external.openai-usage",
    "wellness.health.basic",
    "wellness.health.db",
    "wellness.health.detailed",
    "wellness.kpi.business",
    "wellness.kpi.error-rates",
    "wellness.kpi.latency",
    "wellness.kpi.resources",
    "wellness.perf.api-cache",
    "wellness.perf.response-times",
    "wellness.security.checklist",
];

/// The services that ask for the full status.
const FULL: [&str; 4] = ["alert", "latency", "errors", "api"];

const HEALTH: &str = "GET /web/health";
const DB: &str = "GET /web/health/db";
const ROOT: &str = "HEAD /web/";
const PLAIN: &str = "HEAD /plain/";
const ALERT: &str = "GET /alert/health/detailed";
const LATENCY: &str = "GET /latency/health/detailed";
const ERRORS: &str = "GET /errors/health/detailed";
const STATUS: &str = "GET /api/health/detailed";
const TASKS: &str = "GET /api/api/tasks";
const TRANSLATION: &str = "GET /api/api/localization/en";
const BATCH: &str = "POST /api/api/health/batch";
const ANALYTICS: &str = "POST /cloudflare";
const NOTIFICATIONS: &str = "GET /onesignal/api/v1/notifications?app_id=app-1";
const NOTIFY: &str = "POST /onesignal/api/v1/notifications";
const USAGE: &str = "GET /openai-admin/v1/organization/usage/completions";
const COSTS: &str = "GET /openai-admin/v1/organization/costs";
const CHAT: &str = "POST /openai/v1/chat/completions";
const HOURS: &str = "GET /deepgram/v1/projects/project-1/usage";
const LISTEN: &str = "POST /deepgram/v1/listen";

const CHECKLIST: Run = Runbook(&[
    "security",
    "checklist",
    "--jwt-rotated=true",
    "--rate-limits=true",
    "--input-validation=true",
    "--sql-parameters=true",
    "--encrypted=true",
]);
const OPEN_POINT: Run = Runbook(&[
    "security",
    "checklist",
    "--jwt-rotated=false",
    "--rate-limits=true",
    "--input-validation=true",
    "--sql-parameters=true",
    "--encrypted=true",
]);
const COMPONENTS: Run = Runbook(&["report", "components"]);
const CACHE: Run = Runbook(&["perf", "api-cache", "--batch=true"]);
const LISTENING: Run = Runbook(&["external", "deepgram-test", "--text", "Hello world"]);
const ASKING: Run = Runbook(&["external", "openai-test"]);
const SPENDING: Run = Runbook(&["external", "openai-usage"]);
const SENDING: Run = Runbook(&["external", "onesignal-test", "user-1"]);

/// A critical failure.
const fn down(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "critical", 2)
}

/// A threshold of a warning.
const fn high(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "warning", 1)
}

const CHECK_CASES: &[Case] = &[
    down("wellness.health.basic", Check("web", "live"), |estate| {
        estate.world.has(HEALTH, "/status", json!("degraded"));
    }),
    down("wellness.health.basic", Check("web", "live"), |estate| {
        estate.world.hangs_up(HEALTH)
    }),
    down("wellness.health.db", Check("web", "db"), |estate| {
        estate.world.has(DB, "/database", json!("disconnected"));
    }),
    down(
        "wellness.alert.db-connection",
        Check("web", "db"),
        |estate| estate.world.fails(DB),
    ),
    down(
        "wellness.alert.db-connection",
        Check("database", "answers"),
        |estate| {
            estate.d1_answers(refusal("503 Service Unavailable", 7500, "overloaded"));
        },
    ),
    high(
        "wellness.alert.error-rate",
        Check("alert", "error-rate"),
        |estate| {
            estate.world.has(ALERT, "/metrics/errors/api", json!(1.1));
        },
    ),
    down(
        "wellness.alert.error-rate",
        Check("alert", "error-rate"),
        |estate| {
            estate.world.has(ALERT, "/metrics/errors/api", json!(5.1));
        },
    ),
    high(
        "wellness.alert.response-time",
        Check("alert", "response-time"),
        |estate| {
            estate.world.has(ALERT, "/metrics/latency/api", json!(501));
        },
    ),
    down(
        "wellness.alert.response-time",
        Check("alert", "response-time"),
        |estate| {
            estate.world.has(ALERT, "/metrics/latency/api", json!(1001));
        },
    ),
    high(
        "wellness.alert.memory",
        Check("alert", "memory"),
        |estate| {
            estate
                .world
                .has(ALERT, "/metrics/memory/usedPercent", json!(80.5));
        },
    ),
    high("wellness.kpi.latency", Check("latency", "api"), |estate| {
        estate
            .world
            .has(LATENCY, "/metrics/latency/api", json!(200));
    }),
    high(
        "wellness.kpi.latency",
        Check("latency", "database"),
        |estate| {
            estate
                .world
                .has(LATENCY, "/metrics/latency/database", json!(50));
        },
    ),
    high(
        "wellness.kpi.latency",
        Check("latency", "voice"),
        |estate| {
            estate
                .world
                .has(LATENCY, "/metrics/latency/voice", json!(5000));
        },
    ),
    high("wellness.kpi.latency", Check("latency", "ai"), |estate| {
        estate
            .world
            .has(LATENCY, "/metrics/latency/ai", json!(3000));
    }),
    high(
        "wellness.kpi.error-rates",
        Check("errors", "clients"),
        |estate| {
            estate.world.has(ERRORS, "/metrics/errors/client", json!(1));
        },
    ),
    high(
        "wellness.kpi.error-rates",
        Check("errors", "server"),
        |estate| {
            estate
                .world
                .has(ERRORS, "/metrics/errors/server", json!(0.1));
        },
    ),
    high(
        "wellness.kpi.error-rates",
        Check("errors", "voice"),
        |estate| {
            estate.world.has(ERRORS, "/metrics/errors/voice", json!(5));
        },
    ),
    high(
        "wellness.kpi.error-rates",
        Check("errors", "ai"),
        |estate| {
            estate.world.has(ERRORS, "/metrics/errors/ai", json!(2));
        },
    ),
];

const RUNBOOK_CASES: &[Case] = &[
    high("wellness.health.detailed", COMPONENTS, |estate| {
        estate
            .world
            .has(STATUS, "/components/cache", json!("degraded"));
    }),
    down("wellness.health.detailed", COMPONENTS, |estate| {
        estate
            .world
            .has(STATUS, "/components/database/status", json!("down"));
    }),
    high(
        "wellness.kpi.resources",
        Runbook(&["report", "resources"]),
        |estate| {
            estate
                .world
                .has(STATUS, "/metrics/memory/usedPercent", json!(80.5));
        },
    ),
    down(
        "wellness.kpi.business",
        Runbook(&["report", "business"]),
        |estate| {
            estate.d1_answers(refusal("400 Bad Request", 7500, "no such table: users"));
        },
    ),
    down(
        "wellness.perf.response-times",
        Runbook(&["perf", "response-times"]),
        |estate| estate.world.fails(TASKS),
    ),
    high("wellness.perf.api-cache", CACHE, |estate| {
        estate
            .world
            .has_header(TRANSLATION, "cf-cache-status", Some("MISS"));
    }),
    high("wellness.perf.api-cache", CACHE, |estate| {
        estate
            .world
            .has_header(TRANSLATION, "cache-control", Some("public, max-age=60"));
    }),
    high("wellness.perf.api-cache", CACHE, |estate| {
        estate.world.fails(BATCH)
    }),
    high("wellness.security.checklist", CHECKLIST, |estate| {
        estate
            .world
            .has_header(ROOT, "x-content-type-options", None);
    }),
    high("wellness.security.checklist", CHECKLIST, |estate| {
        estate.world.answers(PLAIN, Reply::of(200, ""));
    }),
    high("wellness.security.checklist", OPEN_POINT, |_| {}),
    down(
        "wellness.external.onesignal-delivery",
        Runbook(&["external", "onesignal-delivery"]),
        |estate| {
            estate.world.answers(
                NOTIFICATIONS,
                Reply::of(400, r#"{"errors": ["app_id not found"]}"#),
            );
        },
    ),
    down("wellness.external.onesignal-test", SENDING, |estate| {
        estate.world.says(
            NOTIFY,
            json!({"id": "", "recipients": 0, "errors": ["no subscribed users"]}),
        );
    }),
    high("wellness.external.openai-usage", SPENDING, |estate| {
        estate
            .world
            .has(COSTS, "/data/0/results/0/amount/value", json!(49.8));
    }),
    down("wellness.external.openai-usage", SPENDING, |estate| {
        estate.world.fails(USAGE)
    }),
    down("wellness.external.openai-test", ASKING, |estate| {
        estate.world.fails(CHAT)
    }),
    high(
        "wellness.external.openai-test",
        Runbook(&["external", "openai-test", "--target=0"]),
        |_| {},
    ),
    down(
        "wellness.external.deepgram-usage",
        Runbook(&["external", "deepgram-usage"]),
        |estate| estate.world.fails(HOURS),
    ),
    down("wellness.external.deepgram-test", LISTENING, |estate| {
        estate.world.fails(LISTEN)
    }),
    high("wellness.external.deepgram-test", LISTENING, |estate| {
        estate.world.has(
            LISTEN,
            "/results/channels/0/alternatives/0/transcript",
            json!("yellow world"),
        );
    }),
    high(
        "wellness.external.deepgram-test",
        Runbook(&["external", "deepgram-test", "--target=0"]),
        |_| {},
    ),
];

/// The runs of the table that are unwell by their options alone.
const UNWELL_BY_OPTION: [Run; 3] = [
    OPEN_POINT,
    Runbook(&["external", "openai-test", "--target=0"]),
    Runbook(&["external", "deepgram-test", "--target=0"]),
];

fn estate() -> Estate {
    let estate = Estate::new(
        "wellness",
        &[
            "service.web",
            "service.plain",
            "service.api",
            "service.alert",
            "service.latency",
            "service.errors",
            "service.onesignal",
            "service.openai",
            "service.openai-admin",
            "service.deepgram",
            "service.cloudflare",
            "service.openai-status",
            "metrics.cloudflare",
        ],
        "window.weekly = { cron = \"0 0 * * *\", for = \"1d\" }\n",
    )
    .variable("MONITOR_TOKEN", "hunter2-monitor")
    .variable("ONESIGNAL_REST_KEY", "hunter2-onesignal")
    .variable("ONESIGNAL_APP_ID", "app-1")
    .variable("OPENAI_API_KEY", "hunter2-openai")
    .variable("OPENAI_ADMIN_KEY", "hunter2-administrator")
    .variable("DEEPGRAM_API_KEY", "hunter2-deepgram")
    .variable("DEEPGRAM_PROJECT", "project-1")
    .file("test-audio.wav", b"RIFF\x24\x00\xff\xfeWAVE")
    .d1(&database::tables());
    play_application(&estate);
    play_vendors(&estate);
    database::play_vendors(&estate);
    estate
}

/// What the application answers when all is well.
fn play_application(estate: &Estate) {
    let world = &estate.world;
    world.route(HEALTH, Reply::json(json!({"status": "healthy"})));
    world.route(DB, Reply::json(json!({"database": "connected"})));
    world.route(
        ROOT,
        Reply::of(200, "")
            .header("x-content-type-options", "nosniff")
            .header("content-security-policy", "default-src 'self'")
            .header("x-frame-options", "DENY"),
    );
    world.route(
        PLAIN,
        Reply::of(301, "").header("location", "https://wellness.example.com/"),
    );

    let monitored = |reply: Reply| reply.asks("authorization", "Bearer hunter2-monitor");
    for service in FULL {
        world.route(
            &format!("GET /{service}/health/detailed"),
            monitored(Reply::json(json!({
                "status": "healthy",
                "components": {"database": {"status": "connected"}, "storage": {"status": "ok"}, "cache": "ok"},
                "metrics": {
                    "latency": {"api": 120, "database": 12, "voice": 2500, "ai": 1400},
                    "errors": {"api": 0.4, "client": 0.3, "server": 0.02, "voice": 1, "ai": 0.5},
                    "memory": {"usedPercent": 61}, "cpu": {"usedPercent": 20}, "database": {"connections": 3},
                    "quotas": {"openai": 40, "deepgram": 12},
                },
            }))),
        );
    }
    world.route(TASKS, monitored(Reply::json(json!([]))));
    let translation = |state| {
        monitored(Reply::json(json!({"hello": "Hello"})))
            .header("cache-control", "public, max-age=3600")
            .header("cf-cache-status", state)
    };
    world.route(TRANSLATION, translation("MISS").then(translation("HIT")));
    let logs =
        json!({"health_logs": [{"type": "water", "value": 250}, {"type": "sleep", "value": 8}]});
    world.route(BATCH, monitored(Reply::of(201, "{}").takes(logs)));
}

/// What the vendors answer when all is well, as they document it.
fn play_vendors(estate: &Estate) {
    let world = &estate.world;
    let cloudflare =
        |body: Value| Reply::json(body).asks("authorization", &format!("Bearer {TOKEN}"));
    world.route(
        ANALYTICS,
        cloudflare(json!({"data": {"viewer": {"accounts": [{"r2StorageAdaptiveGroups": [
            {"max": {"payloadSize": 52_428_800, "objectCount": 812}, "dimensions": {"bucketName": "voice-notes"}},
        ], "workersInvocationsAdaptive": [{
            "sum": {"requests": 9_000, "errors": 2, "subrequests": 18_000},
            "quantiles": {"cpuTimeP50": 3_100, "cpuTimeP99": 12_400}, "dimensions": {"status": "success"},
        }]}], "zones": [{"httpRequestsAdaptiveGroups": []}]}}, "errors": null})).dated(),
    );
    let onesignal =
        |body: Value| Reply::json(body).asks("authorization", "Basic hunter2-onesignal");
    world.route(
        NOTIFICATIONS,
        onesignal(json!({"total_count": 2, "notifications": [
            {"id": "n1", "successful": 90, "failed": 10, "converted": 30},
            {"id": "n2", "successful": 0, "failed": 0, "converted": 0},
        ]})),
    );
    world.route(
        NOTIFY,
        onesignal(json!({"id": "n3", "recipients": 1})).takes(json!({
            "app_id": "app-1", "include_external_user_ids": ["user-1"], "contents": {"en": "Test notification"},
        })),
    );
    let administrator =
        |body: Value| Reply::json(body).asks("authorization", "Bearer hunter2-administrator");
    world.route(
        USAGE,
        administrator(json!({"has_more": false, "data": [{"results": [
            {"input_tokens": 1200, "output_tokens": 300, "num_model_requests": 12},
            {"input_tokens": 800, "output_tokens": 100, "num_model_requests": 5},
        ]}, {"results": []}]})),
    );
    world.route(
        COSTS,
        administrator(json!({"has_more": false, "data": [
            {"results": [{"amount": {"value": 1.75, "currency": "usd"}}]},
            {"results": []}, {"results": [{"amount": {"value": 0.25, "currency": "usd"}}]},
        ]})),
    );
    world.route(
        CHAT,
        Reply::json(json!({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}))
            .asks("authorization", "Bearer hunter2-openai")
            .takes(json!({
                "model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Test message"}], "max_tokens": 50,
            })),
    );
    let deepgram = |body: Value| Reply::json(body).asks("authorization", "Token hunter2-deepgram");
    world.route(
        HOURS,
        deepgram(json!({"results": [{"start": "2026-01-01", "hours": 1.5, "requests": 40}]})),
    );
    world.route(
        LISTEN,
        deepgram(json!({"results": {"channels": [{"alternatives": [
            {"transcript": "hello world", "confidence": 0.98},
        ]}]}})),
    );
}

/// Its procedures but those of its database and the diagnoses.
fn cases() -> Vec<Case> {
    [CHECK_CASES, RUNBOOK_CASES].concat()
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds_but(&cases(), &UNWELL_BY_OPTION);
}

#[test]
fn its_procedures_are_all_there() {
    let cases = [cases(), database::cases()].concat();
    covers(&cases, &[IDS.as_slice(), &database::IDS].concat());
    page::tells("wellness", &cases);
}

#[test]
fn business_is_counted_by_span() {
    let output = estate().json(&["report", "business"]).exits(0);
    let found = outputs(&output, "counters");
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert_eq!(
            (&row["this_span"], &row["span_before"], &row["change"]),
            (&json!(2), &json!(1), &json!(1)),
            "{row}"
        );
    }
}

#[test]
fn costs_are_added_up() {
    let output = estate().json(&["external", "openai-usage"]).exits(0);
    assert_eq!(outputs(&output, "cost")["dollars"], json!(2.0));
    assert_eq!(outputs(&output, "day[0]")["tokens_in"], json!(2000));
}

/// The batch writes: a rehearsal of production cannot send it, and nobody gets it who did not ask.
#[test]
fn a_batch_is_sent_to_nobody_who_did_not_ask_for_it() {
    let estate = estate();
    estate.world.fails(BATCH);
    estate.json(&["perf", "api-cache"]).exits(0);
}

#[test]
fn keys_of_vendors_are_never_shown() {
    let estate = estate();
    for words in [
        &["external", "deepgram-test"][..],
        &["external", "openai-test"],
        &["external", "onesignal-delivery"],
    ] {
        estate.json(words).exits(0).never_shows("hunter2");
    }
}
