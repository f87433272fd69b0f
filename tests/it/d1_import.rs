//! The stand-in's way to import a file of SQL, as wrangler goes it: begin, upload, have it run, ask how it went.

use std::sync::Mutex;

use opsbook::sql::{Dialect, pieces};
use serde_json::{Value, json};

use super::d1_api::{BOOKMARK, refusal, response, success};
use super::http_server::{Answer, Request};
use super::workerd::D1;

/// Where files are uploaded to. Cloudflare signs that address: whoever has it needs no token.
pub(crate) const UPLOAD: &str = "/upload/";

/// What was begun.
#[derive(Default)]
pub(crate) struct Import(Mutex<Begun>);

#[derive(Default)]
struct Begun {
    etag: String,
    script: Option<String>,
}

impl Import {
    /// Takes the file.
    pub(crate) fn upload(&self, request: &Request) -> Answer {
        let mut begun = self.0.lock().unwrap();
        if request.method != "PUT" || request.path != format!("{UPLOAD}{}.sql", begun.etag) {
            return response(
                "403 Forbidden",
                "",
                "<Error><Code>AccessDenied</Code></Error>",
            );
        }
        begun.script = Some(request.body.clone());
        response("200 OK", &format!("etag: \"{}\"\r\n", begun.etag), "")
    }

    /// One of the three steps.
    pub(crate) fn step(&self, database: &D1, request: &Request) -> Answer {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let mut begun = self.0.lock().unwrap();
        let under_way = json!({
            "success": true, "type": "import", "status": "active", "at_bookmark": BOOKMARK, "messages": ["Processed 0 queries."],
        });
        match body["action"].as_str() {
            Some("init") => {
                let etag = body["etag"].as_str().unwrap();
                *begun = Begun {
                    etag: etag.to_owned(),
                    script: None,
                };
                let filename = format!("{etag}.sql");
                let host = request.header("host").unwrap();
                success(
                    &json!({"upload_url": format!("http://{host}{UPLOAD}{filename}"), "filename": filename}),
                )
            }
            Some("ingest") if begun.script.is_some() && body["etag"] == begun.etag => {
                success(&under_way)
            }
            Some("poll") if body["current_bookmark"] == BOOKMARK => match begun.script.take() {
                Some(script) => success(&imported(database, &script)),
                None => refusal("400 Bad Request", 7400, "nothing is being imported"),
            },
            _ => refusal("400 Bad Request", 7400, "no such step of an import"),
        }
    }
}

/// Runs all statements or none, and tells how it went.
fn imported(database: &D1, script: &str) -> Value {
    let statements: Vec<Value> = pieces(script, Dialect::Sqlite)
        .into_iter()
        .map(|piece| json!({"sql": piece.text}))
        .collect();
    let told = |status: &str| json!({"success": true, "type": "import", "status": status, "at_bookmark": BOOKMARK, "messages": []});
    let results = match database.run(&statements) {
        Ok(results) => results,
        Err(error) => {
            let mut told = told("error");
            told["errors"] = json!([error]);
            return told;
        }
    };
    let sum = |name: &str| -> u64 {
        let of = |result: &Value| result["meta"][name].as_u64();
        results.iter().filter_map(of).sum()
    };
    let mut told = told("complete");
    told["result"] = json!({
        "num_queries": statements.len(),
        "final_bookmark": BOOKMARK,
        "meta": {
            "duration": 1.5, "rows_read": sum("rows_read"), "rows_written": sum("rows_written"),
            "size_after": results.last().map(|result| &result["meta"]["size_after"]),
        },
    });
    told
}
