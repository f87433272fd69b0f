//! The checks of the configuration: all at once within limits, each told once it is known what to make of its look.

mod flapping;
mod needs;
mod queue;
#[cfg(test)]
#[expect(clippy::panic, reason = "a test may panic")]
mod testing;
mod told;

use std::cell::Cell;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Map;

use crate::base::{Status, StepKey, nearest, text};
use crate::config::{Check, Service};
use crate::event::{CheckOf, StepFinished};
use crate::expr::Scope;

use super::frame::{Frame, Held, Past, Turn};
use super::judge::why;
use super::run::Run;
use super::{ActionError, CheckRequest, Look, Outputs, Stop, StopSignal};

use needs::Needs;
use queue::{Queue, host};
use told::Told;

/// A check that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) service: &'a Service,
    pub(super) check: &'a Check,
}

impl Run<'_> {
    /// Runs the checks that are asked for, and ends as the worst of them. No check waits for another to be looked at; what
    /// is told of one may.
    pub(super) async fn checks(
        &self,
        frame: &Frame<'_>,
        request: &CheckRequest,
        step: &StepKey,
        stop: StopSignal,
    ) -> Result<Outputs, ActionError> {
        let asked = self.asked(request)?;
        self.ledger.borrow_mut().runners.insert(step.clone());
        let config = self.engine.config;
        let scope = self.check_scope(frame);
        let frame = Frame {
            past: Past::IsNothing,
            stop,
            ..frame.clone()
        };
        let mut needs = Needs::of(&asked);
        let mut told = Told::new(self, &asked, request.now);
        let url_of = |name: &str| config.service(name)?.url.clone();
        let hosts = asked.iter().map(|asked| host(asked, &url_of));
        let mut queue = Queue::of(hosts, config.health);
        let mut running = FuturesUnordered::new();
        loop {
            while let Some(index) = queue.next() {
                running.push(self.look(&frame, asked[index], index, &scope, step));
            }
            let Some((index, end)) = running.next().await else {
                break;
            };
            queue.done(index);
            for known in end.map_or_else(Vec::new, |end| needs.take(index, end)) {
                told.tell(known, &scope);
                let far = format!("{} of {}", told.number(), text::count(asked.len(), "check"));
                self.recorder.progress(step, &far);
            }
        }
        Ok(told.outputs())
    }

    /// The checks that are asked for, in the order of the configuration.
    fn asked(&self, request: &CheckRequest) -> Result<Vec<Asked<'_>>, ActionError> {
        let config = self.engine.config;
        for name in &request.services {
            if config.service(name).is_none() {
                return Err(self.no_service(name));
            }
        }
        let wanted = |service: &&Service| {
            request.services.is_empty() || request.services.contains(&service.name)
        };
        let asked: Vec<Asked<'_>> = config
            .services
            .iter()
            .filter(wanted)
            .flat_map(|service| {
                let checks = service.checks.iter();
                checks.map(move |check| Asked { service, check })
            })
            .collect();
        if asked.is_empty() {
            let whose = match (request.services.as_slice(), &config.source) {
                ([], Some(file)) => format!("{} describes no checks", file.path().display()),
                ([], None) => "there is no opsbook.toml, and so no checks".to_owned(),
                (names, _) => format!("there are no checks of {}", names.join(", ")),
            };
            let name = request.services.first().map_or("web", String::as_str);
            return Err(ActionError::config(whose).help(format!(
                "write one, for a service with a `url`: [[service.{name}.check]] name = \"home\", http.get = \"/\""
            )));
        }
        Ok(asked)
    }

    fn no_service(&self, name: &str) -> ActionError {
        let services = &self.engine.config.services;
        let names: Vec<&str> = services.iter().map(|service| &*service.name).collect();
        let error = ActionError::config(format!("there is no service {name:?}"));
        match nearest(name, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean {near:?}?")),
            None if names.is_empty() => {
                error.help(format!("describe it in opsbook.toml as [service.{name}]"))
            }
            None => error.help(format!("opsbook.toml describes {}", names.join(", "))),
        }
    }

    /// The names that checks can use: those of the estate.
    fn check_scope(&self, frame: &Frame<'_>) -> Scope {
        self.engine.scope(
            frame.runbook,
            &Map::new(),
            self.recorder.run(),
            self.options.dry,
        )
    }

    /// Looks at a check as the step that it is. Gives its index, and how it ended.
    async fn look(
        &self,
        frame: &Frame<'_>,
        asked: Asked<'_>,
        index: usize,
        scope: &Scope,
        step: &StepKey,
    ) -> (usize, Option<Box<StepFinished>>) {
        let of = CheckOf {
            service: asked.service.name.clone(),
            name: asked.check.name().to_owned(),
            index,
            look: None,
        };
        let end = Cell::new(None);
        let frame = Frame {
            caller: Some(step.within(&asked.service.name)),
            check: Some(Held { of: &of, end: &end }),
            ..frame.clone()
        };
        match frame.stop.now().map(Stop::as_str) {
            Some(stopped) => self.not_run(&frame, &asked.check.step, scope, stopped),
            None => {
                self.step(&frame, &asked.check.step, scope).await;
            }
        }
        (index, end.take().map(settled))
    }

    /// Looks at one check and tells nobody.
    pub(super) async fn look_once_at(
        &self,
        frame: &Frame<'_>,
        service: &str,
        check: &str,
        step: &StepKey,
    ) -> Result<Look, ActionError> {
        let found = self.engine.config.service(service).and_then(|service| {
            let mut checks = service.checks.iter();
            checks.find(|known| known.name() == check)
        });
        let check = found.ok_or_else(|| {
            ActionError::config(format!("service {service:?} has no check {check:?}"))
        })?;
        let scope = self.check_scope(frame);
        let turn = Turn {
            frame,
            step: &check.step,
            scope: &scope,
            key: step,
            effect: self.effect(&check.step),
        };
        Ok(match self.attempt(turn).await {
            Ok(outputs) => Look {
                outputs,
                failure: None,
            },
            Err(failure) => Look {
                failure: Some(why(&failure)),
                outputs: failure.outputs(),
            },
        })
    }
}

/// A check has no end but a verdict, skipped or not run. That it was refused, or cut off with the run, says nothing of its
/// target.
fn settled(mut end: Box<StepFinished>) -> Box<StepFinished> {
    if end.stopped || (end.failed && end.status == Status::NotRun) {
        end.status = Status::Unknown;
        end.severity = None;
    }
    end
}
