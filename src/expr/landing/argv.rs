//! Command lines: each element of the list is exactly one argument, and no value turns into an option.

use minijinja::value::ValueKind;

use crate::base::Masker;
use crate::expr::Scope;
use crate::expr::error::{EvalError, Fault};
use crate::expr::evaluator::Evaluator;
use crate::expr::pieces::Piece;
use crate::expr::value::is_secret;
use crate::model::Node;

use super::plain::{scalar, single};
use super::{LONGEST_ARGUMENT, bounded};

/// The arguments; a single text is a list of one.
pub(super) fn land(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
) -> Result<Vec<String>, EvalError> {
    let items = match node {
        Node::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut arguments: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let only_operands = arguments.iter().any(|argument| argument == "--");
        let argument = scalar(evaluator, item, scope, |pieces| {
            one(pieces, only_operands, evaluator.masker())
        })?;
        arguments.push(argument);
    }
    Ok(arguments)
}

/// One argument. After `--` it may begin with a dash.
fn one(pieces: &[Piece<'_>], only_operands: bool, masker: &Masker) -> Result<String, Fault> {
    let mut argument = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => argument.push_str(text),
            Piece::Value(value, range) => {
                let at = |fault: Fault| fault.at(range.clone());
                if is_secret(value) {
                    return Err(at(Fault::new("secrets never go on a command line")
                        .help("pass it with `env` or `stdin`")));
                }
                let text = single(value).map_err(at)?;
                // An output of a step may hold one too.
                if masker.finds_in(&text) {
                    let message =
                        "the value holds a secret, and secrets never go on a command line";
                    return Err(at(
                        Fault::unfit(message).help("pass it with `env` or `stdin`")
                    ));
                }
                if text.contains('\0') {
                    return Err(at(Fault::unfit("an argument cannot hold NUL")));
                }
                let leads = argument.is_empty();
                argument.push_str(&text);
                if leads && !only_operands && !text.is_empty() {
                    let number = value.kind() == ValueKind::Number;
                    no_option(&argument, number).map_err(at)?;
                }
            }
        }
        bounded(&argument)?;
    }
    // A dash may also come from what stands behind an empty value.
    if let (Some(Piece::Value(value, range)), false) =
        (pieces.iter().find(|piece| !is_empty(piece)), only_operands)
    {
        let number = value.kind() == ValueKind::Number;
        no_option(&argument, number).map_err(|fault| fault.at(range.clone()))?;
    }
    if argument.len() > LONGEST_ARGUMENT {
        return Err(
            Fault::unfit("the argument is longer than 128 KiB, which the system refuses")
                .help("pass it with `stdin`"),
        );
    }
    Ok(argument)
}

fn is_empty(piece: &Piece<'_>) -> bool {
    matches!(piece, Piece::Text(text) if text.is_empty())
}

