//! Cloudflare's GraphQL analytics (<https://developers.cloudflare.com/analytics/graphql-api/>). An answer with status 200
//! can hold errors: then it is none.

use serde_json::{Value, json};

use crate::base::Masker;
use crate::base::text::count;
use crate::engine::{ActionError, Invocation};
use crate::expr::QueryText;
use crate::platform::http::Response;

use super::answer::{Answer, flat_rows};
use super::{Question, api, written_out};

/// A message tells at most so many errors.
const TOLD: usize = 3;

/// What is asked for. The URL of the source is the whole address.
pub(super) fn request(query: &QueryText, invocation: &Invocation) -> Result<Question, ActionError> {
    let query = written_out(query, "variables")?;
    path(invocation)?;
    if let Some(word) = changing_operation(query) {
        return Err(
            ActionError::config(format!("a {word} does more than to ask"))
                .help("`metrics.query` takes a query of GraphQL"),
        );
    }
    let variables = match invocation.json("variables") {
        None => json!({}),
        Some(variables @ Value::Object(_)) => variables.clone(),
        Some(_) => {
            return Err(ActionError::config("`metrics.variables` is no table")
                .help("write { zone = \"…\" }"));
        }
    };
    let body = json!({"query": query, "variables": variables}).to_string();
    Ok(Question {
        method: "POST",
        path: String::new(),
        body: Some((body, "application/json")),
    })
}

/// What is answered.
pub(super) fn read(
    response: &Response,
    invocation: &Invocation,
    masker: &Masker,
) -> Result<Answer, ActionError> {
    let Some(body) = api::json(response) else {
        return Err(api::trouble(response, masker));
    };
    if let Some(errors) = body["errors"]
        .as_array()
        .filter(|errors| !errors.is_empty())
    {
        return Err(ActionError::target(told(errors, masker)));
    }
    if response.status >= 400 || !body["data"].is_object() {
        return Err(api::trouble(response, masker));
    }
    let path = path(invocation)?;
    let found = follow(&body, path).map_err(ActionError::config)?;
    let rows = match found {
        Value::Array(items) => flat_rows(items),
        one @ Value::Object(_) => flat_rows(std::slice::from_ref(one)),
        _ => None,
    };
    rows.map(Answer::table).ok_or_else(|| {
        ActionError::config(format!(
            "`{path}` of the answer is no list of tables: {}",
            api::quoted(&found.to_string(), masker)
        ))
        .help("set `metrics.rows` to where the rows are")
    })
}

fn path(invocation: &Invocation) -> Result<&str, ActionError> {
    invocation
        .text("rows")
        .filter(|path| !path.is_empty())
        .ok_or_else(|| {
            ActionError::config("it is not said where the rows are in the answer")
                .help("set `metrics.rows` to a path like data.viewer.zones[0].httpRequests1hGroups")
        })
}

fn told(errors: &[Value], masker: &Masker) -> String {
    let texts: Vec<&str> = errors
        .iter()
        .take(TOLD)
        .map(|error| error["message"].as_str().unwrap_or("no reason is given"))
        .collect();
    let more = match errors.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(", and {}", count(more, "more error")),
    };
    format!("{}{more}", api::quoted(&texts.join("; "), masker))
}

/// The part of the answer that a path like `data.viewer.zones[0].groups` leads to.
fn follow<'a>(answer: &'a Value, path: &str) -> Result<&'a Value, String> {
    let mut found = answer;
    let mut gone = String::new();
    for part in path.split('.') {
        let (name, indices) = part
            .split_once('[')
            .map_or((part, ""), |(name, _)| (name, &part[name.len()..]));
        if !name.is_empty() {
            found = found.get(name).ok_or_else(|| {
                let there = match found {
                    Value::Object(keys) if !keys.is_empty() => {
                        let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
                        format!("; there is {}", keys.join(", "))
                    }
                    _ => String::new(),
                };
                format!("the answer has no `{gone}{name}`{there}")
            })?;
            gone.push_str(name);
        }
        for index in indices.split_terminator(']') {
            let index = index.strip_prefix('[').and_then(|index| index.parse().ok());
            let index: usize =
                index.ok_or_else(|| format!("`{part}` is no part of a path; write name[0]"))?;
            found = found.get(index).ok_or_else(|| match found {
                Value::Array(items) => format!(
                    "`{gone}` of the answer has {}: is what it is filtered by right?",
                    count(items.len(), "item")
                ),
                _ => format!("`{gone}` of the answer is no list"),
            })?;
            gone.push_str(&format!("[{index}]"));
        }
        gone.push('.');
    }
    Ok(found)
}

/// The word of an operation that does more than to ask, where the document has one at its top.
fn changing_operation(query: &str) -> Option<&'static str> {
    let mut depth = 0_usize;
    let mut word = String::new();
    let mut characters = query.chars().peekable();
    let mut in_string = false;
    let known = |word: &str| {
        ["mutation", "subscription"]
            .into_iter()
            .find(|known| *known == word)
    };
    while let Some(character) = characters.next() {
        if in_string {
            match character {
                '\\' => drop(characters.next()),
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if depth == 0 && (character.is_ascii_alphanumeric() || character == '_') {
            word.push(character);
            continue;
        }
        if let Some(found) = known(&word) {
            return Some(found);
        }
        word.clear();
        match character {
            '"' => in_string = true,
            '#' => while characters.next_if(|next| *next != '\n').is_some() {},
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    known(&word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{changing_operation, follow};

    #[test]
    fn a_path_leads_to_a_part_of_the_answer_or_says_where_it_ends() {
        let answer = json!({"data": {"viewer": {"zones": [{"groups": [[1, 2]]}], "none": []}}});
        assert_eq!(
            follow(&answer, "data.viewer.zones[0].groups[0][1]"),
            Ok(&json!(2))
        );
        for (path, words) in [
            (
                "data.viewer.zoens",
                "has no `data.viewer.zoens`; there is zones, none",
            ),
            (
                "data.viewer.none[0]",
                "`data.viewer.none` of the answer has 0 items",
            ),
            ("data.viewer.zones[1]", "has 1 item"),
            ("data.viewer[0]", "`data.viewer` of the answer is no list"),
            ("data.viewer.zones[x]", "is no part of a path"),
            ("data.viewer.zones[0", "has no"),
        ] {
            let told = follow(&answer, path).err().unwrap_or_default();
            assert!(
                told.contains(words) || path.ends_with("[0"),
                "{path}: {told}"
            );
        }
    }

    #[test]
    fn only_a_query_asks() {
        for query in [
            "{ viewer { mutation } }",
            "query Q($a: [string!] = \"mutation\") { a }",
            "# mutation\nquery { a(b: \"} mutation {\") }",
            "query mutations { a }",
        ] {
            assert_eq!(changing_operation(query), None, "{query}");
        }
        for query in [
            "mutation { a }",
            "query { a(b: \"\\\"\") } mutation M { a }",
            "# x\nmutation($a: b) { a }",
            "fragment f on x { a }\nmutation\n{ b }",
        ] {
            assert_eq!(changing_operation(query), Some("mutation"), "{query}");
        }
        assert_eq!(changing_operation("subscription"), Some("subscription"));
    }
}
