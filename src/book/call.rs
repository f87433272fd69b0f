//! Finds the one action of a table, `http.get = "/health"`, and reads it against the action's own description.

use crate::base::{Diagnostic, Place, nearest};
use crate::model::{ActionSpec, Call, Node, VerbSpec, Vocabulary};

use super::field::{Field, Form};
use super::node::parse_node;
use super::reader::TableReader;

/// Reads the one action of a table. Keys that are no action are left to the caller, but for tables that look like a
/// mistyped action.
pub(super) fn parse_call(table: &TableReader<'_>, vocabulary: Vocabulary) -> Option<Call> {
    let given: Vec<(&'static ActionSpec, Field<'_>)> = table
        .all()
        .into_iter()
        .filter_map(|field| Some((vocabulary.action(field.key())?, field)))
        .collect();
    for spec in vocabulary.actions() {
        table.know_silently(spec.name);
    }
    match given.as_slice() {
        [] => {
            missing_action(table, vocabulary);
            None
        }
        [(spec, field)] => read(spec, *field),
        [(first, _), others @ ..] => {
            for (other, field) in others {
                field.key_mistake(format!(
                    "a second action, `{}`, in {}; it has `{}` already",
                    other.name,
                    table.what(),
                    first.name
                ));
            }
            None
        }
    }
}

fn missing_action(table: &TableReader<'_>, vocabulary: Vocabulary) {
    let names: Vec<_> = vocabulary.actions().map(|spec| spec.name).collect();
    let mut found = false;
    for field in table.remaining() {
        let action = nearest(field.key(), names.iter().copied());
        let is_other_key = table.suggestion(field.key()).is_some();
        if is_other_key || (action.is_none() && field.form() != Form::Table) {
            continue;
        }
        found = true;
        table.know_silently(field.key());
        let help = match action {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("the actions are {}", names.join(", ")),
        };
        table.mistakes().push(
            Diagnostic::at(
                field.key_place(),
                format!("unknown action in {}", table.what()),
            )
            .help(help),
        );
    }
    if !found {
        table.mistakes().push(
            Diagnostic::at(table.place(), format!("{} has no action", table.what()))
                .help("write one like `http.get = \"/health\"`"),
        );
    }
}

fn read(spec: &'static ActionSpec, field: Field<'_>) -> Option<Call> {
    if field.form() != Form::Table {
        let form = field.form().with_article();
        let verbs: Vec<_> = spec.verbs.iter().map(|verb| verb.name).collect();
        field.mistake_with_help(
            format!("expected a verb of `{}`, found {form}", spec.name),
            format!("its verbs are {}", verbs.join(", ")),
        );
        return None;
    }
    let table = field.table(format!("`{}`", spec.name))?;
    let (verb, object) = the_verb(spec, &table, field)?;
    let place = call_place(spec.name, object);
    let table = table.named(format!("`{}.{}`", spec.name, verb.name));
    table.know_silently(verb.name);
    let object = parse_node(object, verb.object);
    let options = read_options(spec, verb, &table, &place);
    table.finish();
    Some(Call {
        action: spec,
        verb,
        object: object?,
        options: options?,
        place,
    })
}

fn the_verb<'a>(
    spec: &'static ActionSpec,
    table: &TableReader<'a>,
    field: Field<'a>,
) -> Option<(&'static VerbSpec, Field<'a>)> {
    let given: Vec<(&'static VerbSpec, Field<'_>)> = table
        .all()
        .into_iter()
        .filter_map(|entry| Some((spec.verb(entry.key())?, entry)))
        .collect();
    match given.as_slice() {
        [one] => Some(*one),
        [] => {
            unknown_verb(spec, table, field);
            None
        }
        [(first, _), others @ ..] => {
            for (other, entry) in others {
                entry.key_mistake(format!(
                    "a second verb, `{0}.{1}`; the step has `{0}.{2}` already",
                    spec.name, other.name, first.name
                ));
            }
            None
        }
    }
}

/// The options in the order of the file; none when one is missing or wrong.
fn read_options(
    spec: &'static ActionSpec,
    verb: &'static VerbSpec,
    table: &TableReader<'_>,
    place: &Place,
) -> Option<Vec<(&'static str, Node)>> {
    let mut options = Vec::new();
    let mut complete = true;
    for entry in table.all() {
        let mut known = spec.options_of(verb);
        if let Some(option) = known.find(|option| option.name == entry.key()) {
            match parse_node(entry, option.kind) {
                Some(node) => options.push((option.name, node)),
                None => complete = false,
            }
        } else if let Some(owner) = owner_of(spec, entry.key()) {
            table.know_silently(entry.key());
            complete = false;
            entry.key_mistake(format!(
                "an option of `{0}.{1}`, not of `{0}.{2}`",
                spec.name, owner.name, verb.name
            ));
        }
    }
    for option in spec.options_of(verb) {
        table.know(option.name);
        if option.required && !table.contains(option.name) {
            complete = false;
            let message = format!(
                "`{0}.{1}` needs `{0}.{2}`",
                spec.name, verb.name, option.name
            );
            let missing = Diagnostic::at(place.clone(), message).help(option.help);
            table.mistakes().push(missing);
        }
    }
    complete.then_some(options)
}

