//! Real programs: what they print, how they end, and that none of them is left.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::fs;
use std::future::pending;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::leftovers::Leftovers;
use super::{Ended, ProcessError, Program, RUN_VARIABLE, end_leftovers, run};
use crate::base::Masker;

fn script(text: &str) -> Program {
    Program::new("sh", ["-c", text])
}

async fn ended(program: &Program) -> Ended {
    run(program, &|_| {}, pending()).await.unwrap()
}

/// The living processes of a group: state and group stand behind the name in parentheses.
fn members(group: i32) -> usize {
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
            fields[0] != "Z" && fields[2] == group.to_string()
        })
        .count()
}

/// Looks again and again until it is so; a test that waits in vain fails.
async fn until(mut holds: impl FnMut() -> bool) {
    let seen = timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    seen.await.unwrap();
}

#[tokio::test]
async fn a_gigabyte_is_read_in_little_memory() {
    let program = Program::new("head", ["-c", "1073741824", "/dev/zero"]);
    let ended = ended(&program).await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout.total(), 1 << 30);
    assert_eq!(ended.stdout.left_out(), (1 << 30) - 512 * 1024);
    let text = ended.stdout.text(&Masker::default());
    assert!(text.len() < 513 * 1024);
    assert!(text.contains("… 1,073,217,536 bytes left out …"));
}

#[tokio::test]
async fn both_outputs_and_the_input_flow_at_once() {
    let mut program = script("tee /dev/stderr");
    program.input = Some(vec![b'x'; 3_000_000]);
    let ended = ended(&program).await;
    assert_eq!(
        (ended.stdout.total(), ended.stderr.total()),
        (3_000_000, 3_000_000)
    );
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_failure() {
    let mut program = Program::new("true", [""; 0]);
    program.input = Some(vec![b'x'; 3_000_000]);
    let ended = ended(&program).await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.left_processes);
}

#[tokio::test]
async fn a_dropped_run_leaves_no_orphan() {
    let group = RefCell::new(None);
    // Without their environment it is their group alone that tells whose they are.
    let program = script("trap '' TERM; env -i sleep 1000 & env -i sleep 1000 & echo $$; wait");
    {
        let read = |line: &str| *group.borrow_mut() = line.parse::<i32>().ok();
        let mut running = std::pin::pin!(run(&program, &read, pending()));
        until_polled(&mut running, || group.borrow().is_some()).await;
        assert_eq!(members(group.borrow().unwrap()), 3);
    }
    let group = group.into_inner().unwrap();
    until(|| members(group) == 0).await;
}

/// Drives a future that must not end, until something is so.
async fn until_polled<T: std::fmt::Debug>(
    future: &mut std::pin::Pin<&mut impl Future<Output = T>>,
    mut holds: impl FnMut() -> bool,
) {
    while !holds() {
        let turn = timeout(Duration::from_millis(5), &mut *future).await;
        assert!(turn.is_err(), "it ended: {turn:?}");
    }
}

/// Runs a script that prints a line once it is ready, and cancels it then.
async fn cancelled(text: &str, grace: Duration) -> Ended {
    let ready = Notify::new();
    let mut program = script(text);
    program.grace = grace;
    let outcome = run(&program, &|_| ready.notify_one(), ready.notified()).await;
    outcome.unwrap()
}

#[tokio::test]
async fn a_cancelled_program_may_end_properly() {
    let long = Duration::from_secs(3600);
    let ended = cancelled(
        "trap 'echo cleaned; exit 3' TERM; echo on; while :; do sleep 1000 & wait; done",
        long,
    )
    .await;
    assert_eq!((ended.code, ended.signal), (Some(3), None));
    assert_eq!(ended.stdout.text(&Masker::default()), "on\ncleaned\n");
    let ended = cancelled("echo on; exec sleep 1000", long).await;
    assert_eq!((ended.code, ended.signal), (None, Some(15)));
}

#[tokio::test]
async fn a_deaf_cancelled_program_is_killed_after_the_grace_time() {
    let ended = cancelled(
        "trap '' TERM; sleep 1000 & echo $$; wait",
        Duration::from_millis(50),
    )
    .await;
    assert_eq!((ended.code, ended.signal), (None, Some(9)));
    let group: i32 = ended
        .stdout
        .text(&Masker::default())
        .trim()
        .parse()
        .unwrap();
    until(|| members(group) == 0).await;
}

#[tokio::test]
async fn a_flood_of_output_hides_no_limit_of_time() {
    let flood = Program::new("yes", [""; 0]);
    let limit = tokio::time::sleep(Duration::from_millis(100));
    let ended = run(&flood, &|_| {}, limit).await.unwrap();
    assert_eq!(ended.signal, Some(15));
    let limit = tokio::time::sleep(Duration::from_millis(100));
    tokio::select! {
        biased;
        ended = run(&flood, &|_| {}, pending()) => unreachable!("{ended:?}"),
        () = limit => {}
    }
}

