//! `command`: runs a program with its arguments; no shell reads them.

use std::time::Duration;

use crate::base::Effect;
use crate::base::text::shell_word;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, PreviewFuture};
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec};
use crate::platform::process::Program;

use super::process::{self, ACTION_GRACE, CWD, ENV, OUTPUTS, STDIN, SUCCESS};

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

    fn grace(&self) -> Duration {
        ACTION_GRACE
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let words: Vec<String> = invocation
                .object_list()
                .iter()
                .map(|word| shell_word(&context.masker.text(word)))
                .collect();
            Ok(process::preview(&words.join(" "), &[], invocation, context))
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
            let Some((name, arguments)) = invocation.object_list().split_first() else {
                return Err(ActionError::config(
                    "there is no program to run: the list is empty",
                ));
            };
            let program = Program::new(located(name, context)?, arguments.iter().cloned());
            process::run(program, invocation, context).await
        })
    }
}

/// A name is looked up in PATH; a path begins at the folder of the runbooks, whatever `cwd` says.
fn located(name: &str, context: &ActionContext<'_>) -> Result<String, ActionError> {
    if !name.contains('/') {
        return Ok(name.to_owned());
    }
    let path = std::path::absolute(context.folder.join(name))
        .map_err(|error| ActionError::own(format!("the present folder is gone: {error}")))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| ActionError::own("the folder of the runbooks has a name that is no UTF-8"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::Command;
    use crate::action::testing::{World, list, text};
    use crate::engine::ErrorKind;
    use crate::expr::Argument;

    #[tokio::test]
    async fn more_lines_than_a_list_may_have_are_no_list() {
        let world = World::new();
        let lines = async |count: &str| {
            let outputs = world
                .run(&Command, "run", list(["seq", count]), &[])
                .await
                .unwrap();
            outputs.values["lines"].clone()
        };
        assert_eq!(lines("10000").await.as_array().unwrap().len(), 10_000);
        assert!(lines("10001").await.is_null());
    }

    #[tokio::test]
    async fn gives_what_a_program_gives() {
        let mut world = World::new();
        world.variables = vec![("ONE".to_owned(), "1".to_owned())];
        let script = r#"printf '{"sum": %s%s%s}\n' "$ONE" "$TWO" "$1"; cat; echo last >&2"#;
        let outputs = world
            .run(
                &Command,
                "run",
                list(["sh", "-c", script, "sh", "3; exit 9"]),
                &[
                    (
                        "env",
                        Argument::Map(vec![("TWO".to_owned(), "2".to_owned())]),
                    ),
                    ("stdin", text("  \n")),
                ],
            )
            .await
            .unwrap();
        assert_eq!(outputs.values["stdout"], "{\"sum\": 123; exit 9}\n  \n");
        assert_eq!(outputs.values["json"], Value::Null);
        assert_eq!(outputs.values["stderr"], "last\n");
        assert_eq!(outputs.values["code"], 0);
        assert_eq!(outputs.values["truncated"], 0);
        assert_eq!(
            outputs.values["lines"],
            json!(["{\"sum\": 123; exit 9}", "  "])
        );
        assert_eq!(outputs.detail, "{\"sum\": 123; exit 9}");
    }

    #[tokio::test]
    async fn reads_json() {
        let printed = list(["echo", r#"{"rows": 18446744073709551615}"#]);
        let outputs = World::new()
            .run(&Command, "run", printed, &[])
            .await
            .unwrap();
        assert_eq!(outputs.values["json"]["rows"], json!(u64::MAX));
    }

    #[tokio::test]
    async fn an_exit_code_is_judged_by_the_step() {
        let world = World::new();
        let three = || {
            list([
                "sh",
                "-c",
                "echo out; printf 'first\\nsecond\\033[31m\\n' >&2; exit 3",
            ])
        };
        let error = world.run(&Command, "run", three(), &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
        assert_eq!(error.message, "exited with 3: second␛[31m");
        assert_eq!(error.outputs.values["stdout"], "out\n");
        assert_eq!(error.outputs.values["code"], 3);

        let success = |codes| [("success", Argument::Json(codes))];
        for codes in [json!([0, 3]), json!(3)] {
            assert!(
                world
                    .run(&Command, "run", three(), &success(codes))
                    .await
                    .is_ok()
            );
        }
        for codes in [
            json!("3"),
            json!([]),
            json!([1.5]),
            json!([5_000_000_000_i64]),
        ] {
            let error = world
                .run(&Command, "run", three(), &success(codes))
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config);
        }
    }

    #[tokio::test]
    async fn a_step_with_an_expectation_judges_the_code_itself() {
        let mut world = World::new();
        world.judged = true;
        let three = || list(["sh", "-c", "exit 3"]);
        let outputs = world.run(&Command, "run", three(), &[]).await.unwrap();
        assert_eq!(outputs.values["code"], 3);
        let zero = [("success", Argument::Json(json!(0)))];
        assert!(world.run(&Command, "run", three(), &zero).await.is_err());
    }

    #[tokio::test]
    async fn the_preview_is_what_one_would_type() {
        use crate::base::{Masker, Secret};
        let world = World {
            masker: Masker::new(&[Secret::new("it's hidden".to_owned())]),
            ..World::new()
        };
        let words = list(["rm", "-rf", "a b", "it's", "", "$HOME", "/tmp/x=1"]);
        let options = [
            ("cwd", Argument::Path("a folder".into())),
            (
                "env",
                Argument::Map(vec![("TOKEN".to_owned(), "it's hidden".to_owned())]),
            ),
            ("stdin", text("two\nlines")),
        ];
        let preview = world.preview(&Command, "run", words, &options).await;
        assert_eq!(
            preview.unwrap().sent,
            r"cd 'a folder' && TOKEN='***' rm -rf 'a b' 'it'\''s' '' '$HOME' /tmp/x=1  # standard input: two lines"
        );
        assert!(!world.path("a folder").exists());
    }

    #[tokio::test]
    async fn a_signal_is_named() {
        let killed = list(["sh", "-c", "kill -KILL $$"]);
        let error = World::new()
            .run(&Command, "run", killed, &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
        assert_eq!(error.message, "killed by SIGKILL (9)");
        assert_eq!(error.outputs.values["code"], Value::Null);
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_opsbooks_own_trouble_with_a_way_out() {
        let world = World::new();
        std::fs::write(world.path("plain"), "no program").unwrap();
        for (program, said) in [
            ("no-such-program-anywhere", "was not found in PATH"),
            ("./missing", "does not exist"),
            ("./plain", "may not be executed"),
            ("a\0b", "could not be started"),
        ] {
            let error = world
                .run(&Command, "run", list([program]), &[])
                .await
                .unwrap_err();
            // What data did wrong is the step's own failure.
            let kind = match program.contains('\0') {
                true => ErrorKind::Target,
                false => ErrorKind::Own,
            };
            assert_eq!(error.kind, kind, "{program:?}");
            assert!(error.message.contains(said), "{}", error.message);
            assert!(error.help.is_some());
        }
        let nowhere = [("cwd", Argument::Path("nowhere".into()))];
        let error = world
            .run(&Command, "run", list(["true"]), &nowhere)
            .await
            .unwrap_err();
        assert!(error.message.contains("nowhere"), "{}", error.message);
        let error = world.run(&Command, "run", list([]), &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
    }

    #[tokio::test]
    async fn paths_begin_at_the_folder_of_the_runbooks() {
        let world = World::new();
        std::fs::create_dir(world.path("sub")).unwrap();
        // A program that was just written may still be open in the child of another test, and is busy then.
        std::os::unix::fs::symlink("/bin/pwd", world.path("tool")).unwrap();
        let folder = world.folder.path().canonicalize().unwrap();
        let pwd = async |options: &[_]| {
            let outputs = world
                .run(&Command, "run", list(["./tool"]), options)
                .await
                .unwrap();
            outputs.values["lines"][0].as_str().unwrap().to_owned()
        };
        assert_eq!(pwd(&[]).await, folder.display().to_string());
        let sub = [("cwd", Argument::Path("sub".into()))];
        assert_eq!(pwd(&sub).await, folder.join("sub").display().to_string());
    }
}
