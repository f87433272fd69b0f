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

    fn run<'a>(&'a self, invocation: &'a Invocation, _: &'a ActionContext<'a>) -> ActionFuture<'a> {
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
                ..Outputs::new(fit(&one_line(&told.join(", ")), 160))
            })
        })
    }
}
