//! `runbook`: runs another runbook as a step.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Dry, Invocation, PreviewFuture,
};
use crate::event::Preview;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// `runbook.run`.
pub(super) struct Runbook;

static SPEC: ActionSpec = ActionSpec {
    name: "runbook",
    summary: "Run another runbook",
    verbs: &[VerbSpec {
        name: "run",
        summary: "Run another runbook as a step of this one: db/vacuum",
        object: Kind::Runbook,
        effect: EffectRule::OfRunbook,
        options: &[OptionSpec {
            name: "inputs",
            kind: Kind::Json,
            required: false,
            help: "a table from the names of its inputs to values",
        }],
        outputs: &[
            OutputSpec {
                name: "verdict",
                help: "how it ended: ok, warning, critical or unknown",
            },
            OutputSpec {
                name: "steps",
                help: "how many steps it ran",
            },
        ],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Runbook {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn dry(&self) -> Dry {
        Dry::Done
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let inputs = invocation
                .json("inputs")
                .map(|inputs| format!(" with {}", context.masker.json(inputs.clone())));
            let inputs = inputs.unwrap_or_default();
            let sent = format!("run {}{inputs}", invocation.object_text());
            Ok(Preview::of(sent))
        })
    }

    /// Its steps end by their own grace times, and its `finally` by the limits of its steps.
    fn grace(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let none = Map::new();
            let inputs = match invocation.json("inputs") {
                None => &none,
                Some(Value::Object(inputs)) => inputs,
                Some(_) => {
                    return Err(ActionError::config(
                        "`inputs` is not a table of names and values",
                    ));
                }
            };
            let path = invocation.object_text();
            context.nested.run(path, inputs, context.step).await
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Map, json};

    use super::Runbook;
    use crate::action::testing::{World, text};
    use crate::engine::ErrorKind;
    use crate::expr::Argument;

    #[tokio::test]
    async fn hands_path_and_inputs_on() {
        let world = World::new();
        let inputs = [("inputs", Argument::Json(json!({"table": "logs"})))];
        world
            .run(&Runbook, "run", text("db/vacuum"), &inputs)
            .await
            .unwrap();
        world
            .run(&Runbook, "run", text("db/vacuum"), &[])
            .await
            .unwrap();
        let ran = world.nested.0.take();
        assert_eq!(ran[0].1["table"], "logs");
        assert_eq!(ran[1], ("db/vacuum".to_owned(), Map::new()));
        let wrong = [("inputs", Argument::Json(json!(["table"])))];
        let error = world
            .run(&Runbook, "run", text("db/vacuum"), &wrong)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
    }
}
