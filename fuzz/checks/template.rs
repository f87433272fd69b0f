//! Templates and expressions, as a runbook may write them, with values as anybody may send them.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use opsbook::base::{Effect, FixedClock, Place, Secret, SourceFile};
use opsbook::expr::{
    Argument, EvalError, Evaluator, Scope, SqlText, check_expression, check_template,
    names_in_template, secret_value, sql_skeleton, trusted_url,
};
use opsbook::model::{Expression, Kind, Node, Template};
use opsbook::sql::{Dialect, UNPARSED, effect, with_literals};
use serde_json::{Value, json};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::tokenizer::{Token, Tokenizer};
use url::Url;

use super::{assert_harmless, two_parts};

/// A value of no consequence, that no input holds by chance.
const PLAIN: &str = "vqzxv";

/// A secret of the scope.
const SECRET: &str = "hunter2-Zq9-secret";

/// The base URL of the scope.
const BASE: &str = "https://api.example.com/v1";

/// Where a value of the input goes.
const HOLE: &str = "{{ x }}";

static EVALUATOR: LazyLock<Evaluator> =
    LazyLock::new(|| Evaluator::new(Arc::new(FixedClock(DateTime::<Utc>::UNIX_EPOCH))));

/// Nothing tells a secret, what lands is at most as bad as it was known to be, and a value changes nothing around it.
pub fn check(data: &[u8]) {
    let Some((value, text)) = two_parts(data) else {
        return;
    };
    if [value, text]
        .iter()
        .any(|part| part.contains(PLAIN) || part.contains(SECRET) || part.contains("OPSBOOK_"))
    {
        return;
    }
    let value = if value.is_empty() {
        "'; DROP TABLE t; -- \"$(x)\""
    } else {
        value
    };
    any(text, value);
    let parts: Vec<&str> = text.split(HOLE).collect();
    if parts.len() > 1
        && !parts
            .iter()
            .any(|part| part.contains("{{") || part.contains("{%"))
    {
        in_shell(text, &parts, value);
        in_sql(text, &parts, value);
        in_query(text, value);
        in_argv(text, &parts, value);
        in_url(text, value);
        in_tree(text, &parts, value);
        in_header(text, &parts, value);
    }
}

fn template(text: &str) -> Template {
    let source = SourceFile::new("fuzz.toml", text);
    let place = Place::new(&source, 0..text.len());
    Template {
        text: text.to_owned(),
        place,
    }
}

fn expression(text: &str) -> Expression {
    let Template { text, place } = template(text);
    Expression { text, place }
}

fn scope(value: &str) -> Scope {
    let names = json!({
        "x": value, "n": 7, "f": 0.5, "t": true, "nothing": null, "empty": "", "name": "audit_logs",
        "list": [1, "a", value, null], "none": [], "table": { "k": value, value: 1 },
        "rows": [{ "id": 1, "a": value }, { "id": 2, "a": "b" }],
    });
    Scope::new()
        .with_all(names.as_object().expect("a table"))
        .with("token", secret_value(&Secret::new(SECRET.to_owned())))
        .with("base", trusted_url(BASE))
}

fn land(text: &str, kind: Kind, value: &str) -> Result<Argument, EvalError> {
    EVALUATOR.argument(&Node::Text(template(text)), kind, &scope(value))
}

/// Any template and any expression, wherever it may stand.
fn any(text: &str, value: &str) {
    let _ = check_template(&template(text)).map_err(|wrong| assert_harmless(&wrong.to_string()));
    let _ =
        check_expression(&expression(text)).map_err(|wrong| assert_harmless(&wrong.to_string()));
    let _ = names_in_template(&template(text));
    for kind in [
        Kind::Text,
        Kind::TextList,
        Kind::Sql,
        Kind::Query,
        Kind::Shell,
        Kind::Argv,
        Kind::Url,
        Kind::Path,
        Kind::Json,
        Kind::Integer,
        Kind::Float,
        Kind::Boolean,
        Kind::Duration,
        Kind::Size,
        Kind::Choice(&["a", "b"]),
    ] {
        match land(text, kind, value) {
            Err(error) => keeps_quiet(&error.message),
            Ok(Argument::List(items)) if kind == Kind::Argv => {
                items.iter().for_each(|item| keeps_quiet(item))
            }
            Ok(Argument::Sql(sql)) => {
                keeps_quiet(&sql.text);
                known_before(text, &sql.text);
                shown_as_sent(&sql);
            }
            Ok(Argument::Query(query)) => keeps_quiet(&query.text),
            Ok(Argument::Shell(shell)) => {
                keeps_quiet(&shell.script);
                assert_eq!(
                    holes(&shell.script, shell.variables.len()),
                    Ok(()),
                    "{:?}",
                    shell.script
                );
            }
            Ok(_) => {}
        }
    }
    let scope = scope(value);
    if let Ok(text) = EVALUATOR.text(&template(text), &scope) {
        keeps_quiet(&text);
    }
    match EVALUATOR.value(&expression(text), &scope) {
        Ok(kept) => keeps_quiet(&kept.to_string()),
        Err(error) => keeps_quiet(&error.message),
    }
    match EVALUATOR.judge(&expression(text), &scope) {
        Ok(judged) => keeps_quiet(&judged.because),
        Err(error) => keeps_quiet(&error.message),
    }
}

