//! Names and numbers that must not be confused with each other.

use serde::{Deserialize, Serialize};

/// The number of a run, given by the store, counting from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, formatter)
    }
}

/// The place of a step within its run: `count`, `delete[3]` in a `for_each`, `deploy/migrate` in a sub-runbook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(pub String);

impl StepKey {
    /// The key of a step by its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The key of the `index`-th item of a `for_each`, counting from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The key of a step of the sub-runbook that this step runs.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StepKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0)
    }
}

/// The words that name a runbook on the command line: `db vacuum`, written `db/vacuum` in files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandPath(Vec<String>);

/// Why a text is not the path of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a command path: words of a-z, 0-9 and \"-\", joined by \"/\"")]
pub struct InvalidCommandPath(pub String);

impl CommandPath {
    /// Reads `db/vacuum` or `db vacuum`.
    ///
    /// # Errors
    /// When a word is empty or holds anything but `a-z`, `0-9`, `-` and `_`.
    pub fn parse(text: &str) -> Result<Self, InvalidCommandPath> {
        Self::from_words(text.split(['/', ' ']))
    }

    /// Builds a path from its words.
    ///
    /// # Errors
    /// As [`CommandPath::parse`].
    pub fn from_words<W: AsRef<str>>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, InvalidCommandPath> {
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let legal = |word: &String| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.bytes().all(|byte| {
                    byte.is_ascii_lowercase()
                        || byte.is_ascii_digit()
                        || byte == b'-'
                        || byte == b'_'
                })
        };
        if words.is_empty() || !words.iter().all(legal) {
            return Err(InvalidCommandPath(words.join("/")));
        }
        Ok(Self(words))
    }

    /// The words, at least one.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// The words as typed on a command line: `db vacuum`.
    #[must_use]
    pub fn typed(&self) -> String {
        self.0.join(" ")
    }
}

impl std::fmt::Display for CommandPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0.join("/"))
    }
}

impl TryFrom<String> for CommandPath {
    type Error = InvalidCommandPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CommandPath> for String {
    fn from(path: CommandPath) -> Self {
        path.to_string()
    }
}