/// The verb that has an option of this name to itself.
fn owner_of(spec: &'static ActionSpec, option: &str) -> Option<&'static VerbSpec> {
    spec.verbs
        .iter()
        .find(|verb| verb.options.iter().any(|own| own.name == option))
}

fn unknown_verb(spec: &'static ActionSpec, table: &TableReader<'_>, field: Field<'_>) {
    let verbs: Vec<_> = spec.verbs.iter().map(|verb| verb.name).collect();
    let options: Vec<_> = spec
        .verbs
        .iter()
        .flat_map(|verb| spec.options_of(verb))
        .map(|option| option.name)
        .collect();
    let known = format!("the verbs of `{}` are {}", spec.name, verbs.join(", "));
    let strangers: Vec<_> = table
        .all()
        .into_iter()
        .filter(|entry| !options.contains(&entry.key()))
        .collect();
    for entry in &strangers {
        let help = nearest(entry.key(), verbs.iter().copied())
            .map_or_else(|| known.clone(), |word| format!("did you mean `{word}`?"));
        table.mistakes().push(
            Diagnostic::at(
                entry.key_place(),
                format!("unknown verb of `{}`", spec.name),
            )
            .help(help),
        );
    }
    if strangers.is_empty() {
        table.mistakes().push(
            Diagnostic::at(field.key_place(), format!("`{}` without a verb", spec.name))
                .help(known),
        );
    }
}

/// Both words where they stand together, `http.get`, else the verb's.
fn call_place(action: &str, verb: Field<'_>) -> Place {
    let mut place = verb.key_place();
    let before = place.source.slice(0..place.range.start);
    let action = format!("{action}.");
    if before.ends_with(&action) {
        place.range.start -= action.len();
    }
    place
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::book::testing::{mistakes_of_steps, parse};
    use crate::model::Node;

    #[test]
    fn reads_the_action_with_its_options_in_the_order_of_the_file() {
        let runbook = parse(
            "title = 't'\n[[step]]\nname = 'a'\nhttp.timeout = '3s'\nhttp.post = '/x'\nhttp.json = { b = 1, a = ['{{ run.id }}', 1.5, true] }\nhttp.redirects = '{{ 1 + 1 }}'\n",
        )
        .unwrap();
        let call = &runbook.steps[0].call;
        let options: Vec<_> = call.options.iter().map(|(name, _)| *name).collect();
        assert_eq!(options, ["timeout", "json", "redirects"]);
        let Some(Node::Table(entries)) = call.option("json") else {
            unreachable!("json is a table");
        };
        assert_eq!(entries[0], ("b".to_owned(), Node::Integer(1)));
        assert_eq!(
            call.place.source.slice(call.place.range.clone()),
            "http.post"
        );
    }

    #[test]
    fn an_action_may_be_a_table_of_its_own() {
        let runbook = parse(
            "title = 't'\n[[step]]\nname = 'a'\n[step.sql]\non = 'main'\nquery = '''\nSELECT 1\n'''\n",
        )
        .unwrap();
        let call = &runbook.steps[0].call;
        assert_eq!(call.place.source.slice(call.place.range.clone()), "query");
    }

    #[test]
    fn tells_the_mistakes_of_the_action() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "name = 'a'",
            "name = 'a'\nhtpp.get = '/'",
            "name = 'a'\nterraform.apply = '/'",
            "name = 'a'\nretyr = { attempts = 3 }",
            "name = 'a'\nhttp.get = '/'\nsql.query = 'SELECT 1'\nsql.on = 'main'",
            "name = 'a'\nhttp.get = '/'\nhttp.post = '/'",
            "name = 'a'\nhttp = '/'",
            "name = 'a'\nhttp.gett = '/'",
            "name = 'a'\nhttp.on = 'api'",
            "name = 'a'\nhttp.frobnicate = '/'\nhttp.on = 'api'",
            "name = 'a'\nhttp.get = '/'\nhttp.hedaers = {}",
            "name = 'a'\nhttp.get = '/'\nhttp.json = {}",
            "name = 'a'\nsql.query = 'SELECT 1'",
        ]));
    }
}
