//! Real signals: a run that is interrupted ends its processes, runs `finally` and tells the truth in its exit code.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Output, Project, with_time_enough};
use crate::terminal::Terminal;
use crate::zoo::{self, Held, ONE_STEP, holding, journaled_exit};

/// Sends the signal while a step holds: nothing is left, `finally` ran, and journal and caller hear the same.
#[track_caller]
fn ends_in_order(project: &Project, names: &[&str], signal: Signal, code: i32) {
    let mut held = Held::start(project, names);
    held.signal(signal);
    assert_eq!(held.end(), (code, 0));
    assert!(project.path("tidied").exists());
    assert!(!project.path("went-on").exists());
    assert_eq!(journaled_exit(project), Some(code.into()));
}

#[test]
fn an_interrupt_is_130_and_leaves_no_process_behind() {
    ends_in_order(&holding(ONE_STEP), &["one"], Signal::SIGINT, 130);
}

/// Ctrl-\\ reaches opsbook alone: its children are in groups of their own, and would live on.
#[test]
fn a_quit_is_an_interrupt_and_leaves_no_process_behind() {
    ends_in_order(&holding(ONE_STEP), &["one"], Signal::SIGQUIT, 130);
}

#[test]
fn a_termination_is_143_and_leaves_no_process_behind() {
    ends_in_order(&holding(ONE_STEP), &["one"], Signal::SIGTERM, 143);
}

#[test]
fn a_hang_up_is_a_termination_and_leaves_no_process_behind() {
    ends_in_order(&holding(ONE_STEP), &["one"], Signal::SIGHUP, 143);
}

#[test]
fn what_is_deaf_to_a_termination_is_killed() {
    ends_in_order(&zoo::deaf(), &["one"], Signal::SIGTERM, 143);
}

#[test]
fn everything_that_runs_at_once_ends_at_once() {
    let project = holding(
        r#"
[[step]]
name        = "items"
for_each    = { name = "['one', 'two']" }
concurrency = 2
command.run = ["sh", "hold.sh", "{{ name }}"]
[[step]]
name        = "beside"
parallel    = true
command.run = ["sh", "hold.sh", "three"]
[[step]]
name        = "below"
parallel    = true
runbook.run = "t/child"
[[step]]
name        = "after"
command.run = ["touch", "went-on"]
[[finally]]
name        = "tidy"
command.run = ["touch", "tidied"]
"#,
    )
    .runbook(
        "t/child",
        r#"
[[step]]
name        = "hold"
command.run = ["sh", "hold.sh", "four"]
[[finally]]
name        = "tidy"
command.run = ["touch", "child-tidied"]
"#,
    );
    ends_in_order(
        &project,
        &["one", "two", "three", "four"],
        Signal::SIGINT,
        130,
    );
    assert!(project.path("child-tidied").exists());
}

/// The run where its step came to hold, else what it showed.
fn held(project: Project, output: Output) -> Result<(Project, Output), String> {
    match project.path("one.ready").exists() {
        true => Ok((project, output)),
        false => Err(output.shown()),
    }
}

/// The later steps of a run must not meet what an earlier one was to have ended.
#[test]
fn a_step_whose_time_is_over_leaves_nothing_to_the_next() {
    let steps = r#"
[[step]]
name        = "hold"
command.run = ["sh", "hold.sh", "one"]
timeout     = "TIME"
on_failure  = "continue"
[[step]]
name        = "look"
shell.run   = "grep -lzx OPSBOOK_RUN=$OPSBOOK_RUN /proc/[0-9]*/environ | wc -l > left"
"#;
    let (project, output) = with_time_enough(|time| {
        let project = holding(&steps.replace("TIME", time));
        let output = project.run(&["t", "x"]);
        held(project, output)
    });
    output.exits(2).step("look", "ok");
    // The look itself: the shell, grep and wc.
    assert!(project.read("left").trim().parse::<usize>().unwrap() <= 3);
}

