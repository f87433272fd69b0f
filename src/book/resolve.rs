//! Folds what the caller gave, the environment and the defaults into the values of a run's inputs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::base::nearest;
use crate::model::{Input, InputType};

use super::inputs::parse_input;
use super::names::variable;

/// The names that the configuration describes, for inputs that refer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EstateNames {
    /// `[service.*]`
    pub services: Vec<String>,
    /// `[database.*]`
    pub databases: Vec<String>,
    /// `[queue.*]`
    pub queues: Vec<String>,
    /// `[deploy.*]`
    pub deploys: Vec<String>,
    /// `[window.*]`
    pub windows: Vec<String>,
    /// `[metrics.*]`
    pub metrics: Vec<String>,
}

impl EstateNames {
    /// The names that an input of this type may take; none for types that refer to nothing.
    #[must_use]
    pub fn of(&self, kind: InputType) -> Option<&[String]> {
        match kind {
            InputType::Service => Some(&self.services),
            InputType::Database => Some(&self.databases),
            InputType::Queue => Some(&self.queues),
            InputType::Deploy => Some(&self.deploys),
            InputType::Window => Some(&self.windows),
            _ => None,
        }
    }
}

/// What became of the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// The values by their names inside expressions, in the order of the runbook.
    pub values: Map<String, Value>,
    /// What nobody gave and has no default.
    pub missing: Vec<MissingInput>,
    /// What was given and cannot be taken.
    pub mistakes: Vec<InputMistake>,
}

/// An input that nobody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingInput {
    /// Its name as written in the runbook.
    pub name: String,
    /// What to type: `--older-than <DURATION>`, `<TABLE>`.
    pub typed: String,
    /// The question to ask at a terminal.
    pub ask: Option<String>,
}

/// An input that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct InputMistake {
    /// Its name as given.
    pub name: String,
    /// What was expected, as a lower-case fragment.
    pub message: String,
}

/// Folds the inputs of a run: what the caller gave wins over the environment, that over the default.
///
/// `given` holds the texts by the name of the input, written with dashes or underscores. An environment variable that is
/// empty counts as unset; for an input that may be given several times it is split at its commas.
pub fn resolve_inputs(
    inputs: &[Input],
    given: &BTreeMap<String, Vec<String>>,
    environment: &dyn Fn(&str) -> Option<String>,
    names: &EstateNames,
) -> Resolved {
    let mut resolved = Resolved::default();
    report_unknown(inputs, given, &mut resolved);
    for input in inputs {
        match value_of(input, given, environment, names) {
            Ok(Some(value)) => {
                resolved.values.insert(input.variable(), value);
            }
            Ok(None) => resolved.missing.push(missing(input)),
            Err(message) => {
                let name = input.name.clone();
                resolved.mistakes.push(InputMistake { name, message });
            }
        }
    }
    resolved
}

fn value_of(
    input: &Input,
    given: &BTreeMap<String, Vec<String>>,
    environment: &dyn Fn(&str) -> Option<String>,
    names: &EstateNames,
) -> Result<Option<Value>, String> {
    let texts = given
        .iter()
        .find(|(name, _)| variable(name) == input.variable())
        .map(|(_, texts)| texts.clone())
        .filter(|texts| !texts.is_empty())
        .or_else(|| from_environment(input, environment));
    if let Some(texts) = texts {
        return parse_given(input, &texts, names).map(Some);
    }
    for text in input.default.iter().flat_map(given_texts) {
        check_reference(input.kind, &text, names)?;
    }
    Ok(input.default.clone())
}

/// Reads what was given for one input: its one text, or all of them where it may be given several times.
///
/// # Errors
/// What was expected instead, as a lower-case fragment.
pub fn parse_given(input: &Input, texts: &[String], names: &EstateNames) -> Result<Value, String> {
    let read = |text: &String| {
        check_reference(input.kind, text.trim(), names)?;
        parse_input(input, text)
    };
    if input.many {
        return texts
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    match texts {
        [text] => read(text),
        _ => Err(format!("expected one value, found {}", texts.len())),
    }
}

/// A value handed from one runbook to another, as the texts that its inputs read. Null is as good as nothing.
#[must_use]
pub fn given_texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(given_texts).collect(),
        other => vec![other.to_string()],
    }
}

