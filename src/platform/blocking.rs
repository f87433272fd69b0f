//! Work that blocks a thread, made to end soon after the future that waits for it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether nobody waits for the work any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Whether nobody waits for the work any more: it should end at the next good moment.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Tells the work that nobody waits for it, when it is dropped.
struct Waiting(Abandoned);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

/// Why blocking work gave nothing: the runtime was shut down before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("opsbook is ending")]
pub struct ShuttingDown;

/// Does the work on a thread of its own and waits for it. A panic of the work goes on here.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<T, ShuttingDown> {
    let abandoned = Abandoned::default();
    let waiting = Waiting(abandoned.clone());
    let outcome = tokio::task::spawn_blocking(move || work(&abandoned)).await;
    drop(waiting);
    outcome.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => ShuttingDown,
    })
}
