//! Tells a watch in the way of healthchecks.io that a run begins and how it ended. Whatever becomes of that, the run is as it
//! is: a ping neither delays its first step nor changes its exit code.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use minijinja::value::Serde;
use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use crate::base::exit::ExitCode;
use crate::base::text::{beginning, one_line};
use crate::base::{Masker, Secret, Span, Verdict};
use crate::config::{Config, scope_values};
use crate::engine::{Progress, Sink};
use crate::event::{Envelope, Event};
use crate::expr::{Argument, Evaluator, Scope, names_in_template, secret_value};
use crate::model::{Kind, Node, Runbook, Template};
use crate::platform::http::{Proxies, Request, send};

use super::machine::ThisMachine;
use super::{App, AppError, secrets};

/// How long a ping may take unless its configuration says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body that a watch is sent, in bytes: healthchecks.io keeps that much.
const LARGEST_BODY: usize = 10_000;

/// So many steps that ended badly are named.
const MOST_STEPS: usize = 50;

/// A check of a watch, and what there is to tell it of one run.
pub(super) struct Heartbeat {
    url: Url,
    timeout: Duration,
    proxies: Proxies,
    masker: Masker,
    /// The secrets that its URL took, so that they are got once.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// What all pings of one run carry, also of one that is resumed: its token as a UUID.
    rid: String,
    began: Notify,
    story: RefCell<Story>,
}

/// What is known of the run so far.
#[derive(Default)]
struct Story {
    dry: bool,
    began: bool,
    head: String,
    verdict: Option<Verdict>,
    reason: String,
    steps: Vec<String>,
    left_out: usize,
}

impl Heartbeat {
    /// The heartbeat of a runbook, else that of the configuration; none where there is none. What keeps it from being told
    /// is said and stops nothing.
    pub(super) async fn of(
        app: &App,
        runbook: &Runbook,
        config: &Config,
        machine: &ThisMachine,
    ) -> Option<Self> {
        let heartbeat = runbook.heartbeat.as_ref().or(config.heartbeat.as_ref())?;
        let masker = app.environment().masker.clone();
        let names = names_in_template(&heartbeat.url);
        let names = names.iter().filter_map(|name| match name.path.as_slice() {
            [root, name, ..] if root == "secret" => Some(name.clone()),
            _ => None,
        });
        let names = names.collect();
        let secrets =
            secrets::resolve(&names, config, app.environment(), machine, BTreeMap::new()).await;
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(error) => {
                app.tell_of_heartbeat(&error.message);
                return None;
            }
        };
        masker.learn(secrets.values());
        let evaluator = Evaluator::new(app.environment().clock.clone());
        match address(&evaluator, &heartbeat.url, config, &secrets) {
            Ok(url) => Some(Self {
                url,
                timeout: heartbeat.timeout.map_or(TIMEOUT, |span| span.0),
                proxies: Proxies::from_variables(&app.environment().texts()),
                masker,
                secrets,
                began: Notify::new(),
                rid: uuid(machine.token()),
                story: RefCell::default(),
            }),
            Err(reason) => {
                app.tell_of_heartbeat(&reason);
                None
            }
        }
    }

    /// Follows what the run tells on its way to `sink`.
    pub(super) const fn listening<'a>(&'a self, sink: &'a mut dyn Sink) -> Listener<'a> {
        Listener {
            heartbeat: self,
            sink,
        }
    }

    /// Does the run, tells its beginning beside it and its end after it.
    pub(super) async fn beside(
        &self,
        app: &App,
        run: impl Future<Output = Result<ExitCode, AppError>>,
    ) -> Result<ExitCode, AppError> {
        let mut run = pin!(run);
        let mut start = pin!(self.start());
        let mut started = None;
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut run => break outcome,
                told = &mut start, if started.is_none() => started = Some(told),
            }
        };
        let told = self.end(&outcome, start, started).await;
        if let Err(reason) = told {
            app.tell_of_heartbeat(&self.masker.text(&reason));
        }
        outcome
    }

    /// Tells the beginning, once the run has begun.
    async fn start(&self) -> Result<(), String> {
        self.began.notified().await;
        self.ping("start", String::new(), self.timeout).await
    }

    /// Tells the end: in no more than the time of one ping, of which the half is for a start that is still on its way.
    async fn end(
        &self,
        outcome: &Result<ExitCode, AppError>,
        start: Pin<&mut impl Future<Output = Result<(), String>>>,
        started: Option<Result<(), String>>,
    ) -> Result<(), String> {
        let (began, dry) = {
            let story = self.story.borrow();
            (story.began, story.dry)
        };
        if dry {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let started = match started {
            Some(told) => told,
            None if began => tokio::time::timeout(self.timeout / 2, start)
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {}", Span(self.timeout / 2)))),
            None => Ok(()),
        };
        let code = match outcome {
            Ok(exit) => *exit,
            Err(error) => error.exit(),
        };
        // A run that did not begin and may not for now is neither a success nor a failure: the watch goes on waiting for
        // one that does.
        let event = if code == ExitCode::NotNow && !began {
            "log".to_owned()
        } else {
            code.code().to_string()
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = self.ping(&event, self.body(outcome, code), left).await;
        ended.and(started)
    }

    async fn ping(&self, event: &str, body: String, limit: Duration) -> Result<(), String> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(event);
        }
        url.query_pairs_mut().append_pair("rid", &self.rid);
        let mut request =
            Request::new("POST", url.as_str()).header("content-type", "text/plain; charset=utf-8");
        request.body = body.into_bytes();
        request.timeout = limit;
        request.proxies = self.proxies.clone();
        // What a watch answers is a word.
        request.body_limit = 64 << 10;
        tracing::debug!(event, "heartbeat");
        match send(&request).await {
            Ok(response) if response.status < 300 => Ok(()),
            Ok(response) => Err(format!("the watch answers {}", response.status)),
            Err(error) => Err(one_line(&error.to_string())),
        }
    }

    /// The run in a few lines: what it was, how it ended and why, and the steps that ended badly.
    fn body(&self, outcome: &Result<ExitCode, AppError>, code: ExitCode) -> String {
        let story = self.story.borrow();
        let mut lines = Vec::new();
        if !story.head.is_empty() {
            lines.push(story.head.clone());
        }
        match outcome {
            Ok(_) => {
                let verdict = story.verdict.map_or("not run", Verdict::as_str);
                lines.push(format!(
                    "{verdict}: {} (exit {})",
                    story.reason,
                    code.code()
                ));
            }
            Err(error) => lines.push(format!("{error} (exit {})", code.code())),
        }
        lines.extend(story.steps.iter().cloned());
        if story.left_out > 0 {
            lines.push(format!("… and {} more", story.left_out));
        }
        let body = self.masker.text(&lines.join("\n"));
        beginning(&body, LARGEST_BODY).to_owned()
    }
}

