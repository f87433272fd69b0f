//! Whether a change is under way. Dropping it ends nothing at Cloudflare: it may be done all the same.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::ActionError;

/// Whether a change was sent that nobody has an answer of.
#[derive(Default)]
pub(super) struct Underway(AtomicBool);

impl Underway {
    /// Waits for a change. Where that is dropped, it stays under way.
    pub(super) async fn change<T>(&self, change: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let answer = change.await;
        self.0.store(false, Ordering::Relaxed);
        answer
    }

    /// What became of a change whose answer nobody waits for any more.
    pub(super) fn doubt(&self) -> Result<(), ActionError> {
        if !self.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(
            ActionError::target("cut off while it ran; it is not known whether it was done")
                .in_doubt()
                .help("look what is there before you do it again"),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::Underway;

    #[tokio::test]
    async fn a_change_without_an_answer_is_in_doubt() {
        let underway = Underway::default();
        assert_eq!(underway.doubt(), Ok(()), "nothing was sent");
        underway.change(ready(())).await;
        assert_eq!(underway.doubt(), Ok(()), "it was answered");
        tokio::select! {
            biased;
            () = underway.change(pending()) => {}
            () = ready(()) => {}
        }
        assert!(underway.doubt().is_err_and(|error| error.in_doubt));
    }
}