#[test]
fn a_run_whose_time_is_over_leaves_nothing() {
    let (project, output) = with_time_enough(|time| {
        let project = holding(ONE_STEP);
        let output = project.run(&["t", "x", "--timeout", time]);
        held(project, output)
    });
    output.exits(2);
    assert_eq!(zoo::crowd_of(&project.read("one.ready")).members(), []);
    assert!(project.path("tidied").exists());
    assert_eq!(journaled_exit(&project), Some(2));
}

#[test]
fn finally_is_not_cut_off_by_what_stopped_the_run() {
    let project =
        holding(&ONE_STEP.replace(r#"["touch", "tidied"]"#, r#"["sh", "hold.sh", "last"]"#));
    let mut held = Held::start(&project, &["one"]);
    held.signal(Signal::SIGTERM);
    let _last = zoo::ready(&project, &["last"]);
    std::fs::write(project.path("last.release"), "").unwrap();
    let (code, _) = held.end();
    assert_eq!(code, 143);
    assert_eq!(journaled_exit(&project), Some(143));
}

/// The second signal ends opsbook at once. What it leaves is the keeper's; the journal stays open for `resume`.
#[test]
fn a_second_signal_ends_at_once_and_still_leaves_nothing() {
    let project = holding(&ONE_STEP.replace(
        r#"["touch", "tidied"]"#,
        r#"["sh", "hold.sh", "last", "deaf"]"#,
    ));
    let mut held = Held::start(&project, &["one"]);
    held.signal(Signal::SIGINT);
    let _last = zoo::ready(&project, &["last"]);
    held.signal(Signal::SIGINT);
    let (code, _) = held.end();
    assert_eq!(code, 130);
    held.crowd.until_gone();
    assert_eq!(journaled_exit(&project), None);
}

#[test]
fn a_closed_terminal_ends_the_run_in_order() {
    let project = holding(ONE_STEP);
    let terminal = Terminal::start(&project, &["t", "x"]);
    let crowd = zoo::ready(&project, &["one"]);
    terminal.close();
    zoo::until("finally runs", || project.path("tidied").exists());
    crowd.until_gone();
    zoo::until("the journal is closed", || {
        journaled_exit(&project) == Some(143)
    });
}

#[test]
fn closed_standard_streams_are_no_hindrance() {
    let project =
        holding("[[step]]\nname = \"look\"\nshell.run = \"ls -l /proc/self/fd > fds; cat\"\n");
    let inner = project.command(&["t", "x"]);
    let status = Command::new("sh")
        .args(["-c", "exec \"$0\" t x <&- >&- 2>&-"])
        .arg(inner.get_program())
        .current_dir(project.path(""))
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(journaled_exit(&project), Some(0));
}

#[test]
fn an_interrupted_run_says_so_in_the_list_of_runs() {
    let project = holding(ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    held.signal(Signal::SIGTERM);
    held.end();
    project.run(&["runs", "list"]).exits(0).prints("t x");
}

/// A change of an SQLite file that another holds is not made while it waits.
#[test]
fn a_change_that_waits_for_a_lock_and_is_interrupted_was_not_made() {
    let project = Project::bare()
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n")
        .runbook(
            "t/x",
            "[[step]]\nname = \"add\"\nsql.execute = \"UPDATE t SET n = n + 1\"\n",
        );
    let file = project.path("main.db");
    let holder = rusqlite::Connection::open(&file).unwrap();
    holder
        .execute_batch("CREATE TABLE t(n); INSERT INTO t VALUES (1); BEGIN IMMEDIATE;")
        .unwrap();
    let mut terminal = Terminal::start(&project, &["t", "x", "--yes"]);
    terminal.wait_for("add");
    let files = format!("/proc/{}/fd", terminal.pid());
    zoo::until("the database is opened", || {
        let mut open = std::fs::read_dir(&files).unwrap().flatten();
        open.any(|open| std::fs::read_link(open.path()).is_ok_and(|open| open == file))
    });
    terminal.signal(Signal::SIGINT);
    let (code, shown) = terminal.end();
    assert_eq!(code, 130, "{shown}");
    assert!(
        shown.contains("nothing was changed; 1 step: 1 not run"),
        "{shown}"
    );
    drop(holder);
    project.run(&["resume", "1", "--yes"]).exits(0);
    let n: i64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT n FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(n, 2);
}

const ASKS: &str = "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\nconfirm = \"Really make it?\"\n";

fn asking() -> Project {
    Project::new().runbook("t/x", ASKS)
}

/// At the question of a run, or of its resume: what the terminal shows in the end, and how it ended.
#[track_caller]
fn answered(project: &Project, arguments: &[&str], keys: &str) -> (i32, String) {
    let mut terminal = Terminal::start(project, arguments);
    terminal.wait_for("Really make it?");
    terminal.press(keys);
    let (code, shown) = terminal.end();
    assert!(!project.path("made").exists(), "{shown}");
    (code, shown)
}

#[test]
fn ctrl_c_at_the_first_question_is_130_and_nothing_was_begun() {
    let project = asking();
    let (code, shown) = answered(&project, &["t", "x"], "\x03");
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("INTERRUPTED"), "{shown}");
    assert!(
        shown.contains("nothing was changed; 1 step: 1 not run"),
        "{shown}"
    );
    for wrong in ["UNKNOWN", "opsbook resume"] {
        assert!(!shown.contains(wrong), "{shown}");
    }
    // Nor does a later leg take it for begun.
    let (code, shown) = answered(&project, &["resume", "1"], "n\r");
    assert_eq!(code, 75, "{shown}");
    assert!(shown.contains("NOT NOW"), "{shown}");
}

#[test]
fn ctrl_c_at_a_later_question_says_how_the_run_goes_on() {
    let first = "[[step]]\nname = \"first\"\ncommand.run = [\"true\"]\n";
    let project = Project::new().runbook("t/x", &format!("{first}{ASKS}"));
    let (code, shown) = answered(&project, &["t", "x"], "\x03");
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("1 ok, 1 not run"), "{shown}");
    assert!(shown.contains("opsbook resume 1"), "{shown}");
    assert!(!shown.contains("nothing was changed"), "{shown}");
    // No is no, in every leg alike.
    let first = answered(&project, &["t", "x"], "n\r");
    let later = answered(&project, &["resume", "1"], "n\r");
    assert_eq!((first.0, later.0), (3, 3), "{}{}", first.1, later.1);
}

#[test]
fn ctrl_d_at_a_question_is_no() {
    let project = asking();
    let (code, shown) = answered(&project, &["t", "x"], "\x04");
    assert_eq!(code, 75, "{shown}");
    assert!(shown.contains("a person said no"), "{shown}");
}

#[test]
fn ctrl_d_where_a_text_is_asked_for_is_no_answer() {
    for step in [
        "ask.text = \"Which?\"",
        "ask.text = \"Which?\"\nask.default = \"all\"",
        "ask.text = \"Which?\"\nask.hidden = true",
    ] {
        let project = Project::new().runbook("t/x", &format!("[[step]]\nname = \"ask\"\n{step}\n"));
        let mut terminal = Terminal::start(&project, &["t", "x"]);
        terminal.wait_for("Which?");
        // What was typed and never sent off is no answer either.
        terminal.press("so\x04\x04");
        let (code, shown) = terminal.end();
        assert_eq!(code, 75, "{step}: {shown}");
        assert!(shown.contains("no answer was given"), "{step}: {shown}");
    }
}

#[test]
fn ctrl_c_at_a_choice_is_130() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"ask\"\nask.choose = \"Which?\"\nask.options = [\"one\", \"two\"]\n",
    );
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("two");
    terminal.press("\x03");
    let (code, shown) = terminal.end();
    assert_eq!(code, 130, "{shown}");
}

#[test]
fn a_signal_at_a_question_ends_the_run_at_once() {
    let project = asking();
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Really make it?");
    terminal.signal(Signal::SIGTERM);
    let (code, shown) = terminal.end();
    assert_eq!(code, 143, "{shown}");
    assert!(shown.contains("TERMINATED"), "{shown}");
    assert!(!project.path("made").exists());
}
