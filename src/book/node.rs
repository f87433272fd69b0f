//! One value of an action, read as the kind that the action's own description asks for.

use crate::base::{CommandPath, Size, Span};
use crate::model::{Expression, Kind, Node, Reference, Template};

use super::field::{Field, Form};
use super::names::identifier;

/// Reads a value as this kind; anything else is a mistake.
pub(super) fn parse_node(field: Field<'_>, kind: Kind) -> Option<Node> {
    match kind {
        Kind::Text => field.template().map(Node::Text),
        Kind::Sql | Kind::Query | Kind::Shell | Kind::Url | Kind::Path => filled(field),
        Kind::TextList => text_list(field),
        Kind::Argv => argv(field),
        Kind::TextMap => map(field, |_| true),
        Kind::Headers => map(field, is_header_name),
        Kind::Json => json(field),
        Kind::Integer => match field.form() {
            Form::Integer => field.integer().map(Node::Integer),
            _ => written_as_template(field, "an integer"),
        },
        Kind::Float => match field.form() {
            Form::Integer | Form::Float => field.float().map(Node::Float),
            _ => written_as_template(field, "a number"),
        },
        Kind::Boolean => match field.form() {
            Form::Boolean => field.boolean().map(Node::Boolean),
            _ => written_as_template(field, "true or false"),
        },
        Kind::Duration => literal_or_template(field, "a duration like \"30s\"", |field| {
            field.duration().map(|_: Span| ())
        }),
        Kind::Size => literal_or_template(field, "a size like \"10MiB\"", |field| {
            field.size().map(|_: Size| ())
        }),
        Kind::Choice(words) => {
            literal_or_template(field, &format!("one of {}", words.join(", ")), |field| {
                let pairs: Vec<_> = words.iter().map(|word| (*word, ())).collect();
                field.choice(&pairs)
            })
        }
        Kind::Condition => field.expression().map(Node::Expression),
        Kind::Values => values(field),
        Kind::Reference(reference) => {
            if field.form() != Form::Text {
                field.expected(&format!("the name of a {}", noun(reference)));
                return None;
            }
            filled(field)
        }
        Kind::Runbook => runbook(field),
    }
}

/// What a reference names.
pub(super) const fn noun(reference: Reference) -> &'static str {
    match reference {
        Reference::Service => "service",
        Reference::Database => "database",
        Reference::Queue => "queue",
        Reference::Metrics => "metrics",
    }
}

/// Whether a text is evaluated before it is used.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn filled(field: Field<'_>) -> Option<Node> {
    field.filled_text()?;
    field.template().map(Node::Text)
}

fn text_list(field: Field<'_>) -> Option<Node> {
    match field.form() {
        Form::Text => Some(Node::List(vec![Node::Text(field.template()?)])),
        Form::List => templates(&field.list()?).map(Node::List),
        _ => {
            field.expected("a list of texts");
            None
        }
    }
}

fn argv(field: Field<'_>) -> Option<Node> {
    if field.form() != Form::List {
        field.expected("a list like [\"pg_dump\", \"--schema-only\"]");
        return None;
    }
    let items = field.list()?;
    let Some(program) = items.first() else {
        field.mistake("expected a program and its arguments, found an empty list");
        return None;
    };
    program.filled_text()?;
    templates(&items).map(Node::List)
}

fn templates(fields: &[Field<'_>]) -> Option<Vec<Node>> {
    let read: Vec<Option<Template>> = fields.iter().map(|field| field.template()).collect();
    read.into_iter()
        .map(|template| template.map(Node::Text))
        .collect()
}

fn map(field: Field<'_>, is_name: fn(&str) -> bool) -> Option<Node> {
    let entries = field.table(format!("`{}`", field.key()))?.entries();
    let read: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            if !is_name(entry.key()) {
                entry.key_mistake(format!("{:?} is not a legal name here", entry.key()));
                return None;
            }
            Some((entry.key().to_owned(), Node::Text(entry.template()?)))
        })
        .collect();
    read.into_iter().collect::<Option<_>>().map(Node::Table)
}

/// The characters of a `token` of HTTP (RFC 9110, 5.6.2).
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn json(field: Field<'_>) -> Option<Node> {
    match field.form() {
        Form::Text => field.template().map(Node::Text),
        Form::Integer => field.integer().map(Node::Integer),
        Form::Float => finite(field).map(Node::Float),
        Form::Boolean => field.boolean().map(Node::Boolean),
        Form::Moment => Some(Node::Text(Template {
            text: field.moment()?.to_owned(),
            place: field.place(),
        })),
        Form::List => {
            let items: Vec<_> = field.list()?.into_iter().map(json).collect();
            items.into_iter().collect::<Option<_>>().map(Node::List)
        }
        Form::Table => {
            let entries = field.table(format!("`{}`", field.key()))?.entries();
            let read: Vec<_> = entries
                .into_iter()
                .map(|entry| Some((entry.key().to_owned(), json(entry)?)))
                .collect();
            read.into_iter().collect::<Option<_>>().map(Node::Table)
        }
    }
}

