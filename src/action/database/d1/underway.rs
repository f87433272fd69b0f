//! Whether a change is under way, and how many are kept. Dropping one ends nothing at Cloudflare: it may be done all the
//! same.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::ActionError;

/// The changes that were sent.
#[derive(Default)]
pub(super) struct Underway {
    /// Whether nobody has an answer of one.
    unanswered: AtomicBool,
    kept: AtomicU64,
}

impl Underway {
    /// Waits for a change. Where that is dropped, it stays under way.
    pub(super) async fn change<T>(
        &self,
        change: impl Future<Output = T>,
        is_kept: impl FnOnce(&T) -> bool,
    ) -> T {
        self.unanswered.store(true, Ordering::Relaxed);
        let answer = change.await;
        self.unanswered.store(false, Ordering::Relaxed);
        if is_kept(&answer) {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// How many of them are kept.
    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// What became of a change whose answer nobody waits for any more.
    pub(super) fn doubt(&self) -> Result<(), ActionError> {
        if !self.unanswered.load(Ordering::Relaxed) {
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
        underway.change(ready(()), |()| true).await;
        assert_eq!(underway.doubt(), Ok(()), "it was answered");
        underway.change(ready(()), |()| false).await;
        assert_eq!(underway.kept(), 1, "the other one was refused");
        tokio::select! {
            biased;
            () = underway.change(pending(), |()| true) => {}
            () = ready(()) => {}
        }
        assert!(underway.doubt().is_err_and(|error| error.in_doubt));
    }
}
