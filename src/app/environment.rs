//! What surrounds the process: variables, folders, terminal, person, machine. Read once, here, and handed down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Clock, Masker, ProcessMark, SystemClock};
use crate::platform::process;
use crate::term::{self, Facts, Variables};

/// What surrounds the process, as it was when the process began.
#[derive(Clone)]
pub struct Environment {
    /// The command line, the program's own name first.
    pub arguments: Vec<OsString>,
    /// The environment variables whose names are text.
    pub variables: BTreeMap<String, OsString>,
    /// The current folder; empty where it cannot be told.
    pub folder: PathBuf,
    /// What is behind the standard streams.
    pub facts: Facts,
    /// Who runs this.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// As which process.
    pub pid: u32,
    /// What tells this process from every other.
    pub process: ProcessMark,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Takes every secret that this process comes to know out of what it tells. Its clones share what they know.
    pub masker: Masker,
}

impl Environment {
    /// Reads all of it.
    #[must_use]
    pub fn capture() -> Self {
        Self {
            arguments: std::env::args_os().collect(),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            folder: std::env::current_dir().unwrap_or_default(),
            facts: term::facts(),
            user: user(),
            host: nix::unistd::gethostname().map_or_else(
                |_| "unknown".to_owned(),
                |host| host.to_string_lossy().into_owned(),
            ),
            pid: std::process::id(),
            process: process::own_mark(),
            clock: Arc::new(SystemClock),
            masker: Masker::default(),
        }
    }

    /// The variable of this name. One that is empty or not text counts as not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)?
            .to_str()
            .filter(|value| !value.is_empty())
    }

    /// The variables that are text.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, String)> {
        let text =
            |(name, value): (&String, &OsString)| Some((name.clone(), value.to_str()?.to_owned()));
        self.variables.iter().filter_map(text).collect()
    }

    /// What the variables say about terminals.
    #[must_use]
    pub fn terminal_variables(&self) -> Variables {
        Variables::of(|name| self.variable(name).map(str::to_owned))
    }

    /// Whether a person can be asked.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.facts.stdin && self.facts.stderr.terminal && !self.terminal_variables().ci
    }

    /// The folder of the user's own configuration and runbooks.
    #[must_use]
    pub fn config_folder(&self) -> Option<PathBuf> {
        self.xdg_folder("XDG_CONFIG_HOME", ".config")
    }

    /// The folder of what must outlive a run: the journal.
    #[must_use]
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.xdg_folder("XDG_STATE_HOME", ".local/state")
    }

    /// A folder of the XDG base directory specification, which tells to ignore relative paths.
    fn xdg_folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let absolute = |name: &str| {
            let path = PathBuf::from(self.variables.get(name)?);
            path.is_absolute().then_some(path)
        };
        absolute(variable)
            .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
            .map(|folder| folder.join("opsbook"))
    }

    /// A path as the user typed it, from the folder that the user is in. `./` within it says nothing and is left out.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.folder.join(path).components().collect()
    }
}

/// The account's name, from the system: a variable could say anything.
fn user() -> String {
    let id = nix::unistd::Uid::current();
    match nix::unistd::User::from_uid(id) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => id.to_string(),
    }
}

#[cfg(test)]
impl Environment {
    /// An environment that holds only what the test says.
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self {
            arguments: vec![OsString::from("opsbook")],
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
                .collect(),
            folder: PathBuf::from("/project"),
            facts: Facts::default(),
            user: "alice".to_owned(),
            host: "host".to_owned(),
            pid: 1,
            process: ProcessMark::default(),
            clock: Arc::new(crate::base::FixedClock(chrono::DateTime::UNIX_EPOCH)),
            masker: Masker::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Environment;

    #[test]
    fn folders_follow_the_specification_and_relative_ones_are_ignored() {
        let state = |variables: &[(&str, &str)]| Environment::of(variables).state_folder();
        assert_eq!(
            state(&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/alice")]),
            Some(PathBuf::from("/state/opsbook"))
        );
        assert_eq!(
            state(&[("XDG_STATE_HOME", "state"), ("HOME", "/home/alice")]),
            Some(PathBuf::from("/home/alice/.local/state/opsbook"))
        );
        assert_eq!(state(&[("HOME", "relative")]), None);
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn nobody_is_asked_in_ci_or_without_a_terminal() {
        let mut environment = Environment::of(&[]);
        assert!(!environment.can_ask());
        environment.facts.stdin = true;
        environment.facts.stderr.terminal = true;
        assert!(environment.can_ask());
        environment.variables.insert("CI".into(), "true".into());
        assert!(!environment.can_ask());
        environment.variables.insert("CI".into(), "".into());
        assert!(environment.can_ask());
    }
}
