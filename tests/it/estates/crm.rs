//! The estate "crm": an application with Postgres and Redis, watched by Sentry, paid through Stripe.

mod database;
mod outage;

use serde_json::{Value, json};

use super::Run::{Check, Runbook};
use super::parts::{Parts, REDIS_PASSWORD};
use super::{Case, Estate, Reply, Run, case, covers, outputs, page, status_of};

/// Its procedures, beside those of its parts.
const IDS: [&str; 14] = [
    "crm.alert.db-connection",
    "crm.alert.disk-space",
    "crm.alert.error-rate",
    "crm.alert.feature-gates",
    "crm.alert.health-failing",
    "crm.alert.memory",
    "crm.alert.payment-failures",
    "crm.alert.rate-limit-breach",
    "crm.alert.response-time",
    "crm.health.app-metrics",
    "crm.health.live",
    "crm.health.ready",
    "crm.perf.cache",
    "crm.perf.rate-limits",
];

const LIVE: &str = "GET /api/api/_health/live";
const READY: &str = "GET /api/api/_health/ready";
const LASTING_LIVE: &str = "GET /alert/api/_health/live";
const LASTING_READY: &str = "GET /alert/api/_health/ready";
const STATIC: &str = "HEAD /api/static/app.js";
const EVENTS: &str = "GET /sentry/api/0/organizations/crm/events/";
const UNRELEASED: &str = "GET /sentry/api/0/organizations/crm/events/?field=count%28%29&query=event.type%3Aerror+%21has%3Arelease&statsPeriod=24h";
const PERSONAL: &str = "GET /sentry/api/0/organizations/crm/events/?field=count%28%29&query=event.type%3Aerror+%28has%3Auser.email+or+has%3Auser.username+or+has%3Auser.ip%29&statsPeriod=24h";
const PAYMENTS: &str = "GET /stripe/v1/events";

const METRICS: Run = Runbook(&["report", "metrics"]);
const CACHE: Run = Runbook(&["perf", "cache"]);
const LIMITS: Run = Runbook(&["perf", "rate-limits"]);

const fn down(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "critical", 2)
}

const fn high(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "warning", 1)
}

fn refuses_connections(estate: &Estate) {
    let sql = "ALTER DATABASE {database} ALLOW_CONNECTIONS false";
    estate.parts.administers(sql);
}

