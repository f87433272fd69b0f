//! Texts that nothing parses: names, messages, paths, and headers, which must stay one line.

use minijinja::value::ValueKind;

use crate::expr::Scope;
use crate::expr::error::{EvalError, Fault};
use crate::expr::evaluator::Evaluator;
use crate::expr::pieces::Piece;
use crate::expr::value::{is_secret, items_of, message_of, text_of};
use crate::model::Node;

use super::{bounded, misfit, template};

/// Text that no other system reads as code.
pub(super) fn text(pieces: &[Piece<'_>]) -> Result<String, Fault> {
    joined(pieces, text_of)
}

/// Text for a person: secrets are `***`.
pub(in crate::expr) fn message(pieces: &[Piece<'_>]) -> Result<String, Fault> {
    joined(pieces, message_of)
}

/// The name of a file or folder. A value that begins it says where it lies; a later one stays below what is before it.
pub(super) fn path(pieces: &[Piece<'_>]) -> Result<String, Fault> {
    let path = joined(pieces, |value| {
        if is_secret(value) {
            return Err(Fault::new("a secret cannot be part of the name of a file")
                .help("whoever may list the folder would read it"));
        }
        let text = single(value)?;
        if text.contains('\0') {
            return Err(Fault::unfit("the name of a file cannot hold NUL"));
        }
        Ok(text)
    })?;
    let mut begin = 0;
    for piece in pieces {
        match piece {
            Piece::Text(text) => begin += text.len(),
            Piece::Value(value, range) => {
                let end = begin + single(value)?.len();
                if begin > 0 && climbs(&path, begin, end) {
                    let fault =
                        Fault::unfit("the value makes \"..\", which leads out of the folder")
                            .help("check it with `pattern` or `when`, or let it begin the path");
                    return Err(fault.at(range.clone()));
                }
                begin = end;
            }
        }
    }
    Ok(path)
}

/// Whether the part of a path from `begin` to `end` has to do with a `..` in it.
fn climbs(path: &str, begin: usize, end: usize) -> bool {
    let mut start = 0;
    path.split('/').any(|segment| {
        let range = start..start + segment.len();
        start = range.end + 1;
        segment == ".." && range.start < end && begin < range.end
    })
}

/// The value of a header.
pub(super) fn header(pieces: &[Piece<'_>]) -> Result<String, Fault> {
    let text = joined(pieces, single)?;
    if text.contains(['\r', '\n', '\0']) {
        let range = pieces.iter().find_map(|piece| match piece {
            Piece::Value(value, range)
                if text_of(value).is_ok_and(|text| text.contains(['\r', '\n', '\0'])) =>
            {
                Some(range.clone())
            }
            _ => None,
        });
        let fault = Fault::unfit("a header cannot hold a line break or NUL").help("use `| trim`");
        return Err(match range {
            Some(range) => fault.at(range),
            None => fault,
        });
    }
    Ok(text)
}

/// The text of a value that is neither a list nor a table.
pub(super) fn single(value: &minijinja::Value) -> Result<String, Fault> {
    if crate::expr::value::is_compound(value) {
        return Err(Fault::new(format!(
            "this is {}, and only one text fits here",
            crate::expr::value::kind_of(value)
        ))
        .help("say how: `| join(\",\")` or `| tojson`"));
    }
    text_of(value)
}

fn joined(
    pieces: &[Piece<'_>],
    text_of: impl Fn(&minijinja::Value) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let mut joined = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => joined.push_str(text),
            Piece::Value(value, range) => {
                joined.push_str(&text_of(value).map_err(|fault| fault.at(range.clone()))?)
            }
        }
        bounded(&joined)?;
    }
    Ok(joined)
}

/// A list of texts; one text is a list of one. An element that is one `{{ list }}` becomes its items.
pub(super) fn list(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
) -> Result<Vec<String>, EvalError> {
    let items = match node {
        Node::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Node::Text(template) => texts.extend(evaluator.landed(template, scope, several)?),
            other => texts.push(scalar(evaluator, other, scope, text)?),
        }
    }
    Ok(texts)
}

fn several(pieces: &[Piece<'_>]) -> Result<Vec<String>, Fault> {
    match pieces {
        [Piece::Value(value, range)]
            if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) =>
        {
            items_of(value)
                .and_then(|items| items.iter().map(single).collect())
                .map_err(|fault| fault.at(range.clone()))
        }
        _ => text(pieces).map(|text| vec![text]),
    }
}

/// A table from names to texts.
pub(super) fn table(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
    landing: fn(&[Piece<'_>]) -> Result<String, Fault>,
) -> Result<Vec<(String, String)>, EvalError> {
    let Node::Table(entries) = node else {
        return Err(misfit(node, "a table"));
    };
    entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), scalar(evaluator, value, scope, landing)?)))
        .collect()
}

