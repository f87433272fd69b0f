//! The tree of commands over a library on disk: only what is named is parsed, and inputs become typed arguments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;

use clap::ArgMatches;
use clap::error::ErrorKind;

use crate::app::{App, AppError, Environment};

use super::selection::{self, Selection, Target};
use super::tree::{self, Purpose, Tree};
use super::{arguments, group, options, scan};

/// A project with a few runbooks.
struct Project {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

/// What became of a command line.
struct Parsed {
    selection: Selection,
    matches: Result<ArgMatches, clap::Error>,
}

const STEP: &str = "[[step]]\nname = \"s\"\nassert.that = \"1 == 1\"\n";

impl Project {
    fn with(runbooks: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("opsbook.toml"), "project = \"test\"\n").unwrap();
        for (path, text) in runbooks {
            let file = folder.path().join(format!("runbooks/{path}.toml"));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self {
            folder,
            variables: Vec::new(),
        }
    }

    fn app(&self) -> App {
        let environment = Environment::of(&self.variables);
        let config = self.folder.path().join("opsbook.toml");
        App::new(environment, Some(config)).unwrap()
    }

    fn parse(&self, line: &str) -> Result<Parsed, AppError> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let app = self.app();
        let scan = scan::scan(&words);
        let selection = selection::select(&scan.words, app.library())?;
        let tree = Tree {
            app: &app,
            selection: &selection,
            purpose: Purpose::Completion,
        };
        let mut command = tree.command()?;
        command.clone().debug_assert();
        let line = std::iter::once(OsString::from("opsbook")).chain(words);
        let matches = command.try_get_matches_from_mut(line);
        Ok(Parsed { selection, matches })
    }
}

impl Parsed {
    fn kind(&self) -> ErrorKind {
        self.matches.as_ref().unwrap_err().kind()
    }

    fn message(&self) -> String {
        self.matches.as_ref().unwrap_err().to_string()
    }

    /// The inputs as texts, one line each.
    fn given(&self) -> Vec<String> {
        let Target::Runbook(runbook) = &self.selection.target else {
            return Vec::new();
        };
        let mut innermost = self.matches.as_ref().unwrap();
        while let Some((_, below)) = innermost.subcommand() {
            innermost = below;
        }
        let given = arguments::given(runbook, innermost).unwrap();
        let line = |(name, texts): (&String, &Vec<String>)| format!("{name}={}", texts.join(","));
        given.iter().map(line).collect()
    }
}

fn runbook(inputs: &str) -> String {
    format!("title = \"Test\"\n{inputs}\n{STEP}")
}

#[test]
fn our_own_commands_are_sound() {
    tree::without_runbooks().debug_assert();
}

#[test]
fn the_help_of_a_group_is_that_of_the_tree() {
    let project = Project::with(&[("ops/one", &runbook("")), ("ops/more/two", &runbook(""))]);
    for line in ["ops", "ops more", "db"] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let of_tree = project.parse(&format!("{line} --help")).unwrap().message();
        let app = project.app();
        assert_eq!(group::help(&words, app.library()).to_string(), of_tree);
    }
}

#[test]
fn only_what_is_named_is_parsed() {
    let good = runbook("");
    let project = Project::with(&[
        ("db/good", &good),
        ("db/broken", "title = "),
        ("other/broken", "nonsense"),
    ]);
    let parsed = project.parse("db good").unwrap();
    assert!(parsed.matches.is_ok());
    assert!(matches!(parsed.selection.target, Target::Runbook(_)));
    let listed = project.parse("db --help").unwrap().message();
    assert!(listed.contains("good") && listed.contains("(invalid)"));
    let broken = project.parse("db broken").err().unwrap();
    assert_eq!(broken.exit().code(), 78);
    assert!(broken.message.contains("broken.toml"));
}

