//! How often and how fast a step does its action: `for_each`, `retry`, `repeat`.

use crate::base::{Diagnostic, Span};
use crate::model::{Backoff, Expression, ForEach, Repeat, Retry, RetryOn};

use super::field::{Field, Form};
use super::names::identifier;
use super::reader::TableReader;

/// The most attempts of one step.
const MOST_ATTEMPTS: i64 = 10_000;

/// The most items of a `for_each` that run at the same time.
const MOST_CONCURRENT: i64 = 1024;

const RETRY_ON: [(&str, RetryOn); 3] = [
    ("error", RetryOn::Error),
    ("timeout", RetryOn::Timeout),
    ("expect", RetryOn::Expect),
];

const BACKOFF: [(&str, Backoff); 2] = [
    ("constant", Backoff::Constant),
    ("exponential", Backoff::Exponential),
];

/// Reads `for_each.table = "…"` and `concurrency` of a step.
pub(super) fn parse_for_each(table: &TableReader<'_>) -> Option<ForEach> {
    let concurrency = table.optional("concurrency");
    let Some(field) = table.optional("for_each") else {
        if let Some(field) = concurrency {
            field.key_mistake("`concurrency` without `for_each`");
        }
        return None;
    };
    let concurrency = match concurrency {
        Some(field) => field.integer_in(1..=MOST_CONCURRENT),
        None => Some(1),
    };
    let entries = match field.form() {
        Form::Table => field.table("`for_each`")?.entries(),
        _ => {
            field.mistake_with_help(
                format!(
                    "expected a name with its list, found {}",
                    field.form().with_article()
                ),
                "write `for_each.table = \"steps.tables.rows\"`",
            );
            return None;
        }
    };
    let [entry] = entries.as_slice() else {
        field.mistakes().push(
            Diagnostic::at(
                entries.get(1).map_or(field.key_place(), Field::key_place),
                format!(
                    "expected exactly one name in `for_each`, found {}",
                    entries.len()
                ),
            )
            .help("write `for_each.table = \"steps.tables.rows\"`"),
        );
        return None;
    };
    let name = identifier(*entry);
    let items = items(*entry);
    name?;
    Some(ForEach {
        variable: entry.key().to_owned(),
        items: items?,
        concurrency: usize::try_from(concurrency?).ok()?,
    })
}

/// An expression that gives a list, or the list itself, whose JSON is an expression too.
fn items(field: Field<'_>) -> Option<Expression> {
    if field.form() != Form::List {
        return field.expression();
    }
    let list = field.list()?;
    let literals: Vec<Option<String>> = list
        .iter()
        .map(|item| match item.form() {
            Form::Integer => item.integer().map(|number| number.to_string()),
            Form::Boolean => item.boolean().map(|value| value.to_string()),
            Form::Text => item
                .text()
                .map(|text| serde_json::Value::from(text).to_string()),
            _ => {
                item.expected("a text or an integer");
                None
            }
        })
        .collect();
    let literals: Option<Vec<String>> = literals.into_iter().collect();
    Some(Expression {
        text: format!("[{}]", literals?.join(", ")),
        place: field.place(),
    })
}

/// Reads `retry = 3` or `retry = { attempts = 3, … }`.
pub(super) fn parse_retry(field: Field<'_>) -> Option<Retry> {
    let mut retry = Retry {
        attempts: 3,
        delay: Span::seconds(1),
        backoff: Backoff::Exponential,
        max_delay: Span::seconds(30),
        jitter: true,
        on: RETRY_ON.iter().map(|(_, on)| *on).collect(),
    };
    match field.form() {
        Form::Integer => {
            retry.attempts = attempts(field)?;
            return Some(retry);
        }
        Form::Table => {}
        _ => {
            field.expected(
                "the number of attempts or a table like { attempts = 3, delay = \"1s\" }",
            );
            return None;
        }
    }
    let before = field.mistakes().len();
    let table = field.table("`retry`")?;
    if let Some(value) = table.optional("attempts").and_then(attempts) {
        retry.attempts = value;
    }
    if let Some(value) = table.optional("delay").and_then(|field| field.duration()) {
        retry.delay = value;
        retry.max_delay = retry.max_delay.max(value);
    }
    if let Some(value) = table
        .optional("backoff")
        .and_then(|field| field.choice(&BACKOFF))
    {
        retry.backoff = value;
    }
    if let Some(field) = table.optional("max_delay")
        && let Some(value) = field.duration()
    {
        if value < retry.delay {
            field.mistake(format!("expected at least `delay`, {}", retry.delay));
        }
        retry.max_delay = value;
    }
    if let Some(value) = table.optional("jitter").and_then(|field| field.boolean()) {
        retry.jitter = value;
    }
    if let Some(value) = table.optional("on").and_then(retry_on) {
        retry.on = value;
    }
    table.finish();
    (field.mistakes().len() == before).then_some(retry)
}

