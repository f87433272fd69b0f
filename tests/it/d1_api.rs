//! A stand-in of Cloudflare's REST API for D1 that answers as documented and runs the SQL on a real SQLite file.

use std::sync::{Arc, Mutex};

use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Value, json};

use super::http_server::{Answer, HttpServer, Request};

/// The account that the database belongs to.
pub(crate) const ACCOUNT: &str = "0a1b2c3d";

/// The database's id.
pub(crate) const ID: &str = "8c8a1a3e-0000-4000-8000-000000000001";

/// The database's name.
pub(crate) const NAME: &str = "crm_prod";

/// The token that is let in.
pub(crate) const TOKEN: &str = "hunter2-of-the-api";

/// The running stand-in.
pub(crate) struct D1Api {
    server: HttpServer,
    fault: Arc<Mutex<Option<Answer>>>,
}

impl D1Api {
    /// A database with what this SQL makes.
    pub(crate) fn with(setup: &str) -> Self {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(setup).unwrap();
        let database = Mutex::new(database);
        let fault = Arc::new(Mutex::new(None));
        let next = Arc::clone(&fault);
        let server = HttpServer::scripted(move |_, request| {
            let fault: Option<Answer> = next.lock().unwrap().take();
            fault.unwrap_or_else(|| answer(&database.lock().unwrap(), request))
        });
        Self { server, fault }
    }

    /// What `CLOUDFLARE_API_BASE_URL` is to be.
    pub(crate) fn url(&self) -> String {
        format!("{}/client/v4", self.server.url())
    }

    /// Answers the next request like this instead.
    pub(crate) fn answer_next(&self, answer: Answer) {
        *self.fault.lock().unwrap() = Some(answer);
    }

    /// The requests.
    pub(crate) fn server(&self) -> &HttpServer {
        &self.server
    }
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

/// The envelope of what went wrong.
pub(crate) fn refusal(status: &str, code: i64, message: &str) -> Answer {
    let errors = json!([{"code": code, "message": message}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    response(status, "", &body.to_string())
}

fn success(result: &Value) -> Answer {
    let body = json!({"success": true, "errors": [], "messages": [], "result": result});
    response(
        "200 OK",
        "content-type: application/json\r\n",
        &body.to_string(),
    )
}

fn answer(database: &Connection, request: &Request) -> Answer {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return refusal("401 Unauthorized", 10000, "Authentication error");
    }
    let base = format!("/client/v4/accounts/{ACCOUNT}/d1/database");
    let Some(rest) = request.path.strip_prefix(&base) else {
        return refusal(
            "403 Forbidden",
            7403,
            "The given account is not valid or is not authorized to access this service",
        );
    };
    let id = ID.replace('-', "%2D");
    let described = json!({
        "uuid": ID, "name": NAME, "version": "production", "num_tables": 2, "file_size": 43_008,
        "created_at": "2026-01-02T03:04:05.678Z", "running_in_region": "WEUR", "read_replication": {"mode": "disabled"},
    });
    match (request.method.as_str(), rest) {
        ("GET", "?name=crm%5Fprod") => {
            let other = json!({"uuid": "other", "name": "crm_prod_old"});
            success(&json!([other, described]))
        }
        ("GET", rest) if rest.starts_with("?name=") => success(&json!([])),
        ("GET", rest) if rest == format!("/{id}") => success(&described),
        ("POST", rest) if rest == format!("/{id}/raw") => raw(database, &request.body),
        _ => refusal("404 Not Found", 7404, "The database could not be found"),
    }
}

fn raw(database: &Connection, body: &str) -> Answer {
    let body: Value = serde_json::from_str(body).unwrap();
    let parameters = body["params"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| match value {
            Value::Null => Stored::Null,
            Value::Number(number) => number
                .as_i64()
                .map_or_else(|| Stored::Real(number.as_f64().unwrap()), Stored::Integer),
            Value::String(text) => Stored::Text(text.clone()),
            other => panic!("D1 binds no {other}"),
        });
    let run = || -> rusqlite::Result<Value> {
        let mut statement = database.prepare(body["sql"].as_str().unwrap())?;
        let columns: Vec<String> = statement
            .column_names()
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        let mut found = statement.query(params_from_iter(parameters))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values: rusqlite::Result<Vec<Value>> = (0..columns.len())
                .map(|column| row.get_ref(column).map(sent))
                .collect();
            rows.push(values?);
        }
        let results = json!({"columns": columns, "rows": rows});
        Ok(
            json!([{"results": results, "success": true, "meta": {"duration": 0.2, "size_after": 43_008}}]),
        )
    };
    match run() {
        Ok(result) => success(&result),
        Err(error) => refusal("400 Bad Request", 7500, &format!("{error}: SQLITE_ERROR")),
    }
}

/// As D1 sends it: numbers are doubles, a blob is a list of bytes.
fn sent(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(whole) => json!(whole),
        ValueRef::Real(real) => json!(real),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => json!(bytes),
    }
}
