//! The runbooks that are built into the binary.

use include_dir::{Dir, DirEntry, include_dir};

use crate::base::CommandPath;

static RUNBOOKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// A runbook in the binary.
#[derive(Clone, Debug)]
pub(super) struct BuiltIn {
    /// What messages call its file: `built-in:db/vacuum.toml`.
    pub(super) name: String,
    /// The text of its file.
    pub(super) text: &'static str,
}

/// The built-in runbook of this path.
pub(super) fn find(path: &CommandPath) -> Option<BuiltIn> {
    let file = RUNBOOKS.get_file(format!("{path}.toml"))?;
    Some(BuiltIn {
        name: format!("built-in:{path}.toml"),
        text: file.contents_utf8()?,
    })
}

/// The words below a group and whether words follow each, in no order.
pub(super) fn children(group: &[String]) -> Vec<(String, bool)> {
    let folder = match group {
        [] => Some(&RUNBOOKS),
        words => RUNBOOKS.get_dir(words.join("/")),
    };
    let entries = folder.map_or(&[][..], Dir::entries);
    entries
        .iter()
        .filter_map(|entry| match entry {
            DirEntry::Dir(group) => Some((group.path().file_name()?.to_str()?.to_owned(), true)),
            DirEntry::File(file) => {
                let name = file.path().file_name()?.to_str()?;
                Some((name.strip_suffix(".toml")?.to_owned(), false))
            }
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::find;
    use crate::base::CommandPath;

    #[test]
    fn a_change_of_a_database_that_fails_is_critical() {
        for name in ["execute", "file", "copy", "prune"] {
            let path = CommandPath::parse(&format!("db/{name}")).unwrap();
            let table: toml::Table = find(&path).unwrap().text.parse().unwrap();
            assert_eq!(table["severity"].as_str(), Some("P1"), "{name}");
        }
    }
}
