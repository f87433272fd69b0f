//! Journals as any version of opsbook, or anybody else, may have written them.

use opsbook::engine::History;
use opsbook::event::{Envelope, Summary};
use opsbook::report::{FORMATS, Style, write};

use super::assert_harmless;

/// An event that is read is written as itself, and every report shows any stream of them harmlessly and twice the same.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let stream: Vec<Envelope> = text.lines().filter_map(event).take(64).collect();
    if stream.is_empty() {
        return;
    }
    let summary = Summary::of(&stream);
    let mut steps: Vec<_> = summary.steps.iter().map(|line| &line.step).collect();
    steps.sort();
    steps.dedup();
    assert_eq!(steps.len(), summary.steps.len(), "one line a step");
    // What a resume would know of it.
    let _ = History::of(&stream);
    for format in FORMATS {
        for width in [20, 100] {
            let style = Style {
                colour: false,
                width,
                ..Style::default()
            };
            let report = reported(format.make, style, &stream);
            // Data for programs is as it is; whoever prints it to a terminal makes it harmless there.
            if format.name != "csv" {
                assert_harmless(&report);
            }
            assert_eq!(
                report,
                reported(format.make, style, &stream),
                "{}",
                format.name
            );
        }
    }
    let lines = reported(
        opsbook::report::format("jsonl").expect("a format").make,
        Style::default(),
        &stream,
    );
    let again: Vec<Envelope> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    assert_eq!(again, stream);
}

/// The event of one line.
fn event(line: &str) -> Option<Envelope> {
    let read: Envelope = serde_json::from_str(line).ok()?;
    let written = serde_json::to_string(&read).expect("what was read can be written");
    assert!(!written.contains('\n'), "{written:?}");
    let again: Envelope = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, read, "{written}");
    assert_eq!(serde_json::to_string(&again).expect("the same"), written);
    Some(read)
}

fn reported(
    make: fn(Style) -> Box<dyn opsbook::report::Report>,
    style: Style,
    stream: &[Envelope],
) -> String {
    let mut out = Vec::new();
    write(make(style).as_mut(), stream, &mut out).expect("memory can be written");
    String::from_utf8(out).expect("reports are text")
}
