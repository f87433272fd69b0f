//! What a check needs: a bad look at it is held back until it is known whether something that it needs is down.

use std::collections::BTreeMap;

use crate::base::Status;
use crate::event::StepFinished;

use super::Asked;

/// A check of which it is known what its look means.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) index: usize,
    pub(super) end: Box<StepFinished>,
    /// What its look means: ok, warning, critical, unknown, affected, or that there was none.
    pub(super) look: Status,
    /// What it needs that is down, as the configuration writes it, where it is affected.
    pub(super) down: Option<String>,
}

/// Which checks need what, and what is known so far. None needs itself by way of others: the configuration was held to
/// that, so whatever is held back is known once every look has ended.
pub(super) struct Needs {
    targets: Vec<Target>,
    checks: Vec<Entry>,
}

/// What some check needs: a service, or one check of it.
struct Target {
    /// What it is called in the configuration.
    name: String,
    /// How many of its checks are not known yet. One that was not asked for is none of them: it excuses nothing.
    open: usize,
    is_down: bool,
    /// The checks whose bad looks are held back until it is known.
    waiting: Vec<usize>,
}

#[derive(Default)]
struct Entry {
    /// What it needs, among the targets.
    needs: Vec<usize>,
    /// The targets that it belongs to.
    part_of: Vec<usize>,
    /// Its end, while that is held back.
    held: Option<Box<StepFinished>>,
}

