//! References that lead nowhere, and those that nothing holds.

use serde_json::{Value, json};

use crate::action::database::system::{Question, Report, row};
use crate::base::text::{count, thousands};
use crate::engine::ActionError;
use crate::platform::postgres::Held;

use super::{Row, text};
use crate::action::database::postgres::PostgresSystem;

impl PostgresSystem {
    pub(in super::super) async fn foreign_keys(
        &self,
        question: &Question,
    ) -> Result<Report, ActionError> {
        let known = self.ask_of_table(include_str!("foreign_keys.sql"), question);
        let known = known.await?.rows;
        let counting = known.iter().filter(|key| !key["counting"].is_null());
        let statements: Vec<String> = counting.map(|key| text(key, "counting")).collect();
        let counted = self.told(self.postgres.queries(&statements, &[], 1, Held::All).await)?;
        let mut counted = counted.into_iter();

        let mut report = Report::default();
        let mut uncounted = 0;
        for key in &known {
            let dangling = if key["counting"].is_null() {
                uncounted += 1;
                None
            } else {
                // What ended the series ends the look.
                let rows = self.told(counted.next().unwrap_or_else(|| Ok(Default::default())))?;
                rows.rows.first().and_then(|row| row["rows"].as_u64())
            };
            report.take(key, dangling);
        }
        let uncounted = match uncounted {
            0 => String::new(),
            number => {
                format!("; the rows of {number} cannot be read by this role and were not counted")
            }
        };
        let broken = match report.problems.len() {
            0 => "none is broken".to_owned(),
            number => count(number, "problem"),
        };
        report.detail = format!("{}, {broken}{uncounted}", count(known.len(), "foreign key"));
        Ok(report)
    }
}

impl Report {
    /// Takes in what was found of a foreign key, if there is anything to say.
    fn take(&mut self, key: &Row, dangling: Option<u64>) {
        let is = |what: &str| key[what] == json!(true);
        let (altered, quoted) = (text(key, "altered"), text(key, "quoted"));
        let mut details = Vec::new();
        if !is("is_held") {
            details.push(format!(
                "its triggers are disabled: {altered} ENABLE TRIGGER ALL"
            ));
        }
        if !is("is_validated") {
            details.push(format!("NOT VALID: {altered} VALIDATE CONSTRAINT {quoted}"));
        }
        if key["counting"].is_null() {
            details.push("not counted".to_owned());
        }
        let whose = format!("{}.{}", text(key, "table"), text(key, "column"));
        let parent = text(key, "parent");
        if let Some(dangling @ 1..) = dangling {
            let rows = if dangling == 1 {
                "row leads"
            } else {
                "rows lead"
            };
            let dangling = thousands(dangling);
            self.problems
                .push(format!("{whose}: {dangling} {rows} to no row of {parent}"));
        } else if !is("is_held") {
            // Whoever writes now can break it.
            self.problems
                .push(format!("{whose}: nothing holds it: {}", details.join("; ")));
        } else if details.is_empty() {
            return;
        }
        self.rows.push(row([
            ("table", key["table"].clone()),
            ("column", key["column"].clone()),
            ("parent", Value::from(parent)),
            ("rows", json!(dangling)),
            (
                "detail",
                match details.as_slice() {
                    [] => Value::Null,
                    details => Value::from(details.join("; ")),
                },
            ),
        ]));
    }
}
