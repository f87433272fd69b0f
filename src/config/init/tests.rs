//! Drafts, and that each of them loads.

use proptest::prelude::*;

use super::{Draft, draft};
use crate::base::SourceFile;
use crate::config::{Config, DatabaseKind, PostgresSettings, SecretSource, parse};
use crate::model::Vocabulary;

fn drafted(files: &[(&str, &str)], database_url: bool) -> Draft {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("shop");
    std::fs::create_dir(&project).expect("a folder");
    for (name, text) in files {
        std::fs::write(project.join(name), text).expect("a file");
    }
    draft(&project, database_url).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn loaded(draft: &Draft, environment: Option<&str>) -> Config {
    let source = SourceFile::new("opsbook.toml", draft.text.as_str());
    parse(source, environment, Vocabulary(&[]))
        .unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", draft.text))
}

const TOML: &str = r#"
name = "concierge"
main = "src/index.ts"
compatibility_date = "2026-01-01"

[[d1_databases]]
binding = "DB"
database_name = "concierge_dev"
database_id = "11"

[[kv_namespaces]]
binding = "CACHE"
id = "22"

[[r2_buckets]]
binding = "BACK UPS"
bucket_name = "back-ups"

[queues]
producers = [{ binding = "JOBS", queue = "9-jobs" }]
consumers = [{ queue = "9-jobs", dead_letter_queue = "jobs-dlq", max_batch_size = 5 }, { queue = "mail" }]

[env.production]
name = "concierge-production"
[[env.production.d1_databases]]
binding = "DB"
database_name = "concierge_prod"
database_id = "33"
[[env.production.d1_databases]]
binding = "AUDIT"
database_name = "audit_prod"
[env.production.queues]
producers = [{ binding = "JOBS", queue = "jobs-prod" }]
"#;

#[test]
fn a_worker_becomes_tables_and_overlays() {
    let draft = drafted(&[("wrangler.toml", TOML)], false);
    let expected = r#"
project = "concierge"

[environment.production]
protected = true               # a destroy asks for the typed name
database.main.name = "concierge_prod"
database.main.id = "33"
queue.n9-jobs.name = "jobs-prod"
database.audit.kind = "d1"
database.audit.name = "audit_prod"

# Chosen with --env; without it the tables below hold as they are. To choose one for good, write above:
# default_environment = "production"

# From wrangler.toml:
[database.main]
kind = "d1"
name = "concierge_dev"
id   = "11"

[queue.n9-jobs]
kind        = "cloudflare"
name        = "9-jobs"
dead_letter = "jobs-dlq"

[queue.mail]
kind = "cloudflare"
name = "mail"

[kv.cache]
binding = "CACHE"
id      = "22"

[object.back-ups]
binding = "BACK UPS"
bucket  = "back-ups"
"#;
    assert!(draft.text.contains(expected), "{}", draft.text);
    assert_eq!(
        draft.found,
        ["wrangler.toml: 1 D1 database, 2 queues, 1 KV namespace, 1 R2 bucket, 1 environment"]
    );
    let production = loaded(&draft, Some("production"));
    assert!(production.protected);
    let name = |database: &str| match &production.database(database).expect("there").kind {
        DatabaseKind::D1 { name, .. } => name.clone(),
        _ => String::new(),
    };
    assert_eq!(
        (name("main").as_str(), name("audit").as_str()),
        ("concierge_prod", "audit_prod")
    );
    assert_eq!(loaded(&draft, None).databases.len(), 1);
}

#[test]
fn jsonc_comes_before_toml_and_a_url_before_both() {
    let jsonc = "{ // a comment\n \"d1_databases\": [{ \"binding\": \"DB\", \"database_name\": \"a\", },],\n \"limits\": { \"cpu_ms\": 50 } }";
    let draft = drafted(&[("wrangler.jsonc", jsonc), ("wrangler.toml", TOML)], true);
    assert_eq!(
        draft.found,
        [
            "wrangler.jsonc: 1 D1 database, 0 queues, 0 KV namespaces, 0 R2 buckets, 0 environments; wrangler.toml is not read, as wrangler does not",
            "$DATABASE_URL: 1 Postgres database"
        ]
    );
    let config = loaded(&draft, None);
    assert_eq!(config.project.as_deref(), Some("shop"));
    let main = config.database("main").expect("it is there");
    assert!(
        matches!(&main.kind, DatabaseKind::Postgres(PostgresSettings { url: Some(url), .. }) if url.text == "{{ secret.database_url }}")
    );
    assert!(config.database("db").is_some());
    assert_eq!(
        config.secret("database_url"),
        Some(&SecretSource::Env("DATABASE_URL".to_owned()))
    );
}

#[test]
fn an_empty_folder_gives_an_empty_estate() {
    let config = loaded(&drafted(&[], false), None);
    assert_eq!(config.project.as_deref(), Some("shop"));
    assert!(config.databases.is_empty() && config.environments.is_empty());
}

#[test]
fn a_broken_file_is_shown_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrangler.jsonc");
    let said = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        let mistakes = draft(folder.path(), false)
            .expect_err("it is wrong")
            .to_string();
        mistakes.replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(
        said("{ \"name\": }"),
        "FILE:1:11\n    1 │ { \"name\": }\n      │           ^ not valid JSON: Unexpected close brace"
    );
    assert_eq!(
        said("{ \"d1_databases\": 5 }"),
        "FILE is no configuration of a Worker: invalid type: string \"5\", expected a sequence"
    );
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(said(&deep).contains("nesting"));
}

proptest! {
    #[test]
    fn whatever_the_worker_says_the_draft_loads(
        names in prop::collection::vec("[ -~\u{e9}\u{0}-\u{1f}]{0,12}", 1..6),
        environments in prop::collection::vec("[A-Za-z .\"-]{0,8}", 0..4),
    ) {
        let databases: Vec<_> = names.iter().map(|name| serde_json::json!({"binding": name, "database_name": name})).collect();
        let producers: Vec<_> = names.iter().map(|name| serde_json::json!({"binding": name, "queue": name})).collect();
        let buckets: Vec<_> = names.iter().map(|name| serde_json::json!({"binding": name, "bucket_name": name})).collect();
        let mut worker = serde_json::json!({
            "name": names[0], "d1_databases": databases, "r2_buckets": buckets, "kv_namespaces": databases,
            "queues": {"producers": producers, "consumers": []}, "env": {},
        });
        let copy = worker.clone();
        for environment in &environments {
            worker["env"][environment] = copy.clone();
        }
        let draft = drafted(&[("wrangler.json", &worker.to_string())], false);
        let config = loaded(&draft, None);
        for environment in &config.environments {
            loaded(&draft, Some(environment));
        }
    }
}