impl Needs {
    pub(super) fn of(asked: &[Asked<'_>]) -> Self {
        let mut targets = Vec::new();
        let mut places: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
        let mut checks: Vec<Entry> = Vec::with_capacity(asked.len());
        for one in asked {
            let mut entry = Entry::default();
            for need in &one.check.needs {
                let name = (need.service.as_str(), need.check.as_deref());
                let target = *places.entry(name).or_insert_with(|| {
                    targets.push(Target {
                        name: need.to_string(),
                        open: 0,
                        is_down: false,
                        waiting: Vec::new(),
                    });
                    targets.len() - 1
                });
                entry.needs.push(target);
            }
            checks.push(entry);
        }
        for (one, entry) in asked.iter().zip(&mut checks) {
            let service = one.service.name.as_str();
            for name in [(service, None), (service, Some(one.check.name()))] {
                if let Some(target) = places.get(&name) {
                    targets[*target].open += 1;
                    entry.part_of.push(*target);
                }
            }
        }
        Self { targets, checks }
    }

    /// Takes in that a look has ended, and gives every check of which it is known now what its look means.
    pub(super) fn take(&mut self, index: usize, end: Box<StepFinished>) -> Vec<Known> {
        let mut known = Vec::new();
        let mut ended = vec![(index, end)];
        // What becomes known of one may be what another waits for.
        while let Some((index, end)) = ended.pop() {
            let Some((look, down)) = self.meaning(index, end.status) else {
                for need in &self.checks[index].needs {
                    self.targets[*need].waiting.push(index);
                }
                self.checks[index].held = Some(end);
                continue;
            };
            self.settle(index, look, &mut ended);
            known.push(Known {
                index,
                end,
                look,
                down,
            });
        }
        known
    }

    /// What a look means, and what it needs that is down; nothing while that is not known.
    fn meaning(&self, index: usize, status: Status) -> Option<(Status, Option<String>)> {
        if !matches!(status, Status::Warning | Status::Critical) {
            return Some((status, None));
        }
        let needs = &self.checks[index].needs;
        let mut needed = needs.iter().map(|need| &self.targets[*need]);
        if let Some(down) = needed.clone().find(|target| target.is_down) {
            return Some((Status::Affected, Some(down.name.clone())));
        }
        (needed.all(|target| target.open == 0)).then_some((status, None))
    }

    /// Notes what the look at a check means for those that wait for it, and hands back what is held no longer.
    fn settle(
        &mut self,
        index: usize,
        look: Status,
        released: &mut Vec<(usize, Box<StepFinished>)>,
    ) {
        let is_down = matches!(look, Status::Critical | Status::Affected);
        for target in self.checks[index].part_of.clone() {
            let target = &mut self.targets[target];
            target.open -= 1;
            target.is_down |= is_down;
            if target.open > 0 && !target.is_down {
                continue;
            }
            for waiting in std::mem::take(&mut target.waiting) {
                let held = self.checks[waiting].held.take();
                released.extend(held.map(|end| (waiting, end)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Known, Needs};
    use crate::base::Status;
    use crate::engine::checks::testing::{all, end, estate};

    fn looks(known: &[Known]) -> Vec<(usize, Status, Option<&str>)> {
        let mut looks: Vec<_> = known
            .iter()
            .map(|known| (known.index, known.look, known.down.as_deref()))
            .collect();
        looks.sort_by_key(|(index, ..)| *index);
        looks
    }

    const CHAIN: &str = r#"
        [[service.database.check]]
        name = "ping"
        act.look = "x"
        [service.api]
        needs = ["database"]
        [[service.api.check]]
        name = "ready"
        act.look = "x"
        [[service.web.check]]
        name = "home"
        act.look = "x"
        needs = ["api/ready"]
    "#;

    #[test]
    fn a_bad_look_waits_for_its_need_and_a_good_one_for_nothing() {
        let config = estate(CHAIN);
        let mut needs = Needs::of(&all(&config));
        assert!(looks(&needs.take(2, end(Status::Critical))).is_empty());
        assert!(looks(&needs.take(1, end(Status::Warning))).is_empty());
        assert_eq!(
            looks(&needs.take(0, end(Status::Critical))),
            [
                (0, Status::Critical, None),
                (1, Status::Affected, Some("database")),
                (2, Status::Affected, Some("api/ready"))
            ]
        );
        let mut needs = Needs::of(&all(&config));
        assert_eq!(
            looks(&needs.take(1, end(Status::Ok))),
            [(1, Status::Ok, None)]
        );
    }

    #[test]
    fn a_need_that_is_only_slow_or_unknown_excuses_nothing() {
        let config = estate(CHAIN);
        for need in [
            Status::Warning,
            Status::Unknown,
            Status::Skipped,
            Status::NotRun,
        ] {
            let mut needs = Needs::of(&all(&config));
            assert!(looks(&needs.take(1, end(Status::Critical))).is_empty());
            assert_eq!(
                looks(&needs.take(0, end(need))),
                [(0, need, None), (1, Status::Critical, None)]
            );
        }
    }

    #[test]
    fn a_need_that_was_not_asked_for_excuses_nothing() {
        let config = estate(CHAIN);
        let api: Vec<_> = all(&config).into_iter().skip(1).collect();
        assert_eq!(
            looks(&Needs::of(&api).take(0, end(Status::Critical))),
            [(0, Status::Critical, None)]
        );
    }

    /// The service of a check and what it needs: services, or checks of them, that come before it.
    type Drawn = (usize, Vec<(prop::sample::Index, bool)>, Status);

    fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
        let status = prop::sample::select(vec![
            Status::Ok,
            Status::Warning,
            Status::Critical,
            Status::Critical,
            Status::Unknown,
            Status::Skipped,
            Status::NotRun,
        ]);
        let needs = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3);
        prop::collection::vec((0..4_usize, needs, status), 1..20).prop_map(|mut drawn| {
            drawn.sort_by_key(|(service, ..)| *service);
            drawn
        })
    }

    /// What each check needs, as numbers of checks.
    fn needed(drawn: &[Drawn]) -> Vec<Vec<(String, Vec<usize>)>> {
        let of = |(index, (service, needs, _)): (usize, &Drawn)| {
            let earlier = |(chosen, whole): &(prop::sample::Index, bool)| {
                let other = (index > 0).then(|| chosen.index(index))?;
                let of = drawn[other].0;
                if *whole && of < *service {
                    let all = (0..drawn.len()).filter(|check| drawn[*check].0 == of);
                    return Some((format!("s{of}"), all.collect()));
                }
                Some((format!("s{of}/c{other}"), vec![other]))
            };
            needs.iter().filter_map(earlier).collect()
        };
        drawn.iter().enumerate().map(of).collect()
    }

    proptest! {
        #[test]
        fn every_look_is_told_once_and_affected_only_by_what_is_down(
            drawn in drawn(),
            order in Just((0..20_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let needed = needed(&drawn);
            let mut text = String::new();
            for (index, (service, _, _)) in drawn.iter().enumerate() {
                let names: Vec<_> = needed[index].iter().map(|(name, _)| name).collect();
                text += &format!(
                    "[[service.s{service}.check]]\nname = \"c{index}\"\nact.look = \"x\"\nneeds = {names:?}\n"
                );
            }
            let config = estate(&text);
            let asked = all(&config);
            let mut needs = Needs::of(&asked);
            let mut known: Vec<Known> = Vec::new();
            for index in order.into_iter().filter(|index| *index < drawn.len()) {
                known.extend(needs.take(index, end(drawn[index].2)));
            }
            known.sort_by_key(|known| known.index);
            let told: Vec<_> = known.iter().map(|known| known.index).collect();
            prop_assert_eq!(told, (0..drawn.len()).collect::<Vec<_>>());
            for one in &known {
                let status = drawn[one.index].2;
                let is_bad = matches!(status, Status::Warning | Status::Critical);
                let is_down = |check: &usize| matches!(known[*check].look, Status::Critical | Status::Affected);
                let down: Vec<_> = needed[one.index].iter().filter(|(_, checks)| checks.iter().any(is_down)).collect();
                let meant = if is_bad && !down.is_empty() { Status::Affected } else { status };
                prop_assert_eq!(one.look, meant);
                prop_assert_eq!(one.end.status, status);
                prop_assert_eq!(one.down.is_some(), meant == Status::Affected);
                if let Some(name) = &one.down {
                    prop_assert!(down.iter().any(|(known, _)| known == name));
                }
            }
        }
    }
}
