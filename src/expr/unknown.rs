//! The value of what a dry run cannot know: what a step would have given that was only shown. It spreads: what is worked
//! out from it is as unknown, and nothing is judged by it.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

use super::names::{NameUse, names_in_expression, names_in_template};
use super::{Argument, Scope};
use crate::model::{Call, Expression, Node, Template};

/// How it reads.
pub const KNOWN_AFTER_RUN: &str = "(known after run)";

/// Follows the text of an unknown value wherever that is put, so that it is found again however it was quoted there.
/// A noncharacter: no text that is meant to be exchanged holds it.
const MARK: char = '\u{fdd2}';

/// A value that is known after the run. Each of its parts is as unknown as the whole.
#[derive(Debug)]
struct Unknown;

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(unknown())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{KNOWN_AFTER_RUN}{MARK}")
    }
}

/// A value that is known after the run.
pub(super) fn unknown() -> Value {
    Value::from_object(Unknown)
}

/// Whether a value is known only after the run.
pub(super) fn is_unknown(value: &Value) -> bool {
    value.downcast_object_ref::<Unknown>().is_some()
}

/// What stands for an argument that cannot be worked out without a value that is not known.
#[must_use]
pub fn unknown_argument() -> Argument {
    Argument::Text(unknown().to_string())
}

/// Whether a text holds a value that is not known.
#[must_use]
pub fn holds_unknown(text: &str) -> bool {
    text.contains(MARK)
}

/// The text with its unknown values as a person reads them, however they were quoted or encoded for where they stand.
#[must_use]
pub fn told_unknown(text: &str) -> String {
    const ENCODED: &str = "%EF%B7%92";
    if !text.contains(MARK) && !text.contains(ENCODED) {
        return text.to_owned();
    }
    let mut told = text.to_owned();
    for mark in [MARK.to_string(), ENCODED.to_owned()] {
        for space in [" ", "%20", "+"] {
            for (open, close) in [("(", ")"), ("%28", "%29")] {
                let value = format!("{open}known{space}after{space}run{close}{mark}");
                for quote in ["'", "\"", ""] {
                    told = told.replace(&format!("{quote}{value}{quote}"), KNOWN_AFTER_RUN);
                }
            }
        }
    }
    told.replace(MARK, "")
}

impl Scope {
    /// The first name of an expression that is known only after the run, as it is written there.
    #[must_use]
    pub fn unknown_in_expression(&self, expression: &Expression) -> Option<String> {
        self.has_unknown()
            .then(|| self.first_unknown(&names_in_expression(expression)))?
    }

    /// The same for a template.
    #[must_use]
    pub fn unknown_in_template(&self, template: &Template) -> Option<String> {
        self.has_unknown()
            .then(|| self.first_unknown(&names_in_template(template)))?
    }

    /// The same for a value as written in a runbook.
    #[must_use]
    pub fn unknown_in_node(&self, node: &Node) -> Option<String> {
        let found = std::cell::RefCell::new(None);
        let keep = |name: Option<String>| {
            let mut found = found.borrow_mut();
            if found.is_none() {
                *found = name;
            }
        };
        if self.has_unknown() {
            node.visit(
                &mut |template| keep(self.unknown_in_template(template)),
                &mut |expression| keep(self.unknown_in_expression(expression)),
            );
        }
        found.into_inner()
    }

    /// The same for a call: its object and its options.
    #[must_use]
    pub fn unknown_in_call(&self, call: &Call) -> Option<String> {
        let options = call.options.iter().map(|(_, node)| node);
        std::iter::once(&call.object)
            .chain(options)
            .find_map(|node| self.unknown_in_node(node))
    }

    /// The first of these names that is known only after the run.
    pub(super) fn first_unknown(&self, uses: &[NameUse]) -> Option<String> {
        uses.iter().find_map(|name| {
            let depth = self.unknown_at(&name.path)?;
            Some(name.path[..depth].join("."))
        })
    }

