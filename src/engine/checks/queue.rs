//! In which order checks are looked at: as they are written, not more at once than is allowed, in all and towards one host.
//! A host that answers slowly keeps its own checks waiting and nobody else's.

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
    /// The hosts that have a check waiting and room for it.
    ready: VecDeque<usize>,
    running: usize,
    limits: Health,
}

#[derive(Default)]
struct Host {
    waiting: VecDeque<usize>,
    running: usize,
    is_ready: bool,
    /// What works on no host that is known here is not limited by one.
    unlimited: bool,
}

impl Queue {
    pub(super) fn of(asked: &[Asked<'_>], limits: Health) -> Self {
        let mut known: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let mut queue = Self {
            hosts: Vec::new(),
            host_of: Vec::with_capacity(asked.len()),
            ready: VecDeque::new(),
            running: 0,
            limits,
        };
        for (index, asked) in asked.iter().enumerate() {
            let name = host(asked);
            let unlimited = name.is_none();
            let host = *known.entry(name).or_insert_with(|| {
                queue.hosts.push(Host {
                    unlimited,
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
        let has_room = host.unlimited || host.running < self.limits.per_host;
        if !host.is_ready && has_room && !host.waiting.is_empty() {
            host.is_ready = true;
            self.ready.push_back(index);
        }
    }
}

/// The host that a check works on, where that stands in the configuration.
fn host(asked: &Asked<'_>) -> Option<String> {
    let call = &asked.check.step.call;
    let text = match &call.object {
        Node::Text(template) => template.text.as_str(),
        _ => return None,
    };
    let of_url = |text: &str| Url::parse(text).ok()?.host_str().map(str::to_owned);
    match call.action.name {
        "http" if text.starts_with('/') => of_url(asked.service.url.as_deref()?),
        "http" | "status_page" => of_url(text),
        "probe" => Some(
            text.rsplit_once(':')
                .map_or(text, |(host, _)| host)
                .to_owned(),
        ),
        _ => None,
    }
}
