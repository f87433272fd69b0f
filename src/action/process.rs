//! What `command` and `shell` share: running a program, what it gives, and what its end means.

use std::time::Duration;

use serde_json::Value;

use crate::base::text::{fit, one_line, shell_word, thousands};
use crate::base::{Masker, Span};
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::event::Preview;
use crate::model::{Kind, OptionSpec, OutputSpec};
use crate::platform::process::{self, Ended, ProcessError, Program};

/// How long a program may take to end after TERM, before KILL.
/// So many lines at the most become a list.
const MOST_LINES: usize = 10_000;

const GRACE: Duration = Duration::from_secs(5);

/// How long the action may take to end: the program's own time, and a moment for what it wrote last.
pub(super) const ACTION_GRACE: Duration = Duration::from_secs(7);

/// The longest detail, in terminal cells.
const DETAIL: usize = 160;

pub(super) const CWD: OptionSpec = OptionSpec {
    name: "cwd",
    kind: Kind::Path,
    required: false,
    help: "the folder it runs in; that of the runbooks unless given",
};

pub(super) const ENV: OptionSpec = OptionSpec {
    name: "env",
    kind: Kind::TextMap,
    required: false,
    help: "variables beside those that opsbook inherited; the place for secrets, which never belong among the arguments",
};

pub(super) const STDIN: OptionSpec = OptionSpec {
    name: "stdin",
    kind: Kind::Text,
    required: false,
    help: "what it reads; nothing unless given",
};

pub(super) const SUCCESS: OptionSpec = OptionSpec {
    name: "success",
    kind: Kind::Json,
    required: false,
    help: "the exit codes that mean success: [0] unless given; a step with `expect` and without this judges the code itself",
};

pub(super) const OUTPUTS: &[OutputSpec] = &[
    OutputSpec {
        name: "code",
        help: "the exit code; null when a signal ended it",
    },
    OutputSpec {
        name: "stdout",
        help: "what it wrote to standard output; of more than 512 KiB the first and last 256 KiB",
    },
    OutputSpec {
        name: "stderr",
        help: "what it wrote to standard error, bounded in the same way",
    },
    OutputSpec {
        name: "json",
        help: "standard output as JSON; null where it is none",
    },
    OutputSpec {
        name: "lines",
        help: "the lines of standard output; null where there are more than 10,000: `stdout` has them",
    },
    OutputSpec {
        name: "ms",
        help: "how long it took, in milliseconds",
    },
    OutputSpec {
        name: "truncated",
        help: "how many bytes were left out of stdout and stderr",
    },
];

/// Runs the program with the options of the step and judges its end.
pub(super) async fn run(
    mut program: Program,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let success = success(invocation, context.judged)?;
    let folder = invocation.path("cwd").map_or_else(
        || context.folder.to_owned(),
        |folder| context.folder.join(folder),
    );
    // The empty path is the folder that opsbook itself is in.
    program.folder = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
    let added = invocation.map("env").unwrap_or_default();
    program
        .variables
        .splice(0..0, context.variables.iter().chain(added).cloned());
    program.input = invocation
        .text("stdin")
        .map(|text| text.as_bytes().to_vec());
    program.grace = GRACE;
    let ended = process::run(
        &program,
        // A line of an unfinished output may begin and end anywhere.
        &|line| {
            let line = context.masker.between_cuts(line);
            (context.progress)(one_line(line));
        },
        context.cancelled(),
    )
    .await
    .map_err(not_run)?;
    judge(&ended, success.as_deref(), context.masker)
}