#[test]
fn inputs_become_typed_arguments() {
    let text = runbook(
        "[input.table]\ntype = \"string\"\nposition = 1\n\
         [input.older-than]\ntype = \"duration\"\ndefault = \"90d\"\nshort = \"o\"\n\
         [input.force]\ntype = \"bool\"\ndefault = false\n\
         [input.mode]\ntype = \"choice\"\nchoices = [\"fast\", \"slow\"]\ndefault = \"fast\"\n\
         [input.label]\ntype = \"string\"\nmany = true\ndefault = []\n",
    );
    let project = Project::with(&[("db/prune", &text)]);
    let given = |line: &str| project.parse(line).unwrap().given();
    assert_eq!(given("db prune users"), ["table=users"]);
    assert_eq!(
        given("db prune -o 3d --force --label a --label b users --format json"),
        ["force=true", "label=a,b", "older-than=3d", "table=users"]
    );
    assert_eq!(
        given("run db/prune users --force=false"),
        ["force=false", "table=users"]
    );
    let wrong = |line: &str| project.parse(line).unwrap();
    assert_eq!(wrong("db prune").kind(), ErrorKind::MissingRequiredArgument);
    assert!(
        wrong("db prune users --mode slwo")
            .message()
            .contains("did you mean")
    );
    assert!(
        wrong("db prune users --older-than soon")
            .message()
            .contains("a duration like")
    );
    let help = wrong("db prune --help").message();
    for shown in ["<TABLE>", "[default: 90d]", "<fast|slow>", "Exit codes"] {
        assert!(help.contains(shown), "{shown}: {help}");
    }
}

#[test]
fn an_input_that_the_environment_gives_is_not_required() {
    let text = runbook("[input.region]\ntype = \"string\"\nenv = \"REGION\"\n");
    let mut project = Project::with(&[("a", &text)]);
    assert_eq!(
        project.parse("a").unwrap().kind(),
        ErrorKind::MissingRequiredArgument
    );
    project.variables = vec![("REGION", "eu")];
    assert!(project.parse("a").unwrap().matches.is_ok());
}

#[test]
fn a_typed_secret_is_not_repeated() {
    let text = runbook("[input.token]\ntype = \"secret\"\n");
    let project = Project::with(&[("a", &text)]);
    let parsed = project.parse("a --token hunter2hunter2").unwrap();
    let Target::Runbook(runbook) = &parsed.selection.target else {
        unreachable!("it is a runbook");
    };
    let matches = parsed.matches.unwrap();
    let error = arguments::given(runbook, matches.subcommand().unwrap().1).unwrap_err();
    assert_eq!(error.exit().code(), 64);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn no_input_has_the_name_or_letter_of_an_option() {
    for option in options::global().iter().chain(&options::run()) {
        let name = option.get_long().unwrap();
        let named = format!("[input.{name}]\ntype = \"string\"\n");
        let mut inputs = vec![named];
        if let Some(letter) = option.get_short() {
            inputs.push(format!(
                "[input.a]\ntype = \"string\"\nshort = \"{letter}\"\n"
            ));
        }
        for input in inputs {
            let project = Project::with(&[("a", &runbook(&input))]);
            let error = project.parse("a").err().unwrap();
            assert_eq!(error.exit().code(), 78, "{input}");
            assert!(error.message.contains("a.toml:"), "{}", error.message);
        }
    }
}

#[test]
fn a_positional_input_may_have_the_name_of_an_option() {
    let text = runbook("[input.config]\ntype = \"string\"\nposition = 1\n");
    let project = Project::with(&[("a", &text)]);
    assert_eq!(project.parse("a x").unwrap().given(), ["config=x"]);
}

#[test]
fn a_default_stands_for_its_group() {
    let check = runbook("[input.target]\ntype = \"string\"\ndefault = \"all\"\n");
    let project = Project::with(&[("health/check", &check), ("health/deep", &runbook(""))]);
    assert_eq!(
        project.parse("health --target api").unwrap().given(),
        ["target=api"]
    );
    let deep = project.parse("health deep").unwrap();
    assert_eq!(deep.selection.chain, ["health", "deep"]);
    assert!(deep.matches.is_ok());
}

#[test]
fn an_unknown_word_is_a_mistake_and_a_verb_cannot_be_hidden() {
    let project = Project::with(&[("db/vacuum", &runbook("")), ("list/mine", &runbook(""))]);
    let unknown = project.parse("db vacum").unwrap();
    assert_eq!(unknown.kind(), ErrorKind::InvalidSubcommand);
    assert!(unknown.message().contains("vacuum"));
    let verb = project.parse("list mine").unwrap();
    assert!(matches!(verb.selection.target, Target::Verb(_)));
}
