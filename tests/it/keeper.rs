//! `kill -9`: nothing outlives a run that could not end itself.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::harness::Project;
use crate::terminal::Terminal;
use crate::zoo::{self, Held, ONE_STEP, holding, journaled_exit};

/// The keepers of a run: the children of opsbook with that name.
fn keepers(opsbook: Pid) -> Vec<Pid> {
    zoo::processes()
        .into_iter()
        .filter(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            let parent = std::fs::read_to_string(format!("/proc/{pid}/status"));
            name.is_ok_and(|name| name.starts_with("opsbook-keeper\0"))
                && parent.is_ok_and(|status| status.contains(&format!("\nPPid:\t{opsbook}\n")))
        })
        .collect()
}

#[test]
fn a_killed_run_leaves_nothing_and_its_journal_open() {
    let project = holding(ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    held.signal(Signal::SIGKILL);
    assert_eq!(held.end().0, 137);
    held.crowd.until_gone();
    assert_eq!(journaled_exit(&project), None);
    let events = zoo::events(&project);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["step"]),
        (&"step-started".into(), &"hold".into())
    );
    assert!(!project.path("tidied").exists());
}

#[test]
fn a_killed_run_leaves_nothing_that_is_deaf() {
    let project = zoo::deaf();
    let mut held = Held::start(&project, &["one"]);
    held.signal(Signal::SIGKILL);
    held.end();
    held.crowd.until_gone();
}

/// A shell that is killed with its job takes opsbook along, but not the keeper.
#[test]
fn a_killed_process_group_leaves_nothing() {
    let project = holding(ONE_STEP);
    let mut command = project.command(&["t", "x"]);
    command.process_group(0);
    let mut held = Held::start_as(&project, command, &["one"]);
    killpg(held.pid(), Signal::SIGKILL).unwrap();
    held.end();
    held.crowd.until_gone();
}

#[test]
fn a_run_outlives_the_shell_that_started_it() {
    let project = holding(ONE_STEP);
    let inner = project.command(&["t", "x"]);
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" t x; exit 9"])
        .arg(inner.get_program())
        .current_dir(project.path(""))
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _crowd = zoo::ready(&project, &["one"]);
    shell.kill().unwrap();
    shell.wait().unwrap();
    std::fs::write(project.path("one.release"), "").unwrap();
    zoo::until("the journal is closed", || {
        journaled_exit(&project) == Some(0)
    });
    assert!(project.path("went-on").exists() && project.path("tidied").exists());
}

/// A killed run takes along the opsbook that one of its steps runs, which ends in order: its own processes with it.
#[test]
fn a_killed_run_takes_a_nested_opsbook_along() {
    let outer = format!(
        "[[step]]\nname = \"inner\"\nshell.run = '''echo $OPSBOOK_RUN > outer.token; exec {} t inner'''\n",
        env!("CARGO_BIN_EXE_opsbook")
    );
    let project = holding(&outer).runbook("t/inner", ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    let outer = zoo::crowd_of(&project.read("outer.token"));
    assert_eq!(outer.members().len(), 1, "the inner opsbook alone");
    held.signal(Signal::SIGKILL);
    held.end();
    outer.until_gone();
    held.crowd.until_gone();
    assert!(project.path("tidied").exists());
    assert_eq!(journaled_exit(&project), Some(143));
}

#[test]
fn a_keeper_knows_nothing_and_is_gone_with_its_run() {
    let project = holding(ONE_STEP).variable("SECRET", "hunter2");
    let mut held = Held::start(&project, &["one"]);
    let keepers = keepers(held.pid());
    let [keeper] = keepers.as_slice() else {
        panic!("one run has one keeper: {keepers:?}");
    };
    let folder = format!("/proc/{keeper}");
    // It is there before it has come to itself.
    zoo::until("the keeper has its name", || {
        let name = std::fs::read_to_string(format!("{folder}/comm"));
        name.is_ok_and(|name| name == "opsbook-keeper\n")
    });
    let environment = std::fs::read(format!("{folder}/environ")).unwrap();
    assert_eq!(environment, b"");
    let cwd = std::fs::read_link(format!("{folder}/cwd")).unwrap();
    assert_eq!(cwd.to_str(), Some("/"));
    // It hears no request to end: it ends with its run.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        kill(*keeper, signal).unwrap();
    }
    std::fs::write(project.path("one.release"), "").unwrap();
    assert_eq!(held.end().0, 0);
    let gone = !std::path::Path::new(&folder).exists();
    assert!(gone, "the keeper was not collected");
}

