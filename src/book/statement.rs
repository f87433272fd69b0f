//! Finds where an input of type `sql` is all of the SQL that an action is handed: there, and nowhere else, its text is SQL.

use crate::base::{Diagnostic, Place};
use crate::model::{Call, Input, InputType, Kind, Node, Runbook, Statement, Step};

use super::names::variable;
use super::node::is_template;

/// Marks the calls whose SQL the caller types.
pub(super) fn mark<'a>(steps: impl Iterator<Item = &'a mut Step>, inputs: &[Input]) {
    for call in steps.flat_map(Step::calls_mut) {
        if call.verb.object == Kind::Sql
            && let Some(statement) = statement(&call.object, inputs)
        {
            call.object = Node::Statement(statement);
        }
    }
}

fn statement(node: &Node, inputs: &[Input]) -> Option<Statement> {
    let Node::Text(template) = node else {
        return None;
    };
    let input = template.input().filter(|name| is_sql(name, inputs))?;
    Some(Statement {
        template: template.clone(),
        input: input.to_owned(),
        given: None,
    })
}

fn is_sql(name: &str, inputs: &[Input]) -> bool {
    let mut inputs = inputs.iter();
    inputs.any(|input| input.kind == InputType::Sql && input.variable() == name)
}

/// What is wrong with the SQL that a step hands to another runbook: it must be written out or be typed by the caller, or a
/// value would become SQL on this way round.
pub(super) fn handed_on(
    call: &Call,
    place: &Place,
    from: &Runbook,
    to: &Runbook,
) -> Vec<Diagnostic> {
    let mut asked = to
        .inputs
        .iter()
        .filter(|input| input.kind == InputType::Sql);
    let entries = match call.option("inputs") {
        None => return Vec::new(),
        Some(Node::Table(entries)) => entries.as_slice(),
        Some(_) => {
            return asked
                .next()
                .map(|input| unsound(place, to, input))
                .into_iter()
                .collect();
        }
    };
    let given = |input: &Input| {
        let mut entries = entries.iter();
        entries.find(|(name, _)| variable(name) == input.variable())
    };
    let is_sound = |node: &Node| match node {
        Node::Text(template) => {
            let typed = template.input();
            !is_template(&template.text) || typed.is_some_and(|name| is_sql(name, &from.inputs))
        }
        _ => false,
    };
    asked
        .filter(|input| given(input).is_some_and(|(_, node)| !is_sound(node)))
        .map(|input| unsound(place, to, input))
        .collect()
}

fn unsound(place: &Place, to: &Runbook, input: &Input) -> Diagnostic {
    let message = format!(
        "{} takes its input {:?} as SQL, and this could be any text",
        to.path, input.name
    );
    Diagnostic::at(place.clone(), message)
        .help("write the statement out, or hand on an input of type sql and nothing else")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use serde_json::json;

    use crate::book::testing::parse;
    use crate::model::{Node, Runbook};

    fn runbook(inputs: &str, sql: &str) -> Runbook {
        parse(&format!(
            "title = 't'\n[input.on]\ntype = 'database'\n{inputs}\n[[step]]\nname = 'a'\nsql.execute = {sql}\nsql.on = '{{{{ input.on }}}}'"
        ))
        .unwrap()
    }

    fn is_statement(inputs: &str, sql: &str) -> bool {
        let runbook = runbook(inputs, sql);
        matches!(runbook.steps[0].call.object, Node::Statement(_))
    }

    #[test]
    fn an_input_is_sql_where_it_is_all_of_it_and_of_that_type() {
        let typed = "[input.my-sql]\ntype = 'sql'";
        for sql in [
            "'{{ input.my_sql }}'",
            "'{{input.my_sql}}'",
            "'''\n{{ input.my_sql }}\n'''",
        ] {
            assert!(is_statement(typed, sql), "{sql}");
        }
        for sql in [
            "'{{ input.my_sql }};'",
            "'SELECT {{ input.my_sql }}'",
            "'{{ input.my_sql }}{{ input.my_sql }}'",
            "'{{ input.my_sql | upper }}'",
            "'{{ input[\"my_sql\"] }}'",
            "'{{ (input.my_sql) }}'",
            "'{{ input.my_sql ~ input.on }}'",
            "'{{- input.my_sql }}'",
            "'{% if true %}{{ input.my_sql }}{% endif %}'",
            "'{{ steps.b.my_sql }}'",
            "'{{ input.on }}'",
        ] {
            assert!(!is_statement(typed, sql), "{sql}");
        }
        let text = "[input.my-sql]\ntype = 'string'";
        assert!(!is_statement(text, "'{{ input.my_sql }}'"));
    }

    #[test]
    fn what_was_given_stands_in_the_plan_with_the_database_that_was_named() {
        let runbook = runbook("[input.sql]\ntype = 'sql'", "'{{ input.sql }}'");
        let given = |on: &str| {
            let inputs = json!({"sql": "SELECT '{{ x }}'", "on": on});
            let known = runbook.with_statements(inputs.as_object().unwrap());
            let call = &known.steps[0].call;
            match (&call.object, call.option("on")) {
                (Node::Statement(statement), Some(Node::Text(on))) => {
                    (statement.given.clone(), on.text.clone())
                }
                _ => (None, String::new()),
            }
        };
        let sql = Some("SELECT '{{ x }}'".to_owned());
        assert_eq!(given("main"), (sql.clone(), "main".to_owned()));
        assert_eq!(given("{{ secret.x }}"), (sql, "{{ input.on }}".to_owned()));
    }
}
