//! A step in a dry run: what only reads is done, what would change something is shown.

use super::frame::Turn;
use super::run::Run;
use super::step::StepEnd;

impl Run<'_> {
    /// Shows what the step would do, in a dry run; none where the step is to be done.
    pub(super) async fn rehearse(&self, _turn: Turn<'_>) -> Option<StepEnd> {
        None
    }
}
