//! The reference pages say what the code says: neither more nor less.

use std::collections::BTreeSet;
use std::path::Path;

use opsbook::base::Status;
use opsbook::base::exit::ExitCode;
use opsbook::model::InputType;

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

#[test]
fn the_page_of_the_language_names_every_action_verb_and_input_type() {
    let page = page("docs/language.md");
    for (word, _) in InputType::ALL {
        assert!(page.contains(&format!("`{word}`")), "input type {word}");
    }
    for action in opsbook::action::vocabulary().actions() {
        for verb in action.verbs {
            let name = format!("`{}.{}`", action.name, verb.name);
            assert!(page.contains(&name), "verb {name}");
        }
    }
}
