//! The estate "codebook": an API on Kubernetes with Postgres, Redis, Pinecone and a language model, measured by Prometheus.

mod database;

use chrono::Datelike as _;
use serde_json::{Value, json};

use crate::http_server::HttpServer;
use crate::servers::tls_server_until;

use super::Run::{Check, Runbook};
use super::parts::{Parts, Prometheus, REDIS_PASSWORD};
use super::{Case, Estate, Reply, Run, case, covers, outputs, page, status_of};

/// Its procedures, beside those of its database.
const IDS: [&str; 20] = [
    "codebook.alert.disk-space",
    "codebook.alert.error-rate",
    "codebook.alert.external-down",
    "codebook.alert.latency",
    "codebook.alert.llm-errors",
    "codebook.alert.llm-quota",
    "codebook.alert.pool-exhausted",
    "codebook.alert.queue-depth",
    "codebook.alert.tls-expiry",
    "codebook.health.app",
    "codebook.health.dependencies",
    "codebook.health.k8s-probes",
    "codebook.health.metrics-endpoint",
    "codebook.kpi.business",
    "codebook.kpi.external",
    "codebook.kpi.requests",
    "codebook.kpi.system",
    "codebook.perf.cache",
    "codebook.perf.compression",
    "codebook.perf.pagination",
];

const HEALTH: &str = "GET /api/health";
const METRICS: &str = "GET /api/metrics";
const LIST: &str = "GET /api/api/v1/codebooks";
const INDEX: &str = "GET /pinecone/describe_index_stats";
const MODELS: &str = "GET /llm/v1/models";
const MODELS_STATUS: &str = "GET /llm-status/api/v2/summary.json";

const FAILED: &str = r#"status=~"5..""#;
const LLM_FAILED: &str = r#"llm_requests_total{outcome="error"}"#;

const PROBES: Run = Runbook(&["cluster", "probes"]);
const REQUESTS: Run = Runbook(&["report", "requests"]);
const EXTERNAL: Run = Runbook(&["report", "external"]);
const SYSTEM: Run = Runbook(&["report", "system"]);
const BUSINESS: Run = Runbook(&["report", "business"]);
const CACHE: Run = Runbook(&["perf", "cache"]);

const fn down(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "critical", 2)
}

const fn high(id: &'static str, run: Run, red: fn(&Estate)) -> Case {
    case(id, run, red, "warning", 1)
}

/// Prometheus measures this.
fn measures(estate: &Estate, words: &'static str, value: &str) {
    let prometheus = estate.parts.prometheus.as_ref().unwrap();
    prometheus.says(words, value);
}

/// Prometheus has no data.
fn measures_nothing(estate: &Estate, words: &'static str) {
    estate.parts.prometheus.as_ref().unwrap().is_silent(words);
}

fn refuses_connections(estate: &Estate) {
    let sql = "ALTER DATABASE {database} ALLOW_CONNECTIONS false";
    estate.parts.administers(sql);
}

const HEALTH_CASES: &[Case] = &[
    down("codebook.health.app", Check("api", "app"), |estate| {
        estate
            .world
            .has(HEALTH, "/checks/pinecone", json!("degraded"));
    }),
    down("codebook.health.app", Check("api", "app"), |estate| {
        estate.world.answers(HEALTH, Reply::of(503, "{}"));
    }),
    down(
        "codebook.health.dependencies",
        Check("dependencies", "database"),
        refuses_connections,
    ),
    down(
        "codebook.health.dependencies",
        Check("dependencies", "pinecone"),
        |estate| estate.world.says(INDEX, json!({})),
    ),
    down(
        "codebook.health.dependencies",
        Check("dependencies", "llm"),
        |estate| estate.world.answers(MODELS, Reply::of(401, "{}")),
    ),
    high(
        "codebook.health.metrics-endpoint",
        Check("api", "metrics"),
        |estate| {
            let without = EXPOSED.replace("llm_tokens_total", "tokens");
            estate.world.answers(METRICS, Reply::of(200, &without));
        },
    ),
    high(
        "codebook.health.metrics-endpoint",
        Check("api", "metrics"),
        |estate| {
            let without = EXPOSED.replace("endpoint=", "path=");
            estate.world.answers(METRICS, Reply::of(200, &without));
        },
    ),
    down(
        "codebook.health.metrics-endpoint",
        Check("api", "metrics"),
        |estate| {
            let page = format!("{EXPOSED}<html>\n");
            estate.world.answers(METRICS, Reply::of(200, &page));
        },
    ),
    high("codebook.health.k8s-probes", PROBES, |estate| {
        estate.unwell("period");
    }),
    high("codebook.health.k8s-probes", PROBES, |estate| {
        estate.unwell("limits");
    }),
    high("codebook.health.k8s-probes", PROBES, |estate| {
        estate.unwell("restarts");
    }),
    down("codebook.health.k8s-probes", PROBES, |estate| {
        estate.unwell("few");
    }),
];

