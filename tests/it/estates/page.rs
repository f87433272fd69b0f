//! `docs/procedures.md` tells where a procedure is and how it is run: each row is held against the estate's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Case, Run};

/// A row of the page.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    file: String,
    command: String,
}

/// The rows of a section of the page, by their ids.
fn rows(section: &str) -> BTreeMap<String, Row> {
    let page = std::fs::read_to_string(repository().join("docs/procedures.md")).unwrap();
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

/// The page has each procedure of the table with its file and its command, and no other of the estate; and the estate names
/// the procedure, and no other: a check in a comment above it, a runbook in its tags, one that is shipped in a comment of `opsbook.toml`.
pub(super) fn tells(estate: &str, cases: &[Case]) {
    let mut told = rows(estate);
    let mut seen = BTreeSet::new();
    let mut lacking = Vec::new();
    for case in cases {
        let (wanted, holder) = place(estate, case.run);
        let text = std::fs::read_to_string(repository().join(&holder)).unwrap();
        let named = match case.run {
            Run::Check(_, check) => check_names(&text, check, case.id),
            _ if holder.ends_with("opsbook.toml") => has_line(&text, &format!("# {}", case.id)),
            _ => tags_name(&text, case.id),
        };
        assert!(named, "{holder} does not name {}", case.id);
        // What is run with more than one thing is told with the first.
        if !seen.insert(case.id) {
            continue;
        }
        match told.get(case.id) {
            Some(row) => assert_eq!(*row, wanted, "{}", case.id),
            None => lacking.push(format!(
                "| `{}` | `{}` | `{}` |",
                case.id, wanted.file, wanted.command
            )),
        }
    }
    assert!(
        lacking.is_empty(),
        "docs/procedures.md lacks\n{}",
        lacking.join("\n")
    );
    told.retain(|id, _| cases.iter().all(|case| case.id != id));
    assert!(told.is_empty(), "rows without a test: {told:?}");
    let mut unknown = named(estate);
    unknown.retain(|id| !seen.contains(id.as_str()));
    assert!(
        unknown.is_empty(),
        "named in the estate, and without a row: {unknown:?}"
    );
}

/// The procedures that an estate names: in comments of its own in `opsbook.toml`, and in the tags of its runbooks.
fn named(estate: &str) -> BTreeSet<String> {
    let folder = repository().join("examples").join(estate);
    let configuration = std::fs::read_to_string(folder.join("opsbook.toml")).unwrap();
    let comments = configuration
        .lines()
        .filter_map(|line| line.strip_prefix("# "));
    let mut ids: BTreeSet<String> = comments.map(str::to_owned).collect();
    for group in std::fs::read_dir(folder.join("runbooks")).unwrap() {
        for runbook in std::fs::read_dir(group.unwrap().path()).unwrap() {
            let text = std::fs::read_to_string(runbook.unwrap().path()).unwrap();
            let tags = text.lines().find(|line| line.starts_with("tags"));
            ids.extend(tags.unwrap_or_default().split('"').map(str::to_owned));
        }
    }
    let start = format!("{estate}.");
    ids.retain(|id| id.starts_with(&start) && !id.contains(' ') && id.matches('.').count() == 2);
    ids
}

/// What the page has to tell of a run, and the file of the estate that names its procedures.
fn place(estate: &str, run: Run) -> (Row, String) {
    let configuration = format!("examples/{estate}/opsbook.toml");
    let (file, command, holder) = match run {
        Run::Check(service, _) => {
            let command = format!("opsbook health {service}");
            (configuration.clone(), command, configuration)
        }
        Run::Runbook(words) | Run::Attended(words) | Run::Unanswered(words) => {
            match own(estate, words) {
                Some((file, named)) => (file.clone(), format!("opsbook {}", named.join(" ")), file),
                // A runbook for every database is told with what makes it the procedure of this estate.
                None => (shipped(words), typed(words), configuration),
            }
        }
    };
    (Row { file, command }, holder)
}

/// The command as a shell takes it.
fn typed(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| match word.contains(' ') {
        true => format!("\"{word}\""),
        false => (*word).to_owned(),
    });
    format!("opsbook {}", quoted.collect::<Vec<_>>().join(" "))
}

/// The estate's own runbook that these words begin with, and those words.
fn own(estate: &str, words: &'static [&'static str]) -> Option<(String, &'static [&'static str])> {
    runbook(&format!("examples/{estate}/runbooks"), words)
}

/// The shipped runbook that these words begin with.
fn shipped(words: &'static [&'static str]) -> String {
    let found = runbook("runbooks", words);
    found
        .unwrap_or_else(|| panic!("no runbook begins {words:?}"))
        .0
}

/// The runbook below a folder of the repository that these words begin with, and those words.
fn runbook(
    below: &str,
    words: &'static [&'static str],
) -> Option<(String, &'static [&'static str])> {
    (2..=words.len())
        .map(|length| &words[..length])
        .map(|named| (format!("{below}/{}.toml", named.join("/")), named))
        .find(|(file, _)| repository().join(file).exists())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a comment above the check names the procedure.
fn check_names(text: &str, check: &str, id: &str) -> bool {
    text.split("\n\n").any(|part| {
        has_line(part, &format!("# {id}")) && has_line(part, &format!("name = {check:?}"))
    })
}

/// Whether the tags of a runbook name the procedure.
fn tags_name(text: &str, id: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("tags") && line.contains(&format!("{id:?}")))
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line == wanted)
}
