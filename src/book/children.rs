//! Gathers the runbooks that a runbook runs: each must be there and none may come back to one that waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{CommandPath, Diagnostic, Diagnostics, Place, nearest};
use crate::model::{Call, Kind, Node, Runbook};

use super::library::Library;

/// The runbooks that another runs, however deep, by path.
pub type Children = BTreeMap<CommandPath, Arc<Runbook>>;

/// Gathers every runbook that this one runs, and those that they run.
///
/// # Errors
/// When one of them is missing, invalid, or runs a runbook that waits for it.
pub fn children(library: &Library, runbook: &Runbook) -> Result<Children, Diagnostics> {
    let mut walk = Walk {
        library,
        chain: vec![runbook.path.clone()],
        found: Children::new(),
        mistakes: Diagnostics::new(),
    };
    walk.follow(runbook);
    walk.mistakes.into_result(walk.found)
}

struct Walk<'a> {
    library: &'a Library,
    /// From the first runbook to the one that is looked at.
    chain: Vec<CommandPath>,
    found: Children,
    mistakes: Diagnostics,
}

impl Walk<'_> {
    fn follow(&mut self, runbook: &Runbook) {
        for (path, place) in runs(runbook) {
            if let Some(start) = self.chain.iter().position(|waiting| *waiting == path) {
                let chain: Vec<_> = self.chain[start..].iter().map(CommandPath::typed).collect();
                self.mistakes.push(
                    Diagnostic::at(place, "this runs itself without end").help(format!(
                        "{} → {}",
                        chain.join(" → "),
                        path.typed()
                    )),
                );
                continue;
            }
            if self.found.contains_key(&path) {
                continue;
            }
            match self.library.find(&path) {
                Ok(Some(other)) => {
                    self.found.insert(path.clone(), Arc::clone(&other));
                    self.descend(path, &other);
                }
                Ok(None) => self.missing(&path, place),
                Err(mistakes) => self.mistakes.extend(mistakes),
            }
        }
    }

    fn descend(&mut self, path: CommandPath, runbook: &Arc<Runbook>) {
        self.chain.push(path);
        self.follow(runbook);
        self.chain.pop();
    }

    fn missing(&mut self, path: &CommandPath, place: Place) {
        let known: Vec<String> = self
            .library
            .all()
            .iter()
            .map(|(known, _)| known.to_string())
            .collect();
        let diagnostic = Diagnostic::at(place, format!("there is no runbook {path}"));
        let path = path.to_string();
        self.mistakes
            .push(match nearest(&path, known.iter().map(String::as_str)) {
                Some(word) => diagnostic.help(format!("did you mean {word}?")),
                None => diagnostic.help("`opsbook list` shows the runbooks that there are"),
            });
    }
}

/// The runbooks that a runbook runs itself, with the place of each.
fn runs(runbook: &Runbook) -> Vec<(CommandPath, Place)> {
    let mut found = Vec::new();
    for step in runbook.all_steps() {
        let unless = step.unless.as_ref().map(|unless| &unless.call);
        let calls = [Some(&step.call), step.undo.as_ref(), unless];
        found.extend(calls.into_iter().flatten().filter_map(run_by));
    }
    found
}

fn run_by(call: &Call) -> Option<(CommandPath, Place)> {
    match (call.verb.object, &call.object) {
        (Kind::Runbook, Node::Text(template)) => {
            let path = CommandPath::parse(&template.text).ok()?;
            Some((path, template.place.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::fs;

    use super::children;
    use crate::base::CommandPath;
    use crate::book::Library;
    use crate::book::testing::VOCABULARY;

    /// The mistakes of the runbook `a` among runbooks that each run some others.
    fn mistakes_of(runbooks: &[(&str, &[&str])]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (name, others) in runbooks {
            let mut text = "title = 't'\n".to_owned();
            for (index, other) in others.iter().enumerate() {
                text.push_str(&format!(
                    "[[step]]\nname = 's{index}'\nrunbook.run = '{other}'\n"
                ));
            }
            text.push_str("[[step]]\nname = 'last'\nhttp.get = '/'\n");
            fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        let library = Library::new(Some(folder.path().to_owned()), None, VOCABULARY);
        let runbook = library
            .find(&CommandPath::parse("a").unwrap())
            .unwrap()
            .unwrap();
        let shown = format!("{}/", folder.path().display());
        let mistakes = children(&library, &runbook).err().unwrap_or_default();
        mistakes.to_string().replace(&shown, "")
    }

    #[test]
    fn a_runbook_may_be_run_from_two_sides() {
        let diamond: &[(&str, &[&str])] =
            &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])];
        assert_eq!(mistakes_of(diamond), "");
    }

    #[test]
    fn a_circle_is_told_with_its_chain() {
        assert_eq!(
            mistakes_of(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]),
            "c.toml:4:16\n    4 │ runbook.run = 'b'\n      │                ^ this runs itself without end; b → c → b"
        );
        assert_eq!(
            mistakes_of(&[("a", &["a"])]),
            "a.toml:4:16\n    4 │ runbook.run = 'a'\n      │                ^ this runs itself without end; a → a"
        );
    }

    #[test]
    fn a_missing_runbook_is_told_with_the_nearest() {
        assert_eq!(
            mistakes_of(&[("a", &["deplyo"]), ("deploy", &[])]),
            "a.toml:4:16\n    4 │ runbook.run = 'deplyo'\n      │                ^^^^^^ there is no runbook deplyo; did you mean deploy?"
        );
    }
}
