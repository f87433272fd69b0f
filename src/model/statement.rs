//! SQL that the caller of a runbook types: the one way for a value to become SQL.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Call, Node, Runbook, Template};

/// What stands right of an action that takes SQL where an input of type `sql` is all of it: `sql.query = "{{ input.sql }}"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text as written.
    pub template: Template,
    /// The input inside expressions: `sql`.
    pub input: String,
    /// The SQL; none before the inputs are known.
    pub given: Option<String>,
}

impl Runbook {
    /// The same runbook with the SQL in place that these inputs hold, so that what it may do is known before it runs.
    #[must_use]
    pub fn with_statements(&self, inputs: &Map<String, Value>) -> Cow<'_, Self> {
        let asked = |call: &Call| matches!(call.object, Node::Statement(_));
        if !self.all_steps().flat_map(|step| step.calls()).any(asked) {
            return Cow::Borrowed(self);
        }
        let mut known = self.clone();
        let steps = known.steps.iter_mut().chain(&mut known.finally);
        for call in steps.flat_map(|step| step.calls_mut()) {
            if let Node::Statement(statement) = &mut call.object {
                let given = inputs.get(&statement.input).and_then(Value::as_str);
                statement.given = given.map(str::to_owned);
                settle_database(call, inputs);
            }
        }
        Cow::Owned(known)
    }
}

/// Which database reads the SQL decides what it may do: one that the caller names stands in its place, too.
fn settle_database(call: &mut Call, inputs: &Map<String, Value>) {
    for (option, node) in &mut call.options {
        let ("on", Node::Text(template)) = (*option, node) else {
            continue;
        };
        let given = template.input().and_then(|input| inputs.get(input));
        // What could be read as a template is no name of a database, and stays a value.
        if let Some(name) = given
            .and_then(Value::as_str)
            .filter(|name| !name.contains('{'))
        {
            template.text = name.to_owned();
        }
    }
}
