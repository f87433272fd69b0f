//! The first event of a run: what is run, by whom, and from which texts.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::base::SourceFile;
use crate::base::text::hexadecimal;
use crate::event::{RunStarted, Source};
use crate::model::InputType;
use crate::plan::Plan;

use super::{Engine, JournalError, RunOptions};

impl Engine<'_> {
    /// The first event of a run.
    pub(super) fn start_of(
        &self,
        plan: &Plan,
        options: &RunOptions,
        sources: Vec<Source>,
    ) -> RunStarted {
        let is_secret = |name: &String| {
            plan.runbook
                .inputs
                .iter()
                .any(|input| input.variable() == *name && input.kind == InputType::Secret)
        };
        let inputs = plan
            .inputs
            .iter()
            .map(|(name, value)| match is_secret(name) {
                true => (name.clone(), Value::from("***")),
                false => (name.clone(), value.clone()),
            })
            .collect();
        RunStarted {
            runbook: plan.runbook.path.to_string(),
            title: plan.runbook.title.clone(),
            file: plan.runbook.source.path().display().to_string(),
            digest: plan.digest(),
            inputs,
            environment: self.config.environment.clone(),
            steps: plan.steps.clone(),
            output: plan.runbook.output.clone(),
            effect: plan.effect,
            dry: options.dry,
            user: self.origin.user.clone(),
            host: self.origin.host.clone(),
            pid: self.origin.pid,
            opsbook: env!("CARGO_PKG_VERSION").to_owned(),
            token: self.origin.token.clone(),
            process: self.origin.process.clone(),
            folder: self.origin.folder.clone(),
            config: self.origin.config.clone(),
            sources,
            withheld: plan
                .inputs
                .keys()
                .filter(|name| is_secret(name))
                .cloned()
                .collect(),
            reason: options.reason.clone(),
            incident: options.incident.clone(),
        }
    }

    /// The files that a plan rests on, as the journal keeps them, each with its text: the runbook's own, those of the
    /// runbooks that it runs, the configuration.
    #[must_use]
    pub fn sources(&self, plan: &Plan) -> Vec<(Source, String)> {
        let runbooks = std::iter::once(&plan.runbook)
            .chain(plan.children.values())
            .map(|runbook| (Some(runbook.path.to_string()), &runbook.source));
        let config = self.config.source.iter().map(|source| (None, source));
        runbooks
            .chain(config)
            .map(|(runbook, file)| self.source(runbook, file))
            .collect()
    }

    fn source(&self, runbook: Option<String>, file: &SourceFile) -> (Source, String) {
        let text = self.masker.text(file.text());
        let source = Source {
            runbook,
            file: file.path().display().to_string(),
            digest: hexadecimal(&Sha256::digest(&text)),
        };
        (source, text)
    }

    /// Has the journal keep the texts of files that have changed since a run began.
    pub(super) fn keep_changed(&self, plan: &Plan, changed: &[Source]) -> Result<(), JournalError> {
        for (source, text) in self.sources(plan) {
            if changed.contains(&source) {
                self.journal.keep_source(&source.digest, &text)?;
            }
        }
        Ok(())
    }

    /// Has the journal keep the texts that a plan rests on.
    pub(super) fn keep_sources(&self, plan: &Plan) -> Result<Vec<Source>, JournalError> {
        let mut kept = Vec::new();
        for (source, text) in self.sources(plan) {
            self.journal.keep_source(&source.digest, &text)?;
            kept.push(source);
        }
        Ok(kept)
    }
}