/// What anybody may see holds no secret.
#[track_caller]
fn keeps_quiet(text: &str) {
    assert!(!text.contains(SECRET), "{text:?}");
}

/// What a statement may do was known before it was filled in. Names may turn out to be the same: the engine looks again.
fn known_before(text: &str, landed: &str) {
    if text.contains("identifier") {
        return;
    }
    for dialect in Dialect::ALL {
        let planned = sql_skeleton(&template(text)).map_or(Effect::Destroy, |skeleton| {
            effect(&skeleton, dialect).effect
        });
        if planned < Effect::Destroy {
            let landed_effect = effect(landed, dialect);
            assert!(
                landed_effect.effect <= planned,
                "{text:?} was {planned:?}, {landed:?} is {landed_effect:?}"
            );
        }
    }
}

/// What a dry run shows of a statement, its values written out, is as many statements as are sent, and does the same.
fn shown_as_sent(sql: &SqlText) {
    for dialect in Dialect::ALL {
        let sent = effect(&sql.text, dialect);
        if !sent.reason.starts_with(UNPARSED) {
            let shown = with_literals(&sql.text, &sql.parameters, dialect);
            let read = effect(&shown, dialect);
            assert_eq!(
                read.statements, sent.statements,
                "{shown:?}: {read:?} {sent:?}"
            );
        }
    }
}

/// The script is the author's with a quoted variable where the value goes, and the value is nowhere in it.
fn in_shell(text: &str, parts: &[&str], value: &str) {
    let (Ok(Argument::Shell(plain)), Ok(Argument::Shell(hostile))) = (
        land(text, Kind::Shell, PLAIN),
        land(text, Kind::Shell, value),
    ) else {
        return;
    };
    assert_eq!(plain.script, hostile.script);
    assert_eq!(hostile.variables.len(), parts.len() - 1);
    assert!(hostile.variables.iter().all(|(_, held)| held == value));
}

/// Whether each `${OPSBOOK_n}` of a script stands in double quotes, as far as this small reader of shell understands it.
///
/// The grammar is that of POSIX.1-2024, Shell Command Language, section 2.2 (quoting) and 2.3 (tokens), without what
/// nests: a script with substitutions, here-documents or `case` is let through.
fn holes(script: &str, wanted: usize) -> Result<(), String> {
    const BEYOND: &[&str] = &["`", "$(", "<<", "$'", "$\"", "case", "\r"];
    let bare = (1..=wanted).fold(script.to_owned(), |bare, number| {
        bare.replacen(&format!("${{OPSBOOK_{number}}}"), "\u{1}", 1)
    });
    if script.contains('\u{1}')
        || bare.contains("${")
        || BEYOND.iter().any(|word| bare.contains(word))
    {
        return Ok(());
    }
    let mut found = 0;
    let mut quote = None;
    let mut begins_word = true;
    let mut characters = bare.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('"'), '\u{1}') => found += 1,
            (_, '\u{1}') => return Err(format!("a value outside of double quotes: {quote:?}")),
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            // What the backslash escapes is passed over.
            (None | Some('"'), '\\') if characters.next() == Some('\u{1}') => {
                return Err("a value behind a backslash".to_owned());
            }
            (None, '\'' | '"') => quote = Some(character),
            (None, '#') if begins_word => {
                let comment: String = characters
                    .by_ref()
                    .take_while(|character| *character != '\n')
                    .collect();
                if comment.contains('\u{1}') {
                    return Err("a value in a comment".to_owned());
                }
                begins_word = true;
                continue;
            }
            _ => {}
        }
        begins_word = quote.is_none() && " \t\n;&|()<>".contains(character);
    }
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found} of {wanted} values"))
    }
}

