//! Programs that a runbook starts without asking for them: they should be missed before the first step, not at the fifth.

use crate::base::{Diagnostic, Place};
use crate::model::{Kind, Node, Runbook, Step};

use super::super::node::is_template;
use super::Lint;

/// Programs that POSIX asks of every system, and what a shell does itself.
const EVERYWHERE: [&str; 48] = [
    ".", ":", "[", "awk", "basename", "bash", "cat", "cd", "chmod", "cp", "cut", "date", "df",
    "dirname", "du", "echo", "env", "eval", "exec", "exit", "export", "false", "find", "for",
    "grep", "head", "if", "kill", "ls", "mkdir", "mv", "printf", "ps", "read", "rm", "sed", "set",
    "sh", "sleep", "sort", "tail", "tee", "test", "touch", "tr", "true", "while", "wc",
];

/// The program of each `Argv`, and the first word of each script, must stand in `requires`.
pub(super) fn required(runbook: &Runbook, lint: &mut Lint) {
    let mut told: Vec<&str> = Vec::new();
    for call in runbook.all_steps().flat_map(Step::calls) {
        let Some((program, place)) = program(call.verb.object, &call.object) else {
            continue;
        };
        let known = EVERYWHERE.contains(&program)
            || told.contains(&program)
            || runbook.requires.iter().any(|asked| asked.tool == program);
        if known {
            continue;
        }
        told.push(program);
        lint.advise(
            Diagnostic::at(
                place.clone(),
                format!("{program} is not in the runbook's `requires`"),
            )
            .help(format!(
                "write `requires = [\"{program}\"]`, so that a run without it stops before its first step"
            )),
        );
    }
}

/// The name on the PATH that is started, where it is written out.
fn program(kind: Kind, object: &Node) -> Option<(&str, &Place)> {
    let (word, place) = match (kind, object) {
        (Kind::Argv, Node::List(items)) => match items.first()? {
            Node::Text(template) => (template.text.as_str(), &template.place),
            _ => return None,
        },
        (Kind::Shell, Node::Text(template)) => {
            (template.text.split_whitespace().next()?, &template.place)
        }
        _ => return None,
    };
    let is_name = !is_template(word)
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
    is_name.then_some((word, place))
}
