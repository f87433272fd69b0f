//! The options that every command takes, and those that every run takes: their flags and their twins in the environment.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::{
    AppError, COLOUR_CHOICES, Environment, Format, LogFormat, ReportRequest, RunOptions, Settings,
    colour_choice,
};
use crate::base::{Span, Verdict};

use super::candidates;

const GLOBAL: &str = "Global options";
const RUN: &str = "Run options";

/// What `--fail-on` takes.
const LEVELS: [Verdict; 2] = [Verdict::Warning, Verdict::Critical];

/// Gives a command, and those below it, the options that every command takes.
pub(super) fn with_global(command: Command) -> Command {
    command.args(passed_on(global()))
}

/// Gives a command, and those below it, the options that every run takes.
pub(super) fn with_run(command: Command) -> Command {
    command.args(passed_on(run()))
}

/// Gives a command, and those below it, the option of what can be begun again and again.
pub(super) fn with_watch(command: Command) -> Command {
    command.args(passed_on([watched()]))
}

/// Gives a command alone the options that a runbook takes, in the order of the help.
pub(super) fn with_all(command: Command) -> Command {
    command.args(run()).arg(watched()).args(global())
}

/// Each command below has a copy of its own.
fn passed_on(options: impl IntoIterator<Item = Arg>) -> impl Iterator<Item = Arg> {
    options.into_iter().map(|option| option.global(true))
}

/// How long from one run to the next, where the caller wants more than one: flag before environment.
pub(super) fn watch(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<Span>, AppError> {
    let sources = Sources {
        matches,
        environment,
    };
    sources.pick("watch", interval)
}

/// The options that every command takes.
pub(super) fn global() -> Vec<Arg> {
    vec![
        value(
            "config",
            "FILE",
            "The configuration, instead of opsbook.toml here or in a folder above",
        )
        .value_parser(clap::value_parser!(PathBuf)),
        value(
            "env",
            "NAME",
            "The environment of the configuration to work in",
        ),
        value("store", "FILE", "The journal, instead of the user's own")
            .value_parser(clap::value_parser!(PathBuf)),
        value(
            "format",
            "FORMAT",
            format!("How the result is printed: {}", Format::in_words()),
        )
        .value_parser(Format::from_str)
        .add(candidates::words(Format::names())),
        value(
            "report",
            "FORMAT=PATH",
            "Also write a report to a file; may be given several times",
        )
        .action(ArgAction::Append)
        .value_parser(ReportRequest::from_str)
        .add(candidates::reports(Format::names())),
        value("color", "WHEN", "When to colour: auto, always or never")
            .value_parser(colour_choice)
            .add(candidates::words(COLOUR_CHOICES.map(|(word, _)| word))),
        flag(
            "quiet",
            "Print nothing when all is well, else the result alone",
        )
        .short('q')
        .action(ArgAction::SetTrue),
        flag(
            "verbose",
            "Tell each step as it ends; -vv also logs, -vvv every detail",
        )
        .short('v')
        .action(ArgAction::Count),
        value(
            "log-format",
            "FORMAT",
            "How what -v tells is written: text or json",
        )
        .value_parser(LogFormat::from_str)
        .add(candidates::words(LogFormat::ALL.map(|(word, _)| word))),
    ]
    .into_iter()
    .map(|argument| argument.help_heading(GLOBAL))
    .collect()
}

/// The options that every run takes.
pub(super) fn run() -> Vec<Arg> {
    vec![
        flag(
            "dry-run",
            "Read for real, and show what would be changed instead of changing it",
        )
        .action(ArgAction::SetTrue),
        flag("read-only", "Refuse a runbook that could change anything").action(ArgAction::SetTrue),
        flag(
            "yes",
            "Answer yes to every question, but for those that want a name",
        )
        .action(ArgAction::SetTrue),
        value(
            "confirm",
            "NAME",
            "Name in advance what may be destroyed; may be given several times",
        )
        .action(ArgAction::Append)
        .value_parser(filled),
        reason("Why it is run"),
        value("incident", "ID", "The incident that it is run for").value_parser(filled),
        flag(
            "outside-window",
            "Run outside the runbook's window; needs --reason",
        )
        .action(ArgAction::SetTrue),
        value(
            "fail-on",
            "LEVEL",
            "With critical, a warning ends in 0 too; it is still printed",
        )
        .value_parser(level)
        .add(candidates::words(LEVELS.map(Verdict::as_str))),
        value(
            "timeout",
            "DURATION",
            "How long the whole run may take: 30s, 5m",
        )
        .value_parser(Span::from_str),
        value(
            "wait",
            "DURATION",
            "How long to wait for a lock that another run holds: 30s, 5m",
        )
        .value_parser(Span::from_str),
    ]
    .into_iter()
    .map(|argument| argument.help_heading(RUN))
    .collect()
}

fn watched() -> Arg {
    value(
        "watch",
        "EVERY",
        "Run a runbook that only reads again and again, until Ctrl-C: 5s, 1m",
    )
    .value_parser(interval)
    .help_heading(RUN)
}

fn value(name: &'static str, shown: &'static str, help: impl Into<StyledStr>) -> Arg {
    Arg::new(name).long(name).value_name(shown).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help)
}

