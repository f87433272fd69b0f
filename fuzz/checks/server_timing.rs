//! The header `Server-Timing`, as any server may send it.

use opsbook::platform::http::ServerTiming;

/// What is read has names and finite times, and written again it is read as the same.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = ServerTiming::read(text);
    assert!(read.len() <= text.len());
    let written: Vec<String> = read.iter().map(written).collect();
    assert_eq!(ServerTiming::read(&written.join(", ")), read);
}

fn written(timing: &ServerTiming) -> String {
    assert!(!timing.name.is_empty());
    let mut text = timing.name.clone();
    if let Some(milliseconds) = timing.milliseconds {
        assert!(milliseconds.is_finite());
        text.push_str(&format!(";dur={milliseconds:?}"));
    }
    if let Some(description) = &timing.description {
        let quoted = description.replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!(";desc=\"{quoted}\""));
    }
    text
}
