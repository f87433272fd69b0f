//! The reference pages say what the code says: neither more nor less.

use std::collections::BTreeSet;
use std::path::Path;

use opsbook::base::Status;
use opsbook::base::exit::ExitCode;
use opsbook::expr::{FILTERS, FUNCTIONS, TESTS};
use opsbook::model::{InputType, VerbSpec};
use regex::Regex;

use crate::harness::Project;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first cells of the rows of every table of a page, without their backticks.
fn first_cells(page: &str) -> Vec<String> {
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    rows.iter()
        .enumerate()
        .filter(|(index, row)| {
            let rule = |row: &str| row.starts_with("| ---");
            !rule(row) && !rows.get(index + 1).is_some_and(|next| rule(next))
        })
        .map(|(_, row)| row.split('|').nth(1).unwrap().trim().replace('`', ""))
        .collect()
}

#[test]
fn every_exit_code_has_its_row_and_no_other() {
    let codes: Vec<String> = ExitCode::ALL
        .iter()
        .map(|exit| exit.code().to_string())
        .collect();
    assert_eq!(first_cells(&page("docs/exit-codes.md")), codes);
}

#[test]
fn the_readme_lists_every_exit_code() {
    let cells: BTreeSet<String> = first_cells(&page("README.md")).into_iter().collect();
    for exit in ExitCode::ALL {
        let code = exit.code().to_string();
        assert!(cells.contains(&code), "README.md has no row of {code}");
    }
}

#[test]
fn every_status_has_its_row_and_no_other() {
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let page = page("docs/statuses.md");
    assert_eq!(first_cells(&page), statuses);
    for status in Status::ALL {
        assert!(
            page.contains(&format!("| {} |", status.label())),
            "{status}"
        );
    }
}

/// The first table of the page has a row for each format and no other.
#[test]
fn the_page_of_reports_has_every_format() {
    let page = page("docs/reports.md");
    let first = page
        .split("\n\n")
        .find(|part| part.starts_with('|'))
        .unwrap();
    let names: Vec<&str> = opsbook::report::FORMATS
        .iter()
        .map(|format| format.name)
        .collect();
    assert_eq!(first_cells(first), names);
}

#[test]
fn the_page_of_the_language_names_every_action_verb_and_input_type() {
    let page = page("docs/language.md");
    for (word, _) in InputType::ALL {
        assert!(page.contains(&format!("`{word}`")), "input type {word}");
    }
    let known: BTreeSet<String> = opsbook::action::vocabulary()
        .actions()
        .flat_map(|action| {
            let name = |verb: &VerbSpec| format!("{}.{}", action.name, verb.name);
            action.verbs.iter().map(name)
        })
        .collect();
    let table = page
        .split("\n## ")
        .find(|part| part.starts_with("Actions\n"))
        .unwrap();
    let named = Regex::new(r"`([a-z_]+\.[a-z_]+)`").unwrap();
    let first_cells: String = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    let listed: BTreeSet<String> = named
        .captures_iter(&first_cells)
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(
        listed, known,
        "the verbs of the page and those that there are"
    );
}

/// Filters, tests and functions: each has its row, in these words, and there is no other.
#[test]
fn the_page_of_the_language_has_what_expressions_can_use() {
    let page = page("docs/language.md");
    for (heading, known) in [
        ("Filters", FILTERS),
        ("Tests", TESTS),
        ("Functions", FUNCTIONS),
    ] {
        let section = page
            .split("\n### ")
            .find(|part| part.starts_with(heading))
            .unwrap();
        let rows: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let wanted: Vec<String> = known
            .iter()
            .map(|(name, help)| format!("| `{name}` | {help} |"))
            .collect();
        assert_eq!(rows, wanted, "{heading} of docs/language.md");
    }
}

/// The text of the first fenced block of a page behind a text.
fn block_behind(page: &str, text: &str) -> String {
    let behind = &page[page.find(text).unwrap_or_else(|| panic!("no {text:?}"))..];
    let block = behind.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn the_runbook_of_the_readme_is_a_command_at_once() {
    let runbook = block_behind(&page("README.md"), "Write `runbooks/desk/backlog.toml`");
    let project = Project::bare()
        .with_example()
        .variable("OPSBOOK_CONFIG", "config.example.toml")
        .file("runbooks/desk/backlog.toml", runbook);
    project
        .run(&["desk", "backlog"])
        .exits(1)
        .prints("12 jobs wait");
    project.run(&["desk", "backlog", "--limit", "100"]).exits(0);
    project
        .run(&["desk", "backlog", "--help"])
        .exits(0)
        .prints("How many waiting jobs are too many");
    project.run(&["lint"]).exits(0);
}

#[test]
fn the_tour_of_the_readme_works() {
    let page = page("README.md");
    let project = Project::bare()
        .with_example()
        .variable("OPSBOOK_CONFIG", "config.example.toml");
    for line in block_behind(&page, "## Two minutes").lines() {
        let Some(words) = line.strip_prefix("opsbook ") else {
            continue;
        };
        let words: Vec<&str> = words
            .split('#')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        project.run(&words).exits(0);
    }
}

#[test]
fn the_runbook_of_the_language_page_is_clean() {
    let runbook = block_behind(&page("docs/language.md"), "# The runbook language");
    Project::bare()
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n")
        .file("runbooks/db/prune.toml", runbook)
        .run(&["lint", "runbooks/db/prune.toml"])
        .exits(0);
}

/// The marked lines of the example are valid too, all at once.
#[test]
fn the_example_configuration_is_valid_with_every_mark_taken_away() {
    let text = page("config.example.toml");
    let unmarked: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with([' ', ':']) => rest,
            _ => line,
        })
        .collect();
    Project::bare()
        .with_example()
        .config(&unmarked.join("\n"))
        .run(&["lint"])
        .exits(0);
}
