//! Collects the mistakes of one file, however many there are.

use std::cell::{Cell, RefCell};

use crate::base::{Diagnostic, Diagnostics};

/// More mistakes than this are counted, not kept: nobody reads them, and each costs a search through the file.
const MOST_KEPT: usize = 200;

/// The mistakes found so far, shared by the readers of one file.
#[derive(Debug, Default)]
pub struct Mistakes {
    kept: RefCell<Diagnostics>,
    dropped: Cell<usize>,
}

impl Mistakes {
    /// No mistake yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.push_with(|| diagnostic);
    }

    /// Adds a mistake that takes some work to tell: it is not done where the mistake is only counted.
    pub fn push_with(&self, tell: impl FnOnce() -> Diagnostic) {
        if self.kept.borrow().len() < MOST_KEPT {
            let diagnostic = tell();
            self.kept.borrow_mut().push(diagnostic);
        } else {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Takes a mistake back that turned out to be part of another. One that was only counted stays counted.
    pub(super) fn withdraw(&self, diagnostic: &Diagnostic) {
        self.kept.borrow_mut().remove(diagnostic);
    }

    /// Adds the mistakes of another collection.
    pub fn extend(&self, others: Diagnostics) {
        for other in others {
            self.push(other);
        }
    }

    /// How many mistakes were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.borrow().len() + self.dropped.get()
    }

    /// Whether no mistake was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mistakes, sorted by place; the last one tells how many more there are.
    #[must_use]
    pub fn into_diagnostics(self) -> Diagnostics {
        let mut mistakes = self.kept.into_inner();
        mistakes.sort();
        match self.dropped.get() {
            0 => {}
            more => mistakes.push(Diagnostic::new(format!("and {more} more mistakes"))),
        }
        mistakes
    }

    /// What was read, if no mistake was found.
    ///
    /// # Errors
    /// As [`Mistakes::into_diagnostics`].
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            None if self.is_empty() => {
                Err(Diagnostic::new("the file could not be understood").into())
            }
            _ => Err(self.into_diagnostics()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Mistakes};

    #[test]
    fn counts_what_it_does_not_keep() {
        let mistakes = Mistakes::new();
        for number in 0..250 {
            mistakes.push(Diagnostic::new(format!("mistake {number}")));
        }
        assert_eq!(mistakes.len(), 250);
        let told = mistakes.into_diagnostics();
        assert_eq!(told.len(), 201);
        assert!(told.to_string().ends_with("and 50 more mistakes"));
    }
}