#[tokio::test]
async fn what_is_left_in_the_background_is_ended_and_what_it_wrote_is_kept() {
    let program = script("sleep 1000 & echo $$");
    let ended = ended(&program).await;
    assert!(ended.left_processes);
    assert_eq!(ended.code, Some(0));
    let group: i32 = ended
        .stdout
        .text(&Masker::default())
        .trim()
        .parse()
        .unwrap();
    until(|| members(group) == 0).await;
}

#[tokio::test]
async fn a_deaf_background_process_is_killed_after_the_grace_time() {
    let mut program = script("trap '' TERM; sleep 1000 & echo $$");
    program.grace = Duration::from_millis(100);
    let ended = ended(&program).await;
    let group: i32 = ended
        .stdout
        .text(&Masker::default())
        .trim()
        .parse()
        .unwrap();
    until(|| members(group) == 0).await;
}

/// A program whose processes carry a token, and how to count them.
fn marked(text: &str) -> (Program, String, Leftovers) {
    let token = format!("{:032x}", fastrand::u128(..));
    let mut program = script(text);
    let flag = std::env::temp_dir().join(format!("opsbook-deaf-{token}"));
    program.variables = vec![
        (RUN_VARIABLE.to_owned(), token.clone()),
        ("FLAG".to_owned(), flag.display().to_string()),
    ];
    let carriers = Leftovers::of(RUN_VARIABLE, &token);
    (program, token, carriers)
}

/// Processes that leave the group: one with a session of its own, one without a parent in a third, deaf to TERM, one stopped.
/// The last line comes when all of them are there.
const STRAYS: &str = "
    setsid sleep 1000 &
    (setsid sh -c 'trap \"\" TERM; touch $FLAG; while :; do sleep 1000; done' &)
    setsid sh -c 'kill -STOP $$; sleep 1000' &
    while ! grep -q '^State:.T' /proc/$!/status; do :; done
    while ! [ -e $FLAG ]; do :; done
    rm $FLAG
    echo ready";

#[tokio::test]
async fn a_cancelled_program_leaves_nothing_not_even_what_left_its_group() {
    let (mut program, _, carriers) = marked(&format!("{STRAYS}; sleep 1000"));
    program.grace = Duration::from_millis(300);
    let ready = Notify::new();
    let on_line = |line: &str| {
        if line == "ready" {
            ready.notify_one();
        }
    };
    let ended = run(&program, &on_line, ready.notified()).await.unwrap();
    assert_eq!(ended.signal, Some(15));
    assert!(ended.left_processes);
    assert_eq!(carriers.find(), []);
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing_not_even_what_left_its_group() {
    let (program, _, carriers) = marked(&format!("{STRAYS}; sleep 1000"));
    let ready = Cell::new(false);
    let on_line = |line: &str| ready.set(ready.get() || line == "ready");
    {
        let mut running = std::pin::pin!(run(&program, &on_line, pending()));
        until_polled(&mut running, || ready.get()).await;
        assert!(carriers.find().len() > 3);
    }
    until(|| carriers.find().is_empty()).await;
}

#[tokio::test]
async fn what_a_killed_program_left_is_no_daemon() {
    let (program, _, carriers) = marked("setsid sleep 1000 & kill -KILL $$");
    let ended = ended(&program).await;
    assert_eq!(ended.signal, Some(9));
    assert_eq!(carriers.find(), []);
}

#[tokio::test]
async fn a_daemon_outlives_its_program_and_is_found_by_the_token_of_its_run() {
    let (mut program, token, carriers) = marked(STRAYS);
    // Bytes that are no text must not hide a process.
    program.arguments[1].insert_str(0, "export NOISE=$(printf '\\377'); ");
    let ended = ended(&program).await;
    assert!(!ended.left_processes);
    assert!(carriers.find().len() >= 3);
    let other = end_leftovers("another", Duration::ZERO).await;
    assert_eq!(other, 0);
    assert!(carriers.find().len() >= 3);
    let ended = end_leftovers(&token, Duration::from_millis(300)).await;
    assert!(ended >= 3);
    assert_eq!(carriers.find(), []);
}

#[tokio::test]
async fn a_process_that_left_the_group_does_not_hold_the_run_up() {
    let mut program = script("setsid sleep 3 & echo on");
    program.grace = Duration::from_millis(10);
    let ended = ended(&program).await;
    assert_eq!(ended.stdout.text(&Masker::default()), "on\n");
}

#[tokio::test]
async fn tells_why_a_program_cannot_be_started() {
    let long = Program::new("true", ["x".repeat(4_000_000)]);
    let error = run(&long, &|_| {}, pending()).await.unwrap_err();
    assert!(matches!(error, ProcessError::TooLong(_)), "{error}");
    let mut nowhere = Program::new("true", [""; 0]);
    nowhere.folder = Some("/no/such/folder".into());
    let error = run(&nowhere, &|_| {}, pending()).await.unwrap_err();
    assert!(matches!(error, ProcessError::NoFolder { .. }), "{error}");
}
