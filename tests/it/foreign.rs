//! What others write is harmless: whatever a program prints, nothing of it steers the terminal, a report or the memory.

use std::io::Read as _;
use std::process::Stdio;

use opsbook::report::FORMATS;

use crate::harness::{Project, WATCHDOG};
use crate::terminal::Terminal;

/// Pieces that steer terminals and eyes. The number 77 stands in no sequence of ours.
const PIECES: [&[u8]; 27] = [
    b"plain words ",
    b"\n",
    b"\x1b[77m",
    b"\x1b[77;77H",
    b"\x1b[2J\x1b[77A",
    b"\x1b[?77h",
    b"\x1b]0;title77\x07",
    b"\x1b]52;c;aGVsbG8=\x1b\\",
    b"\x1bPq77\x1b\\",
    b"\x1b_77\x1b\\",
    b"\x1bc",
    b"\xc2\x9b77m",
    b"\x9b77m",
    b"\xc2\x9d0;77\x07",
    b"CR\rCR",
    b"\x08\x08\x08",
    b"\x00\x07\x0b\x0c\x0e\x0f\x7f",
    "\u{202e}evil\u{2066}".as_bytes(),
    "\u{200b}\u{200d}\u{feff}\u{2060}\u{ad}".as_bytes(),
    "\u{e0041}\u{e0042}".as_bytes(),
    "\u{2028}\u{2029}\u{85}".as_bytes(),
    b"\xff\xfe\xc3",
    b"\xed\xa0\x80",
    "日本語 e\u{301} 👩".as_bytes(),
    b"| a | b |\t<b>&amp;</b> `code` ](x)",
    b"\x1b",
    b"::error::77",
];

/// Some pieces one behind the other, always the same for the same number.
fn payload(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..30) {
        bytes.extend_from_slice(PIECES[random.usize(..PIECES.len())]);
    }
    bytes
}

/// Says what the first bytes are that a terminal of ours must not be sent.
fn first_harm(bytes: &[u8], moving: bool) -> Option<String> {
    let ours = regex::bytes::Regex::new(match moving {
        // Colours and weights; what moves the lines of progress and hides what is typed.
        true => r"\x1b\[(?:[0-9;]*m|[0-9]{0,2}[AK]|[0-9]{0,2}[GJ]|\?25[lh]|\?2026[lh]|\?2004[lh])",
        false => r"\x1b\[[0-9;]*m",
    })
    .unwrap();
    let rest = ours.replace_all(bytes, |found: &regex::bytes::Captures<'_>| {
        if found[0].windows(2).any(|digits| digits == b"77") {
            found[0].to_vec()
        } else {
            Vec::new()
        }
    });
    let text = match std::str::from_utf8(&rest) {
        Ok(text) => text,
        Err(error) => return Some(format!("no UTF-8 at byte {}", error.valid_up_to())),
    };
    let harm = |(at, character): (usize, char)| {
        let around = || {
            format!(
                "{character:?} in {:?}",
                text.get(at.saturating_sub(40)..at + character.len_utf8())
            )
        };
        let unseen = matches!(character,
            '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        let steers = character.is_control() && !matches!(character, '\n' | '\r' | '\t');
        (unseen || steers).then(around)
    };
    text.char_indices().find_map(harm).or_else(|| {
        text.contains("CR\rCR")
            .then(|| "a carriage return".to_owned())
    })
}

const STEPS: &str = r#"
[[step]]
name = "say"
for_each.item = "range(16)"
shell.run = "cat payload-{{ item }}; cat payload-{{ item }} >&2; exit 1"
on_failure = "continue"
[[step]]
name = "live"
shell.run = "for n in 0 1 2 3; do cat payload-$n; sleep 0.15; done"
save = { kept = "stdout" }
[[step]]
name = "judged"
assert.that = "steps.live.stdout == 'x'"
on_failure = "continue"
[[step]]
name = "rows"
set.values = { rows = "[{'a': steps.live.stdout, 'b': 1}]" }
artifact = { output = "rows", path = "rows.json" }
[[step]]
name = "asked"
command.run = ["true"]
confirm = "Go on with {{ steps.live.stdout }}, or not?"
on_failure = "continue"
[[finding]]
when = "true"
cause = "it said {{ steps.live.stdout }}"
remedy = "fix {{ steps.live.stdout }}"
"#;

fn project() -> Project {
    let mut project = Project::new().runbook("t/x", STEPS);
    for number in 0..16 {
        project = project.file(&format!("payload-{number}"), payload(number));
    }
    project
}

#[test]
fn nothing_that_a_program_prints_reaches_the_terminal_as_more_than_text() {
    let project = project();
    for more in [&["-v"][..], &["-vv", "--color", "always"]] {
        let line = [&["t", "x"], more].concat();
        let mut terminal = Terminal::start(&project, &line);
        terminal.wait_for("or not?");
        terminal.press("y\r");
        let (code, seen, bytes) = terminal.end_with_bytes();
        assert_eq!(code, 2, "{seen}");
        assert!(seen.contains("plain words"), "{seen}");
        assert_eq!(first_harm(&bytes, true), None, "{seen:?}");
    }
    for format in FORMATS {
        for line in [
            &["runs", "show", "1", "--format", format.name][..],
            &["runs", "replay", "1", "--format", format.name],
            &["runs", "list", "--format", format.name],
        ] {
            let (_, seen, bytes) = Terminal::start(&project, line).end_with_bytes();
            assert_eq!(first_harm(&bytes, false), None, "{line:?}: {seen:?}");
        }
    }
}