#[test]
fn a_run_without_its_keeper_still_ends() {
    let project = holding(ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    for keeper in keepers(held.pid()) {
        kill(keeper, Signal::SIGKILL).unwrap();
    }
    held.signal(Signal::SIGTERM);
    assert_eq!(held.end(), (143, 0));
}

/// What leaves the group of a step that ends by itself is a daemon, and no leftover.
#[test]
fn a_daemon_outlives_a_run_that_ends_by_itself() {
    let project = holding(ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    std::fs::write(project.path("one.release"), "").unwrap();
    assert_eq!(held.end(), (0, zoo::DAEMONS));
}

/// It was started by a step that is done: what stops a later one does not undo it.
#[test]
fn a_daemon_of_a_finished_step_outlives_a_stop_but_no_kill() {
    let project = holding(&format!(
        "[[step]]\nname = \"daemon\"\ncommand.run = [\"setsid\", \"--fork\", \"sleep\", \"1000\"]\n{ONE_STEP}"
    ));
    for (signal, left) in [(Signal::SIGTERM, 1), (Signal::SIGKILL, 0)] {
        let mut held = Held::start(&project, &["one"]);
        held.signal(signal);
        let (_, members) = held.end();
        if left == 0 {
            held.crowd.until_gone();
        } else {
            assert_eq!(members, left);
        }
        std::fs::remove_file(project.path("one.ready")).unwrap();
    }
}

/// The way out for a service that must survive whatever becomes of the run that started it.
#[test]
fn a_daemon_without_the_token_outlives_even_a_kill() {
    let script =
        "setsid --fork sh -c 'echo $$ > daemon.token; mv daemon.token daemon; exec sleep 1000'";
    let project = holding(&format!(
        "[[step]]\nname = \"daemon\"\nshell.run = \"{script}\"\nshell.env = {{ OPSBOOK_RUN = \"\" }}\n{ONE_STEP}"
    ));
    let mut held = Held::start(&project, &["one"]);
    zoo::until("the daemon runs", || project.path("daemon").exists());
    let daemon = Pid::from_raw(project.read("daemon").trim().parse().unwrap());
    held.signal(Signal::SIGKILL);
    held.end();
    held.crowd.until_gone();
    kill(daemon, Signal::SIGKILL).expect("the daemon is there");
}

#[test]
fn a_stopped_keeper_does_not_hold_its_run_up() {
    let project = holding(ONE_STEP);
    let mut held = Held::start(&project, &["one"]);
    for keeper in keepers(held.pid()) {
        kill(keeper, Signal::SIGSTOP).unwrap();
    }
    std::fs::write(project.path("one.release"), "").unwrap();
    assert_eq!(held.end().0, 0);
}

/// An action that starts programs must say so, or its runs would have no keeper.
#[test]
fn every_action_that_starts_programs_says_so() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/action");
    let mut starters = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if text.contains("Program::new(") {
            starters += 1;
            let says_so = text.contains("fn starts_processes(&self)");
            assert!(says_so, "{}", path.display());
        }
    }
    assert!(starters >= 2);
}

/// Before anything is started there is nothing to keep.
#[test]
fn what_starts_no_process_has_no_keeper() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"ask\"\nask.text = \"Why?\"\n[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\nconfirm = \"Really?\"\n",
    );
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Why?");
    assert_eq!(keepers(terminal.pid()), []);
    terminal.press("\x03");
    terminal.end();
}
