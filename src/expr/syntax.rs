//! Reads templates and expressions into MiniJinja's syntax tree, within limits that keep every later walk shallow.
//! Only text, `{{ }}`, `if` and `for` are let through: what is not here cannot be used to get around the escaping.

use std::ops::Range;

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{Span, Token, parse, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::error::Fault;
use super::names::{mistake_in_expression, mistake_in_statements};
use crate::base::Diagnostic;
use crate::model::{Expression, Template};

/// The longest template, in bytes.
const LONGEST_TEMPLATE: usize = 1 << 20;
/// The most tokens between one `{{` and `}}`, or in one expression: each may deepen the tree by one.
const MOST_TOKENS: usize = 300;
/// The most brackets and parentheses that are open at the same time: each costs MiniJinja's parser a dozen calls.
const DEEPEST_BRACKETS: usize = 24;
/// The most `{% … %}` in one template: each may deepen the tree by one.
const MOST_STATEMENTS: usize = 200;

/// Checks the syntax of a template, its filters, tests and comparisons, without evaluating it.
///
/// # Errors
/// What is wrong and where.
pub fn check_template(template: &Template) -> Result<(), Diagnostic> {
    statements(&template.text)
        .and_then(|read| mistake_in_statements(read.all()).map_or(Ok(()), Err))
        .map_err(|fault| fault.in_text(&template.text, &template.place).into())
}

/// Checks the syntax of an expression, its filters, tests and comparisons, without evaluating it.
///
/// # Errors
/// What is wrong and where.
pub fn check_expression(expression: &Expression) -> Result<(), Diagnostic> {
    self::expression(&expression.text)
        .and_then(|read| mistake_in_expression(&read).map_or(Ok(()), Err))
        .map_err(|fault| fault.in_text(&expression.text, &expression.place).into())
}

/// A template that was read: its statements are only text, `{{ }}`, `if` and `for`.
pub(super) struct Statements<'a>(Stmt<'a>);

impl<'a> Statements<'a> {
    pub(super) fn all(&self) -> &[Stmt<'a>] {
        match &self.0 {
            Stmt::Template(template) => &template.children,
            _ => &[],
        }
    }
}

/// Reads a template.
pub(super) fn statements(text: &str) -> Result<Statements<'_>, Fault> {
    measure(text, false)?;
    let read =
        Statements(parse(text, "template", syntax()?).map_err(|error| syntax_fault(&error))?);
    read.all().iter().try_for_each(permit)?;
    Ok(read)
}

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Expr<'_>, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("the expression is empty"));
    }
    measure(text, true)
        .and_then(|()| parse_expr(text).map_err(|error| syntax_fault(&error)))
        .map_err(|fault| with_habit(text, fault))
}

/// Names what people write by habit from templates and other languages, where that is what cannot be read.
fn with_habit(text: &str, fault: Fault) -> Fault {
    if let (Some(start), Some(end)) = (text.find("{{"), text.rfind("}}"))
        && start < end
    {
        let bare = text.replace("{{", "").replace("}}", "");
        let bare = bare.split_whitespace().collect::<Vec<_>>().join(" ");
        return Fault::new("an expression stands without `{{` and `}}`")
            .help(format!("write `{bare}`"))
            .at(start..end + 2);
    }
    let from = fault.range.as_ref().map_or(0, |range| range.start);
    // Of `||` the first is a filter without a name.
    let doubled = text.get(..from).is_some_and(|before| before.ends_with('|'));
    let rest = text.get(from - usize::from(doubled)..).unwrap_or_default();
    let habits = [("&&", "and"), ("||", "or"), ("!", "not"), ("=", "==")];
    let habit = habits.iter().find(|(habit, _)| rest.starts_with(habit));
    match habit {
        Some((habit, word)) if fault.help.is_none() => {
            fault.help(format!("write `{word}` instead of `{habit}`"))
        }
        _ => fault,
    }
}

/// The bytes that a span covers.
pub(super) fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..(span.end_offset as usize).max(span.start_offset as usize)
}

/// Every byte of the author's text counts. A comment is `{{# … #}}`: MiniJinja's own `{#` would eat the shell's `${#name}`.
fn syntax() -> Result<SyntaxConfig, Fault> {
    SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .comment_delimiters("{{#", "#}}")
        .build()
        .map_err(|error| syntax_fault(&error))
}