#[test]
fn nothing_that_a_program_prints_reaches_a_report_or_a_log_as_more_than_text() {
    let project = project();
    let reports: Vec<String> = FORMATS
        .iter()
        .map(|format| format!("{0}=report.{0}", format.name))
        .collect();
    let mut line = vec!["t", "x", "--yes", "-vvv", "--log-format", "json"];
    reports
        .iter()
        .for_each(|report| line.extend(["--report", report]));
    let output = project.run(&line).exits(2);
    assert_eq!(first_harm(output.stdout.as_bytes(), false), None);
    assert_eq!(first_harm(output.stderr.as_bytes(), false), None);
    for format in FORMATS {
        let report = std::fs::read(project.path(&format!("report.{}", format.name))).unwrap();
        assert_eq!(first_harm(&report, false), None, "{}", format.name);
    }
}

#[test]
fn a_file_with_marks_that_nobody_sees_is_shown_with_them() {
    let steps = "[[step]]\nname = \"a\"\nassert.that = \"true\" # \u{202e}\u{200b}\u{9b}77m\nmistake\u{202e} = 1\n";
    let output = Project::new()
        .runbook("t/x", steps)
        .run(&["t", "x"])
        .exits(78);
    assert_eq!(
        first_harm(output.stderr.as_bytes(), false),
        None,
        "{}",
        output.stderr
    );

    let steps = "description = \"\u{202e}\u{200b}\u{ad}\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n";
    let project = Project::new().runbook("t/x", steps);
    for line in [
        &["show", "t", "x"][..],
        &["show", "t", "x", "--format", "json"],
        &["list", "--format", "jsonl"],
        &["t", "x", "--help"],
    ] {
        let output = project.run(line).exits(0);
        assert_eq!(
            first_harm(output.stdout.as_bytes(), false),
            None,
            "{}",
            output.stdout
        );
    }
}

#[test]
fn some_hundred_mebibytes_of_output_take_little_memory() {
    let steps = "[[step]]\nname = \"a\"\nshell.run = \"head -c 200000000 /dev/zero | tr '\\\\0' x; echo; echo the end\"\n\
                 [[step]]\nname = \"b\"\nassert.that = \"'the end' in steps.a.stdout and steps.a.truncated > 190000000\"\n";
    let project = Project::new().runbook("t/x", steps);
    let mut child = project
        .command(&["t", "x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The peak of a process can be read for as long as nobody has waited for it.
    let mut printed = String::new();
    let status = format!("/proc/{}/status", child.id());
    let begun = std::time::Instant::now();
    let mut peak = 0_u64;
    while let Ok(text) = std::fs::read_to_string(&status) {
        let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) else {
            break;
        };
        peak = peak.max(line.split_whitespace().nth(1).unwrap().parse().unwrap());
        assert!(begun.elapsed() < WATCHDOG);
        std::thread::yield_now();
    }
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{printed}");
    assert!(peak > 1024 && peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn data_that_fits_nowhere_fails_its_step_and_the_run_goes_on() {
    let values = r#"
[[step]]
name = "data"
set.values = { line = "'a\nb: c'", nul = "'a\u0000b'", glob = "'a['", port = "'99999999'", climb = "'../../x'", dash = "'-rf'" }
"#;
    let bad = [
        (
            "http.get = \"http://127.0.0.1:1/\"\nhttp.headers = { x = \"{{ steps.data.line }}\" }",
            "line break",
        ),
        (
            "http.get = \"http://127.0.0.1:1/\"\nhttp.headers = { x = \"{{ steps.data.nul }}\" }",
            "NUL",
        ),
        (
            "http.get = \"http://127.0.0.1:{{ steps.data.port }}/\"",
            "URL",
        ),
        ("files.find = \"{{ steps.data.glob }}\"", "a["),
        ("files.find = \"{{ steps.data.nul }}\"", ""),
        ("command.run = [\"echo\", \"{{ steps.data.nul }}\"]", "NUL"),
        (
            "command.run = [\"echo\", \"{{ steps.data.dash }}\"]",
            "dash",
        ),
        (
            "command.run = [\"true\"]\ncommand.cwd = \"x/{{ steps.data.climb }}\"",
            "leads out",
        ),
        (
            "command.run = [\"true\"]\ncommand.env = { A = \"{{ steps.data.nul }}\" }",
            "nul byte",
        ),
        (
            "command.run = [\"true\"]\nartifact = { output = \"stdout\", path = \"{{ steps.data.nul }}\" }",
            "NUL",
        ),
        ("shell.run = \"echo {{ steps.data.nul }}\"", "NUL"),
        ("probe.tcp = \"{{ steps.data.nul }}\"", "host:port"),
    ];
    let steps: String = bad
        .iter()
        .enumerate()
        .map(|(index, (action, _))| {
            format!("[[step]]\nname = \"s{index}\"\n{action}\nseverity = \"P3\"\non_failure = \"continue\"\n")
        })
        .collect();
    let last = "[[step]]\nname = \"last\"\nassert.that = \"true\"\n";
    let project = Project::new().runbook("t/x", &format!("{values}{steps}{last}"));
    let output = project.run(&["t", "x", "--yes", "--format", "json"]);
    let report = output.json();
    for (step, (action, told)) in report["steps"].as_array().unwrap()[1..].iter().zip(bad) {
        assert_eq!(step["status"], "warning", "{action}: {step}");
        assert_eq!(step["failed"], true, "{action}: {step}");
        assert!(
            step["detail"].as_str().unwrap().contains(told),
            "{action}: {step}"
        );
    }
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["status"], "ok");
    output.exits(1);
}