const CASES: &[Case] = &[
    down("crm.health.live", Check("api", "live"), |estate| {
        estate.world.has(LIVE, "/status", json!("starting"));
    }),
    down("crm.health.live", Check("api", "live"), |estate| {
        estate.world.hangs_up(LIVE)
    }),
    down("crm.health.ready", Check("api", "ready"), |estate| {
        let error = json!({"error": "Redis is not available"});
        estate
            .world
            .answers(READY, Reply::of(503, &error.to_string()));
    }),
    down("crm.alert.db-connection", Check("api", "ready"), |estate| {
        estate.world.answers(READY, Reply::of(503, "{}"));
    }),
    down(
        "crm.alert.db-connection",
        Check("database", "answers"),
        refuses_connections,
    ),
    high(
        "crm.alert.disk-space",
        Check("database", "disk-space"),
        |estate| {
            estate
                .parts
                .administers("ALTER DATABASE {database} SET crm.storage = '1MB'");
        },
    ),
    high("crm.alert.memory", Check("cache", "memory"), |estate| {
        estate.parts.redis_does("CONFIG SET maxmemory 900000");
    }),
    down(
        "crm.alert.rate-limit-breach",
        Check("cache", "rate-limits"),
        |estate| {
            estate.parts.redis_does("SET ratelimit:rejected:acme 54");
        },
    ),
    down(
        "crm.alert.health-failing",
        Check("alert", "live-failing"),
        |estate| estate.world.fails(LASTING_LIVE),
    ),
    down(
        "crm.alert.health-failing",
        Check("alert", "ready-failing"),
        |estate| estate.world.fails(LASTING_READY),
    ),
    down(
        "crm.alert.error-rate",
        Check("errors", "error-rate"),
        |estate| {
            estate
                .world
                .has(EVENTS, "/data/0/failure_rate()", json!(0.051));
        },
    ),
    high(
        "crm.alert.response-time",
        Check("errors", "response-time"),
        |estate| {
            estate
                .world
                .has(EVENTS, "/data/0/avg(transaction.duration)", json!(2001));
        },
    ),
    high(
        "crm.alert.feature-gates",
        Check("errors", "feature-gates"),
        |estate| {
            estate.world.has(EVENTS, "/data/0/count()", json!(1));
        },
    ),
    down(
        "crm.alert.payment-failures",
        Check("stripe", "payment-failures"),
        |estate| estate.world.says(PAYMENTS, payments(6)),
    ),
    down("crm.health.app-metrics", METRICS, |estate| {
        estate.world.fails(READY)
    }),
    down("crm.health.app-metrics", METRICS, |estate| {
        estate.world.has(PERSONAL, "/data/0/count()", json!(1));
    }),
    high("crm.health.app-metrics", METRICS, |estate| {
        estate.world.has(UNRELEASED, "/data/0/count()", json!(1));
    }),
    high("crm.perf.cache", CACHE, |estate| {
        estate.parts.redis_does("GET a\nGET b\nGET c");
    }),
    high("crm.perf.cache", CACHE, |estate| {
        estate
            .world
            .has_header(STATIC, "x-vercel-cache", Some("MISS"));
    }),
    high("crm.perf.rate-limits", LIMITS, |estate| {
        estate.parts.redis_does("SET ratelimit:rejected:acme 53");
    }),
];

/// Makes the database well.
const DATABASE: &str = "ALTER DATABASE {database} ALLOW_CONNECTIONS true;\nALTER DATABASE {database} RESET ALL;\n\
    ALTER DATABASE {database} CONNECTION LIMIT -1;\n\\connect {database}\nDROP TABLE IF EXISTS notes;\n\
    CREATE TABLE notes (id int PRIMARY KEY, customer int);\nINSERT INTO notes SELECT n, n / 2 FROM generate_series(1, 2000) AS n;\nANALYZE notes;";

/// Makes the Redis server well.
const REDIS: &str = "ACL SETUSER default +@all\nCONFIG SET maxmemory 104857600\nFLUSHALL\nSET ratelimit:allowed:acme 990\nSET ratelimit:rejected:acme 10\n\
    SET ratelimit:allowed:globex 20\nSET gate:new-editor 7\nSET customer:1 a\nSET customer:2 b\nCONFIG RESETSTAT";

/// So many failed payments, as Stripe lists them.
fn payments(failed: usize) -> Value {
    let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.payment_failed"});
    json!({"object": "list", "data": vec![event; failed], "has_more": false})
}

fn estate() -> Estate {
    let parts = Parts::default()
        .database("CREATE EXTENSION pg_stat_statements;", DATABASE)
        .redis(REDIS);
    let mut estate = Estate::new(
        "crm",
        &[
            "service.api",
            "service.alert",
            "service.stripe",
            "service.provider",
            "service.stripe-status",
            "service.vercel",
            "metrics.sentry",
        ],
        &format!("database.main.url = {:?}\n", parts.database_url()),
    )
    .variable("DATABASE_PASSWORD", "hunter2-database")
    .variable("REDIS_URL", parts.redis_url())
    .variable("REDIS_PASSWORD", REDIS_PASSWORD)
    .variable("SENTRY_TOKEN", "hunter2-sentry")
    .variable("VERCEL_TOKEN", "hunter2-vercel")
    .variable("STRIPE_RESTRICTED_KEY", "hunter2-stripe");
    estate.parts = parts;
    let world = &estate.world;
    for (route, status) in [
        (LIVE, "live"),
        (LASTING_LIVE, "live"),
        (READY, "ready"),
        (LASTING_READY, "ready"),
    ] {
        world.route(route, Reply::json(json!({"status": status})));
    }
    world.route(database::PROVIDER, Reply::json(database::provider("none")));
    world.route(STATIC, Reply::of(200, "").header("x-vercel-cache", "HIT"));
    let events = json!({"data": [{
        "failure_rate()": 0.05, "avg(transaction.duration)": 2000, "p95()": 3100, "count()": 0,
    }], "meta": {"fields": {}}});
    for route in [EVENTS, UNRELEASED, PERSONAL] {
        let reply = Reply::json(events.clone());
        world.route(route, reply.asks("authorization", "Bearer hunter2-sentry"));
    }
    world.route(
        PAYMENTS,
        Reply::json(payments(5)).asks("authorization", "Bearer hunter2-stripe"),
    );
    outage::routes(&estate);
    estate.well();
    estate
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds(CASES);
}

