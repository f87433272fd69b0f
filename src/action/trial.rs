//! A context for tests of actions: nobody to ask, nothing nested, templates that stand for themselves.

use std::path::Path;

use serde_json::{Map, Value};

use crate::base::{Place, SourceFile, StepKey};
use crate::config::Config;
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, NestedRunner, Outputs, Prompt,
    PromptError, PromptFuture,
};
use crate::expr::Argument;
use crate::model::Template;

/// What a test may set of a context.
#[derive(Debug, Default)]
pub(super) struct Setting {
    pub(super) config: Config,
    pub(super) judged: bool,
    pub(super) deadline: Option<tokio::time::Instant>,
    pub(super) environment: Vec<(String, String)>,
}

impl Setting {
    /// Does one call of an action. The options are named as in a runbook.
    pub(super) async fn run(
        &self,
        action: &'static dyn Action,
        verb: &str,
        object: Argument,
        options: Vec<(&'static str, Argument)>,
    ) -> Result<Outputs, ActionError> {
        let spec = action.spec();
        let Some(verb) = spec.verb(verb) else {
            unreachable!("{} has no verb {verb}", spec.name)
        };
        for (name, _) in &options {
            assert!(spec.options_of(verb).any(|option| option.name == *name));
        }
        let invocation = Invocation {
            verb,
            object,
            options,
            place: place(),
        };
        let (_cancel, cancelled) = tokio::sync::watch::channel(false);
        let context = ActionContext {
            step: &StepKey::new("step"),
            config: &self.config,
            folder: Path::new("/"),
            deadline: self.deadline,
            environment: &self.environment,
            variables: &[],
            prompt: &Nobody,
            nested: &Nobody,
            resolve: &|template: &Template| Ok(template.text.clone()),
            progress: &|_| {},
            cancel: cancelled,
            judged: self.judged,
        };
        let outputs = action.run(&invocation, &context).await?;
        let described: Vec<_> = spec.outputs_of(verb).map(|output| output.name).collect();
        let mut given: Vec<_> = outputs.values.keys().map(String::as_str).collect();
        given.sort_unstable_by_key(|name| described.iter().position(|known| known == name));
        assert_eq!(given, described, "the outputs are those of the description");
        Ok(outputs)
    }
}

/// Text at the beginning of some file.
pub(super) fn template(text: &str) -> Template {
    Template {
        text: text.to_owned(),
        place: place(),
    }
}

fn place() -> Place {
    Place::new(&SourceFile::new("test.toml", ""), 0..0)
}

struct Nobody;

impl Prompt for Nobody {
    fn confirm<'a>(&'a self, _: &'a str) -> PromptFuture<'a, bool> {
        Box::pin(async { Err(PromptError::NoTerminal) })
    }

    fn text<'a>(&'a self, _: &'a str, _: Option<&'a str>, _: bool) -> PromptFuture<'a, String> {
        Box::pin(async { Err(PromptError::NoTerminal) })
    }

    fn choose<'a>(&'a self, _: &'a str, _: &'a [String]) -> PromptFuture<'a, usize> {
        Box::pin(async { Err(PromptError::NoTerminal) })
    }
}

impl NestedRunner for Nobody {
    fn run<'a>(
        &'a self,
        path: &'a str,
        _: &'a Map<String, Value>,
        _: &'a StepKey,
    ) -> ActionFuture<'a> {
        Box::pin(async move { Err(ActionError::config(format!("there is no runbook {path}"))) })
    }
}
