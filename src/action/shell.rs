//! `shell`: runs a script in a shell; values reach it as variables, never as text of the script.

use std::time::Duration;

use crate::base::Effect;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, PreviewFuture};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, VerbSpec};
use crate::platform::process::Program;

use super::process::{self, ACTION_GRACE, CWD, ENV, OUTPUTS, STDIN, SUCCESS};

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

    fn grace(&self) -> Duration {
        ACTION_GRACE
    }

    /// The script as it stands, with the values that it would see before it: they never become part of it.
    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let Some(text) = invocation.object_shell() else {
                return Ok(process::preview(
                    invocation.object_text(),
                    &[],
                    invocation,
                    context,
                ));
            };
            let script = context.masker.text(text.script.trim_end());
            Ok(process::preview(
                &script,
                &text.variables,
                invocation,
                context,
            ))
        })
    }

    fn starts_processes(&self) -> bool {
        true
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::Shell;
    use crate::action::testing::{World, text};
    use crate::base::{Masker, Secret};
    use crate::expr::{Argument, ShellText};

    fn script(script: &str, values: &[&str]) -> Argument {
        let numbered = values.iter().zip(1..);
        Argument::Shell(ShellText {
            script: script.to_owned(),
            variables: numbered
                .map(|(value, number)| (format!("OPSBOOK_{number}"), (*value).to_owned()))
                .collect(),
        })
    }

    #[tokio::test]
    async fn a_value_is_never_parsed() {
        let evil = "'; echo hacked; \" $(echo hacked) `echo hacked` *";
        let outputs = World::new()
            .run(
                &Shell,
                "run",
                script("printf '%s' \"${OPSBOOK_1}\"", &[evil]),
                &[],
            )
            .await
            .unwrap();
        assert_eq!(outputs.values["stdout"], evil);
    }

    #[tokio::test]
    async fn the_preview_shows_the_script_and_what_it_would_see() {
        let world = World::new();
        let object = script("rm -rf \"${OPSBOOK_1}\"\ntouch made\n", &["a b"]);
        let preview = world.preview(&Shell, "run", object, &[]).await.unwrap();
        assert_eq!(
            preview.sent,
            "OPSBOOK_1='a b' rm -rf \"${OPSBOOK_1}\"\ntouch made"
        );
        assert!(!world.path("made").exists());
    }

    #[tokio::test]
    async fn ends_at_the_first_failure_and_at_an_unset_variable() {
        let world = World::new();
        for text in ["false\necho on", "echo \"$OPSBOOK_NOT_SET\"\necho on"] {
            let error = world
                .run(&Shell, "run", script(text, &[]), &[])
                .await
                .unwrap_err();
            assert_eq!(error.outputs.values["stdout"], "");
        }
    }

    #[tokio::test]
    async fn bash_sees_a_failing_part_of_a_pipe() {
        let world = World::new();
        let piped = || script("false | cat\necho \"${BASH_VERSION:+bash}\"", &[]);
        let bash = [("shell", text("bash"))];
        assert!(world.run(&Shell, "run", piped(), &bash).await.is_err());
        let told = script("echo \"${BASH_VERSION:+bash}\"", &[]);
        let outputs = world.run(&Shell, "run", told, &bash).await.unwrap();
        assert_eq!(outputs.values["lines"], json!(["bash"]));
    }

    #[tokio::test]
    async fn a_secret_that_is_half_written_is_not_told_in_passing() {
        let world = World {
            masker: Masker::new(&[Secret::new("hunter2-hunter2".to_owned())]),
            ..World::new()
        };
        let outputs = world
            .run(
                &Shell,
                "run",
                script("printf 'token hunter2-'; exec sleep 0", &[]),
                &[],
            )
            .await
            .unwrap();
        assert_eq!(outputs.values["stdout"], "token hunter2-");
        assert_eq!(*world.told.borrow(), ["token"]);
    }

    #[tokio::test]
    async fn what_stays_in_the_background_is_ended_and_told() {
        let outputs = World::new()
            .run(&Shell, "run", script("sleep 1000 & echo started", &[]), &[])
            .await
            .unwrap();
        assert_eq!(
            outputs.detail,
            "started; processes that it left in the background were ended"
        );
    }
}
