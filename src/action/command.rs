//! `command`: runs a program with its arguments; no shell reads them.

use crate::base::Effect;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation};
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec};
use crate::platform::process::Program;

use super::process::{self, CWD, ENV, OUTPUTS, STDIN, SUCCESS};

/// `command.run`.
pub(super) struct Command;

static SPEC: ActionSpec = ActionSpec {
    name: "command",
    summary: "Run a program",
    verbs: &[VerbSpec {
        name: "run",
        summary: "Run a program with its arguments, without a shell; what it leaves in the background is ended with it",
        object: Kind::Argv,
        effect: EffectRule::Unless(Effect::Write),
        options: &[],
        outputs: &[],
    }],
    options: &[CWD, ENV, STDIN, SUCCESS],
    outputs: OUTPUTS,
    timeout: None,
};

impl Action for Command {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let Some((name, arguments)) = invocation.object_list().split_first() else {
                return Err(ActionError::config(
                    "there is no program to run: the list is empty",
                ));
            };
            // A name is looked up in PATH; a path begins at the folder of the runbooks, whatever `cwd` says.
            let name = if name.contains('/') {
                context.folder.join(name).to_string_lossy().into_owned()
            } else {
                name.clone()
            };
            process::run(
                Program::new(name, arguments.iter().cloned()),
                invocation,
                context,
            )
            .await
        })
    }
}