const KPI_CASES: &[Case] = &[
    down("codebook.kpi.requests", REQUESTS, |estate| {
        measures(estate, "histogram_quantile(0.95", "5.1");
    }),
    high("codebook.kpi.requests", REQUESTS, |estate| {
        measures(estate, FAILED, "2.1");
    }),
    down("codebook.kpi.requests", REQUESTS, |estate| {
        measures(estate, FAILED, "5.1");
    }),
    down("codebook.kpi.business", BUSINESS, |estate| {
        estate
            .parts
            .sql("ALTER TABLE recommendations RENAME TO gone");
    }),
    high("codebook.kpi.system", SYSTEM, queues),
    down("codebook.kpi.system", SYSTEM, |estate| {
        estate.unwell("top");
    }),
    down("codebook.kpi.system", SYSTEM, |estate| {
        measures_nothing(estate, "container_network");
    }),
    high("codebook.kpi.external", EXTERNAL, |estate| {
        measures(estate, LLM_FAILED, "10.1");
    }),
    down("codebook.kpi.external", EXTERNAL, |estate| {
        measures_nothing(estate, "pinecone_request");
    }),
];

/// A job more than may wait.
fn queues(estate: &Estate) {
    let sql = "INSERT INTO jobs (job_type) SELECT 'refactor' FROM generate_series(1, 101)";
    estate.parts.sql(sql);
}

const ALERT_CASES: &[Case] = &[
    down(
        "codebook.alert.error-rate",
        Check("alert", "error-rate-high"),
        |estate| measures(estate, FAILED, "5.1"),
    ),
    high(
        "codebook.alert.error-rate",
        Check("alert", "error-rate-raised"),
        |estate| measures(estate, FAILED, "2.1"),
    ),
    down(
        "codebook.alert.latency",
        Check("alert", "latency"),
        |estate| measures(estate, "histogram_quantile(0.95", "5.1"),
    ),
    down(
        "codebook.alert.disk-space",
        Check("alert", "disk-space"),
        |estate| measures(estate, "node_filesystem", "9.9"),
    ),
    high(
        "codebook.alert.llm-errors",
        Check("alert", "llm-errors"),
        |estate| measures(estate, LLM_FAILED, "10.1"),
    ),
    down(
        "codebook.alert.pool-exhausted",
        Check("database", "pool-exhausted"),
        |estate| {
            let sql = "ALTER DATABASE {database} SET codebook.pool = '1'";
            estate.parts.administers(sql);
        },
    ),
    down(
        "codebook.alert.pool-exhausted",
        Check("database", "pool-exhausted"),
        refuses_connections,
    ),
    down(
        "codebook.alert.external-down",
        Check("dependencies", "database"),
        refuses_connections,
    ),
    down(
        "codebook.alert.external-down",
        Check("dependencies", "pinecone"),
        |estate| estate.world.hangs_up(INDEX),
    ),
    down(
        "codebook.alert.external-down",
        Check("dependencies", "llm"),
        |estate| estate.world.fails(MODELS),
    ),
    high(
        "codebook.alert.queue-depth",
        Check("database", "queue-depth"),
        queues,
    ),
    high(
        "codebook.alert.llm-quota",
        Check("database", "llm-quota"),
        |estate| {
            let sql = "INSERT INTO llm_usage VALUES ('acme', 800000, 1)";
            estate.parts.sql(sql);
        },
    ),
    down(
        "codebook.alert.llm-quota",
        Check("database", "llm-quota"),
        |estate| {
            let sql = "ALTER DATABASE {database} SET codebook.monthly_tokens = '1000'";
            estate.parts.administers(sql);
        },
    ),
    high(
        "codebook.alert.llm-quota",
        Check("database", "llm-budget"),
        |estate| {
            let sql = "INSERT INTO llm_usage VALUES ('globex', 1, 500)";
            estate.parts.sql(sql);
        },
    ),
    high(
        "codebook.alert.tls-expiry",
        Check("tls", "tls-expiry"),
        |estate| shows_certificate(estate, 1),
    ),
    down(
        "codebook.alert.tls-expiry",
        Check("tls", "tls-expiry"),
        |estate| shows_certificate(estate, 2),
    ),
    down(
        "codebook.alert.tls-expiry",
        Check("tls", "tls-expiry"),
        |estate| shows_certificate(estate, 3),
    ),
];

