//! Gathers the runbooks that a runbook runs: each must be there and none may come back to one that waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{CommandPath, Diagnostic, Diagnostics, Place, nearest};
use crate::model::{Call, Input, Kind, Node, Runbook, Step};

use super::library::Library;
use super::names::variable;
use super::statement::handed_on;

/// How many runbooks may wait for each other: a run holds them all, each on the stack of the one before.
const DEEPEST: usize = 16;

/// The runbooks that another runs, however deep, by path.
pub type Children = BTreeMap<CommandPath, Arc<Runbook>>;

/// Gathers every runbook that this one runs, and those that they run.
///
/// # Errors
/// When one of them is missing, invalid, runs a runbook that waits for it, or lies too deep.
pub fn children(library: &Library, runbook: &Runbook) -> Result<Children, Diagnostics> {
    let mut walk = Walk {
        library,
        chain: vec![runbook.path.clone()],
        found: Children::new(),
        heights: BTreeMap::new(),
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
    /// How many runbooks wait for each other below each that was found, itself included.
    heights: BTreeMap<CommandPath, usize>,
    mistakes: Diagnostics,
}

impl Walk<'_> {
    /// Gives the height of the runbook at the end of the chain.
    fn follow(&mut self, runbook: &Runbook) -> usize {
        let mut below = 0;
        for (path, place, call) in runs(runbook) {
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
            if self.chain.len() == DEEPEST {
                self.too_deep(place);
                continue;
            }
            if let Some(other) = self.found.get(&path).map(Arc::clone) {
                self.inputs(call, &place, runbook, &other);
            }
            if let Some(height) = self.heights.get(&path).copied() {
                if self.chain.len() + height > DEEPEST {
                    self.too_deep(place);
                }
                below = below.max(height);
                continue;
            }
            match self.library.find(&path) {
                Ok(Some(other)) => {
                    self.inputs(call, &place, runbook, &other);
                    self.found.insert(path.clone(), Arc::clone(&other));
                    below = below.max(self.descend(path, &other));
                }
                Ok(None) => self.missing(&path, place),
                Err(mistakes) => self.mistakes.extend(mistakes),
            }
        }
        below + 1
    }

    fn descend(&mut self, path: CommandPath, runbook: &Arc<Runbook>) -> usize {
        self.chain.push(path.clone());
        let height = self.follow(runbook);
        self.chain.pop();
        self.heights.insert(path, height);
        height
    }

    /// Holds the names that a step hands over against those that the other runbook asks for, where they are written out.
    fn inputs(&mut self, call: &Call, place: &Place, runbook: &Runbook, other: &Runbook) {
        for mistake in handed_on(call, place, runbook, other) {
            self.mistakes.push(mistake);
        }
        let given: Vec<&str> = match call.option("inputs") {
            None => Vec::new(),
            Some(Node::Table(entries)) => entries.iter().map(|(name, _)| name.as_str()).collect(),
            Some(_) => return,
        };
        let names = |input: &Input, name: &str| input.variable() == variable(name);
        for name in &given {
            if other.inputs.iter().any(|input| names(input, name)) {
                continue;
            }
            let known = other.inputs.iter().map(|input| input.name.as_str());
            let unknown = format!("{} has no input {name:?}", other.path);
            let diagnostic = Diagnostic::at(place.clone(), unknown);
            self.mistakes.push(match nearest(name, known) {
                Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
                None => diagnostic,
            });
        }
        for input in &other.inputs {
            if input.default.is_none() && !given.iter().any(|name| names(input, name)) {
                let missing = format!("{} needs the input {:?}", other.path, input.name);
                self.mistakes.push(
                    Diagnostic::at(place.clone(), missing)
                        .help(format!("write `runbook.inputs = {{ {} = … }}`", input.name)),
                );
            }
        }
    }

    fn too_deep(&mut self, place: Place) {
        self.mistakes.push(
            Diagnostic::at(
                place,
                format!("more than {DEEPEST} runbooks that each run the next"),
            )
            .help("let one runbook run them one after the other"),
        );
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

/// The runbooks that a runbook runs itself, with the place of each and the call that does it.
fn runs(runbook: &Runbook) -> Vec<(CommandPath, Place, &Call)> {
    runbook
        .all_steps()
        .flat_map(Step::calls)
        .filter_map(run_by)
        .collect()
}

fn run_by(call: &Call) -> Option<(CommandPath, Place, &Call)> {
    match (call.verb.object, &call.object) {
        (Kind::Runbook, Node::Text(template)) => {
            let path = CommandPath::parse(&template.text).ok()?;
            Some((path, template.place.clone(), call))
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

    #[test]
    fn a_chain_that_would_exhaust_the_stack_is_refused_from_whichever_end_it_is_found() {
        let names: Vec<String> = (0..16).map(|index| format!("b{index}")).collect();
        let chain = |length: usize| -> Vec<(&str, Vec<&str>)> {
            let next = |index: usize| (index + 1 < length).then(|| names[index + 1].as_str());
            (0..length)
                .map(|index| (names[index].as_str(), next(index).into_iter().collect()))
                .collect()
        };
        fn told<'a>(mut books: Vec<(&'a str, Vec<&'a str>)>, of_a: Vec<&'a str>) -> String {
            books.push(("a", of_a));
            let books: Vec<_> = books.iter().map(|(name, of)| (*name, &of[..])).collect();
            mistakes_of(&books)
        }
        assert_eq!(told(chain(15), vec!["b0"]), "");
        assert!(told(chain(16), vec!["b0"]).contains("more than 16 runbooks"));
        let deepest_first: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        assert!(told(chain(16), deepest_first).contains("more than 16 runbooks"));
    }
}