    /// After how many parts of a path a value is reached that is known only after the run.
    fn unknown_at(&self, path: &[String]) -> Option<usize> {
        let [first, rest @ ..] = path else {
            return None;
        };
        if first == "steps" && rest.is_empty() && self.has_unknown_step() {
            // The name of the step is worked out: it may be any of them.
            return Some(1);
        }
        let mut value = self.look(first)?;
        for (index, part) in rest.iter().enumerate() {
            if is_unknown(&value) {
                // What the author wrote, down to the part that is wanted.
                return Some((index + 2).min(path.len()));
            }
            value = value.get_attr(part).ok()?;
        }
        is_unknown(&value).then_some(path.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{holds_unknown, told_unknown};
    use crate::expr::testing::{evaluator, expression, land, scope, template};
    use crate::expr::{Argument, Scope};
    use crate::model::Kind;

    /// `steps.made` and `later` are not known; `steps.read` and `n` are.
    fn rehearsed() -> Scope {
        let mut scope = scope(&json!({"n": 5, "rows": [1, 2]}));
        scope.finish_step("read", &json!({"n": 7}));
        scope.finish_step_unknown("made");
        scope.define_unknown("later");
        scope
    }

    #[test]
    fn what_is_worked_out_from_it_is_unknown_too() {
        let scope = rehearsed();
        for (text, name) in [
            ("later", Some("later")),
            ("later > 5", Some("later")),
            ("n > 5 and later.a[0].b == 1", Some("later.a")),
            ("steps.made.id", Some("steps.made.id")),
            ("steps.made.rows | length", Some("steps.made.rows")),
            ("steps[n].id", Some("steps")),
            ("later is defined", Some("later")),
            ("steps.read.n > n", None),
            ("rows | map('abs') | list", None),
        ] {
            let found = scope.unknown_in_expression(&expression(text));
            assert_eq!(found.as_deref(), name, "{text}");
            let judged = evaluator().judge(&expression(text), &scope);
            assert_eq!(
                judged.is_err_and(|error| error.message.contains("known after run")),
                name.is_some(),
                "{text}"
            );
        }
        let own = scope.with_all(&serde_json::Map::from_iter([(
            "later".to_owned(),
            1.into(),
        )]));
        assert_eq!(own.unknown_in_expression(&expression("later")), None);
    }

    #[test]
    fn only_what_depends_on_it_is_unknown_in_a_text() {
        let scope = rehearsed();
        let text = |text: &str| {
            let text = evaluator().text(&template(text), &scope);
            text.map(|text| told_unknown(&text)).unwrap_or_default()
        };
        assert_eq!(
            text("{{ n }} of {{ later | upper }}, {{ later ~ n }}"),
            "5 of (known after run), (known after run)"
        );
        assert_eq!(text("{% for r in rows %}{{ r }}{% endfor %}"), "12");
        for whole in [
            "{% if later %}a{% endif %}",
            "{% for x in later %}{{ x }}{% endfor %}",
        ] {
            assert!(evaluator().text(&template(whole), &scope).is_err());
            assert!(scope.unknown_in_template(&template(whole)).is_some());
        }
    }

    #[test]
    fn it_is_found_again_wherever_it_lands() {
        let scope = rehearsed();
        let text = "/a/{{ later.id }}?b={{ later }}";
        let Ok(Argument::Text(url)) = land(text, Kind::Url, &scope) else {
            return assert_eq!(text, "");
        };
        assert_eq!(
            told_unknown(&url),
            "/a/(known after run)?b=(known after run)"
        );
        let Ok(Argument::Sql(sql)) = land("DELETE FROM t WHERE a = {{ later }}", Kind::Sql, &scope)
        else {
            return assert_eq!(text, "");
        };
        assert!(holds_unknown(&sql.parameters[0].to_string()));
        assert!(!holds_unknown("(known after run)"));
        assert_eq!(
            told_unknown(&format!(
                "'{}'",
                sql.parameters[0].as_str().unwrap_or_default()
            )),
            "(known after run)"
        );
    }

    #[test]
    fn a_scope_without_one_is_not_searched() {
        let scope = scope(&json!({"later": 1}));
        assert!(!scope.has_unknown());
        assert_eq!(scope.unknown_in_expression(&expression("later")), None);
    }
}
