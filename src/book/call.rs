//! Finds the one action of a table, `http.get = "/health"`, and reads it against the action's own description.

use crate::base::{Diagnostic, Place, nearest};
use crate::model::{ActionSpec, Call, VerbSpec, Vocabulary};

use super::node::parse_node;
use super::reader::{Field, Form, TableReader};

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
    let verbs = || spec.verbs.iter().map(|verb| verb.name).collect::<Vec<_>>();
    if field.form() != Form::Table {
        field.mistake_with_help(
            format!(
                "expected a verb of `{}`, found {}",
                spec.name,
                field.form().with_article()
            ),
            format!(
                "write `{}.{} = …`; its verbs are {}",
                spec.name,
                verbs().first().unwrap_or(&""),
                verbs().join(", ")
            ),
        );
        return None;
    }
    let table = field.table(format!("`{}`", spec.name))?;
    let given: Vec<(&'static VerbSpec, Field<'_>)> = table
        .all()
        .into_iter()
        .filter_map(|entry| Some((spec.verb(entry.key())?, entry)))
        .collect();
    let (verb, object) = match given.as_slice() {
        [one] => *one,
        [] => {
            unknown_verb(spec, &table, field);
            return None;
        }
        [(first, _), others @ ..] => {
            for (other, entry) in others {
                entry.key_mistake(format!(
                    "a second verb, `{0}.{1}`; the step has `{0}.{2}` already",
                    spec.name, other.name, first.name
                ));
            }
            return None;
        }
    };
    let place = call_place(field, object);
    let table = table.named(format!("`{}.{}`", spec.name, verb.name));
    table.know_silently(verb.name);
    let node = parse_node(object, verb.object);
    let mut options = Vec::new();
    let mut complete = true;
    for entry in table.all() {
        let Some(option) = spec
            .options_of(verb)
            .find(|option| option.name == entry.key())
        else {
            continue;
        };
        match parse_node(entry, option.kind) {
            Some(node) => options.push((option.name, node)),
            None => complete = false,
        }
    }
    for option in spec.options_of(verb) {
        table.know(option.name);
        if option.required && !table.contains(option.name) {
            complete = false;
            table.mistakes().push(
                Diagnostic::at(
                    place.clone(),
                    format!(
                        "`{}.{}` needs `{}.{}`",
                        spec.name, verb.name, spec.name, option.name
                    ),
                )
                .help(option.help),
            );
        }
    }
    table.finish();
    let object = node?;
    complete.then_some(Call {
        action: spec,
        verb,
        object,
        options,
        place,
    })
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

/// From the action's word to the verb's, where both stand in one line in this order; else the verb's word.
fn call_place(action: Field<'_>, verb: Field<'_>) -> Place {
    let (from, to) = (action.key_place(), verb.key_place());
    let between = from.range.start..to.range.end;
    if from.source.slice(between.clone()).contains('\n') || between.is_empty() {
        return to;
    }
    Place::new(&from.source, between)
}