const PERFORMANCE_CASES: &[Case] = &[
    high("codebook.perf.cache", CACHE, |estate| {
        let command = "SET codebook:1:active_version 3 EX 301";
        estate.parts.redis_does(command);
    }),
    high("codebook.perf.cache", CACHE, |estate| {
        estate.parts.redis_does("SET client:acme:rules a");
    }),
    high("codebook.perf.cache", CACHE, |estate| {
        estate.parts.redis_does("SET csi:division:03 a EX 3700");
    }),
    high("codebook.perf.cache", CACHE, |estate| {
        estate.parts.redis_does("SET llm:prompt:match a EX 60");
    }),
    high(
        "codebook.perf.compression",
        Runbook(&["perf", "compression"]),
        |estate| {
            let plain = Reply::of(200, &"x".repeat(1024));
            estate.world.answers(LIST, plain);
        },
    ),
    high(
        "codebook.perf.pagination",
        Runbook(&["perf", "pagination"]),
        |estate| {
            let sql = "SELECT * FROM codebook_items ORDER BY id OFFSET 10000 LIMIT 100";
            estate.parts.sql(sql);
        },
    ),
];

/// Its procedures, but those of its database.
fn cases() -> Vec<Case> {
    [HEALTH_CASES, KPI_CASES, ALERT_CASES, PERFORMANCE_CASES].concat()
}

/// What the application shows to Prometheus.
const EXPOSED: &str = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n\
    http_requests_total{status=\"200\",endpoint=\"/health\"} 1027\ncodebooks_created_total 3\nllm_tokens_total 1.5e+06\n";

/// The tables that no migration makes, as far as they are asked.
const TABLES: &str = "CREATE EXTENSION pg_stat_statements;
CREATE TABLE codebooks (created_at timestamptz DEFAULT now());
CREATE TABLE codebook_versions (codebook_id text, version int, is_active bool);
CREATE TABLE llm_usage (client_id text, tokens bigint, cost_usd numeric, created_at timestamptz DEFAULT now());
CREATE TABLE recommendations (accepted bool, created_at timestamptz DEFAULT now());
INSERT INTO codebook_versions VALUES ('1', 3, true), ('1', 2, false);
INSERT INTO codebooks VALUES (now()), (now()), (now() - interval '25 hours');
INSERT INTO recommendations VALUES (true), (false);";

/// Makes the database well.
const DATABASE: &str = "ALTER DATABASE {database} ALLOW_CONNECTIONS true;
ALTER DATABASE {database} RESET ALL;
ALTER DATABASE {database} CONNECTION LIMIT -1;
\\connect {database}
ALTER TABLE IF EXISTS gone RENAME TO recommendations;
TRUNCATE jobs, llm_usage;
INSERT INTO jobs (job_type) SELECT 'refactor' FROM generate_series(1, 100);
INSERT INTO llm_usage VALUES ('acme', 1000, 0.5), ('globex', 10, 0.1);
SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0);";

/// Makes the Redis server well.
const REDIS: &str = "FLUSHALL\nSET codebook:1:active_version 3 EX 300\nSET client:acme:rules a EX 600\n\
    SET csi:division:03 a EX 3600\nSET llm:prompt:match a";

/// What Prometheus measures when all is well.
const MEASURED: &[(&str, &str)] = &[
    ("node_filesystem", r#"[{"metric": {}, "value": [0, "60"]}]"#),
    (
        "pinecone_request",
        r#"[{"metric": {"operation": "upsert"}, "value": [0, "0.1"]}, {"metric": {"operation": "query"}, "value": [0, "0.1"]}]"#,
    ),
    (
        "by (endpoint)",
        r#"[{"metric": {"endpoint": "/health"}, "value": [0, "3"]}]"#,
    ),
    (
        "by (client_id)",
        r#"[{"metric": {"client_id": "acme"}, "value": [0, "3"]}]"#,
    ),
    ("", r#"[{"metric": {}, "value": [0, "0.5"]}]"#),
];

/// What `kubectl` says.
const KUBECTL: &str = r#"#!/bin/sh
unwell=$(cat unwell 2>/dev/null)
period=5; memory=1Gi; ready=3; restarts=0
case "$unwell" in period) period=10 ;; limits) memory=2Gi ;; few) ready=2 ;; restarts) restarts=4 ;; esac
case "$*" in
"--namespace default get deployment codebook-backend --output json") cat <<END
{"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "api", "image": "registry.example.com/codebook-backend:1.2.3",
  "ports": [{"containerPort": 8000}],
  "env": [{"name": "NODE_ENV", "value": "production"},
    {"name": "SUPABASE_URL", "valueFrom": {"secretKeyRef": {"name": "codebook-secrets", "key": "supabase-url"}}}],
  "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}, "initialDelaySeconds": 30, "periodSeconds": 10},
  "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "initialDelaySeconds": 5, "periodSeconds": $period},
  "resources": {"requests": {"memory": "512Mi", "cpu": "500m"}, "limits": {"memory": "$memory", "cpu": "1"}}}]}}},
 "status": {"readyReplicas": $ready}}
