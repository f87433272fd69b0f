//! The probe and the action on a real Redis server: what they read and how they tell what went wrong.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::harness::{ClosedPort, Output, Project};
use super::redis_server::{RedisServer, replying};

/// Runs a runbook of one step.
fn run(step: &str) -> Output {
    let step = format!("[[step]]\nname = \"look\"\n{step}\n");
    let config = "project = \"test\"\n[secret]\nredis = { env = \"REDIS\" }\n";
    let project = Project::new()
        .config(config)
        .variable("REDIS", "hunter2 hunter2");
    let project = project.runbook("look/at", &step);
    project
        .run(&["look", "at", "--format", "json"])
        .never_shows("hunter2")
}

#[track_caller]
fn outputs(step: &str) -> Value {
    run(step).exits(0).json()["steps"][0]["outputs"].clone()
}

fn failed(step: &str) -> (i32, String) {
    let output = run(step);
    let detail = output.json()["steps"][0]["detail"].to_string();
    (output.code, detail)
}

#[test]
fn a_probe_tells_how_the_server_is() {
    let server = RedisServer::start(&["--maxmemory", "64mb"]);
    server.tell("SET a 1\nSET b 2\nGET a\nGET a\nGET a\nGET nothing\nSELECT 3\nSET c 3");
    let found = outputs(&format!("probe.redis = \"{}\"", server.url()));
    assert_eq!(found["pong"], true);
    assert_eq!(found["role"], "primary");
    assert_eq!(found["keys"], 2);
    assert_eq!(found["hit_rate"], 75.0);
    assert_eq!(found["maxmemory"], 64 << 20);
    assert!(found["used_percent"].as_f64().unwrap() > 0.0);
    assert!(found["connected_clients"].as_i64().unwrap() >= 1);
    assert_eq!(found["evicted_keys"], 0);
    assert_eq!(found["replication_lag"], Value::Null);
    assert_eq!(found["info"]["redis_version"], found["version"]);
    assert_eq!(found["address"], format!("127.0.0.1:{}", server.port()));

    let third = server.url().replace("/0", "/3");
    assert_eq!(outputs(&format!("probe.redis = \"{third}\""))["keys"], 1);

    let fresh = RedisServer::start(&[]);
    let found = outputs(&format!("probe.redis = \"{}\"", fresh.url()));
    assert_eq!(found["hit_rate"], Value::Null);
    assert_eq!(found["maxmemory"], Value::Null);
    assert_eq!(found["used_percent"], Value::Null);
}

#[test]
fn a_replica_and_its_primary_tell_the_lag() {
    let primary = RedisServer::start(&["--repl-diskless-sync-delay", "0"]);
    let port = primary.port().to_string();
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port]);
    let step = format!(
        "probe.redis = \"{}\"\nrepeat = {{ every = \"100ms\", until = \"replica_link == 'up'\", for = \"30s\" }}",
        replica.url()
    );
    let found = outputs(&step);
    assert_eq!(found["role"], "replica");
    assert!(found["replication_lag"].as_i64().unwrap() >= 0);
    let step = format!(
        "probe.redis = \"{}\"\nrepeat = {{ every = \"100ms\", until = \"replication_lag is not none\", for = \"30s\" }}",
        primary.url()
    );
    assert_eq!(outputs(&step)["replicas"], 1);
    drop(primary);
    let step = format!(
        "probe.redis = \"{}\"\nrepeat = {{ every = \"100ms\", until = \"replica_link == 'down'\", for = \"30s\" }}",
        replica.url()
    );
    outputs(&step);
}

#[test]
fn a_password_is_given_and_never_shown() {
    let server = RedisServer::start(&["--requirepass", "hunter2 hunter2"]);
    let url = server.url();
    for action in [
        format!("probe.redis = \"{url}\"\nprobe"),
        format!("redis.get = \"k\"\nredis.url = \"{url}\"\nredis"),
    ] {
        let given = "password = \"{{ secret.redis }}\"";
        assert_eq!(run(&format!("{action}.{given}")).code, 0);
        let (code, detail) = failed(&format!("{action}.password = \"hunter3\""));
        assert_eq!(code, 3, "{detail}");
        assert!(detail.contains("WRONGPASS"), "{detail}");
        let (code, detail) = failed(&format!("{action}.user = \"me\""));
        assert_eq!(code, 3, "{detail}");
        assert!(detail.contains("NOAUTH"), "{detail}");
    }
    let in_url = url.replace("redis://", "redis://:hunter2%20hunter2@");
    let step = format!("probe.redis = \"{in_url}\"");
    let project =
        Project::new().runbook("look/at", &format!("[[step]]\nname = \"look\"\n{step}\n"));
    project.run(&["look", "at"]).exits(0).prints("PONG");
}

/// A user who may read keys and not look at the server.
#[test]
fn what_a_user_may_not_ask_is_null() {
    let server = RedisServer::start(&[]);
    server.tell("ACL SETUSER reader on >pw ~* +ping +get");
    let url = server.url();
    let login = "probe.user = \"reader\"\nprobe.password = \"pw\"";
    let found = outputs(&format!("probe.redis = \"{url}\"\n{login}"));
    assert_eq!(found["pong"], true);
    assert_eq!(found["version"], Value::Null);
    assert_eq!(found["keys"], Value::Null);
    let (code, detail) = failed(&format!(
        "redis.scan = \"*\"\nredis.url = \"{url}\"\nredis.user = \"reader\"\nredis.password = \"pw\""
    ));
    assert_eq!(code, 3, "{detail}");
    assert!(detail.contains("NOPERM"), "{detail}");
}

