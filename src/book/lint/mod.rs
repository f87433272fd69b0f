//! What is legal in a runbook and still wrong, or worth a second look. Reads no file and runs nothing.

mod estate;
mod literals;
mod programs;
mod statements;
#[cfg(test)]
#[expect(clippy::panic, reason = "a test may fail")]
mod tests;
mod unused;
mod walk;

use crate::base::{Diagnostic, Diagnostics, SourceFile};
use crate::model::{Runbook, Step, Template};

use super::children::children;
use super::library::Library;
use super::references::{check_references, check_step_references};

pub use estate::LintEstate;

/// What lint found, sorted by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lint {
    /// What is wrong and must be mended.
    pub mistakes: Diagnostics,
    /// What deserves a second look.
    pub advice: Diagnostics,
}

impl Lint {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty() && self.advice.is_empty()
    }

    /// Takes in what another look found.
    pub fn extend(&mut self, other: Self) {
        self.mistakes.extend(other.mistakes);
        self.advice.extend(other.advice);
    }

    fn mistake(&mut self, diagnostic: Diagnostic) {
        self.mistakes.push(diagnostic);
    }

    fn advise(&mut self, diagnostic: Diagnostic) {
        self.advice.push(diagnostic);
    }

    fn sorted(mut self) -> Self {
        self.mistakes.sort();
        self.advice.sort();
        self
    }
}

/// Looks at a runbook that was read without mistakes: names that nothing defines, runbooks that run themselves, inputs
/// and saved names that nothing uses, SQL that does more than is stated, programs that are not required, secrets that
/// are written out. With an estate, names of services, databases, queues, windows and secrets are looked up in it.
#[must_use]
pub fn lint(library: &Library, runbook: &Runbook, estate: Option<&LintEstate>) -> Lint {
    let mut lint = Lint::default();
    lint.mistakes.extend(check_references(runbook));
    if let Err(mistakes) = children(library, runbook) {
        lint.mistakes.extend(mistakes);
    }
    unused::inputs(runbook, &mut lint);
    unused::saved(runbook, &mut lint);
    programs::required(runbook, &mut lint);
    for step in runbook.all_steps() {
        statements::step(step, estate, &mut lint);
        literals::step(step, &mut lint);
    }
    literals::source(&runbook.source, &mut lint);
    if let Some(estate) = estate {
        estate::runbook(runbook, estate, &mut lint);
    }
    lint.sorted()
}

/// Looks at a step that stands alone, a check of the configuration.
#[must_use]
pub fn lint_check(step: &Step, estate: &LintEstate) -> Lint {
    let mut lint = Lint::default();
    lint.mistakes.extend(check_step_references(step));
    statements::step(step, Some(estate), &mut lint);
    literals::step(step, &mut lint);
    estate::step(step, estate, &mut lint);
    lint.sorted()
}

/// Looks at a value of the configuration beside a key that may tell what it is: `Authorization`.
#[must_use]
pub fn lint_value(key: &str, template: &Template, estate: &LintEstate) -> Lint {
    let mut lint = Lint::default();
    literals::value(key, template, &mut lint);
    estate::template(template, estate, &mut lint);
    lint.sorted()
}

/// Looks for texts that are secrets by their form, anywhere in a file, comments included.
#[must_use]
pub fn lint_source(source: &SourceFile) -> Lint {
    let mut lint = Lint::default();
    literals::source(source, &mut lint);
    lint
}