/// A negative number is what it is; any other leading dash would be read as an option.
fn no_option(argument: &str, number: bool) -> Result<(), Fault> {
    let is_number = number && argument.parse::<f64>().is_ok();
    if argument.starts_with('-') && !is_number {
        return Err(Fault::unfit(
            "the value begins with a dash: the program would read it as an option",
        )
        .help("put \"--\" before it, or write it as `--name={{ … }}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::base::Secret;
    use crate::expr::testing::{evaluator, hostile, refused, scope, template};
    use crate::expr::{Argument, EvalError, Scope, secret_value};
    use crate::model::{Kind, Node};

    fn argv(items: &[&str], scope: &Scope) -> Result<Vec<String>, EvalError> {
        let node = Node::List(
            items
                .iter()
                .map(|item| Node::Text(template(item)))
                .collect(),
        );
        evaluator()
            .argument(&node, Kind::Argv, scope)
            .map(|argument| match argument {
                Argument::List(items) => items,
                other => vec![format!("{other:?}")],
            })
    }

    #[test]
    fn numbers_and_single_texts_are_arguments() {
        let node = Node::List(vec![
            Node::Text(template("head")),
            Node::Integer(-5),
            Node::Boolean(true),
        ]);
        assert_eq!(
            evaluator().argument(&node, Kind::Argv, &Scope::new()),
            Ok(Argument::List(vec![
                "head".into(),
                "-5".into(),
                "true".into()
            ]))
        );
        assert_eq!(
            evaluator().argument(&Node::Text(template("ls -l")), Kind::Argv, &Scope::new()),
            Ok(Argument::List(vec!["ls -l".into()]))
        );
    }

    #[test]
    fn a_value_is_never_an_option() {
        let scope = scope(&json!({"x": "-rf", "n": -5, "s": "-5", "e": "", "d": "--"}));
        for items in [
            ["rm", "{{ x }}"],
            ["rm", "{{ e }}{{ x }}"],
            ["rm", "{{ e }}-f"],
            ["rm", "{{ s }}"],
            ["rm", "{{ n }}x"],
            ["rm", "{{ d }}"],
        ] {
            let error = argv(&items, &scope).err().map(|error| error.message);
            assert!(
                error.is_some_and(|message| message.contains("dash")),
                "{items:?}"
            );
        }
        assert_eq!(
            argv(&["rm", "--", "{{ x }}"], &scope),
            Ok(vec!["rm".into(), "--".into(), "-rf".into()])
        );
        assert_eq!(
            argv(&["rm", "--name={{ x }}", "{{ n }}", "-{{ x }}"], &scope),
            Ok(vec![
                "rm".into(),
                "--name=-rf".into(),
                "-5".into(),
                "--rf".into()
            ])
        );
    }

    #[test]
    fn a_secret_that_came_back_as_an_output_is_refused_in_every_form() {
        let masker = crate::base::Masker::new([&Secret::new("hunter2/hunter2".to_owned())]);
        for value in [
            "hunter2/hunter2",
            "a=hunter2%2Fhunter2",
            "b:aHVudGVyMi9odW50ZXIy",
        ] {
            let scope = scope(&json!({"x": value}));
            let node = Node::List(vec![Node::Text(template("--token={{ x }}"))]);
            let plain = evaluator().argument(&node, Kind::Argv, &scope);
            assert!(plain.is_ok(), "{value}");
            let error = evaluator()
                .knowing(&masker)
                .argument(&node, Kind::Argv, &scope);
            let error = error.err().map(|error| (error.unfit, error.message));
            assert!(
                error.is_some_and(|(unfit, message)| unfit && message.contains("never go")),
                "{value}"
            );
        }
    }

    #[test]
    fn secrets_and_lists_are_refused() {
        let secret = secret_value(&Secret::new("hunter2".to_owned()));
        let scope = scope(&json!({"list": [1]})).with("token", secret);
        refused(
            "--token={{ token }}",
            Kind::Argv,
            &scope,
            "secrets never go on a command line",
            "token",
        );
        refused(
            "{{ token | b64encode }}",
            Kind::Argv,
            &scope,
            "secrets never go",
            "token | b64encode",
        );
        refused(
            "{{ 'x' ~ token }}",
            Kind::Argv,
            &scope,
            "a secret cannot be joined",
            "'x' ~ token",
        );
        refused("{{ list }}", Kind::Argv, &scope, "a list", "list");
    }

    proptest! {
        #[test]
        fn a_value_is_part_of_exactly_one_argument(value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let landed = argv(&["printf", "--", "a{{ x }}b"], &scope);
            if value.contains('\0') {
                prop_assert!(landed.is_err());
            } else {
                prop_assert_eq!(landed, Ok(vec!["printf".to_owned(), "--".to_owned(), format!("a{value}b")]));
            }
            if let Ok(landed) = argv(&["printf", "{{ x }}"], &scope) {
                prop_assert!(!landed[1].starts_with('-'));
                prop_assert_eq!(&landed[1], &value);
            }
        }
    }
}
