//! What a change of rows must keep to, the same for every system. Must not decide what the bounds are.

use serde_json::Value;

/// What a statement that changes rows must keep to. What breaks it is taken back, so that nothing was changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The most rows that may change in all, those that triggers and references change too.
    pub most: Option<u64>,
    /// How many rows a person agreed to.
    pub agreed: Option<u64>,
    /// What counts the rows that the statement should touch. It is asked in the same transaction, just before.
    pub count: Option<Count>,
}

/// A query of one row and one column, in the system's own SQL.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The query.
    pub sql: String,
    /// Its parameters.
    pub parameters: Vec<Value>,
}

/// How a change broke its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsBroken {
    /// It changed more rows than it may.
    #[error(
        "it would change {changed} rows, triggers and references included, and may change {most}; nothing was changed"
    )]
    TooMany {
        /// The rows that changed in all.
        changed: u64,
        /// The rows that may change.
        most: u64,
    },
    /// There are more or fewer rows now than somebody agreed to.
    #[error(
        "it would touch {counted} rows by now, and {agreed} were agreed to; nothing was changed"
    )]
    NotAgreed {
        /// The rows that it would touch now.
        counted: u64,
        /// The rows that were agreed to.
        agreed: u64,
    },
    /// It changed other rows than those that were counted just before.
    #[error("it would change {changed} rows where {counted} were counted; nothing was changed")]
    NotCounted {
        /// The rows that it changed itself.
        changed: u64,
        /// The rows that were counted.
        counted: u64,
    },
}

impl Bounds {
    /// Holds what was counted against what was agreed to, before anything is changed.
    ///
    /// # Errors
    /// When they differ.
    pub fn hold_counted(&self, counted: u64) -> Result<(), BoundsBroken> {
        match self.agreed {
            Some(agreed) if agreed != counted => Err(BoundsBroken::NotAgreed { counted, agreed }),
            Some(_) | None => Ok(()),
        }
    }

    /// Holds what was changed against what was counted and what is allowed, before it is kept. Without a count, what was
    /// agreed to is what must have changed.
    ///
    /// # Errors
    /// When it breaks them.
    pub fn hold_changed(
        &self,
        counted: Option<u64>,
        changed: u64,
        in_all: u64,
    ) -> Result<(), BoundsBroken> {
        match counted.or(self.agreed) {
            Some(counted) if counted != changed => {
                return Err(BoundsBroken::NotCounted { changed, counted });
            }
            Some(_) | None => {}
        }
        match self.most {
            Some(most) if in_all > most => Err(BoundsBroken::TooMany {
                changed: in_all,
                most,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, BoundsBroken};

    #[test]
    fn what_changed_is_what_was_counted_and_agreed_to_and_allowed() {
        let bounds = Bounds {
            most: Some(5),
            agreed: Some(3),
            count: None,
        };
        assert_eq!(bounds.hold_counted(3), Ok(()));
        let (counted, agreed) = (4, 3);
        assert_eq!(
            bounds.hold_counted(4),
            Err(BoundsBroken::NotAgreed { counted, agreed })
        );
        assert_eq!(bounds.hold_changed(Some(3), 3, 5), Ok(()));
        let (changed, counted) = (2, 3);
        for counted_now in [Some(3), None] {
            assert_eq!(
                bounds.hold_changed(counted_now, 2, 2),
                Err(BoundsBroken::NotCounted { changed, counted })
            );
        }
        let (changed, most) = (6, 5);
        assert_eq!(
            bounds.hold_changed(Some(3), 3, 6),
            Err(BoundsBroken::TooMany { changed, most })
        );
    }
}
