//! `wait`: lets time pass.

use crate::base::{Effect, Span};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Dry, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::expr::Argument;
use crate::model::{ActionSpec, EffectRule, Kind, OutputSpec, VerbSpec};

/// `wait.for`.
pub(super) struct Wait;

static SPEC: ActionSpec = ActionSpec {
    name: "wait",
    summary: "Let time pass",
    verbs: &[VerbSpec {
        name: "for",
        summary: "Wait for a length of time; to wait for a condition, repeat a step until it holds",
        object: Kind::Duration,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[OutputSpec {
            name: "ms",
            help: "how long was waited for, in milliseconds",
        }],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Wait {
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
            Ok(Preview::of(format!("wait for {object}")))
        })
    }

    fn run<'a>(&'a self, invocation: &'a Invocation, _: &'a ActionContext<'a>) -> ActionFuture<'a> {
        Box::pin(async move {
            let Argument::Duration(Span(length)) = invocation.object else {
                return Err(ActionError::config(
                    "there is no length of time to wait for",
                ));
            };
            tokio::time::sleep(length).await;
            let span = Span(length);
            Ok(Outputs::new(format!("waited {span}")).with("ms", span.milliseconds()))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::Wait;
    use crate::action::testing::World;
    use crate::base::Span;
    use crate::expr::Argument;

    #[tokio::test]
    async fn waits_and_can_be_cut_short() {
        let world = World::new();
        let short = Argument::Duration(Span(Duration::from_millis(1)));
        let outputs = world.run(&Wait, "for", short, &[]).await.unwrap();
        assert_eq!(outputs.values["ms"], 1.0);
        assert_eq!(outputs.detail, "waited 1ms");
        let endless = Argument::Duration(Span::seconds(u64::MAX));
        let waiting = world.run(&Wait, "for", endless, &[]);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), waiting)
                .await
                .is_err()
        );
    }
}
