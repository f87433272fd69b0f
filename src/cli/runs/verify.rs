//! `opsbook runs verify`: proves that nothing in the journal was changed, removed or moved.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError, ChainHash, Verified};
use crate::base::Verdict;
use crate::base::exit::ExitCode;
use crate::base::text::{count, one_line, thousands};

use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "verify",
    command,
    run,
};

/// Prove that nothing in the journal was changed, removed or moved
#[derive(Debug, Args)]
struct Arguments {
    /// A head that an earlier proof printed: is it still part of the journal?
    #[arg(long, value_name = "HASH")]
    head: Option<ChainHash>,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let verified = app.verify_journal(arguments.head.as_ref())?;
    let verdict = match verified.is_whole() {
        true => Verdict::Ok,
        false => Verdict::Critical,
    };
    if app.settings().format.is_for_people() {
        app.print_text(&told(&verified))?;
    } else {
        app.print_json(&json!({
            "verdict": verdict,
            "head": verified.head.map(|head| head.to_string()),
            "events": verified.events,
            "runs": verified.runs,
            "sources": verified.sources,
            "pruned": verified.pruned,
            "wrong": verified.wrong,
            "more": verified.more,
        }))?;
    }
    Ok(ExitCode::from(verdict))
}

fn told(verified: &Verified) -> String {
    let mut lines: Vec<String> = verified
        .wrong
        .iter()
        .map(|wrong| format!(" wrong   {}", one_line(wrong)))
        .collect();
    if verified.more > 0 {
        lines.push(format!(" wrong   and {} more", thousands(verified.more)));
    }
    let word = match verified.is_whole() {
        true => "OK",
        false => "CRITICAL",
    };
    let number =
        |number: u64, what: &str| count(usize::try_from(number).unwrap_or(usize::MAX), what);
    let pruned = match verified.pruned {
        0 => String::new(),
        pruned => format!("; {} pruned before", number(pruned, "event")),
    };
    lines.push(format!(
        " {word}  {} of {}, {}{pruned}",
        number(verified.events, "event"),
        number(verified.runs, "run"),
        number(verified.sources, "source"),
    ));
    if let Some(head) = verified.head {
        lines.push(format!(" head    {head}"));
    }
    lines.join("\n") + "\n"
}