/// What stands outside of the strings of PromQL is the same for any value that is no number and no length of time.
fn in_query(text: &str, value: &str) {
    let (Ok(Argument::Query(plain)), Ok(Argument::Query(hostile))) = (
        land(text, Kind::Query, PLAIN),
        land(text, Kind::Query, value),
    ) else {
        return;
    };
    assert_eq!(without_strings(&plain.text), without_strings(&hostile.text));
}

/// A query without what is in its strings, as PromQL's lexer finds them.
fn without_strings(query: &str) -> String {
    let mut code = String::new();
    let mut inside = None;
    let mut characters = query.chars();
    while let Some(character) = characters.next() {
        match (inside, character) {
            (None, '"' | '\'' | '`') => inside = Some(character),
            (None, '#') => inside = Some('\n'),
            (Some('"' | '\''), '\\') => drop(characters.next()),
            (Some(end), _) if character == end => inside = None,
            _ => {}
        }
        if inside.is_none() {
            code.push(character);
        }
    }
    code
}

/// The statement is the same for any value, and its marks are as many as its parameters for a reader that is not ours.
fn in_sql(text: &str, parts: &[&str], value: &str) {
    let (Ok(Argument::Sql(plain)), Ok(Argument::Sql(hostile))) =
        (land(text, Kind::Sql, PLAIN), land(text, Kind::Sql, value))
    else {
        return;
    };
    assert_eq!(plain.text, hostile.text);
    assert_eq!(
        hostile.parameters,
        vec![Value::from(value); parts.len() - 1]
    );
    // `[?1]` is a name for SQLite and an item of an array for PostgreSQL, and only the latter quotes with `$$`.
    if text.contains(['[', '$']) {
        return;
    }
    if let Ok(tokens) = Tokenizer::new(&SQLiteDialect {}, &hostile.text).tokenize() {
        let marks = tokens
            .iter()
            .filter(|token| matches!(token, Token::Placeholder(mark) if mark.starts_with('?')))
            .count();
        assert_eq!(marks, hostile.parameters.len(), "{:?}", hostile.text);
    }
}

/// The value is part of exactly one argument and makes no option of it.
fn in_argv(text: &str, parts: &[&str], value: &str) {
    let node = Node::List(vec![
        Node::Text(template("printf")),
        Node::Text(template(text)),
        Node::Text(template("last")),
    ]);
    if let Ok(argument) = EVALUATOR.argument(&node, Kind::Argv, &scope(value)) {
        let whole = parts.join(value);
        assert!(
            !(parts[0].is_empty() && whole.starts_with('-')),
            "{whole:?}"
        );
        assert_eq!(
            argument,
            Argument::List(vec!["printf".to_owned(), whole, "last".to_owned()])
        );
    }
}

/// The value changes neither whom the URL addresses nor how many parts it has.
fn in_url(text: &str, value: &str) {
    let text = format!("{{{{ base }}}}/{text}");
    let [Ok(Argument::Text(plain)), Ok(Argument::Text(hostile))] =
        [PLAIN, value].map(|value| land(&text, Kind::Url, value))
    else {
        return;
    };
    let (Ok(plain), Ok(hostile)) = (Url::parse(&plain), Url::parse(&hostile)) else {
        panic!("{plain:?} is no URL, or {hostile:?}");
    };
    let address = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.authority().to_owned(),
            url.path_segments().map_or(0, Iterator::count),
            url.query_pairs().count(),
            url.fragment().is_some(),
        )
    };
    assert_eq!(address(&plain), address(&hostile), "{hostile}");
}

/// The value is part of one leaf.
fn in_tree(text: &str, parts: &[&str], value: &str) {
    let node = Node::Table(vec![(
        "a".to_owned(),
        Node::List(vec![Node::Text(template(text))]),
    )]);
    if let Ok(argument) = EVALUATOR.argument(&node, Kind::Json, &scope(value)) {
        assert_eq!(
            argument,
            Argument::Json(json!({ "a": [parts.join(value)] }))
        );
    }
}

/// The value begins no new header.
fn in_header(text: &str, parts: &[&str], value: &str) {
    let node = Node::Table(vec![("X-Header".to_owned(), Node::Text(template(text)))]);
    if let Ok(argument) = EVALUATOR.argument(&node, Kind::Headers, &scope(value)) {
        let whole = parts.join(value);
        assert!(!whole.contains(['\r', '\n', '\0']), "{whole:?}");
        assert_eq!(
            argument,
            Argument::Map(vec![("X-Header".to_owned(), whole)])
        );
    }
}
