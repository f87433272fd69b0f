//! A stand-in of Cloudflare's REST API for D1 that answers as documented and runs the SQL on a real D1.

use std::sync::{Arc, Mutex};

use opsbook::sql::{Dialect, pieces};
use serde_json::{Map, Value, json};

use super::d1_import::{Import, UPLOAD};
use super::http_server::{Answer, HttpServer, Request};
use super::workerd::D1;

/// The account that the database belongs to.
pub(crate) const ACCOUNT: &str = "0a1b2c3d";

/// The database's id.
pub(crate) const ID: &str = "8c8a1a3e-0000-4000-8000-000000000001";

/// The database's name.
pub(crate) const NAME: &str = "crm_prod";

/// Where the database's past is, for `time_travel`.
pub(crate) const BOOKMARK: &str = "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683";

/// The token that is let in.
pub(crate) const TOKEN: &str = "hunter2-of-the-api";

/// The running stand-in.
pub(crate) struct D1Api {
    server: HttpServer,
    database: Arc<D1>,
    faults: Arc<Mutex<Vec<(&'static str, Fault)>>>,
    insights: Arc<Mutex<Value>>,
}

/// What goes wrong with a request.
enum Fault {
    /// Nothing yet.
    None,
    /// It is not done, and answered like this.
    Instead(Answer),
    /// It is done, and answered like this.
    Afterwards(Answer),
}

impl D1Api {
    /// A database with what this SQL makes.
    pub(crate) fn with(setup: &str) -> Self {
        let database = Arc::new(D1::fresh(setup));
        let faults = Arc::new(Mutex::new(Vec::<(&str, Fault)>::new()));
        let insights = Arc::new(Mutex::new(json!([])));
        let (asked, next) = (Arc::clone(&database), Arc::clone(&faults));
        let counted = Arc::clone(&insights);
        let import = Import::default();
        let server = HttpServer::scripted(move |_, request| {
            let fault = {
                let mut faults = next.lock().unwrap();
                let is_meant =
                    |words: &str| request.path.contains(words) || request.body.contains(words);
                let first = faults.iter().position(|(words, _)| is_meant(words));
                first.map(|first| faults.remove(first).1)
            };
            match fault {
                None | Some(Fault::None) if request.path == "/client/v4/graphql" => {
                    analytics(&counted.lock().unwrap())
                }
                Some(Fault::Instead(answer)) => answer,
                Some(Fault::Afterwards(told)) => {
                    let _ = answer(&asked, &import, request);
                    told
                }
                None | Some(Fault::None) => answer(&asked, &import, request),
            }
        });
        Self {
            server,
            database,
            faults,
            insights,
        }
    }

    /// What the analytics has counted of the database's statements: groups of d1QueriesAdaptiveGroups, none at first.
    pub(crate) fn has_counted(&self, groups: Value) {
        *self.insights.lock().unwrap() = groups;
    }

    /// What `CLOUDFLARE_API_BASE_URL` is to be.
    pub(crate) fn url(&self) -> String {
        format!("{}/client/v4", self.server.url())
    }

    /// Answers the next request like this instead; said again, the one after it.
    pub(crate) fn answer_next(&self, answer: Answer) {
        self.answer_at("", answer);
    }

    /// Answers the next request with these words in its path or body like this instead.
    pub(crate) fn answer_at(&self, words: &'static str, answer: Answer) {
        let mut faults = self.faults.lock().unwrap();
        faults.push((words, Fault::Instead(answer)));
    }

    /// Does what the next request says, and answers like this: `Answer::Bytes(Vec::new())` cuts the connection.
    pub(crate) fn answer_next_when_done(&self, answer: Answer) {
        let mut faults = self.faults.lock().unwrap();
        faults.push(("", Fault::Afterwards(answer)));
    }

    /// Does what is asked, and cuts the connection instead of an answer, behind so many requests that go well.
    pub(crate) fn lose_answer(&self, behind: usize) {
        self.fault(behind, Fault::Afterwards(Answer::Bytes(Vec::new())));
    }

    /// Leaves what is asked without an answer, behind so many requests that go well; it is not done.
    pub(crate) fn fall_silent(&self, behind: usize) {
        self.fault(behind, Fault::Instead(Answer::Never));
    }

    fn fault(&self, behind: usize, fault: Fault) {
        let mut faults = self.faults.lock().unwrap();
        faults.extend((0..behind).map(|_| ("", Fault::None)));
        faults.push(("", fault));
    }

    /// Runs one statement on the database itself; gives its rows as lists of values.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> Value {
        let results = self.database.run(&[json!({"sql": sql})]);
        results.unwrap_or_else(|error| panic!("{error}\n{sql}"))[0]["data"]["rows"].take()
    }

    /// What the database takes.
    pub(crate) fn bytes(&self) -> Value {
        described(&self.database)["file_size"].take()
    }

    /// The requests.
    pub(crate) fn server(&self) -> &HttpServer {
        &self.server
    }
}

/// How many rows [`long_script`] writes.
pub(crate) const LONG_ROWS: u64 = 1503;

/// Asks what of [`long_script`] is there.
pub(crate) const WHAT_ARRIVED: &str = "SELECT count(*) AS n, sum(length(s)) AS letters, sum(n) AS numbers, sum(s LIKE '%;%''%') AS whole FROM t";

/// What [`WHAT_ARRIVED`] gives where all of it is.
pub(crate) fn arrived() -> Value {
    json!({"n": 1503, "letters": 1500 * 61 + 3 * 90_000, "numbers": 1500 * 1499 / 2, "whole": 1500})
}

