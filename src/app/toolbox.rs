//! Which tools are installed, in which version: what a runbook's `requires` asks.

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::base::Masker;
use crate::engine::Toolbox;
use crate::model::Requirement;
use crate::platform::process::{self, Program};

use super::Environment;
use super::machine::ThisMachine;

/// Printing a version takes no longer.
const LIMIT: Duration = Duration::from_secs(20);

/// The tools of this machine.
pub(super) struct InstalledTools<'a> {
    path: OsString,
    machine: &'a ThisMachine,
}

impl<'a> InstalledTools<'a> {
    /// Those on the PATH.
    pub(super) fn of(environment: &Environment, machine: &'a ThisMachine) -> Self {
        Self {
            path: environment
                .variables
                .get("PATH")
                .cloned()
                .unwrap_or_default(),
            machine,
        }
    }

    fn is_installed(&self, tool: &str) -> bool {
        std::env::split_paths(&self.path).any(|folder| folder.join(tool).is_file())
    }

    async fn look(&self, requirement: &Requirement) -> Option<String> {
        let tool = requirement.tool.as_str();
        let found = if tool == "opsbook" {
            version_in(env!("CARGO_PKG_VERSION"))
        } else if !self.is_installed(tool) {
            return Some(format!(
                "{tool} is not installed: no folder of PATH holds it"
            ));
        } else if requirement.at_least.is_some() {
            version_of(tool, self.machine).await
        } else {
            return None;
        };
        let least = requirement.at_least.as_ref()?;
        match found {
            Some(found) if reaches(&found, least) => None,
            Some(found) => Some(format!(
                "{tool} {} is too old: at least {} is needed",
                dotted(&found),
                dotted(least)
            )),
            None => Some(format!(
                "the version of {tool} cannot be told: `{tool} --version` prints none"
            )),
        }
    }
}

impl Toolbox for InstalledTools<'_> {
    fn missing<'a>(
        &'a self,
        requirement: &'a Requirement,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + 'a>> {
        Box::pin(self.look(requirement))
    }
}

async fn version_of(tool: &str, machine: &ThisMachine) -> Option<Vec<u64>> {
    let mut program = Program::new(tool, ["--version"]);
    machine.adopt(&mut program);
    let ended = tokio::time::timeout(
        LIMIT,
        process::run(&program, &|_| {}, std::future::pending()),
    )
    .await
    .ok()?
    .ok()?;
    let nothing = Masker::default();
    version_in(&ended.stdout.text(&nothing)).or_else(|| version_in(&ended.stderr.text(&nothing)))
}

/// The first number with a dot in it, and what follows: `psql (PostgreSQL) 17.2` is 17.2.
fn version_in(text: &str) -> Option<Vec<u64>> {
    text.split(|character: char| !character.is_ascii_digit() && character != '.')
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.'))
        .and_then(|word| word.split('.').map(|part| part.parse().ok()).collect())
}

/// Whether a version is at least another. What is not written out is nought: 1.7 is 1.7.0.
fn reaches(found: &[u64], least: &[u64]) -> bool {
    let significant = least.iter().rposition(|part| *part > 0);
    found >= &least[..significant.map_or(0, |last| last + 1)]
}

fn dotted(version: &[u64]) -> String {
    version
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    use super::{reaches, version_in};

    #[test]
    fn finds_the_version_that_a_tool_prints() {
        assert_eq!(
            version_in("psql (PostgreSQL) 17.2 (Debian 17.2-1)"),
            Some(vec![17, 2])
        );
        assert_eq!(version_in(" ⛅️ wrangler 4.87.0\n"), Some(vec![4, 87, 0]));
        assert_eq!(version_in("v22.1.0"), Some(vec![22, 1, 0]));
        assert_eq!(version_in("none"), None);
    }

    #[test]
    fn a_version_that_leaves_noughts_out_is_not_too_old() {
        assert!(reaches(&[1, 7], &[1, 7, 0]));
        assert!(reaches(&[17, 2], &[17]));
        assert!(!reaches(&[1, 7], &[1, 7, 1]));
        assert!(!reaches(&[4, 9], &[4, 87]));
    }
}