END
;;
"--namespace default get pods --selector app=codebook-backend --output json")
    echo '{"items": [{"metadata": {"name": "codebook-backend-1"}, "status": {"containerStatuses": [{"ready": true, "restartCount": '$restarts'}]}}]}' ;;
"get pods --selector app=codebook-worker --output json")
    case "$unwell" in workers) phase=Pending ;; *) phase=Running ;; esac
    echo '{"items": [{"metadata": {"name": "codebook-worker-1"}, "status": {"phase": "'$phase'"}}]}' ;;
"--namespace default logs --selector app=codebook-backend --since 1h --tail 10000")
    echo 'INFO GET /items/429 200'
    case "$unwell" in
    limited) echo 'ERROR LLM call failed: 429 Too Many Requests' ;;
    refused) echo 'ERROR LLM call failed: 401 Unauthorized' ;;
    broken) echo 'ERROR LLM service unavailable' ;;
    esac ;;
"--namespace default top pods --selector app=codebook-backend --no-headers")
    [ "$unwell" != top ] || { echo "error: Metrics API not available" >&2; exit 1; }
    echo "codebook-backend-1   120m   300Mi" ;;
*) echo "kubectl: $*" >&2; exit 64 ;;
esac
"#;

/// A server with a certificate that ends in so many days, and the authority that signed it.
fn certified(days: i64) -> (String, HttpServer) {
    let end = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(days);
    let (month, day) = (end.month(), end.day());
    tls_server_until(
        end.year(),
        u8::try_from(month).unwrap(),
        u8::try_from(day).unwrap(),
    )
}

/// How a certified server stands in the configuration.
fn place(server: &HttpServer) -> String {
    format!("\"{}\"", server.url().replace("https://", ""))
}

/// Has the estate look at this one of the servers that were started for it; the first is well.
fn shows_certificate(estate: &Estate, number: usize) {
    let wanted = place(&estate.parts.certified[number]);
    let mut configuration = estate.project.read("opsbook.toml");
    for server in &estate.parts.certified {
        configuration = configuration.replace(&place(server), &wanted);
    }
    std::fs::write(estate.project.path("opsbook.toml"), configuration).unwrap();
}

fn estate() -> Estate {
    estate_with("")
}

/// The estate with more lines in its configuration.
fn estate_with(lines: &str) -> Estate {
    let (authorities, certified): (Vec<String>, Vec<HttpServer>) =
        [60, 20, 5, -1].into_iter().map(certified).unzip();
    let mut parts = Parts::default()
        .database(&database::tables(), DATABASE)
        .redis(REDIS);
    let prometheus = Prometheus::new(MEASURED);
    let more = format!(
        "database.main.url = {:?}\nmetrics.prometheus.url = {:?}\n{lines}",
        parts.database_url(),
        prometheus.url()
    );
    parts.prometheus = Some(prometheus);
    parts.certified = certified;
    let played = [
        "service.api",
        "service.pinecone",
        "service.llm",
        "service.llm-status",
    ];
    let mut estate = Estate::new("codebook", &played, &more)
        .variable("DATABASE_PASSWORD", "hunter2-database")
        .variable("REDIS_URL", parts.redis_url())
        .variable("REDIS_PASSWORD", REDIS_PASSWORD)
        .variable("PINECONE_API_KEY", "hunter2-pinecone")
        .variable("LLM_API_KEY", "hunter2-llm")
        .variable("CODEBOOK_API_KEY", "hunter2-client")
        .file("authorities.pem", authorities.concat())
        .program("kubectl", KUBECTL);
    let trusted = estate.project.path("authorities.pem");
    estate = estate.variable("SSL_CERT_FILE", trusted.display().to_string());
    let configuration = estate.project.read("opsbook.toml");
    let real = "\"codebook.example.com:443\"";
    let configuration = configuration.replace(real, &place(&parts.certified[0]));
    std::fs::write(estate.project.path("opsbook.toml"), configuration).unwrap();
    estate.parts = parts;
    play(&estate);
    estate.well();
    estate
}

