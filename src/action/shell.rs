//! `shell`: runs a script in a shell; values reach it as variables, never as text of the script.

use crate::base::Effect;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, VerbSpec};
use crate::platform::process::Program;

use super::process::{self, CWD, ENV, OUTPUTS, STDIN, SUCCESS};

/// `shell.run`.
pub(super) struct Shell;

static SPEC: ActionSpec = ActionSpec {
    name: "shell",
    summary: "Run a script in a shell",
    verbs: &[VerbSpec {
        name: "run",
        summary: "Run a script; it ends at the first command that fails and at a variable that is not set (sh -eu), and in bash at a pipe of which any part fails (-o pipefail)",
        object: Kind::Shell,
        effect: EffectRule::Unless(Effect::Write),
        options: &[OptionSpec {
            name: "shell",
            kind: Kind::Choice(&["sh", "bash"]),
            required: false,
            help: "which shell: sh unless given",
        }],
        outputs: &[],
    }],
    options: &[CWD, ENV, STDIN, SUCCESS],
    outputs: OUTPUTS,
    timeout: None,
};

impl Action for Shell {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let Some(text) = invocation.object_shell() else {
                return Err(ActionError::config("there is no script to run"));
            };
            let (shell, options): (_, &[&str]) = match invocation.text("shell") {
                Some("bash") => ("bash", &["-eu", "-o", "pipefail", "-c"]),
                Some(_) | None => ("sh", &["-eu", "-c"]),
            };
            let arguments = options.iter().copied().chain([text.script.as_str()]);
            let mut program = Program::new(shell, arguments);
            program.variables.clone_from(&text.variables);
            process::run(program, invocation, context).await
        })
    }
}
