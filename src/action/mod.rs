//! The actions: one file each, and one line each in the registry.

mod http;
mod measured;
mod probe;
#[cfg(test)]
mod trial;

use std::sync::LazyLock;

use crate::engine::{Action, Actions};
use crate::model::{ActionSpec, Vocabulary};

/// The registry: the order is that of the reference pages.
const REGISTRY: &[&dyn Action] = &[&http::Http, &probe::Probe];

/// The actions that there are.
pub const ACTIONS: Actions = Actions(REGISTRY);

/// What the actions say of themselves.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    static SPECS: LazyLock<Vec<&'static ActionSpec>> =
        LazyLock::new(|| REGISTRY.iter().map(|action| action.spec()).collect());
    Vocabulary(&SPECS)
}