/// What the application and the vendors answer when all is well.
fn play(estate: &Estate) {
    let world = &estate.world;
    world.route(
        HEALTH,
        Reply::json(json!({
            "status": "healthy", "timestamp": "2026-01-01T00:00:00Z", "version": "1.2.3",
            "checks": {"database": "healthy", "pinecone": "healthy", "llm_service": "healthy"},
        })),
    );
    world.route(METRICS, Reply::of(200, EXPOSED));
    let status = json!({"indicator": "none", "description": "All Systems Operational"});
    world.route(
        MODELS_STATUS,
        Reply::json(json!({
            "page": {"name": "Models"}, "status": status, "components": [], "incidents": [], "scheduled_maintenances": [],
        })),
    );
    // Nobody here unpacks it.
    let packed = Reply::of(200, "brotli").header("content-encoding", "br");
    world.route(LIST, packed.asks("authorization", "Bearer hunter2-client"));
    world.route(
        INDEX,
        Reply::json(json!({"dimension": 1536, "totalVectorCount": 4200}))
            .asks("api-key", "hunter2-pinecone"),
    );
    world.route(
        MODELS,
        Reply::json(json!({"object": "list", "data": [{"id": "model"}]}))
            .asks("authorization", "Bearer hunter2-llm"),
    );
}

#[test]
fn its_procedures_tell_well_from_unwell() {
    estate().holds(&cases());
}

#[test]
fn its_procedures_are_all_there() {
    let cases = [cases(), database::cases()].concat();
    covers(&cases, &[IDS.as_slice(), &database::IDS].concat());
    page::tells("codebook", &cases);
}

/// The manual's own words: for 5 minutes, for 10. The first bad look is put back in time in the store.
#[test]
fn what_must_last_is_critical_after_five_minutes_and_a_warning_after_ten() {
    let estate = estate();
    measures(&estate, FAILED, "5.1");
    let look = |high: &str, raised: &str| {
        let output = estate.project.run(&["health", "alert", "--format", "json"]);
        for (check, status) in [("error-rate-high", high), ("error-rate-raised", raised)] {
            let told = status_of(&output, "alert", check);
            assert_eq!(told, status, "{check}\n{}", output.shown());
        }
    };
    let earlier = |seconds: i64| {
        let store = estate.project.state().join("opsbook/journal.db");
        let store = rusqlite::Connection::open(store).unwrap();
        let sql = "UPDATE series SET since = since - ?1 WHERE \"check\" LIKE 'error-rate-%'";
        assert_eq!(store.execute(sql, [seconds * 1000]), Ok(2));
    };
    look("ok", "ok");
    earlier(200);
    look("ok", "ok");
    earlier(101);
    look("critical", "ok");
    earlier(300);
    look("critical", "warning");
}

/// A fault of a dependency is told from a fault of the application.
#[test]
fn what_is_unwell_is_named() {
    let estate = estate();
    estate
        .world
        .has(HEALTH, "/checks/llm_service", json!("unhealthy"));
    let output = estate.health(&[]).exits(2);
    assert_eq!(status_of(&output, "dependencies", "llm"), "ok");
    assert_eq!(
        output.json()["findings"][0]["cause"],
        "the application is unwell: llm_service"
    );
}

#[test]
fn a_day_is_told_beside_the_day_before() {
    let estate = estate();
    let output = estate.json(&["report", "business"]).exits(0);
    let day = outputs(&output, "day");
    let row: &Value = &day["rows"][1];
    assert_eq!(
        *row,
        json!({"figure": "codebooks created", "day": 2.0, "day_before": 1.0, "change": 1.0})
    );
    assert_eq!(
        outputs(&output, "rates")["rows"][0]["accepted_percent"],
        json!(50.0)
    );
}

/// The keys that were named are removed, and no others; a rehearsal removes none.
#[test]
fn keys_of_a_codebook_or_of_a_kind_are_removed() {
    let estate = estate();
    let keys = || {
        estate.parts.redis_does(
            "EXISTS codebook:1:active_version\nEXISTS client:acme:rules\nEXISTS llm:prompt:match",
        )
    };
    let codebook = ["perf", "cache", "--codebook", "1"];
    estate
        .json(&[codebook.as_slice(), &["--dry-run"]].concat())
        .exits(0);
    assert!(keys().starts_with(":1\r\n:1\r\n:1"));
    estate.json(&codebook).exits(0);
    assert!(keys().starts_with(":0\r\n:1\r\n:1"));
    estate.json(&["perf", "cache", "--kind", "rules"]).exits(0);
    assert!(keys().starts_with(":0\r\n:0\r\n:1"));
}
