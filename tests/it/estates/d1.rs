//! The D1 database that an estate really has, behind the stand-in of the API: what tests do to it, and how it is made well.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, D1Api, ID, TOKEN};
use crate::http_server::Answer;

use super::Estate;

/// What people made, the youngest first, so that a table goes before what it refers to.
const MADE: &str = "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') \
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

    /// Runs statements as one; gives the rows of the last, values in the order of the columns.
    pub(super) fn sql(&self, statements: &str) -> Value {
        self.is_touched();
        self.api.sql(statements)
    }

    /// Somebody may change it: it is made anew when all is to be well.
    pub(super) fn is_touched(&self) {
        self.touched.set(true);
    }

    /// All that it holds: each table with what made it and its rows.
    pub(super) fn content(&self) -> Vec<[Value; 2]> {
        let made = self.api.sql(MADE);
        let names = made
            .as_array()
            .unwrap()
            .iter()
            .map(|made| made[1].as_str().unwrap());
        names
            .map(|name| {
                let sql = format!("SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = '{name}' ORDER BY name");
                [self.api.sql(&sql), self.api.sql(&format!("SELECT * FROM \"{name}\""))]
            })
            .collect()
    }

    /// All is well again.
    pub(super) fn well(&self) {
        self.api.has_counted(json!([]));
        if !self.touched.replace(false) {
            return;
        }
        for made in self.api.sql(MADE).as_array().unwrap() {
            let (kind, name) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());
            self.api.sql(&format!("DROP {kind} \"{name}\""));
        }
        self.api.sql(&self.setup);
    }
}

impl Estate {
    /// Makes the estate's `database.main` a D1 database with what this SQL makes.
    pub(crate) fn d1(mut self, setup: &str) -> Self {
        let d1 = D1::with(setup);
        let place = format!(
            "database.main.account = {:?}\ndatabase.main.id = {:?}\n",
            ACCOUNT, ID
        );
        let configuration = self.project.read("opsbook.toml") + &place;
        self.project = self.project.config(&configuration);
        let url = d1.api.url();
        self.d1 = Some(d1);
        self.variable("CLOUDFLARE_API_TOKEN", TOKEN)
            .variable("CLOUDFLARE_API_BASE_URL", url)
    }

    /// The D1 database answers the next request like this.
    pub(crate) fn d1_answers(&self, answer: Answer) {
        self.d1.as_ref().unwrap().api.answer_next(answer);
    }

    /// A reference in D1 leads nowhere, which it lets nobody write: the table that it led to is made anew without its rows.
    pub(crate) fn d1_dangles(&self) {
        self.d1_sql(
            "CREATE TABLE clinics (id TEXT); CREATE UNIQUE INDEX clinic ON clinics (id); INSERT INTO clinics VALUES ('c1'); \
             CREATE TABLE rooms (clinic TEXT REFERENCES clinics (id)); INSERT INTO rooms VALUES ('c1'); \
             DROP INDEX clinic; DROP TABLE clinics; CREATE TABLE clinics (id TEXT PRIMARY KEY)",
        );
    }

    /// The analytics of D1 has counted this statement, which took so many milliseconds each time.
    pub(crate) fn d1_counted(&self, statement: &str, ms: f64) {
        let group = json!({
            "count": 10, "avg": {"queryDurationMs": ms}, "dimensions": {"query": statement},
            "sum": {"queryDurationMs": 10.0 * ms, "rowsRead": 1000, "rowsReturned": 10},
        });
        self.d1.as_ref().unwrap().api.has_counted(json!([group]));
    }

    /// Runs SQL in the D1 database, until all is well again; gives the rows of the last statement.
    pub(crate) fn d1_sql(&self, statements: &str) -> Value {
        self.d1.as_ref().unwrap().sql(statements)
    }
}
