//! What the engine needs to know of the machine: which tools are there.

use std::future::Future;
use std::pin::Pin;

use crate::model::Requirement;

/// Knows which tools are installed.
pub trait Toolbox {
    /// What is wrong, in one line, when a requirement is not met.
    fn missing<'a>(
        &'a self,
        requirement: &'a Requirement,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + 'a>>;
}
