//! The door to this layer: evaluates what a runbook says into what an action takes.

use std::sync::Arc;

use minijinja::Value;

use super::error::{EvalError, Fault};
use super::machine::Machine;
use super::pieces::{Piece, pieces};
use super::syntax;
use super::unknown::{KNOWN_AFTER_RUN, is_unknown};
use super::value::{is_secret, json_of};
use super::{Argument, Judgement, Scope, Threshold, judge, landing, names, thresholds};
use crate::base::{Clock, Masker};
use crate::model::{Expression, Kind, Node, Template};

/// Evaluates templates and expressions. Build one and share it: a clone costs nothing.
#[derive(Clone)]
pub struct Evaluator {
    machine: Machine,
}

impl Evaluator {
    /// An evaluator whose `now`, `ago`, `from_now` and `age` go by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            machine: Machine::new(clock),
        }
    }

    /// The same that knows the secrets: it lets none of them onto a command line whichever way it came, and cuts none in two
    /// where it shortens a value.
    #[must_use]
    pub fn knowing(mut self, masker: &Masker) -> Self {
        self.machine.masker = masker.clone();
        self
    }

    /// What knows the secrets.
    pub(super) const fn masker(&self) -> &Masker {
        &self.machine.masker
    }

    /// Evaluates a node for its kind, each value escaped for where it lands.
    ///
    /// # Errors
    /// A name is missing, a value does not fit its place, or it stands where no value can stand safely.
    pub fn argument(&self, node: &Node, kind: Kind, scope: &Scope) -> Result<Argument, EvalError> {
        landing::land(self, node, kind, scope)
    }

    /// The text for a person or for a name that nothing parses: messages, questions, locks, causes. Secrets are `***`.
    ///
    /// # Errors
    /// A name is missing or the text becomes too long.
    pub fn text(&self, template: &Template, scope: &Scope) -> Result<String, EvalError> {
        self.landed(template, scope, landing::message)
    }

    /// The command line that a person is to paste: each value is one word of it or part of one, and never code. Secrets are
    /// `***`.
    ///
    /// # Errors
    /// A name is missing, a value would be an option or is longer than 1 KiB, or it stands where no value can stand safely.
    pub fn command(&self, template: &Template, scope: &Scope) -> Result<String, EvalError> {
        self.landed(template, scope, |pieces| {
            landing::command(pieces, self.masker())
        })
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// A name is missing, the value is a secret or cannot be kept as JSON.
    pub fn value(
        &self,
        expression: &Expression,
        scope: &Scope,
    ) -> Result<serde_json::Value, EvalError> {
        self.evaluated(expression, scope)
            .and_then(|value| {
                if is_secret(&value) {
                    return Err(Fault::new("a secret cannot be kept as a value")
                        .help("use it where it is needed: `{{ secret.token }}`"));
                }
                if is_unknown(&value) {
                    return Err(Fault::new(format!("the value is {KNOWN_AFTER_RUN}")));
                }
                json_of(&value)
            })
            .map_err(|fault| fault.in_text(&expression.text, &expression.place))
    }

    /// Whether a condition holds, with the comparison that decided. What is missing, null or of another kind than what
    /// it is compared with never passes: it is an error.
    ///
    /// # Errors
    /// A name is missing, or a comparison has no meaning.
    pub fn judge(&self, expression: &Expression, scope: &Scope) -> Result<Judgement, EvalError> {
        syntax::expression(&expression.text)
            .and_then(|read| judge::truth(&self.machine, &read, &expression.text, scope))
            .map_err(|fault| fault.in_text(&expression.text, &expression.place))
    }

    /// The numbers that a condition compares, and when each alerts by itself. What cannot be read gives none.
    #[must_use]
    pub fn thresholds(&self, condition: &Expression, scope: &Scope) -> Vec<Threshold> {
        match syntax::expression(&condition.text) {
            Ok(read) => thresholds::thresholds(&self.machine, &read, &condition.text, scope),
            Err(_) => Vec::new(),
        }
    }

    /// Brings the pieces of a template to where they land.
    pub(super) fn landed<T>(
        &self,
        template: &Template,
        scope: &Scope,
        landing: impl FnOnce(&[Piece<'_>]) -> Result<T, Fault>,
    ) -> Result<T, EvalError> {
        pieces(&self.machine, &template.text, scope)
            .and_then(|pieces| landing(&pieces))
            .map_err(|fault| fault.in_text(&template.text, &template.place))
    }

    fn evaluated(&self, expression: &Expression, scope: &Scope) -> Result<Value, Fault> {
        let read = syntax::expression(&expression.text)?;
        let value = judge::value_of(&self.machine, &read, &expression.text, scope)?;
        if value.is_undefined() {
            return Err(names::undefined_fault(&read, &expression.text, scope));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::expr::testing::{evaluator, expression, scope, template};
    use crate::expr::{Scope, check_expression, check_template};

    fn text(text: &str, scope: &Scope) -> Result<String, String> {
        evaluator()
            .text(&template(text), scope)
            .map_err(|error| error.message)
    }

    #[track_caller]
    fn fails(template: &str, scope: &Scope, words: &str) {
        let error = text(template, scope).err();
        assert!(
            error.as_ref().is_some_and(|error| error.contains(words)),
            "{:.80}: {error:.200?}",
            template
        );
    }

    #[test]
    fn an_endless_template_is_stopped() {
        let scope = scope(&json!({"rows": vec![0; 2000]}));
        fails(
            "{% for a in rows %}{% for b in rows %}{% for c in rows %}{% endfor %}{% endfor %}{% endfor %}",
            &scope,
            "100000",
        );
        fails(
            "{% for a in range(100000) %}{{ a }}{% endfor %}",
            &scope,
            "100000",
        );
        fails("{{ range(10**9) | length }}", &scope, "too many");
    }

    #[test]
    fn giant_texts_are_stopped() {
        let scope = scope(&json!({"x": "x".repeat(3 << 20)}));
        fails("{{ x }}{{ x }}", &scope, "4 MiB");
        fails("{{ x | replace('x', x) }}", &scope, "4 MiB");
        fails("{{ [x, x] | join }}", &scope, "4 MiB");
        fails("{{ 'x' * 10**9 }}", &scope, "too large");
        fails(&"{{ 1 }}".repeat(1 << 18), &Scope::new(), "1 MiB");
        fails("{{ 10 ** 10 ** 10 }}", &Scope::new(), "unable to calculate");
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{1:", "1", "}"),
            ("not ", "1", ""),
            ("-", "1", ""),
            ("a.", "a", ""),
            ("a + ", "a", ""),
            ("a and ", "a", ""),
            ("a < ", "a", ""),
            ("a | length | ", "length", ""),
            ("a if a else ", "a", ""),
            ("a(", "a", ")"),
            ("a[", "a", "]"),
        ] {
            for depth in [50, 120, 190, 390, 5000] {
                let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
                let scope = scope(&json!({"a": 1}));
                let _ = check_expression(&expression(&text));
                let _ = evaluator().judge(&expression(&text), &scope);
                let _ = evaluator().text(&template(&format!("{{{{ {text} }}}}")), &scope);
            }
        }
        let nested = format!(
            "{}{}",
            "{% if 1 %}".repeat(5000),
            "{% endif %}".repeat(5000)
        );
        assert!(check_template(&template(&nested)).is_err());
        let chain = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(190));
        assert_eq!(text(&chain, &Scope::new()), Ok(String::new()));
    }

    #[test]
    fn a_reason_cuts_no_secret_in_two() {
        let secret = crate::base::Secret::new("hunter2-hunter2-hunter2".to_owned());
        let knowing = evaluator().knowing(&crate::base::Masker::new([&secret]));
        for before in 0..80 {
            let text = format!("{}{} and more", "y".repeat(before), secret.expose());
            let told = knowing.judge(&expression("x == 'a'"), &scope(&json!({ "x": text })));
            let because = told.map(|judgement| judgement.because).unwrap_or_default();
            assert!(!because.is_empty() && !because.contains("hun"), "{because}");
        }
    }

    #[test]
    fn every_byte_of_the_author_counts() {
        let scope = scope(&json!({"a": "é"}));
        assert_eq!(text("a\n", &scope), Ok("a\n".to_owned()));
        assert_eq!(text("日 {{ a }}\n\n", &scope), Ok("日 é\n\n".to_owned()));
        assert_eq!(
            text("{# kept #} ${#a} {{# gone #}}", &scope),
            Ok("{# kept #} ${#a} ".to_owned())
        );
        assert_eq!(
            text("{% raw %}{{ a }}{% endraw %}", &scope),
            Ok("{{ a }}".to_owned())
        );
        assert_eq!(
            text("{% if a == 'é' %}y{% else %}n{% endif %}", &scope),
            Ok("y".to_owned())
        );
        assert_eq!(
            text(
                "{% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}{{ x }}{% else %}-{% endfor %}",
                &scope
            ),
            Ok("1223".to_owned())
        );
        assert_eq!(
            text("{% for x in [] %}{% else %}-{% endfor %}", &scope),
            Ok("-".to_owned())
        );
    }

    #[test]
    fn mistakes_point_into_the_file() {
        for (text, message, part) in [
            ("日本 {{ nope }} x", "`nope` is missing", "nope"),
            ("日本 {{ 1 | uper }} x", "there is no filter `uper`", "uper"),
            (
                "{% if 1 is definde %}{% endif %}",
                "there is no test `definde`",
                "definde",
            ),
            (
                "{{ 1 + 'a' }}",
                "tried to use + operator on unsupported types number and string",
                "1 + 'a'",
            ),
            (
                "{% set x = 1 %}",
                "`{% set %}` is not part of the language",
                "set x = 1",
            ),
            ("{{ nwo() }}", "there is no function `nwo`", "nwo()"),
            (
                "{{ [1] | select('gtt', 1) | list }}",
                "there is no test of this name",
                "select('gtt', 1)",
            ),
            ("{{ 1 + }}", "unexpected end of variable block", "}}"),
        ] {
            let error = evaluator().text(&template(text), &Scope::new()).err();
            let found = error.map(|error| {
                let part = error.place.source.slice(error.place.range).to_owned();
                (error.message, part)
            });
            assert_eq!(found, Some((message.to_owned(), part.to_owned())), "{text}");
        }
    }

    #[test]
    fn values_keep_their_types() {
        let scope = scope(&json!({"rows": [{"n": 18204}], "x": null}));
        let value = |text: &str| {
            evaluator()
                .value(&expression(text), &scope)
                .map_err(|error| error.message)
        };
        assert_eq!(value("rows[0].n"), Ok(json!(18204)));
        assert_eq!(value("rows"), Ok(json!([{"n": 18204}])));
        assert_eq!(value("x"), Ok(json!(null)));
        assert_eq!(value("rows[0].n > 5 and 'yes'"), Ok(json!("yes")));
        assert_eq!(value("null"), Ok(json!(null)));
        assert_eq!(value("rows[5].n"), Err("`rows[5].n` is missing".to_owned()));
        assert!(value("x < 5").is_err());
        assert!(value("").is_err());
    }
}
