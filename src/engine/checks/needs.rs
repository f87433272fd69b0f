//! What a check needs: a bad look at it is held back until it is known whether something that it needs is down.

use crate::base::Status;
use crate::event::StepFinished;

use super::Asked;

/// A check of which it is known what its look means.
pub(super) struct Known {
    pub(super) index: usize,
    pub(super) end: Box<StepFinished>,
    /// What its look means: ok, warning, critical, unknown, affected, or that there was none.
    pub(super) look: Status,
    /// What it needs that is down, in words, where it is affected.
    pub(super) down: Option<String>,
}

/// Which checks need which, and what is known of them so far. None needs itself by way of others: the configuration was
/// held to that, so whatever is held back is known once every look has ended.
pub(super) struct Needs {
    checks: Vec<Entry>,
    /// The checks whose bad looks are held back.
    held: Vec<(usize, Box<StepFinished>)>,
}

struct Entry {
    /// What it is called where another one needs it.
    name: String,
    /// What it needs, among the checks that were asked for. A need that was not asked for says nothing.
    needs: Vec<usize>,
    /// What its look means, once that is known.
    look: Option<Status>,
}

impl Needs {
    pub(super) fn of(asked: &[Asked<'_>]) -> Self {
        let entry = |one: &Asked<'_>| {
            let needs = one.check.needs.iter();
            let needs = needs.flat_map(|need| {
                let all = asked.iter().enumerate();
                all.filter(|(_, other)| need.means(&other.service.name, other.check.name()))
                    .map(|(index, _)| index)
            });
            Entry {
                name: format!("{} {}", one.service.name, one.check.name()),
                needs: needs.collect(),
                look: None,
            }
        };
        Self {
            checks: asked.iter().map(entry).collect(),
            held: Vec::new(),
        }
    }

    /// Takes in that a look has ended, and gives every check of which it is known now what its look means.
    pub(super) fn take(&mut self, index: usize, end: Option<Box<StepFinished>>) -> Vec<Known> {
        let mut known = Vec::new();
        match end {
            Some(end) => self.held.push((index, end)),
            None => self.checks[index].look = Some(Status::NotRun),
        }
        // What becomes known of one may be what another waits for.
        loop {
            let before = known.len();
            let mut held = Vec::with_capacity(self.held.len());
            for (index, end) in std::mem::take(&mut self.held) {
                match self.meaning(index, end.status) {
                    Some((look, down)) => {
                        self.checks[index].look = Some(look);
                        known.push(Known {
                            index,
                            end,
                            look,
                            down,
                        });
                    }
                    None => held.push((index, end)),
                }
            }
            self.held = held;
            if known.len() == before {
                return known;
            }
        }
    }

    /// What a look means, and what it needs that is down; nothing while that is not known.
    fn meaning(&self, index: usize, status: Status) -> Option<(Status, Option<String>)> {
        if !matches!(status, Status::Warning | Status::Critical) {
            return Some((status, None));
        }
        let needed = || {
            self.checks[index]
                .needs
                .iter()
                .map(|need| &self.checks[*need])
        };
        let is_down =
            |entry: &&Entry| matches!(entry.look, Some(Status::Critical | Status::Affected));
        match needed().find(is_down) {
            Some(down) => Some((Status::Affected, Some(down.name.clone()))),
            None if needed().all(|entry| entry.look.is_some()) => Some((status, None)),
            None => None,
        }
    }
}