/// Some 450 kB of statements: many short ones, and some that are nearly as long as D1 takes, with whatever makes
/// them hard to tell apart.
pub(crate) fn long_script() -> String {
    let mut script =
        "CREATE TABLE t (n INTEGER, s TEXT);\r\nCREATE TRIGGER seen AFTER UPDATE ON t \
        BEGIN SELECT CASE WHEN new.n < 0 THEN RAISE(ABORT, 'no; no') END; SELECT 1; END;\n"
            .to_owned();
    for number in 0..1500 {
        let text = format!("{number:04};''é -- /* {}", "x".repeat(47));
        script += &format!("INSERT INTO t (n, s) VALUES ({number}, '{text}'); -- it's one\n");
        if number % 600 == 7 {
            script += &format!(
                "/* ; */ INSERT INTO t VALUES (0, '{}');\n",
                "y".repeat(90_000)
            );
        }
    }
    script
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

/// As Cloudflare's GraphQL answers, whatever is asked of a database's statements.
fn analytics(groups: &Value) -> Answer {
    let accounts = json!([{"d1QueriesAdaptiveGroups": groups}]);
    let body = json!({"data": {"viewer": {"accounts": accounts}}, "errors": null});
    response(
        "200 OK",
        "content-type: application/json\r\n",
        &body.to_string(),
    )
}

/// The envelope of what went wrong.
pub(crate) fn refusal(status: &str, code: i64, message: &str) -> Answer {
    let errors = json!([{"code": code, "message": message}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    response(status, "", &body.to_string())
}

pub(crate) fn success(result: &Value) -> Answer {
    let body = json!({"success": true, "errors": [], "messages": [], "result": result});
    response(
        "200 OK",
        "content-type: application/json\r\n",
        &body.to_string(),
    )
}

fn answer(database: &D1, import: &Import, request: &Request) -> Answer {
    if request.path.starts_with(UPLOAD) {
        return import.upload(request);
    }
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return refusal("401 Unauthorized", 10000, "Authentication error");
    }
    let path = percent_encoding::percent_decode_str(&request.path);
    let path = path.decode_utf8().unwrap();
    let base = format!("/client/v4/accounts/{ACCOUNT}/d1/database");
    let Some(rest) = path.strip_prefix(&base) else {
        return refusal(
            "403 Forbidden",
            7403,
            "The given account is not valid or is not authorized to access this service",
        );
    };
    let missing = || refusal("404 Not Found", 7404, "The database could not be found");
    if let Some(name) = rest.strip_prefix("?name=") {
        let other = json!({"uuid": "other", "name": format!("{name}_old")});
        return match name {
            NAME => success(&json!([other, described(database)])),
            _ => success(&json!([])),
        };
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return missing();
    };
    let (of, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if of != ID && of != NAME {
        return missing();
    }
    match (request.method.as_str(), rest.split('?').next().unwrap()) {
        ("GET", "") => success(&described(database)),
        ("GET", "/time_travel/bookmark") => success(&json!({"bookmark": BOOKMARK})),
        ("POST", "/raw") => queried(
            database,
            &request.body,
            |data| json!({"columns": data["columns"], "rows": data["rows"]}),
        ),
        ("POST", "/import") => import.step(database, request),
        ("POST", "/query") => queried(database, &request.body, objects),
        _ => missing(),
    }
}

fn described(database: &D1) -> Value {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
    let results = database.run(&[json!({"sql": tables})]).unwrap();
    json!({
        "uuid": ID, "name": NAME, "version": "production",
        "num_tables": results[0]["data"]["rows"][0][0], "file_size": results[0]["meta"]["size_after"],
        "created_at": "2026-01-02T03:04:05.678Z", "running_in_region": "WEUR", "read_replication": {"mode": "disabled"},
    })
}

/// Runs the statements of a body, all or nothing; each gives its rows in the shape of what was asked.
fn queried(database: &D1, body: &str, shape: fn(&Value) -> Value) -> Answer {
    let body: Value = serde_json::from_str(body).unwrap();
    let one = [body.clone()];
    let batch = body["batch"].as_array().map_or(&one[..], Vec::as_slice);
    let mut statements = Vec::new();
    for statement in batch {
        let parameters = &statement["params"];
        let bound = |value: &Value| value.is_null() || value.is_number() || value.is_string();
        if !parameters
            .as_array()
            .is_none_or(|values| values.iter().all(bound))
        {
            return refusal("400 Bad Request", 7400, "D1 binds texts, numbers and null");
        }
        let text = statement["sql"].as_str().unwrap();
        match pieces(text, Dialect::Sqlite).as_slice() {
            // The API takes several statements apart.
            [_, _, ..] if parameters.as_array().is_none_or(Vec::is_empty) => {
                let each = pieces(text, Dialect::Sqlite).into_iter();
                statements.extend(each.map(|piece| json!({"sql": piece.text, "params": []})));
            }
            _ => statements.push(json!({"sql": text, "params": parameters})),
        }
    }
    match database.run(&statements) {
        Ok(results) => success(
            &results
                .iter()
                .map(|result| {
                    json!({"results": shape(&result["data"]), "success": true, "meta": result["meta"]})
                })
                .collect(),
        ),
        Err(error) => refusal("400 Bad Request", 7500, &error),
    }
}

/// Rows as `/query` has them: of columns of the same name the last is left.
fn objects(data: &Value) -> Value {
    let names = data["columns"].as_array().unwrap();
    let names = || names.iter().map(|name| name.as_str().unwrap().to_owned());
    let rows = data["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let values = row.as_array().unwrap().iter().cloned();
        Value::Object(names().zip(values).collect::<Map<_, _>>())
    })
    .collect()
}