/// What would be run, as one would type it: `words` is the command, `variables` are those that it is given beside the
/// step's own.
pub(super) fn preview(
    words: &str,
    variables: &[(String, String)],
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Preview {
    let mut sent = String::new();
    if let Some(folder) = invocation.path("cwd") {
        let folder = context.masker.text(&folder.display().to_string());
        sent.push_str(&format!("cd {} && ", shell_word(&folder)));
    }
    for (name, value) in invocation
        .map("env")
        .unwrap_or_default()
        .iter()
        .chain(variables)
    {
        sent.push_str(&format!(
            "{name}={} ",
            shell_word(&context.masker.text(value))
        ));
    }
    sent.push_str(words);
    if let Some(input) = invocation.text("stdin") {
        let shown = fit(&one_line(&context.masker.text(input)), DETAIL);
        sent.push_str(&format!("  # standard input: {shown}"));
    }
    Preview::of(sent)
}

/// The exit codes that mean success; none where the step judges every code by its `expect`.
fn success(invocation: &Invocation, judged: bool) -> Result<Option<Vec<i32>>, ActionError> {
    let code = |value: &Value| value.as_i64().and_then(|code| i32::try_from(code).ok());
    let codes = match invocation.json("success") {
        None if judged => return Ok(None),
        None => Some(vec![0]),
        Some(Value::Array(codes)) => codes.iter().map(code).collect(),
        Some(single) => code(single).map(|code| vec![code]),
    };
    codes
        .filter(|codes| !codes.is_empty())
        .map(Some)
        .ok_or_else(|| ActionError::config("`success` is not a list of exit codes: [0, 1]"))
}

/// A program that cannot be run is opsbook's own trouble, not the target's.
fn not_run(error: ProcessError) -> ActionError {
    let help = match &error {
        ProcessError::Empty => return ActionError::target(error.to_string()),
        ProcessError::NotInPath(program) => Some(format!(
            "install {program} or correct its name; name it under `requires` to learn of it before a run"
        )),
        ProcessError::NoFile(_) => {
            Some("a relative path begins at the folder of the runbooks".to_owned())
        }
        ProcessError::Denied(program) => Some(format!("chmod +x {program}")),
        ProcessError::NoFolder { .. } => Some("correct `cwd` or make the folder".to_owned()),
        ProcessError::TooLong(_) => Some("hand long values over as `stdin`".to_owned()),
        ProcessError::Start { source, .. } | ProcessError::Follow { source, .. } => {
            let message = one_line(&format!("{error}: {source}"));
            return if source.kind() == std::io::ErrorKind::InvalidInput {
                ActionError::target(message).help("an argument or a variable holds a NUL character")
            } else {
                ActionError::own(message)
            };
        }
    };
    let own = ActionError::own(one_line(&error.to_string()));
    match help {
        Some(help) => own.help(one_line(&help)),
        None => own,
    }
}

fn judge(ended: &Ended, success: Option<&[i32]>, masker: &Masker) -> Result<Outputs, ActionError> {
    let stdout = ended.stdout.text(masker);
    let stderr = ended.stderr.text(masker);
    let last_line = |text: &str| last_line(text, masker);
    let last = last_line(&stderr).or_else(|| last_line(&stdout));
    let succeeded = ended
        .code
        .is_some_and(|code| success.is_none_or(|success| success.contains(&code)));
    let mut detail = if succeeded {
        last_line(&stdout).or_else(|| last_line(&stderr))
    } else {
        None
    }
    .unwrap_or_default();
    if ended.left_processes {
        let comma = if detail.is_empty() { "" } else { "; " };
        detail.push_str(comma);
        detail.push_str("processes that it left in the background were ended");
    }
    let outputs = outputs(ended, stdout, stderr, detail);
    if succeeded {
        return Ok(outputs);
    }
    let end = match (ended.code, ended.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("killed by {}", signal_name(signal)),
        (None, None) => "ended in an unknown way".to_owned(),
    };
    let message = last.map_or_else(|| end.clone(), |line| format!("{end}: {line}"));
    Err(ActionError::target(message).outputs(outputs))
}

fn outputs(ended: &Ended, stdout: String, stderr: String, detail: String) -> Outputs {
    let left_out = ended.stdout.left_out() + ended.stderr.left_out();
    let json = if ended.stdout.left_out() == 0 {
        serde_json::from_str(&stdout).unwrap_or(Value::Null)
    } else {
        Value::Null
    };
    let detail = if left_out > 0 {
        let comma = if detail.is_empty() { "" } else { "; " };
        format!("{detail}{comma}{} bytes left out", thousands(left_out))
    } else {
        detail
    };
    let lines = match stdout.lines().nth(MOST_LINES) {
        // A list of so many short texts takes a hundred times the room of the text; null is told when it is used.
        Some(_) => Value::Null,
        None => stdout.lines().collect(),
    };
    Outputs::new(detail)
        .with("code", ended.code)
        .with("lines", lines)
        .with("stdout", stdout)
        .with("stderr", stderr)
        .with("json", json)
        .with("ms", Span(ended.took).milliseconds())
        .with("truncated", left_out)
}

/// The last line with text in it, fit to be shown.
fn last_line(text: &str, masker: &Masker) -> Option<String> {
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(fit(&one_line(&masker.text(line)), DETAIL))
}

/// `SIGKILL (9)`.
fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |known| format!("{known} ({signal})"),
    )
}
