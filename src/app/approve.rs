//! A second person's approval: which runs wait for one, who may give it, and its event.

use crate::base::RunId;
use crate::engine::{Durability, Journal as _};
use crate::event::{Envelope, Event, RunApproved, RunResumed, RunStarted, VERSION};

use super::{App, AppError, secrets};

impl App {
    /// The events of a run that waits for an approval which this user may give.
    ///
    /// # Errors
    /// When there is no such run, it waits for none, or it is the user's own: begun by them, or gone on with by them with
    /// files that have changed since.
    pub fn awaiting_approval(&self, run: RunId) -> Result<Vec<Envelope>, AppError> {
        let events = self.events_of(run)?;
        let asker = waiting(run, &events)?;
        let user = &self.environment().user;
        if asker == user {
            return Err(AppError::not_now(format!(
                "run {run} is {user}'s own: another account must approve it"
            ))
            .hint("nothing was done; who is asked is the account of the system, not $USER"));
        }
        Ok(events)
    }

    /// Approves a run that waits for it. `yes` is the answer of a caller who gave it in advance.
    ///
    /// # Errors
    /// As [`App::awaiting_approval`]; when nobody agrees, or the journal cannot be written.
    pub fn approve(&self, run: RunId, reason: Option<String>, yes: bool) -> Result<(), AppError> {
        let events = self.awaiting_approval(run)?;
        self.agreed(&format!("Approve run {run}?"), yes)?;
        let (config, environment) = (self.config()?, self.environment());
        // What a person types may hold a secret as well.
        secrets::learn(&config, environment);
        let reason = reason.map(|reason| environment.masker.text(&reason));
        let next = events.last().map_or(0, |last| last.seq + 1);
        let approved = Envelope {
            version: VERSION,
            run,
            seq: next,
            at: environment.clock.now(),
            event: Event::RunApproved(RunApproved {
                user: environment.user.clone(),
                host: environment.host.clone(),
                reason,
            }),
        };
        let journal = self.journal_of(&config)?;
        if let Err(error) = journal.append(&[approved], Durability::Durable) {
            // Somebody else was faster: the place of the event is taken.
            waiting(run, &self.events_of(run)?)?;
            return Err(error.into());
        }
        self.tell(&format!(
            "approved run {run}; it goes on with: opsbook resume {run}"
        ));
        Ok(())
    }
}

/// Who wants what a run waits for: who began it, or who went on with it as it is now.
fn waiting(run: RunId, events: &[Envelope]) -> Result<&str, AppError> {
    let (mut user, mut asker, mut approved) = (None, None, None);
    for envelope in events {
        match &envelope.event {
            Event::RunStarted(RunStarted { user: who, .. })
            | Event::RunResumed(RunResumed { user: who, .. }) => user = Some(who.as_str()),
            Event::ApprovalRequested(_) => (asker, approved) = (user, None),
            Event::RunApproved(approval) => approved = Some((&approval.user, envelope.at)),
            _ => {}
        }
    }
    if let Some((user, at)) = approved {
        let at = at.format("%Y-%m-%d %H:%M:%SZ");
        return Err(
            AppError::usage(format!("run {run} was approved by {user} at {at}"))
                .hint(format!("it goes on with: opsbook resume {run}")),
        );
    }
    asker.ok_or_else(|| {
        AppError::usage(format!("run {run} waits for no approval"))
            .hint(format!("`opsbook runs show {run}` tells how it stands"))
    })
}

#[cfg(test)]
mod tests {
    use super::waiting;
    use crate::base::{Effect, ProcessMark, RunId};
    use crate::event::{
        ApprovalRequested, Event, Resumption, RunApproved, RunResumed, RunStarted, sample,
    };

    #[test]
    fn a_run_waits_from_the_request_until_the_first_approval() {
        let request = || {
            Event::ApprovalRequested(ApprovalRequested {
                effect: Effect::Destroy,
                because: "the policy".to_owned(),
            })
        };
        let approved = || {
            Event::RunApproved(RunApproved {
                user: "bob".to_owned(),
                host: "host".to_owned(),
                reason: None,
            })
        };
        let said = |events: Vec<Event>| {
            waiting(RunId(7), &sample::stream(events))
                .map(str::to_owned)
                .map_err(|error| (error.exit().code(), error.message))
        };
        assert_eq!(
            said(vec![sample::started(&["a"])]),
            Err((64, "run 7 waits for no approval".to_owned()))
        );
        let began = Event::RunStarted(RunStarted {
            user: "alice".to_owned(),
            ..sample::run_started(&["a"])
        });
        let approved_once = vec![began.clone(), request(), approved()];
        assert_eq!(said(vec![began, request()]), Ok("alice".to_owned()));
        assert_eq!(
            said(approved_once.clone()).map_err(|(code, said)| (code, said.contains("by bob at"))),
            Err((64, true))
        );
        // What was approved has changed since: whoever goes on with that now may not approve it.
        let resumed = Event::RunResumed(RunResumed {
            what: Resumption::Resume,
            user: "carol".to_owned(),
            host: "host".to_owned(),
            pid: 1,
            process: ProcessMark::default(),
            opsbook: "0.1.0".to_owned(),
            in_doubt: Vec::new(),
            changed: Vec::new(),
            reason: None,
            incident: None,
        });
        let again = approved_once
            .into_iter()
            .chain([resumed, request()])
            .collect();
        assert_eq!(said(again), Ok("carol".to_owned()));
    }
}
