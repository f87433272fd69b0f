//! Damage: what the server knows of itself, and what the extension amcheck finds by reading everything.

use serde_json::{Value, json};

use crate::action::database::system::{Question, Report, row};
use crate::base::text::{count, one_line, thousands};
use crate::engine::ActionError;
use crate::platform::postgres::{Held, PostgresError};
use crate::platform::rows::Rows;

use super::{Row, Table, text};
use crate::action::database::postgres::PostgresSystem;

/// Where amcheck lies, if it is installed; whether pages have checksums.
const MEANS: &str = "\
SELECT current_setting('data_checksums') AS checksums,
       (SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'amcheck') AS schema";

/// What was read and what was not.
#[derive(Default)]
struct Reading {
    /// Rows {kind, table, detail}, one for each piece of damage.
    damage: Vec<Row>,
    /// How many indexes and tables were read.
    read: usize,
    /// How many could not be, because somebody held them.
    held: usize,
    /// Why the others were not.
    unread: Option<String>,
}

impl PostgresSystem {
    /// `pg_amcheck` is not asked: it calls the functions of the same extension, and would have to be on this machine.
    pub(in super::super) async fn integrity(
        &self,
        question: &Question,
    ) -> Result<Report, ActionError> {
        let means = self.ask(MEANS, &[]).await?;
        let means = means.rows.into_iter().next().unwrap_or_default();
        let table = self.table(question.table.as_deref()).await?;
        let oid = json!(table.as_ref().map(|table: &Table| table.oid));
        let known = self
            .ask(include_str!("damage.sql"), std::slice::from_ref(&oid))
            .await?;
        let mut reading = match &means["schema"] {
            Value::String(schema) => {
                self.read_everything(&oid, schema, !known.rows.is_empty())
                    .await?
            }
            _ => Reading {
                unread: Some("as superuser: CREATE EXTENSION amcheck".to_owned()),
                ..Reading::default()
            },
        };
        let mut rows = known.rows;
        rows.append(&mut reading.damage);
        let problems: Vec<String> = rows.iter().map(line).collect();
        let found = match problems.len() {
            0 => "no damage".to_owned(),
            number => count(number, "problem"),
        };
        let why = reading.why_unread();
        let unread = match &why {
            None => String::new(),
            Some(why) => format!("; not all of it was read, {why}"),
        };
        let checksums = match means["checksums"].as_str() {
            Some("on") => "",
            _ => "; its pages have no checksums",
        };
        let read = thousands(reading.read as u64);
        Ok(Report {
            detail: format!("{found}, {read} indexes and tables read{unread}{checksums}"),
            rows,
            problems,
            further: vec![("complete", json!(why.is_none())), ("unread", json!(why))],
            ..Report::default()
        })
    }

    /// Has amcheck read every index and table. What ends it half way is told beside damage that is known, else it is the end.
    async fn read_everything(
        &self,
        oid: &Value,
        schema: &str,
        is_damaged: bool,
    ) -> Result<Reading, ActionError> {
        let listed = self
            .ask(include_str!("amcheck.sql"), &[oid.clone(), json!(schema)])
            .await?;
        let statements: Vec<String> = listed
            .rows
            .iter()
            .map(|row| text(row, "statement"))
            .collect();
        let outcomes = self
            .postgres
            .queries(&statements, &[], usize::MAX, Held::One);
        let outcomes = self.told(outcomes.await)?;
        let mut reading = Reading::default();
        for (part, outcome) in listed.rows.iter().zip(outcomes) {
            if let Err(error) = reading.take(part, outcome) {
                let trouble = self.trouble(&error);
                // What is held now is read another time; the others are read all the same.
                if error.is_lock_timeout() {
                    reading.held += 1;
                    reading.unread.get_or_insert(trouble.message);
                    continue;
                }
                if reading.damage.is_empty() && !is_damaged {
                    return Err(trouble);
                }
                reading.unread = Some(trouble.message);
            }
        }
        Ok(reading)
    }
}

impl Reading {
    /// Why not all was read; nothing where all was.
    fn why_unread(&self) -> Option<String> {
        let why = self.unread.as_ref()?;
        Some(match self.held {
            0 => why.clone(),
            held => format!("{why}; held were {held} of them"),
        })
    }

    /// Takes in what came of one index or table. Gives back what tells nothing of it.
    fn take(
        &mut self,
        part: &Row,
        outcome: Result<Rows, PostgresError>,
    ) -> Result<(), PostgresError> {
        let damage = |detail: &str| {
            row([
                ("kind", json!("damage")),
                ("table", part["table"].clone()),
                (
                    "detail",
                    json!(format!("{}: {}", text(part, "part"), one_line(detail))),
                ),
            ])
        };
        match outcome {
            Ok(found) => {
                self.read += 1;
                let details = found.rows.iter().map(|row| text(row, "detail"));
                let details = details.filter(|detail| !detail.is_empty());
                self.damage.extend(details.map(|detail| damage(&detail)));
                if found.truncated {
                    self.damage.push(damage("there is more"));
                }
            }
            Err(PostgresError::Server {
                code,
                message,
                offset,
                ..
            }) => match code.as_str() {
                // It was dropped since it was listed.
                "42P01" => {}
                "XX000" if message.starts_with("could not open relation with OID") => {}
                "42501" => {
                    self.unread = Some("this role may not run all of amcheck".to_owned());
                }
                // Corrupted data and indexes, and files that cannot be read.
                code if code.starts_with("XX") || code.starts_with("58") => {
                    self.read += 1;
                    self.damage.push(damage(&message));
                }
                _ => {
                    return Err(PostgresError::Server {
                        code,
                        message,
                        hint: None,
                        offset,
                    });
                }
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let detail = text(row, "detail");
    match row["table"].as_str() {
        Some(table) => format!("{table}: {detail}"),
        None => detail,
    }
}