fn finite(field: Field<'_>) -> Option<f64> {
    let number = field.float()?;
    if !number.is_finite() {
        field.mistake("JSON knows no such number");
        return None;
    }
    Some(number)
}

/// A value of another form than text, written as a text that becomes one.
fn written_as_template(field: Field<'_>, wanted: &str) -> Option<Node> {
    if field.form() != Form::Text || !is_template(field.text()?) {
        field.expected(wanted);
        return None;
    }
    field.template().map(Node::Text)
}

/// A text that is checked now, unless it is a template.
fn literal_or_template(
    field: Field<'_>,
    wanted: &str,
    check: impl Fn(Field<'_>) -> Option<()>,
) -> Option<Node> {
    if field.form() != Form::Text {
        field.expected(wanted);
        return None;
    }
    if !is_template(field.text()?) {
        check(field)?;
    }
    field.template().map(Node::Text)
}

fn values(field: Field<'_>) -> Option<Node> {
    let entries = field.table(format!("`{}`", field.key()))?.entries();
    if entries.is_empty() {
        field.mistake("expected at least one name with its value");
        return None;
    }
    let read: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            identifier(entry)?;
            Some((entry.key().to_owned(), Node::Expression(value(entry)?)))
        })
        .collect();
    read.into_iter().collect::<Option<_>>().map(Node::Table)
}

/// An expression, or a literal that is its own expression.
pub(super) fn value(field: Field<'_>) -> Option<Expression> {
    match field.form() {
        Form::Integer | Form::Boolean | Form::Float => {
            let text = match field.form() {
                Form::Integer => field.integer()?.to_string(),
                Form::Boolean => field.boolean()?.to_string(),
                _ => finite(field)?.to_string(),
            };
            Some(Expression {
                text,
                place: field.place(),
            })
        }
        _ => field.expression(),
    }
}

fn runbook(field: Field<'_>) -> Option<Node> {
    let text = field.filled_text()?;
    if is_template(text) {
        field.mistake_with_help(
            "the runbook that is run must be written out",
            "what it may do has to be known before it runs",
        );
        return None;
    }
    if let Err(error) = CommandPath::parse(text) {
        field.mistake(error.to_string());
        return None;
    }
    field.template().map(Node::Text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::book::testing::{mistakes_of_steps, parse};
    use crate::model::Node;

    fn object(step: &str) -> Node {
        let text = format!("title = 't'\n[[step]]\nname = 'a'\n{step}");
        parse(&text).unwrap().steps[0].call.object.clone()
    }

    #[test]
    fn literals_among_values_are_expressions() {
        let Node::Table(entries) = object("set.values = { a = 1, b = true, c = 'x + 1', d = 1.5 }")
        else {
            unreachable!("values are a table");
        };
        let texts: Vec<_> = entries
            .iter()
            .map(|(_, node)| match node {
                Node::Expression(expression) => expression.text.as_str(),
                _ => "no expression",
            })
            .collect();
        assert_eq!(texts, ["1", "true", "x + 1", "1.5"]);
    }

    #[test]
    fn a_template_may_stand_for_what_is_no_text() {
        for option in [
            "http.timeout = '{{ input.t }}'",
            "http.limit = '{{ input.t }}MiB'",
            "http.follow = '{{ input.t }}'",
            "http.redirects = '{{ input.t }}'",
            "http.rate = '{{ input.t }}'",
            "http.version = '{{ input.t }}'",
        ] {
            object(&format!("http.get = '/'\n{option}"));
        }
    }

    #[test]
    fn tells_the_mistakes_of_values() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "name = 'a'\nhttp.get = ''",
            "name = 'a'\nhttp.get = '/'\nhttp.timeout = 3\nhttp.limit = 5\nhttp.follow = 'yes'\nhttp.redirects = 'many'\nhttp.rate = 'fast'\nhttp.version = '3'\nhttp.on = 5",
            "name = 'a'\nhttp.get = '/'\nhttp.timeout = 'soon'\nhttp.limit = '5 apples'\nhttp.version = 2",
            "name = 'a'\nhttp.get = '/'\nhttp.headers = { 'a b' = 'x', Accept = 1 }",
            "name = 'a'\nhttp.post = '/'\nhttp.json = { a = inf }",
            "name = 'a'\ncommand.run = 'ls -l'",
            "name = 'a'\ncommand.run = []",
            "name = 'a'\ncommand.run = ['', 'x']",
            "name = 'a'\ncommand.run = ['sleep', 1]\ncommand.cwd = 1\ncommand.env = 'A=b'\ncommand.hosts = 1",
            "name = 'a'\nset.values = {}",
            "name = 'a'\nset.values = { steps = '1', x = {} }",
            "name = 'a'\nassert.that = 5",
            "name = 'a'\nrunbook.run = '{{ input.which }}'",
            "name = 'a'\nrunbook.run = 'DB vacuum'",
            "name = 'a'\nsql.query = ['SELECT']\nsql.on = ''",
        ]));
    }
}
