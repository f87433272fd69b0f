//! In which order checks are looked at: the hosts in turn, the checks of each as they are written; not more at once than
//! is allowed, in all and towards one host. A host that answers slowly keeps its own checks waiting and nobody else's.

use std::collections::{BTreeMap, VecDeque};

use url::Url;

use crate::config::Health;
use crate::model::Node;

use super::Asked;

/// The checks that are still to be looked at.
pub(super) struct Queue {
    hosts: Vec<Host>,
    /// The host of each check.
    host_of: Vec<usize>,
    /// The hosts that have a check waiting and room for it, each once.
    ready: VecDeque<usize>,
    running: usize,
    limits: Health,
}

#[derive(Default)]
struct Host {
    waiting: VecDeque<usize>,
    running: usize,
    is_ready: bool,
    /// What works on no host that is known beforehand is not limited by one.
    is_limited: bool,
}

impl Queue {
    /// The checks that work on these hosts, where that is known.
    pub(super) fn of(hosts: impl IntoIterator<Item = Option<String>>, limits: Health) -> Self {
        let mut known: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let mut queue = Self {
            hosts: Vec::new(),
            host_of: Vec::new(),
            ready: VecDeque::new(),
            running: 0,
            limits,
        };
        for (index, name) in hosts.into_iter().enumerate() {
            let is_limited = name.is_some();
            let host = *known.entry(name).or_insert_with(|| {
                queue.hosts.push(Host {
                    is_limited,
                    ..Host::default()
                });
                queue.hosts.len() - 1
            });
            queue.host_of.push(host);
            queue.hosts[host].waiting.push_back(index);
            queue.offer(host);
        }
        queue
    }

    /// The next check to look at, if there is one and room for it. It runs until [`Queue::done`].
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.running >= self.limits.concurrency {
            return None;
        }
        let host = self.ready.pop_front()?;
        self.hosts[host].is_ready = false;
        let index = self.hosts[host].waiting.pop_front()?;
        self.hosts[host].running += 1;
        self.running += 1;
        self.offer(host);
        Some(index)
    }

    /// A check was looked at.
    pub(super) fn done(&mut self, index: usize) {
        let host = self.host_of[index];
        self.hosts[host].running -= 1;
        self.running -= 1;
        self.offer(host);
    }

    fn offer(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let has_room = !host.is_limited || host.running < self.limits.per_host;
        if !host.is_ready && has_room && !host.waiting.is_empty() {
            host.is_ready = true;
            self.ready.push_back(index);
        }
    }
}

/// The host that a check works on, where that stands in the configuration; for a database, the database.
pub(super) fn host(asked: &Asked<'_>, url_of: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let call = &asked.check.step.call;
    let text = |node: &Node| match node {
        Node::Text(template) if !template.text.contains("{{") => Some(template.text.clone()),
        _ => None,
    };
    let object = text(&call.object);
    let on = || call.option("on").and_then(text);
    let of_url = |text: String| Url::parse(&text).ok()?.host_str().map(str::to_owned);
    match (call.action.name, call.verb.name) {
        ("http", _) => match on() {
            Some(service) => of_url(url_of(&service)?),
            None => of_url(object?),
        },
        ("probe", "tcp" | "tls" | "redis") => {
            let target = object?;
            let host = of_url(target.clone());
            host.or_else(|| {
                Some(
                    target
                        .rsplit_once(':')
                        .map_or(&*target, |(host, _)| host)
                        .to_owned(),
                )
            })
        }
        ("sql", _) => on().map(|name| format!("database {name}")),
        ("database" | "migrations", _) => object.map(|name| format!("database {name}")),
        _ => object.and_then(of_url),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Queue;
    use crate::config::Health;

    fn hosts() -> impl Strategy<Value = Vec<Option<String>>> {
        let host = prop_oneof![
            1 => Just(None),
            4 => "[ab]".prop_map(Some),
            1 => "[c-h]".prop_map(Some),
        ];
        prop::collection::vec(host, 0..80)
    }

    fn limits(concurrency: usize, per_host: usize) -> Health {
        Health {
            concurrency,
            per_host,
            ..Health::default()
        }
    }

    proptest! {
        #[test]
        fn every_check_once_and_never_more_than_the_limits(
            hosts in hosts(),
            concurrency in 1..20_usize,
            per_host in 1..5_usize,
            ends in prop::collection::vec(any::<prop::sample::Index>(), 80),
        ) {
            let mut queue = Queue::of(hosts.clone(), limits(concurrency, per_host));
            let (mut running, mut seen) = (Vec::new(), BTreeSet::new());
            let mut ends = ends.into_iter();
            loop {
                while let Some(index) = queue.next() {
                    prop_assert!(seen.insert(index), "{} comes twice", index);
                    running.push(index);
                }
                prop_assert!(running.len() <= concurrency);
                for host in hosts.iter().filter(|host| host.is_some()) {
                    let at_once = running.iter().filter(|index| hosts[**index] == *host).count();
                    prop_assert!(at_once <= per_host);
                }
                // What waits while there is room waits for its own host.
                for index in (0..hosts.len()).filter(|index| !seen.contains(index)) {
                    let at_once = running.iter().filter(|other| hosts[**other] == hosts[index]).count();
                    let host_is_full = hosts[index].is_some() && at_once == per_host;
                    prop_assert!(running.len() == concurrency || host_is_full, "{} waits", index);
                }
                let Some(end) = ends.next().filter(|_| !running.is_empty()) else { break };
                queue.done(running.swap_remove(end.index(running.len())));
            }
            prop_assert_eq!(seen.len(), hosts.len());
        }

        #[test]
        fn the_checks_of_one_host_keep_their_order(hosts in hosts(), concurrency in 1..20_usize) {
            let mut queue = Queue::of(hosts.clone(), limits(concurrency, 1));
            let mut order = Vec::new();
            while let Some(index) = queue.next() {
                order.push(index);
                queue.done(index);
            }
            for host in &hosts {
                let own: Vec<_> = order.iter().filter(|index| hosts[**index] == *host).collect();
                prop_assert!(own.is_sorted());
            }
        }
    }

    #[test]
    fn a_slow_host_that_is_written_first_does_not_hold_up_the_last() {
        let hosts = (0..100)
            .map(|_| Some("slow".to_owned()))
            .chain([Some("quick".to_owned())]);
        let mut queue = Queue::of(hosts, limits(20, 16));
        let first: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(first.len(), 17);
        assert!(first.contains(&100));
    }
}
