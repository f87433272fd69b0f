//! `docs/procedures.md` tells where a procedure is and how it is run: each row is held against the estate's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Case, Run, folder};

/// A row of the page.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    file: String,
    command: String,
}

/// The rows of a section of the page, by their ids.
fn rows(section: &str) -> BTreeMap<String, Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/procedures.md");
    let page = std::fs::read_to_string(path).unwrap();
    let heading = format!("## {section}\n");
    let text = page.split_once(&heading).expect("the section is there").1;
    let text = text.split("\n## ").next().unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<String> = line
            .split(" | ")
            .map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned())
            .collect();
        let [id, file, command] = cells.as_slice() else {
            panic!("a row has three cells: {line}");
        };
        let row = Row {
            file: file.clone(),
            command: command.clone(),
        };
        assert_eq!(rows.insert(id.clone(), row), None, "a second row of {id}");
    }
    rows
}

/// The page has each procedure of the table with its file and its command, and no other of the estate; and the file names
/// the procedure: a check in a comment above it, a runbook in its tags.
pub(super) fn tells(estate: &str, cases: &[Case]) {
    let mut told = rows(estate);
    let mut seen = BTreeSet::new();
    for case in cases {
        let file = match case.run {
            Run::Check(..) => "opsbook.toml".to_owned(),
            Run::Runbook(words) | Run::Attended(words) => {
                format!("runbooks/{}/{}.toml", words[0], words[1])
            }
        };
        let command = match case.run {
            Run::Check(service, _) => format!("opsbook health {service}"),
            Run::Runbook(words) | Run::Attended(words) => {
                format!("opsbook {} {}", words[0], words[1])
            }
        };
        let wanted = Row {
            file: format!("examples/{estate}/{file}"),
            command,
        };
        let text = std::fs::read_to_string(folder(estate).join(&file)).unwrap();
        assert!(names(&text, case), "{file} does not name {}", case.id);
        // What is run with more than one thing is told with the first.
        if !seen.insert(case.id) {
            continue;
        }
        let row = told.get(case.id).unwrap_or_else(|| {
            panic!(
                "docs/procedures.md lacks\n| `{}` | `{}` | `{}` |",
                case.id, wanted.file, wanted.command
            )
        });
        assert_eq!(*row, wanted, "{}", case.id);
    }
    told.retain(|id, _| cases.iter().all(|case| case.id != id));
    assert!(told.is_empty(), "rows without a test: {told:?}");
}

/// Whether a file names the procedure at the place that runs it.
fn names(text: &str, case: &Case) -> bool {
    match case.run {
        Run::Check(_, check) => text.split("\n\n").any(|part| {
            let says = |line: String| part.lines().any(|known| known == line);
            says(format!("# {}", case.id)) && says(format!("name = {check:?}"))
        }),
        Run::Runbook(_) | Run::Attended(_) => text
            .lines()
            .any(|line| line.starts_with("tags") && line.contains(&format!("{:?}", case.id))),
    }
}
