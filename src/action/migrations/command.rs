//! Migrations that another program applies: its commands, and how its answer is read.

use serde_json::{Value, json};

use crate::action::process;
use crate::base::text::{one_line, shell_word};
use crate::config::{Answer, Commands};
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::event::Preview;
use crate::expr::Argument;
use crate::platform::process::Program;

/// The most pending migrations that are named.
const MOST_NAMED: usize = 1000;

/// What a verb runs: the program with its arguments.
pub(super) fn arguments(
    commands: &Commands,
    verb: &str,
    name: Option<&str>,
) -> Result<Vec<String>, ActionError> {
    let (key, found) = match (verb, name) {
        ("status", _) => ("status", Some(&commands.status)),
        ("apply", None) => ("apply", commands.apply.as_ref()),
        ("apply", Some(_)) => ("apply_to", commands.apply_to.as_ref()),
        ("revert", None) => ("revert", commands.revert.as_ref()),
        ("revert", Some(_)) => ("revert_to", commands.revert_to.as_ref()),
        ("new", _) => ("new", commands.new.as_ref()),
        _ => {
            return Err(ActionError::config(format!(
                "another program applies these migrations, and keeps account of them: it has no {verb}"
            ))
            .help("see what the program itself offers"));
        }
    };
    let Some(found) = found else {
        return Err(
            ActionError::config(format!("no command is known for {verb}"))
                .help(format!("give `{key}` in its `migrations`")),
        );
    };
    let name = name.filter(|_| key != "apply" && key != "revert");
    Ok(found
        .iter()
        .map(String::as_str)
        .chain(name)
        .map(str::to_owned)
        .collect())
}

/// The command as a person would type it.
pub(super) fn preview(argv: &[String], context: &ActionContext<'_>) -> Preview {
    let words: Vec<String> = argv
        .iter()
        .map(|word| shell_word(&context.masker.text(word)))
        .collect();
    Preview::of(words.join(" "))
}

/// Runs a command.
pub(super) async fn run(
    argv: &[String],
    commands: &Commands,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    // Colours would stand between the words that are looked for.
    let mut variables = vec![("NO_COLOR".to_owned(), "1".to_owned())];
    for (name, template) in &commands.env {
        variables.push((name.clone(), (context.resolve)(template)?));
    }
    let call = Invocation {
        verb: invocation.verb,
        object: Argument::List(argv.to_vec()),
        options: vec![
            ("cwd", Argument::Path(commands.cwd.clone())),
            ("env", Argument::Map(variables)),
            ("success", Argument::Json(json!([0]))),
        ],
        place: invocation.place.clone(),
    };
    let (name, rest) = argv
        .split_first()
        .ok_or_else(|| ActionError::config("there is no program to run: the list is empty"))?;
    // A path begins at the folder that the program runs in.
    let name = match name.contains('/') {
        true => commands.cwd.join(name).to_string_lossy().into_owned(),
        false => name.clone(),
    };
    let program = Program::new(name, rest.iter().cloned());
    process::run(program, &call, context).await
}

/// Asks what is pending.
pub(super) async fn status(
    commands: &Commands,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let argv = arguments(commands, "status", None)?;
    let ended = run(&argv, commands, invocation, context).await;
    let outputs = match &ended {
        Ok(outputs) => outputs,
        Err(error) => &error.outputs,
    };
    let text = |name: &str| {
        let value = outputs.values.get(name);
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let said = format!("{}\n{}", text("stdout"), text("stderr"));
    let code = outputs.values.get("code").and_then(Value::as_i64);
    match (read(&commands.answer, &said, code), ended) {
        (Some(pending), _) => Ok(told(&pending)),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(ActionError::target(
            "its answer says neither that something is pending nor that nothing is",
        )
        .help("correct `pending` or `settled` in its `migrations`")),
    }
}

/// The names of what is pending; none where the answer does not tell. A pending one without a name has an empty one.
fn read(answer: &Answer, said: &str, code: Option<i64>) -> Option<Vec<String>> {
    if let Some(pattern) = &answer.pending {
        let names = pattern.captures_iter(said).map(|found| {
            let name = found.get(1).or_else(|| found.get(0));
            name.map_or("", |name| name.as_str()).trim().to_owned()
        });
        let names: Vec<String> = names.take(MOST_NAMED).collect();
        if !names.is_empty() {
            return Some(names);
        }
    }
    if code.is_some_and(|code| {
        answer
            .pending_codes
            .iter()
            .any(|known| i64::from(*known) == code)
    }) {
        return Some(vec![String::new()]);
    }
    match (&answer.settled, code) {
        (Some(pattern), Some(_)) if pattern.is_match(said) => Some(Vec::new()),
        (Some(_), Some(0)) => Some(vec![String::new()]),
        (None, Some(0)) => Some(Vec::new()),
        _ => None,
    }
}

fn told(pending: &[String]) -> Outputs {
    let detail = match pending {
        [] => "nothing pending".to_owned(),
        [only] if only.is_empty() => "something is pending".to_owned(),
        some => format!("{} pending: {}", some.len(), one_line(&some.join(", "))),
    };
    let rows: Value = pending
        .iter()
        .map(|name| {
            let name = Some(name).filter(|name| !name.is_empty());
            json!({ "name": name, "state": "pending", "applied_at": null, "by": null, "ms": null, "detail": "" })
        })
        .collect();
    Outputs::new(detail)
        .with("count", pending.len())
        .with("rows", rows)
        .with("pending", pending.len())
        .with("out_of_order", 0)
        .with("changed", 0)
        .with("started", 0)
        .with("missing", 0)
}

/// What a command printed that changes something, as rows {output}.
pub(super) fn done(ended: Outputs) -> Outputs {
    let lines = ended.values.get("lines").and_then(Value::as_array);
    let rows = lines
        .into_iter()
        .flatten()
        .map(|line| json!({ "output": line }));
    let rows: Vec<Value> = rows.collect();
    Outputs::new(ended.detail)
        .with("count", rows.len())
        .with("rows", rows)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use regex::Regex;

    use super::{Answer, read};

    fn answer(pending: &str, settled: &str, codes: &[i32]) -> Answer {
        let pattern = |text: &str| (!text.is_empty()).then(|| Regex::new(text).unwrap());
        Answer {
            pending: pattern(pending),
            settled: pattern(settled),
            pending_codes: codes.to_vec(),
        }
    }

    #[test]
    fn answers_are_read_by_patterns_and_exit_codes() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        // One that lists what is pending and ends with 1, as it does where it fails.
        let lists = answer(r"(?m)^(\d+_\w+)$", "", &[]);
        let said = "have not yet been applied:\n20260101_a\n20260102_b\n";
        assert_eq!(
            read(&lists, said, Some(1)),
            names(&["20260101_a", "20260102_b"])
        );
        assert_eq!(read(&lists, "up to date", Some(0)), names(&[]));
        assert_eq!(read(&lists, "cannot reach the server", Some(1)), None);
        // One that only says where it is.
        let tells = answer("", r"\(head\)", &[]);
        assert_eq!(read(&tells, "3c1 (head)", Some(0)), names(&[]));
        assert_eq!(read(&tells, "3c1", Some(0)), names(&[""]));
        assert_eq!(read(&tells, "error", Some(255)), None);
        // One that says it by its exit code.
        let codes = answer("", "", &[3]);
        assert_eq!(read(&codes, "", Some(3)), names(&[""]));
        assert_eq!(read(&codes, "", Some(0)), names(&[]));
        assert_eq!(read(&codes, "", Some(1)), None);
        assert_eq!(read(&codes, "", None), None);
    }
}
