//! What a node of a runbook becomes when it is evaluated: typed, escaped for where it lands, ready for an action.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::base::{Size, Span};
use crate::model::Expression;

/// An evaluated node; the variant follows from the [`crate::model::Kind`] of its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// `Kind::Text`, `Url`, `Choice`, `Reference` and `Runbook`.
    Text(String),
    /// `Kind::TextList` and `Argv`.
    List(Vec<String>),
    /// `Kind::TextMap` and `Headers`, in the order of the file.
    Map(Vec<(String, String)>),
    /// `Kind::Sql`.
    Sql(SqlText),
    /// `Kind::Shell`.
    Shell(ShellText),
    /// `Kind::Query`.
    Query(QueryText),
    /// `Kind::Path`.
    Path(PathBuf),
    /// `Kind::Json`.
    Json(Value),
    /// `Kind::Integer`.
    Integer(i64),
    /// `Kind::Float`.
    Float(f64),
    /// `Kind::Boolean`.
    Boolean(bool),
    /// `Kind::Duration`.
    Duration(Span),
    /// `Kind::Size`.
    Size(Size),
    /// `Kind::Condition`.
    Condition(Judgement),
    /// `Kind::Values`, in the order of the file.
    Values(Map<String, Value>),
}

impl Argument {
    /// The argument as a person reads it, secrets and all. An action that can show more exactly what it would send does.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(" "),
            Self::Map(entries) => entries
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
            Self::Sql(sql) => sql.text.clone(),
            Self::Shell(shell) => shell.script.clone(),
            Self::Query(query) => query.text.clone(),
            Self::Path(path) => path.display().to_string(),
            Self::Json(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::Duration(span) => span.to_string(),
            Self::Size(size) => size.to_string(),
            Self::Condition(judgement) => judgement.because.clone(),
            Self::Values(values) => Value::Object(values.clone()).to_string(),
        }
    }
}

/// SQL with its values apart: `?1`, `?2`, … in the text stand for the parameters in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlText {
    /// The SQL; no value is ever part of it but names quoted by `| identifier`.
    pub text: String,
    /// The values, first for `?1`.
    pub parameters: Vec<Value>,
}

/// A query of a metrics system with its values escaped for PromQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText {
    /// The query.
    pub text: String,
    /// Whether no value is part of it.
    pub written_out: bool,
}

/// A shell script with its values apart: they are handed over as environment variables, which no shell parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellText {
    /// The script, with `"${OPSBOOK_1}"`, … where values belong.
    pub script: String,
    /// The variables, `OPSBOOK_1` first.
    pub variables: Vec<(String, String)>,
}

/// Whether a condition holds, and the comparison that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it holds.
    pub holds: bool,
    /// The deciding part with its values, in one line: `json.pendingJobs 142 > 100`. Empty where there is nothing to tell.
    pub because: String,
}

impl Judgement {
    /// The deciding part, else the condition as it was written.
    #[must_use]
    pub fn reason(self, condition: &Expression) -> String {
        if self.because.is_empty() {
            condition.text.clone()
        } else {
            self.because
        }
    }
}