#[test]
fn its_procedures_are_all_there() {
    let cases = [CASES, database::CASES, outage::CASES].concat();
    let ids = [IDS.as_slice(), &database::IDS, &outage::IDS].concat();
    covers(&cases, &ids);
    page::tells("crm", &cases);
}

/// Five minutes are over when the store says so: the first bad look is put back in time there.
#[test]
fn health_that_fails_for_a_moment_calls_nobody() {
    let estate = estate();
    estate.world.fails(LASTING_READY);
    let look = |status: &str, code: i32| {
        let output = estate.project.run(&["health", "alert", "--format", "json"]);
        let told = status_of(&output, "alert", "ready-failing");
        assert_eq!(
            (told.as_str(), output.code),
            (status, code),
            "{}",
            output.shown()
        );
    };
    let earlier = |seconds: i64| {
        let store = estate.project.state().join("opsbook/journal.db");
        let store = rusqlite::Connection::open(store).unwrap();
        let sql = "UPDATE series SET since = since - ?1 WHERE \"check\" = 'ready-failing'";
        assert_eq!(store.execute(sql, [seconds * 1000]), Ok(1));
    };
    look("ok", 0);
    earlier(200);
    look("ok", 0);
    earlier(100);
    look("critical", 2);
}

/// What is wrong is told with what the application says and what to run next.
#[test]
fn what_is_not_ready_is_told() {
    let estate = estate();
    let error = json!({"error": "DATABASE_URL is not set"}).to_string();
    estate.world.answers(READY, Reply::of(503, &error));
    let output = estate.health(&["api"]).exits(2).json();
    let finding = &output["findings"][0];
    assert_eq!(
        finding["cause"],
        "the application is not ready: DATABASE_URL is not set"
    );
    assert_eq!(finding["remedy"], "health database cache --now");
}

/// The group that was named is removed, and nothing else; a rehearsal removes nothing.
#[test]
fn a_group_of_keys_is_removed() {
    let estate = estate();
    let words = ["perf", "cache", "--invalidate", "customer"];
    estate
        .json(&[words.as_slice(), &["--dry-run"]].concat())
        .exits(0);
    let customers = || estate.parts.redis_does("EXISTS customer:1 customer:2");
    assert!(customers().starts_with(":2"));
    estate.json(&words).exits(0);
    assert!(customers().starts_with(":0"));
    let others = "EXISTS ratelimit:allowed:acme gate:new-editor";
    assert!(estate.parts.redis_does(others).starts_with(":2"));
}

#[test]
fn the_figures_are_in_one_table() {
    let estate = estate();
    let output = estate.json(&["report", "metrics"]).exits(0);
    let figures = outputs(&output, "figures");
    let row = |figure: &str| {
        let rows = figures["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["figure"] == figure);
        row.unwrap_or_else(|| panic!("no {figure}: {figures}"))["value"].clone()
    };
    assert_eq!(row("rejected"), json!(10));
    assert_eq!(row("requests counted by limits"), json!(1020));
    assert_eq!(row("gates used"), json!(7));
    assert_eq!(row("a request"), json!(2000));
}