/// One text, also written as a number or a boolean.
pub(super) fn scalar(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
    landing: impl FnOnce(&[Piece<'_>]) -> Result<String, Fault>,
) -> Result<String, EvalError> {
    match node {
        Node::Integer(number) => Ok(number.to_string()),
        Node::Float(number) => Ok(number.to_string()),
        Node::Boolean(truth) => Ok(truth.to_string()),
        _ => evaluator.landed(template(node)?, scope, landing),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::base::Secret;
    use crate::expr::testing::{evaluator, hostile, land, refused, scope, template};
    use crate::expr::{Argument, secret_value};
    use crate::model::{Kind, Node};

    #[test]
    fn a_secret_goes_where_it_is_meant_and_messages_show_stars() {
        let scope = scope(&json!({"n": null, "list": [1, 2]}))
            .with("token", secret_value(&Secret::new("hunter2".to_owned())));
        let text = |text: &str| evaluator().text(&template(text), &scope);
        assert_eq!(
            text("t={{ token }} {{ n }} {{ list }}\n"),
            Ok("t=*** null [1,2]\n".to_owned())
        );
        assert!(text("{{ token ~ '' }}").is_err());
        assert_eq!(
            land("Bearer {{ token | b64encode }}", Kind::Text, &scope),
            Ok(Argument::Text("Bearer aHVudGVyMg==".to_owned()))
        );
        refused("a {{ n }}", Kind::Text, &scope, "null", "n");
    }

    #[test]
    fn paths_and_lists_hold_plain_texts() {
        let scope = scope(&json!({"x": "a\0", "y": "a b", "z": ["c", 1]}));
        refused("/tmp/{{ x }}", Kind::Path, &scope, "NUL", "x");
        assert_eq!(
            land("{{ y }}.txt", Kind::Path, &scope),
            Ok(Argument::Path("a b.txt".into()))
        );
        assert_eq!(
            land("{{ y }}", Kind::TextList, &scope),
            Ok(Argument::List(vec!["a b".to_owned()]))
        );
        let node = Node::List(vec![
            Node::Text(template("{{ y }}")),
            Node::Text(template("{{ z }}")),
            Node::Integer(5),
        ]);
        assert_eq!(
            evaluator().argument(&node, Kind::TextList, &scope),
            Ok(Argument::List(
                ["a b", "c", "1", "5"].map(str::to_owned).to_vec()
            ))
        );
    }

    #[test]
    fn a_value_in_a_path_stays_below_what_is_before_it() {
        let scope = scope(&json!({
            "up": "../../etc", "dots": "..", "dot": ".", "rest": "./x", "fine": "a..b/...", "root": "/etc",
        }));
        for path in [
            "reports/{{ up }}",
            "reports/{{ dots }}/x",
            "reports/.{{ dot }}",
            "reports/{{ dot }}{{ rest }}",
            "{{ root }}/{{ dots }}",
        ] {
            let landed = land(path, Kind::Path, &scope);
            let message = landed.map_err(|error| error.message);
            assert!(
                message.is_err_and(|message| message.contains("leads out")),
                "{path}"
            );
        }
        for (path, landed) in [
            ("{{ up }}/x", "../../etc/x"),
            ("../{{ fine }}", "../a..b/..."),
            ("reports/{{ root }}", "reports//etc"),
            ("{{ dot }}/../x", "./../x"),
        ] {
            assert_eq!(
                land(path, Kind::Path, &scope),
                Ok(Argument::Path(landed.into()))
            );
        }
    }

    proptest! {
        #[test]
        fn a_header_is_one_line(value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let node = Node::Table(vec![("X-{{ x }}".to_owned(), Node::Text(template("a {{ x }}")))]);
            let landed = evaluator().argument(&node, Kind::Headers, &scope);
            if value.contains(['\r', '\n', '\0']) {
                prop_assert!(landed.is_err());
            } else {
                let expected = vec![("X-{{ x }}".to_owned(), format!("a {value}"))];
                prop_assert_eq!(landed, Ok(Argument::Map(expected)));
            }
        }
    }
}