/// A level of `--fail-on`. Unknown is none: what could not be told must not pass for good.
fn level(text: &str) -> Result<Verdict, String> {
    LEVELS
        .into_iter()
        .find(|verdict| verdict.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no level; use warning or critical"))
}

/// The time between two runs. None at all would leave no time for anything else.
fn interval(text: &str) -> Result<Span, String> {
    let span = Span::from_str(text).map_err(|error| error.to_string())?;
    match span.0.is_zero() {
        true => Err("there is no time between two runs; use 1s or more".to_owned()),
        false => Ok(span),
    }
}

/// The settings that hold for every command: flag before environment.
pub(super) fn settings(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Settings, AppError> {
    let sources = Sources {
        matches,
        environment,
    };
    Ok(Settings {
        config: sources.pick("config", path)?,
        environment: sources.pick("env", text)?,
        store: sources.pick("store", path)?,
        format: sources
            .pick("format", Format::from_str)?
            .unwrap_or_default(),
        reports: sources.reports()?,
        colour: sources.pick("color", colour_choice)?.unwrap_or_default(),
        quiet: sources.flag("quiet")?,
        verbosity: match matches.get_count("verbose") {
            0 => sources.twin("verbose", u8::from_str)?.unwrap_or(0),
            times => times,
        },
        log_format: sources
            .pick("log-format", LogFormat::from_str)?
            .unwrap_or_default(),
    })
}

/// The settings of a run: flag before environment.
pub(super) fn run_options(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<RunOptions, AppError> {
    let sources = Sources {
        matches,
        environment,
    };
    Ok(RunOptions {
        dry: sources.flag("dry-run")?,
        read_only: sources.flag("read-only")?,
        yes: sources.flag("yes")?,
        confirm: sources.texts("confirm")?,
        reason: sources.pick("reason", filled)?,
        incident: sources.pick("incident", filled)?,
        outside_window: sources.flag("outside-window")?,
        fail_on: sources.pick("fail-on", level)?,
        timeout: sources.pick("timeout", Span::from_str)?,
        wait: sources.pick("wait", Span::from_str)?,
        watch: None,
    })
}

/// `--reason`, of a run or of a verb that is none.
pub(super) fn reason(help: &'static str) -> Arg {
    value("reason", "TEXT", help).value_parser(filled)
}

/// The reason that the caller of such a verb gave: flag before environment.
pub(super) fn given_reason(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<String>, AppError> {
    let sources = Sources {
        matches,
        environment,
    };
    sources.pick("reason", filled)
}

/// `--yes` of a verb that is no run.
pub(super) fn yes() -> Arg {
    flag("yes", "Answer the question with yes").action(ArgAction::SetTrue)
}

/// Whether the caller of such a verb agreed in advance: flag before environment.
pub(super) fn agreed(matches: &ArgMatches, environment: &Environment) -> Result<bool, AppError> {
    let sources = Sources {
        matches,
        environment,
    };
    sources.flag("yes")
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A text that says something.
fn filled(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The two places that an option can come from.
struct Sources<'a> {
    matches: &'a ArgMatches,
    environment: &'a Environment,
}

impl Sources<'_> {
    fn pick<T, E>(
        &self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, AppError>
    where
        T: Clone + Send + Sync + 'static,
        E: std::fmt::Display,
    {
        match self.matches.get_one::<T>(option) {
            Some(given) => Ok(Some(given.clone())),
            None => self.twin(option, parse),
        }
    }

    fn flag(&self, option: &str) -> Result<bool, AppError> {
        if self.matches.get_flag(option) {
            return Ok(true);
        }
        Ok(self.twin(option, truth)?.unwrap_or(false))
    }

    fn reports(&self) -> Result<Vec<ReportRequest>, AppError> {
        match self.matches.get_many::<ReportRequest>("report") {
            Some(given) => Ok(given.cloned().collect()),
            None => Ok(self
                .twin("report", ReportRequest::from_str)?
                .into_iter()
                .collect()),
        }
    }

    /// The texts of an option that may be given several times; its variable holds one.
    fn texts(&self, option: &str) -> Result<Vec<String>, AppError> {
        match self.matches.get_many::<String>(option) {
            Some(given) => Ok(given.cloned().collect()),
            None => Ok(self.twin(option, filled)?.into_iter().collect()),
        }
    }

    /// The value of the option's variable, if that is set and not empty.
    fn twin<T, E: std::fmt::Display>(
        &self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, AppError> {
        let variable = twin(option);
        let Some(raw) = self
            .environment
            .variables
            .get(&variable)
            .filter(|raw| !raw.is_empty())
        else {
            return Ok(None);
        };
        let text = raw
            .to_str()
            .ok_or_else(|| AppError::usage(format!("the variable {variable} is not UTF-8")))?;
        parse(text)
            .map(Some)
            .map_err(|error| AppError::usage(format!("the variable {variable} is wrong: {error}")))
    }
}

/// The variable that can be set instead of giving an option: `OPSBOOK_FAIL_ON` for `--fail-on`.
pub(super) fn twin(option: &str) -> String {
    format!("OPSBOOK_{}", option.replace('-', "_").to_uppercase())
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Command;

    use super::{run_options, settings, with_global, with_run};
    use crate::app::{AppError, Environment, Format, Settings};
    use crate::base::Verdict;

    fn parse(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, AppError> {
        let command = with_run(with_global(Command::new("opsbook")));
        let matches = command.get_matches_from(std::iter::once(&"opsbook").chain(arguments));
        settings(&matches, &Environment::of(variables))
    }

    fn format(name: &str) -> Format {
        name.parse().unwrap()
    }

    #[test]
    fn a_flag_wins_over_its_variable_and_the_variable_over_the_default() {
        let variables = [
            ("OPSBOOK_FORMAT", "json"),
            ("OPSBOOK_ENV", "staging"),
            ("OPSBOOK_VERBOSE", "2"),
        ];
        let from_variables = parse(&[], &variables).unwrap();
        assert_eq!(from_variables.format, format("json"));
        assert_eq!(from_variables.environment.as_deref(), Some("staging"));
        assert_eq!(from_variables.verbosity, 2);
        let from_flags =
            parse(&["--format", "jsonl", "--env=production", "-v"], &variables).unwrap();
        assert_eq!(from_flags.format, format("jsonl"));
        assert_eq!(from_flags.environment.as_deref(), Some("production"));
        assert_eq!(from_flags.verbosity, 1);
        assert_eq!(parse(&[], &[]).unwrap().format, format("table"));
    }

    #[test]
    fn an_empty_variable_is_ignored_and_a_wrong_one_is_named() {
        assert_eq!(
            parse(&[], &[("OPSBOOK_FORMAT", "")]).unwrap().format,
            format("table")
        );
        for (variable, value) in [
            ("OPSBOOK_FORMAT", "yaml"),
            ("OPSBOOK_REPORT", "json"),
            ("OPSBOOK_COLOR", "blue"),
            ("OPSBOOK_QUIET", "perhaps"),
            ("OPSBOOK_VERBOSE", "-1"),
            ("OPSBOOK_LOG_FORMAT", "xml"),
        ] {
            let error = parse(&[], &[(variable, value)]).unwrap_err();
            assert_eq!(error.exit().code(), 64);
            assert!(error.message.contains(variable), "{}", error.message);
        }
    }

    #[test]
    fn run_options_have_twins_too() {
        let command = with_run(with_global(Command::new("opsbook")));
        let matches = command.get_matches_from(["opsbook", "--timeout", "5m"]);
        let variables = [
            ("OPSBOOK_FAIL_ON", "critical"),
            ("OPSBOOK_YES", "1"),
            ("OPSBOOK_TIMEOUT", "1s"),
            ("OPSBOOK_CONFIRM", "main"),
            ("OPSBOOK_REASON", "by the book"),
            ("OPSBOOK_INCIDENT", "42"),
            ("OPSBOOK_OUTSIDE_WINDOW", "true"),
        ];
        let options = run_options(&matches, &Environment::of(&variables)).unwrap();
        assert_eq!(options.fail_on, Some(Verdict::Critical));
        assert!(options.yes && !options.read_only);
        assert_eq!(options.timeout.unwrap().0.as_secs(), 300);
        assert_eq!(options.confirm, ["main"]);
        assert_eq!(options.reason.as_deref(), Some("by the book"));
        assert_eq!(options.incident.as_deref(), Some("42"));
        assert!(options.outside_window);
        let wrong =
            run_options(&matches, &Environment::of(&[("OPSBOOK_FAIL_ON", "ok")])).unwrap_err();
        assert!(wrong.message.contains("OPSBOOK_FAIL_ON"));
    }
}
