//! The D1 database that an estate really has, behind the stand-in of the API: what tests do to it, and how it is made well.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::d1_api::D1Api;

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
