//! `ask`: puts a question to a person; the answer is an output.

use crate::base::Effect;
use crate::base::text::{fit, neutral, one_line};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Dry, Invocation, Outputs, PreviewFuture,
    PromptError,
};
use crate::event::Preview;
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

    fn dry(&self) -> Dry {
        Dry::Shown
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        _: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let object = invocation.object.in_words();
            Ok(Preview::of(format!("ask: {object}")))
        })
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
    let mut outputs = told(shown, &answer);
    outputs.sensitive = hidden;
    Ok(outputs)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Ask;
    use crate::action::testing::{World, list, text};
    use crate::engine::ErrorKind;
    use crate::expr::Argument;

    fn world(says: &'static str) -> World {
        let mut world = World::new();
        world.person.says = Some(says);
        world
    }

    #[tokio::test]
    async fn the_answer_is_an_output() {
        let options = [("options", list(["blue", "green"]))];
        let outputs = world("green")
            .run(&Ask, "choose", text("Which?"), &options)
            .await
            .unwrap();
        assert_eq!(outputs.values["answer"], "green");
        assert!(outputs.detail.starts_with("green (by "));
        let default = [("default", text("7"))];
        let outputs = world("")
            .run(&Ask, "text", text("How many?"), &default)
            .await
            .unwrap();
        assert_eq!(outputs.values["answer"], "7");
    }

    #[tokio::test]
    async fn a_hidden_answer_is_not_shown() {
        let hidden = [("hidden", Argument::Boolean(true))];
        let outputs = world("s3cret")
            .run(&Ask, "text", text("Code?"), &hidden)
            .await
            .unwrap();
        assert_eq!(outputs.values["answer"], "s3cret");
        assert!(!outputs.detail.contains("s3cret"));
        assert!(outputs.sensitive);
    }

    #[tokio::test]
    async fn nobody_to_ask_is_a_refusal_and_nothing_to_choose_a_mistake() {
        let error = World::new()
            .run(&Ask, "text", text("Why?"), &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.help.unwrap().contains("input"));
        let none = [("options", list([]))];
        let error = world("a")
            .run(&Ask, "choose", text("Which?"), &none)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
    }
}
