//! `ask`: puts a question to a person; the answer is an output.

use crate::base::Effect;
use crate::base::text::{fit, neutral, one_line};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PromptError,
};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, VerbSpec};

use super::person::{ANSWER, AT, BY, account, answered, unanswered};

/// `ask.choose` and `ask.text`.
pub(super) struct Ask;

static SPEC: ActionSpec = ActionSpec {
    name: "ask",
    summary: "Ask a person",
    verbs: &[
        VerbSpec {
            name: "choose",
            summary: "Ask for one of several answers",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[OptionSpec {
                name: "options",
                kind: Kind::TextList,
                required: true,
                help: "the answers to choose from",
            }],
            outputs: &[],
        },
        VerbSpec {
            name: "text",
            summary: "Ask for a text",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[
                OptionSpec {
                    name: "default",
                    kind: Kind::Text,
                    required: false,
                    help: "the answer of an empty line",
                },
                OptionSpec {
                    name: "hidden",
                    kind: Kind::Boolean,
                    required: false,
                    help: "do not show what is typed; with `sensitive = true` the answer stays out of the journal too",
                },
            ],
            outputs: &[],
        },
    ],
    options: &[],
    outputs: &[ANSWER, BY, AT],
    timeout: None,
};

impl Action for Ask {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let question = neutral(invocation.object_text());
            match invocation.verb.name {
                "choose" => choose(&question, invocation, context).await,
                _ => text(&question, invocation, context).await,
            }
        })
    }
}

async fn choose(
    question: &str,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let options = invocation.list("options").unwrap_or_default();
    if options.is_empty() {
        return Err(ActionError::config(
            "`options` is empty: there is nothing to choose from",
        ));
    }
    let shown: Vec<String> = options.iter().map(|option| one_line(option)).collect();
    let index = context
        .prompt
        .choose(question, &shown)
        .await
        .map_err(|error| nobody(&error))?;
    let answer = options
        .get(index)
        .ok_or_else(|| ActionError::own("the answer is none of the options"))?;
    Ok(told(&one_line(answer), answer))
}

async fn text(
    question: &str,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let hidden = invocation.flag("hidden");
    let answer = context
        .prompt
        .text(question, invocation.text("default"), hidden)
        .await
        .map_err(|error| nobody(&error))?;
    let shown = if hidden {
        "(hidden)"
    } else {
        &one_line(&answer)
    };
    Ok(told(shown, &answer))
}

fn told(shown: &str, answer: &str) -> Outputs {
    answered(format!("{} (by {})", fit(shown, 120), account()), answer)
}

fn nobody(error: &PromptError) -> ActionError {
    unanswered(
        error,
        "run it in a terminal, without CI in the environment; where nobody can answer, use an input instead",
    )
}