/// Refuses what would make a later walk of the tree too deep.
fn measure(text: &str, in_expression: bool) -> Result<(), Fault> {
    if text.len() > LONGEST_TEMPLATE {
        return Err(Fault::new("the text is longer than 1 MiB"));
    }
    let (mut tokens, mut statements, mut open) = (0, 0, 0_usize);
    for token in tokenize(text, in_expression, syntax()?) {
        let (token, span) = token.map_err(|error| syntax_fault(&error))?;
        match token {
            Token::VariableStart | Token::TemplateData(_) => tokens = 0,
            Token::BlockStart => {
                tokens = 0;
                statements += 1;
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                tokens += 1;
                open += 1;
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                tokens += 1;
                open = open.saturating_sub(1);
            }
            _ => tokens += 1,
        }
        if open > DEEPEST_BRACKETS {
            return Err(Fault::new(format!(
                "more than {DEEPEST_BRACKETS} brackets inside each other"
            ))
            .at(bytes(span)));
        }
        if tokens > MOST_TOKENS {
            return Err(Fault::new(format!(
                "the expression is too long: more than {MOST_TOKENS} words and signs"
            ))
            .help("split it with `save` or a `set` step")
            .at(bytes(span)));
        }
        if statements > MOST_STATEMENTS {
            return Err(Fault::new(format!(
                "more than {MOST_STATEMENTS} `{{% … %}}` in one text"
            ))
            .at(bytes(span)));
        }
    }
    Ok(())
}

/// Refuses every statement but text, `{{ }}`, `if` and `for`.
fn permit(statement: &Stmt<'_>) -> Result<(), Fault> {
    let (word, span) = match statement {
        Stmt::EmitRaw(_) | Stmt::EmitExpr(_) => return Ok(()),
        Stmt::IfCond(branch) => {
            return branch
                .true_body
                .iter()
                .chain(&branch.false_body)
                .try_for_each(permit);
        }
        Stmt::ForLoop(each) if each.recursive => ("for … recursive", each.span()),
        Stmt::ForLoop(each) => {
            return each.body.iter().chain(&each.else_body).try_for_each(permit);
        }
        Stmt::Template(inner) => ("template", inner.span()),
        Stmt::WithBlock(inner) => ("with", inner.span()),
        Stmt::Set(inner) => ("set", inner.span()),
        Stmt::SetBlock(inner) => ("set", inner.span()),
        Stmt::AutoEscape(inner) => ("autoescape", inner.span()),
        Stmt::FilterBlock(inner) => ("filter", inner.span()),
        Stmt::Do(inner) => ("do", inner.span()),
    };
    Err(Fault::new(format!("`{{% {word} %}}` is not part of the language"))
        .help("a template knows `{{ }}`, `{% if %}` and `{% for %}`; use `save` for names of your own")
        .at(bytes(span)))
}

fn syntax_fault(error: &minijinja::Error) -> Fault {
    let message = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    let fault = Fault::new(message);
    match error.range() {
        Some(range) => fault.at(range),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::{check_expression, check_template};
    use crate::expr::testing::{expression, template};

    #[test]
    fn habits_from_elsewhere_are_named() {
        for (text, told) in [
            ("{{ rows | length }}", "write `rows | length`"),
            ("{{ n }} > 2", "write `n > 2`"),
            ("code = 0", "write `==` instead of `=`"),
            ("a && b", "write `and` instead of `&&`"),
            ("a || b", "write `or` instead of `||`"),
            ("!a", "write `not` instead of `!`"),
        ] {
            let shown = check_expression(&expression(text)).map_err(|error| error.to_string());
            assert!(
                shown.as_ref().is_err_and(|shown| shown.contains(told)),
                "{text}: {shown:?}"
            );
        }
    }

    #[test]
    fn finds_mistakes_before_the_run() {
        let shown = |diagnostic: crate::base::Diagnostic| diagnostic.to_string();
        let error = check_template(&template("{% if x %}{{ x | uper }}{% endif %}"));
        assert_eq!(
            error.map_err(shown),
            Err("book.toml:1:25\n    1 │ key = '{% if x %}{{ x | uper }}{% endif %}'\n      │                         ^^^^ there is no filter `uper`; did you mean `upper`?".to_owned())
        );
        for text in [
            "x is definde",
            "x |",
            "",
            "x y",
            "(",
            "x | safe",
            "'x",
            "[x < 1] | first",
            "not (x < 1 and (x > 2) is true)",
        ] {
            assert!(check_expression(&expression(text)).is_err(), "{text}");
        }
        for text in [
            "{{",
            "{% if %}",
            "{% for x %}",
            "{% unknown %}",
            "{% if x %}",
            "{{# open",
        ] {
            assert!(check_template(&template(text)).is_err(), "{text}");
        }
        assert_eq!(check_expression(&expression("x | length > 5")), Ok(()));
        assert_eq!(check_template(&template("plain }} text #}")), Ok(()));
    }
}
