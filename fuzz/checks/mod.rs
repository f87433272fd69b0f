//! What must hold for any input whatever: one file a target, each with one `check`. The fuzzer calls them with what it
//! invents, and `tests/it/corpus.rs` with what was kept; nothing here knows either.

pub mod certificate;
pub mod config;
pub mod event;
pub mod foreign;
pub mod mask;
pub mod runbook;
pub mod server_timing;
pub mod sql;
pub mod template;

/// A target: its name, which is that of its corpus, and what must hold for its input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("certificate", certificate::check),
    ("config", config::check),
    ("event", event::check),
    ("foreign", foreign::check),
    ("mask", mask::check),
    ("runbook", runbook::check),
    ("server_timing", server_timing::check),
    ("sql", sql::check),
    ("template", template::check),
];

/// Whether a character could steer a terminal or show text in another order than it has.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Asserts that a text of several lines shows itself and does nothing else.
#[track_caller]
fn assert_harmless(text: &str) {
    let found = text
        .chars()
        .find(|character| steers(*character) && !matches!(character, '\n' | '\t'));
    assert_eq!(found, None, "{text:?}");
}

/// The two parts of an input, parted by its first NUL; the first is empty where there is none.
fn two_parts(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\0').unwrap_or(("", text)))
}