impl App {
    /// Says that a watch was not told, which nothing else depends on.
    fn tell_of_heartbeat(&self, reason: &str) {
        let reason = self.environment().masker.text(&one_line(reason));
        tracing::warn!(reason, "the heartbeat was not told");
        self.tell(&format!(
            "opsbook: note: the heartbeat was not told: {reason}"
        ));
    }
}

/// Passes events on to where the run is told, and remembers what the watch will be told of them.
pub(super) struct Listener<'a> {
    heartbeat: &'a Heartbeat,
    sink: &'a mut dyn Sink,
}

impl Sink for Listener<'_> {
    fn event(&mut self, envelope: &Envelope) {
        let mut story = self.heartbeat.story.borrow_mut();
        story.take(envelope);
        if matches!(envelope.event, Event::RunStarted(_) | Event::RunResumed(_)) && !story.dry {
            self.heartbeat.began.notify_one();
        }
        drop(story);
        self.sink.event(envelope);
    }

    fn progress(&mut self, progress: &Progress) {
        self.sink.progress(progress);
    }

    fn waiting(&mut self, line: &str) {
        self.sink.waiting(line);
    }
}

impl Story {
    fn take(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::RunStarted(start) => {
                self.began = true;
                self.dry = start.dry;
                self.head = format!(
                    "run {} of {} by {} on {}",
                    envelope.run, start.runbook, start.user, start.host
                );
            }
            Event::RunResumed(resumed) => {
                self.began = true;
                self.head = format!(
                    "run {}, resumed by {} on {}",
                    envelope.run, resumed.user, resumed.host
                );
            }
            Event::StepFinished(end) if end.failed || end.status.verdict() > Verdict::Ok => {
                if self.steps.len() == MOST_STEPS {
                    self.left_out += 1;
                } else {
                    let name = match &end.check {
                        Some(check) => check.to_string(),
                        None => end.step.to_string(),
                    };
                    let line = format!("{name}: {}: {}", end.status, one_line(&end.detail));
                    self.steps.push(line);
                }
            }
            Event::RunFinished(end) => {
                self.verdict = Some(end.verdict);
                self.reason = one_line(&end.reason);
            }
            _ => {}
        }
    }
}

/// The URL of the check, with its secrets.
fn address(
    evaluator: &Evaluator,
    template: &Template,
    config: &Config,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Url, String> {
    let mut scope = Scope::new();
    for (name, value) in &scope_values(config) {
        scope.define(name, minijinja::Value::from(Serde(value)));
    }
    let secrets: BTreeMap<String, _> = secrets
        .iter()
        .map(|(name, secret)| (name.clone(), secret_value(secret)))
        .collect();
    scope.define("secret", secrets.into());
    let node = Node::Text(template.clone());
    let text = match evaluator.argument(&node, Kind::Text, &scope) {
        Ok(Argument::Text(text)) => text,
        Ok(_) => return Err("its URL is no text".to_owned()),
        Err(error) => return Err(format!("{}: {}", error.place, error.message)),
    };
    // Neither the text nor the parser's words on it: the URL of a check is a secret by itself.
    Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| format!("{}: this is no URL of http or https", template.place))
}

/// A token of 32 hexadecimal digits as a UUID, in which the watch wants it. Any other text is not one, and left alone.
fn uuid(token: &str) -> String {
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| token.get(range));
    match parts {
        [Some(a), Some(b), Some(c), Some(d), Some(e)] => [a, b, c, d, e].join("-"),
        _ => token.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_token_is_a_uuid() {
        assert_eq!(
            uuid("0123456789abcdef0123456789abcdef"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
        assert_eq!(uuid("short"), "short");
    }
}