fn from_environment(
    input: &Input,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Vec<String>> {
    let text = environment(input.env.as_deref()?).filter(|text| !text.is_empty())?;
    Some(match input.many {
        true => text.split(',').map(|part| part.trim().to_owned()).collect(),
        false => vec![text],
    })
}

fn report_unknown(
    inputs: &[Input],
    given: &BTreeMap<String, Vec<String>>,
    resolved: &mut Resolved,
) {
    for name in given.keys() {
        let known = |input: &Input| input.variable() == variable(name);
        if inputs.iter().any(known) {
            continue;
        }
        let help = match nearest(name, inputs.iter().map(|input| input.name.as_str())) {
            Some(word) => format!("; did you mean {word:?}?"),
            None => String::new(),
        };
        resolved.mistakes.push(InputMistake {
            name: name.clone(),
            message: format!("the runbook has no such input{help}"),
        });
    }
}

fn check_reference(kind: InputType, text: &str, names: &EstateNames) -> Result<(), String> {
    let Some(known) = names.of(kind) else {
        return Ok(());
    };
    if known.iter().any(|name| name == text) {
        return Ok(());
    }
    let noun = kind.as_str();
    let help = match nearest(text, known.iter().map(String::as_str)) {
        Some(word) => format!("did you mean {word:?}?"),
        None if known.is_empty() => format!("the configuration has no [{noun}.*]"),
        None => format!("the configuration has {}", known.join(", ")),
    };
    Err(format!("no {noun} {text:?}; {help}"))
}

fn missing(input: &Input) -> MissingInput {
    let value = |word: &str| format!("<{}>", word.to_uppercase());
    MissingInput {
        name: input.name.clone(),
        typed: match input.position {
            Some(_) => value(&input.name),
            None => format!("--{} {}", input.name, value(input.kind.as_str())),
        },
        ask: input.ask.clone(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{EstateNames, Resolved, resolve_inputs};
    use crate::book::testing::parse;
    use crate::model::Input;

    const INPUTS: &str = "
[input.table]
type = 'string'
position = 1
[input.older-than]
type = 'duration'
default = '90d'
env = 'OLDER_THAN'
[input.database]
type = 'database'
ask = 'Which database?'
[input.tag]
type = 'int'
many = true
default = []
env = 'TAGS'
";

    fn inputs() -> Vec<Input> {
        let text = format!("title = 't'\n{INPUTS}\n[[step]]\nname = 'a'\nhttp.get = '/'");
        parse(&text).unwrap().inputs
    }

    fn resolve(given: &[(&str, &[&str])], environment: &[(&str, &str)]) -> Resolved {
        let given: BTreeMap<String, Vec<String>> = given
            .iter()
            .map(|(name, texts)| {
                let texts = texts.iter().map(|text| (*text).to_owned()).collect();
                ((*name).to_owned(), texts)
            })
            .collect();
        let names = EstateNames {
            databases: vec!["main".to_owned(), "replica".to_owned()],
            ..EstateNames::default()
        };
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        resolve_inputs(&inputs(), &given, &variable, &names)
    }

    #[test]
    fn the_caller_wins_over_the_environment_and_that_over_the_default() {
        let given: &[(&str, &[&str])] = &[("table", &["t"]), ("database", &["main"])];
        let value = |resolved: Resolved| resolved.values["older_than"].clone();
        assert_eq!(value(resolve(given, &[])), json!("90d"));
        assert_eq!(value(resolve(given, &[("OLDER_THAN", "")])), json!("90d"));
        let environment = [("OLDER_THAN", "30d")];
        assert_eq!(value(resolve(given, &environment)), json!("30d"));
        let given: &[(&str, &[&str])] = &[("table", &["t"]), ("older_than", &["1d"])];
        assert_eq!(value(resolve(given, &environment)), json!("1d"));
    }

    #[test]
    fn several_values_make_a_list() {
        let value = |resolved: Resolved| resolved.values["tag"].clone();
        assert_eq!(value(resolve(&[("tag", &["1", "2"])], &[])), json!([1, 2]));
        assert_eq!(value(resolve(&[], &[("TAGS", "3, 4")])), json!([3, 4]));
        assert_eq!(value(resolve(&[], &[])), json!([]));
    }

    #[test]
    fn tells_what_is_missing_and_what_to_type() {
        let missing: Vec<_> = resolve(&[], &[])
            .missing
            .into_iter()
            .map(|missing| (missing.typed, missing.ask))
            .collect();
        assert_eq!(
            missing,
            [
                ("<TABLE>".to_owned(), None),
                (
                    "--database <DATABASE>".to_owned(),
                    Some("Which database?".to_owned())
                ),
            ]
        );
    }

    #[test]
    fn tells_every_mistake() {
        let given: &[(&str, &[&str])] = &[
            ("databse", &["main"]),
            ("database", &["mian"]),
            ("table", &["a", "b"]),
            ("tag", &["1", "x"]),
            ("older-than", &["soon"]),
        ];
        let mistakes: Vec<String> = resolve(given, &[])
            .mistakes
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            mistakes,
            [
                "databse: the runbook has no such input; did you mean \"database\"?",
                "table: expected one value, found 2",
                "older-than: expected a duration like 200ms, 30s, 2h or 90d, found \"soon\"",
                "database: no database \"mian\"; did you mean \"main\"?",
                "tag: expected a whole number, found \"x\"",
            ]
        );
    }

    #[test]
    fn a_default_must_be_there_too() {
        let mut inputs = inputs();
        inputs[2].default = Some(json!("gone"));
        let resolved = resolve_inputs(
            &inputs,
            &BTreeMap::new(),
            &|_| None,
            &EstateNames::default(),
        );
        assert_eq!(
            resolved.mistakes[0].to_string(),
            "database: no database \"gone\"; the configuration has no [database.*]"
        );
    }
}
