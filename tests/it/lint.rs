//! `opsbook lint`: what it finds, and that it finds nothing in what we ship.

use std::path::Path;

use opsbook::book::{self, Library, Origin};
use opsbook::config;

use crate::harness::{Output, Project};

#[track_caller]
fn lint(runbook: &str) -> Output {
    Project::new()
        .file("runbooks/t/x.toml", runbook)
        .run(&["lint", "runbooks/t/x.toml"])
}

#[track_caller]
fn finds(runbook: &str, message: &str) {
    let output = lint(runbook);
    assert_eq!(output.code, 78, "{}", output.shown());
    assert!(
        output.shown().contains("runbooks/t/x.toml:"),
        "{}",
        output.shown()
    );
    assert!(output.shown().contains(message), "{}", output.shown());
}

#[test]
fn a_clean_runbook_is_clean() {
    lint("title = \"x\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n").exits(0);
}

#[test]
fn an_undefined_name_is_found() {
    finds(
        "title = \"x\"\n[[step]]\nname = \"a\"\nassert.that = \"statsu == 1\"\n",
        "statsu",
    );
    finds(
        "title = \"x\"\n[[step]]\nname = \"a\"\ncommand.run = [\"echo\", \"{{ input.nobody }}\"]\n",
        "nobody",
    );
}

#[test]
fn a_step_that_looks_at_a_later_one_is_found() {
    finds(
        "title = \"x\"\n[[step]]\nname = \"a\"\nassert.that = \"steps.b.status == 'ok'\"\n[[step]]\nname = \"b\"\nassert.that = \"true\"\n",
        "b",
    );
}

#[test]
fn an_output_that_names_no_step_is_found() {
    finds(
        "title = \"x\"\noutput = \"nobody\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n",
        "nobody",
    );
}

#[test]
fn an_unless_that_writes_is_found() {
    finds(
        "title = \"x\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\nunless = { http.post = \"http://api.example.com/\", expect = \"status == 200\" }\n",
        "unless",
    );
}

#[test]
fn a_lint_of_everything_names_every_bad_file() {
    Project::new()
        .file("runbooks/t/one.toml", "title = 1\n")
        .file("runbooks/t/two.toml", "titel = \"x\"\n")
        .run(&["lint"])
        .exits(78)
        .prints("runbooks/t/one.toml")
        .prints("runbooks/t/two.toml");
}

/// Nobody asks which databases there are where no configuration says what there is.
#[test]
fn every_shipped_runbook_is_clean_without_a_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let (mut count, mut paths) = (0, vec![root.clone()]);
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        Project::bare()
            .run(&["lint", path.to_str().unwrap()])
            .exits(0)
            .prints("nothing to mend");
        count += 1;
    }
    assert!(count > 0, "no runbook is shipped in {}", root.display());
}

#[test]
fn a_default_that_the_configuration_does_not_know_is_advice() {
    let runbook = "[input.database]\ntype = \"database\"\ndefault = \"main\"\n[[step]]\nname = \"a\"\ndatabase.ping = \"{{ input.database }}\"\n";
    Project::new()
        .runbook("t/x", runbook)
        .run(&["lint", "t/x"])
        .exits(1)
        .prints("unknown database \"main\"");
    Project::bare()
        .runbook("t/x", runbook)
        .run(&["lint", "runbooks/t/x.toml"])
        .exits(0);
}

/// Those in the binary are not in `lint` of a project; here they are held to the actions that there are and to the
/// estate of the example, in each of its environments.
#[test]
fn every_built_in_runbook_is_clean_on_the_example_estate() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let vocabulary = opsbook::action::vocabulary();
    let configs = config::load_all(&example, vocabulary).unwrap();
    assert!(configs.len() > 1, "the example has environments");
    let library = Library::new(None, None, vocabulary);
    let paths = library.all();
    assert!(!paths.is_empty(), "no runbook is built in");
    for (path, origin) in paths {
        assert_eq!(origin, Origin::BuiltIn, "{path}");
        let runbook = library
            .find(&path)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"))
            .unwrap_or_else(|| panic!("{path} is listed and not there"));
        for config in &configs {
            let found = book::lint(&library, &runbook, Some(&config::lint_estate(config)));
            assert!(
                found.is_empty(),
                "{path}:\n{}\n{}",
                found.mistakes,
                found.advice
            );
        }
    }
}

#[test]
fn the_example_configuration_is_clean_and_so_are_its_runbooks() {
    Project::bare()
        .with_example()
        .run(&["--config", "config.example.toml", "lint"])
        .exits(0);
}

#[test]
fn the_schema_is_json_and_knows_every_action() {
    let schema = Project::bare().run(&["schema"]).exits(0);
    let text = schema.json().to_string();
    for action in opsbook::action::vocabulary().actions() {
        assert!(
            text.contains(&format!("\"{}\"", action.name)),
            "{}",
            action.name
        );
    }
}

#[test]
fn the_name_of_a_file_cannot_steer_the_terminal() {
    Project::new()
        .runbook(
            "t/a\u{1b}[31mb",
            "[[step]]\nname = \"a\"\nassert.that = \"true\"\n",
        )
        .run(&["lint"])
        .exits(78)
        .prints("cannot be a command because of its name")
        .never_shows("\u{1b}");
}