#[test]
fn a_key_is_looked_at() {
    let server = RedisServer::start(&[]);
    server.tell(
        "SET codebook:7:active_version 42 EX 300\nSET doc '{\"a\":[1]}'\nRPUSH list a b c\nHSET hash f v\nSET empty ''\n\
         SET bytes \"\\xff\\x00\"",
    );
    server.tell("SETRANGE long 1500000 x");
    let get = |key: &str| {
        outputs(&format!(
            "redis.get = \"{key}\"\nredis.url = \"{}\"",
            server.url()
        ))
    };
    let counter = get("codebook:7:active_version");
    assert_eq!(counter["value"], "42");
    assert_eq!(counter["json"], 42);
    assert_eq!(counter["type"], "string");
    let ttl = counter["ttl"].as_f64().unwrap();
    assert!(ttl > 200.0 && ttl <= 300.0, "{ttl}");
    assert_eq!(get("doc")["json"], json!({"a": [1]}));
    assert_eq!(get("doc")["ttl"], Value::Null);
    assert_eq!(
        (&get("list")["length"], &get("list")["value"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(get("hash")["length"], 1);
    assert_eq!(
        (&get("empty")["value"], &get("empty")["exists"]),
        (&json!(""), &json!(true))
    );
    assert_eq!(get("bytes")["value"], json!({"base64": "/wA="}));
    let long = get("long");
    assert_eq!(
        (&long["truncated"], &long["length"]),
        (&json!(true), &json!(1_500_001))
    );
    let nothing = get("nothing");
    assert_eq!(nothing["exists"], false);
    assert_eq!(nothing["type"], Value::Null);
    // Nothing was changed by looking.
    assert!(server.tell("DBSIZE").contains(":7\r\n"));
}

#[test]
fn keys_are_listed_by_a_pattern() {
    let server = RedisServer::start(&[]);
    let keys: String = (0..3000)
        .map(|n| format!("SET limit:{n} {n} EX 60\n"))
        .collect();
    server.tell(&keys);
    server.tell("SET limit:forever 9\nSET other 1\nSET \"limit:'; DROP\" x EX 900");
    let scan = |options: &str| {
        outputs(&format!(
            "redis.scan = \"limit:*\"\nredis.url = \"{}\"\n{options}",
            server.url()
        ))
    };
    let all = scan("");
    assert_eq!(all["count"], 3002);
    assert_eq!(all["without_ttl"], 1);
    assert!(all["ttl_max"].as_f64().unwrap() > 800.0);
    assert!(all["ttl_min"].as_f64().unwrap() <= 60.0);
    assert_eq!(all["truncated"], false);
    let names: Vec<&str> = all["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted());

    let some = scan("redis.limit = 5\nredis.values = true");
    assert_eq!(some["count"], 5);
    assert_eq!(some["truncated"], true);
    let row = &some["rows"][0];
    assert_eq!(row["key"], format!("limit:{}", row["value"]));
}

#[test]
fn a_server_that_cannot_be_asked_is_told() {
    let port = ClosedPort::new();
    let closed = format!("redis://127.0.0.1:{}", port.number());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("redis://{}", silent.local_addr().unwrap());
    let cases = [
        (closed, 2, "connection refused by 127.0.0.1:"),
        (
            replying(b"-LOADING Redis is loading the dataset in memory\r\n"),
            2,
            "LOADING",
        ),
        (
            replying(b"-ERR max number of clients reached\r\n"),
            2,
            "max number of clients",
        ),
        (
            replying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            2,
            "does not speak the protocol of Redis",
        ),
        (
            replying(b"+WAT\r\n"),
            2,
            "does not speak the protocol of Redis",
        ),
        (
            replying(b"+PONG\r\n$999999999\r\n"),
            2,
            "larger than 16 MiB",
        ),
        ("cache:6379".to_owned(), 3, "no URL like redis://"),
        (format!("{silent}/x"), 3, "no number of a database"),
    ];
    for (url, code, words) in cases {
        let (found, detail) = failed(&format!("probe.redis = \"{url}\""));
        assert_eq!(found, code, "{url}: {detail}");
        assert!(detail.contains(words), "{url}: {detail}");
    }
    let late = "timeout = \"300ms\"";
    let (code, detail) = failed(&format!("probe.redis = \"{silent}\"\n{late}"));
    assert_eq!(code, 2, "{detail}");
    let (code, detail) = failed(&format!(
        "redis.get = \"k\"\nredis.url = \"{silent}\"\n{late}"
    ));
    assert_eq!(code, 2, "{detail}");
}

#[test]
fn a_connection_may_be_encrypted() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificate = write("server.pem", certificate.pem());
    let key = write("server.key", key.serialize_pem());
    let port = ClosedPort::new();
    let secure = port.number().to_string();
    let _server = RedisServer::start(&[
        "--tls-port",
        &secure,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{secure}/0");
    outputs(&format!(
        "probe.redis = \"{url}\"\nprobe.ca = \"{certificate}\""
    ));
    let (code, detail) = failed(&format!("probe.redis = \"{url}\""));
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("certificate"), "{detail}");
}
