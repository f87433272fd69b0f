//! Which statement of a batch D1 refuses: its answer does not say. Begins of the batch are run and taken back until it is
//! known, in about as many requests as the number of statements has binary digits.

use crate::platform::d1::{Again, Statement};

use super::change::{always_errs, has_erred};
use super::way::Way;

/// The number of the statement that is refused, from 0; as many as there are where all of them run and what was put off to
/// their end is refused. None where it cannot be found out.
pub(super) async fn find(way: &Way, statements: &[Statement]) -> Option<usize> {
    let (mut running, mut refused) = (0, statements.len() + 1);
    while refused - running > 1 {
        let middle = running.midpoint(refused);
        let mut batch = statements[..middle].to_vec();
        batch.push(always_errs());
        let failure = way.batch(&batch, 0, Again::Harmless).await.err()?;
        match failure.refusal()? {
            said if has_erred(said) => running = middle,
            _ => refused = middle,
        }
    }
    Some(running)
}
