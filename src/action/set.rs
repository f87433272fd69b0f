//! `set`: gives names to values for later steps.

use crate::base::Effect;
use crate::base::text::{fit, one_line};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::expr::Argument;
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec};

/// `set.values`.
pub(super) struct Set;

static SPEC: ActionSpec = ActionSpec {
    name: "set",
    summary: "Give names to values",
    verbs: &[VerbSpec {
        name: "values",
        summary: "Evaluate expressions; each name of the table becomes an output",
        object: Kind::Values,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Set {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let Argument::Values(values) = &invocation.object else {
                return Err(ActionError::config("there are no values to set"));
            };
            let told: Vec<String> = values
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            Ok(Outputs {
                values: values.clone(),
                ..Outputs::new(fit(&one_line(&context.masker.text(&told.join(", "))), 160))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::Set;
    use crate::action::testing::World;
    use crate::expr::Argument;

    #[tokio::test]
    async fn values_become_outputs_as_they_are() {
        let values = json!({"n": 1, "list": [true, null], "s": "a\nb"})
            .as_object()
            .unwrap()
            .clone();
        let object = Argument::Values(values.clone());
        let outputs = World::new().run(&Set, "values", object, &[]).await.unwrap();
        assert_eq!(outputs.values, values);
        assert_eq!(outputs.detail, r#"n = 1, list = [true,null], s = "a\nb""#);
    }
}