fn attempts(field: Field<'_>) -> Option<u32> {
    field
        .integer_in(1..=MOST_ATTEMPTS)
        .and_then(|number| u32::try_from(number).ok())
}

fn retry_on(field: Field<'_>) -> Option<Vec<RetryOn>> {
    let items = field.list()?;
    if items.is_empty() {
        field.mistake("expected at least one of error, timeout, expect");
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| item.choice(&RETRY_ON)).collect();
    read.into_iter().collect()
}

/// Reads `repeat = { every = "1s", times = 10 }`.
pub(super) fn parse_repeat(field: Field<'_>) -> Option<Repeat> {
    let before = field.mistakes().len();
    let table = field.table("`repeat`")?;
    let every = match table.optional("every") {
        Some(field) => field.positive_duration(),
        None => Some(Span::seconds(1)),
    };
    let duration = table
        .optional("for")
        .and_then(|field| field.positive_duration());
    let times = table
        .optional("times")
        .and_then(|field| field.integer_in(1..=i64::MAX))
        .and_then(|number| u64::try_from(number).ok());
    let until = table.optional("until").and_then(|field| field.expression());
    let tolerate = table
        .optional("tolerate")
        .and_then(|field| field.integer_in(0..=i64::MAX))
        .and_then(|number| u64::try_from(number).ok());
    if !["for", "times", "until"]
        .iter()
        .any(|key| table.contains(key))
    {
        field.mistakes().push(
            Diagnostic::at(field.key_place(), "`repeat` never ends")
                .help("give it `for`, `times` or `until`"),
        );
    }
    table.finish();
    if field.mistakes().len() > before {
        return None;
    }
    Some(Repeat {
        every: every?,
        duration,
        times,
        until,
        tolerate: tolerate.unwrap_or_default(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::book::testing::{mistakes_of_steps, parse};

    #[test]
    fn a_literal_list_can_be_looped_over() {
        let runbook = parse(
            "title = 't'\n[[step]]\nname = 'a'\nhttp.get = '/'\nfor_each.host = ['a\"b', 1, true]\n",
        )
        .unwrap();
        let for_each = runbook.steps[0].for_each.as_ref().unwrap();
        assert_eq!(for_each.items.text, r#"["a\"b", 1, true]"#);
    }

    #[test]
    fn tells_the_mistakes_of_for_each() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "name = 'a'\nhttp.get = '/'\nfor_each = 'rows'",
            "name = 'a'\nhttp.get = '/'\nfor_each = {}",
            "name = 'a'\nhttp.get = '/'\nfor_each.x = 'rows'\nfor_each.y = 'rows'",
            "name = 'a'\nhttp.get = '/'\nfor_each.steps = 'rows'",
            "name = 'a'\nhttp.get = '/'\nfor_each.x = [1.5]",
            "name = 'a'\nhttp.get = '/'\nconcurrency = 2",
            "name = 'a'\nhttp.get = '/'\nfor_each.x = 'rows'\nconcurrency = 0",
        ]));
    }

    #[test]
    fn tells_the_mistakes_of_retry_and_repeat() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "name = 'a'\nhttp.get = '/'\nretry = 0",
            "name = 'a'\nhttp.get = '/'\nretry = 'often'",
            "name = 'a'\nhttp.get = '/'\nretry = { attempts = 99999, backoff = 'linear', on = [], delay = '5', atempts = 2 }",
            "name = 'a'\nhttp.get = '/'\nretry = { delay = '10s', max_delay = '1s' }",
            "name = 'a'\nhttp.get = '/'\nretry = { on = ['timeuot'] }",
            "name = 'a'\nhttp.get = '/'\nrepeat = { every = '1s' }",
            "name = 'a'\nhttp.get = '/'\nrepeat = { every = '0s', times = 0, tolerate = -1 }",
            "name = 'a'\nhttp.get = '/'\nrepeat = 5",
        ]));
    }
}
