//! What happened to a run beside its steps: it was resumed, approved, or took a lock from a dead one. One line each.

use crate::base::text::{count, one_line};
use crate::event::{Envelope, Event, Resumption, RunResumed};

/// The notes of a run, oldest first.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    /// Takes in what is worth a note.
    pub(super) fn hear(&mut self, envelope: &Envelope) {
        let note = match &envelope.event {
            Event::RunResumed(resumed) => of_resumption(resumed),
            Event::ApprovalRequested(request) => {
                format!("a second person must approve: {}", request.because)
            }
            Event::RunApproved(approved) => {
                let by = format!("approved by {}@{}", approved.user, approved.host);
                because(by, approved.reason.as_deref())
            }
            Event::LockTakenOver(lock) => format!(
                "the lock {} was taken over from run {}, which is dead ({}@{}, process {})",
                lock.lock, lock.from, lock.user, lock.host, lock.pid
            ),
            Event::JournalPruned(pruned) => format!(
                "the journal was pruned of {} that had ended before {} by {}@{}",
                count(usize::try_from(pruned.runs).unwrap_or(usize::MAX), "run"),
                pruned.before.format("%Y-%m-%d %H:%M:%SZ"),
                pruned.user,
                pruned.host
            ),
            _ => return,
        };
        self.0.push(one_line(&note));
    }

    /// The notes, each in one line.
    pub(super) fn lines(&self) -> &[String] {
        &self.0
    }
}

fn of_resumption(resumed: &RunResumed) -> String {
    let what = match resumed.what {
        Resumption::Resume => "resumed",
        Resumption::Undo => "taken back",
    };
    let mut by = format!("{what} by {}@{}", resumed.user, resumed.host);
    if let Some(incident) = &resumed.incident {
        by.push_str(&format!(" for {incident}"));
    }
    let mut note = because(by, resumed.reason.as_deref());
    if !resumed.in_doubt.is_empty() {
        let steps: Vec<&str> = resumed.in_doubt.iter().map(|step| step.as_str()).collect();
        note.push_str(&format!("; in doubt: {}", steps.join(", ")));
    }
    if !resumed.changed.is_empty() {
        let files: Vec<&str> = resumed
            .changed
            .iter()
            .map(|source| source.file.as_str())
            .collect();
        note.push_str(&format!("; changed since: {}", files.join(", ")));
    }
    note
}

fn because(what: String, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::Notes;
    use crate::base::{Effect, ProcessMark, RunId, StepKey};
    use crate::event::{
        ApprovalRequested, Event, LockTakenOver, Resumption, RunApproved, RunResumed, Source,
        sample,
    };

    #[test]
    fn what_happened_to_a_run_is_told_in_its_order() {
        let resumed = RunResumed {
            what: Resumption::Resume,
            user: "alice".to_owned(),
            host: "host.example.com".to_owned(),
            pid: 7,
            process: ProcessMark::default(),
            opsbook: "0.1.0".to_owned(),
            in_doubt: vec![StepKey::new("delete")],
            changed: vec![Source {
                runbook: None,
                file: "opsbook.toml".to_owned(),
                digest: String::new(),
            }],
            reason: Some("power\nloss".to_owned()),
            incident: Some("INC-7".to_owned()),
        };
        let mut notes = Notes::default();
        for envelope in sample::stream(vec![
            sample::started(&["delete"]),
            Event::ApprovalRequested(ApprovalRequested {
                effect: Effect::Destroy,
                because: "policy.destroy".to_owned(),
            }),
            Event::RunApproved(RunApproved {
                user: "bob".to_owned(),
                host: "desk".to_owned(),
                reason: None,
            }),
            Event::LockTakenOver(LockTakenOver {
                lock: "db/prune".to_owned(),
                from: RunId(411),
                user: "cron".to_owned(),
                host: "batch".to_owned(),
                pid: 12,
            }),
            Event::RunResumed(resumed),
        ]) {
            notes.hear(&envelope);
        }
        assert_eq!(
            notes.lines(),
            [
                "a second person must approve: policy.destroy",
                "approved by bob@desk",
                "the lock db/prune was taken over from run 411, which is dead (cron@batch, process 12)",
                "resumed by alice@host.example.com for INC-7: power loss; in doubt: delete; changed since: opsbook.toml",
            ]
        );
    }
}
