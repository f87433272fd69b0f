//! The D1 database that an estate really has, behind the stand-in of the API: what tests do to it, and how it is made well.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, D1Api, ID, TOKEN};
use crate::harness::WATCHDOG;

/// What people made, the youngest first, so that a table goes before what it refers to.
const MADE: &str = "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') \
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY rowid DESC";

/// The database and what makes it well.
pub(super) struct D1 {
    pub(super) api: D1Api,
    setup: String,
    touched: Cell<bool>,
}

impl D1 {
    /// A database with what this SQL makes.
    pub(super) fn with(setup: &str) -> Self {
        Self {
            api: D1Api::with(setup),
            setup: setup.to_owned(),
            touched: Cell::new(false),
        }
    }

    /// Runs statements, none of which has a semicolon within; gives the rows of the last, values in the order of the columns.
    pub(super) fn sql(&self, statements: &str) -> Value {
        let mut rows = Value::Null;
        for sql in statements.split(';').filter(|sql| !sql.trim().is_empty()) {
            let told = self.ask(&json!({"sql": sql, "params": []}));
            assert_eq!(told["success"], true, "{sql}\n{told}");
            rows = told["result"][0]["results"]["rows"].clone();
        }
        rows
    }

    /// Somebody may change it: it is made anew when all is to be well.
    pub(super) fn is_touched(&self) {
        self.touched.set(true);
    }

    /// All is well again.
    pub(super) fn well(&self) {
        if !self.touched.replace(false) {
            return;
        }
        for made in self.sql(MADE).as_array().unwrap() {
            let (kind, name) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());
            self.sql(&format!("DROP {kind} \"{name}\""));
        }
        self.sql(&self.setup);
    }

    /// Has the API run a statement, as a client does.
    fn ask(&self, body: &Value) -> Value {
        let url = self.api.url();
        let (authority, base) = url
            .strip_prefix("http://")
            .and_then(|url| url.split_once('/'))
            .unwrap();
        let path = format!("/{base}/accounts/{ACCOUNT}/d1/database/{ID}/raw")
            .replace(ID, &ID.replace('-', "%2D"));
        let body = body.to_string();
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}
