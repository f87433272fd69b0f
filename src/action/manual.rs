//! `manual`: a person's part, waited for and recorded.

use crate::base::Effect;
use crate::base::text::neutral;
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Dry, Invocation, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec};

use super::person::{ANSWER, AT, BY, answered, unanswered};

/// `manual.do`.
pub(super) struct Manual;

static SPEC: ActionSpec = ActionSpec {
    name: "manual",
    summary: "Have a person do something",
    verbs: &[VerbSpec {
        name: "do",
        summary: "Show what is to be done and wait until a person says that it is; recorded with who and when",
        object: Kind::Text,
        effect: EffectRule::Unless(Effect::Write),
        options: &[],
        outputs: &[],
    }],
    options: &[],
    outputs: &[ANSWER, BY, AT],
    timeout: None,
};

impl Action for Manual {
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
            Ok(Preview::of(format!("a person's part: {object}")))
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let question = format!("{}\nDone?", neutral(invocation.object_text().trim_end()));
            let done = context.prompt.confirm(&question).await.map_err(|error| {
                unanswered(
                    &error,
                    "a person does this step: run it in a terminal, without CI in the environment",
                )
            })?;
            if !done {
                return Err(ActionError::refused("the person's part was not done"));
            }
            Ok(answered(
                format!("done by {}", super::person::account()),
                "done",
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Manual;
    use crate::action::person::account;
    use crate::action::testing::{World, text};
    use crate::engine::ErrorKind;

    #[tokio::test]
    async fn a_persons_part_is_shown_and_recorded() {
        let mut world = World::new();
        world.person.says = Some("yes");
        let outputs = world
            .run(&Manual, "do", text("Call \u{1b}[1mBob\n"), &[])
            .await
            .unwrap();
        assert_eq!(
            world.person.asked.borrow().as_slice(),
            ["Call ␛[1mBob\nDone?"]
        );
        assert_eq!(outputs.values["answer"], "done");
        assert_eq!(outputs.values["by"], account());
        assert!(outputs.values["at"].as_str().unwrap().ends_with('Z'));
    }

    #[tokio::test]
    async fn no_and_nobody_are_refusals() {
        let mut world = World::new();
        let error = world
            .run(&Manual, "do", text("Call Bob"), &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.help.is_some());
        world.person.says = Some("no");
        let error = world
            .run(&Manual, "do", text("Call Bob"), &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
    }
}
