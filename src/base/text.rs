//! Text from elsewhere, made fit to be shown: bounded, and unable to steer a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Makes foreign text harmless: control characters, escape sequences, marks that reorder text and characters that nobody sees
/// become visible stand-ins; line feeds and tabs stay.
#[must_use]
pub fn neutral(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\u{0}'..='\u{1f}' => {
                char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')
            }
            '\u{7f}' => '\u{2421}',
            _ if is_unseen(character) => '\u{fffd}',
            _ => character,
        })
        .collect()
}

/// Whether a character steers a terminal, reorders or breaks what is around it, or is not seen at all: two texts that look
/// alike must be alike. Variation selectors of emoji stay: they only choose a picture.
#[must_use]
pub const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            // Soft hyphen, joiners, fillers.
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Spaces without width, marks of direction, separators of lines and paragraphs, invisible operators.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            // Shorthand, musical beams, tags, further variation selectors.
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The same in one line: line feeds and tabs become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    neutral(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same with each paragraph of prose in one line, for whoever shows it to wrap: where its author broke it only says how
/// wide their editor was. A line that is set in, or begins as one of a list, a table or a quotation, stays one.
#[must_use]
pub fn flowed(text: &str) -> String {
    let mut flowed = String::with_capacity(text.len());
    let mut goes_on = false;
    for line in text.lines() {
        let is_prose = !is_laid_out(line);
        if !flowed.is_empty() {
            flowed.push(if goes_on && is_prose { ' ' } else { '\n' });
        }
        flowed.push_str(line);
        goes_on = is_prose;
    }
    flowed
}

fn is_laid_out(line: &str) -> bool {
    let without_number = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let is_numbered = without_number.len() < line.len() && without_number.starts_with(['.', ')']);
    let marks = ["- ", "* ", "+ ", "|", ">", "#"];
    line.is_empty()
        || line.starts_with(char::is_whitespace)
        || marks.iter().any(|mark| line.starts_with(mark))
        || is_numbered
}

/// The first characters of a text, at most so many bytes.
#[must_use]
pub fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How many terminal cells the text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a line to at most `cells` terminal cells, with `…` where something was left out.
#[must_use]
pub fn fit(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        let next = used + character.width().unwrap_or(0);
        if next + 1 > cells {
            break;
        }
        kept.push(character);
        used = next;
    }
    if cells == 0 {
        return kept;
    }
    // Some characters widen the one before them, so that a text can be wider than its characters one by one.
    while kept.width() >= cells {
        kept.pop();
    }
    kept.push('…');
    kept
}

/// `1 step`, `3 steps`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", thousands(number as u64))
    }
}

/// Bytes in hexadecimal, in small letters: `ab01`.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A whole number with separators: `18,204`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time in milliseconds as a person reads it: `0.4 ms`, `12 ms`, `2.00 s`, `1 m 05 s`, `2 h 03 m`.
#[must_use]
pub fn took(milliseconds: f64) -> String {
    let milliseconds = milliseconds.max(0.0);
    if milliseconds < 0.95 {
        return format!("{milliseconds:.1} ms");
    }
    if milliseconds < 999.5 {
        return format!("{milliseconds:.0} ms");
    }
    if milliseconds < 59_995.0 {
        return format!("{:.2} s", milliseconds / 1000.0);
    }
    let seconds =
        std::time::Duration::from_millis((milliseconds.round() as u64).saturating_add(500))
            .as_secs();
    if seconds < 3600 {
        return format!("{} m {:02} s", seconds / 60, seconds % 60);
    }
    format!(
        "{} h {:02} m",
        thousands(seconds / 3600),
        seconds % 3600 / 60
    )
}

/// A word as a person types it in a shell: as it is where that is safe, else in quotes.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A text without the byte order mark that some editors write first.
#[must_use]
pub fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{fit, flowed, neutral, one_line, shell_word, thousands, took, width};

    #[test]
    fn a_word_is_one_word_in_a_shell() {
        assert_eq!(shell_word("db/prune"), "db/prune");
        assert_eq!(shell_word("each[3]"), "'each[3]'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(neutral("a\u{1b}[31mb\rc\u{202e}d"), "a␛[31mb␍c\u{fffd}d");
        assert_eq!(one_line("a\n\tb"), "a b");
    }

    #[test]
    fn prose_flows_and_what_is_laid_out_stays() {
        assert_eq!(flowed(""), "");
        assert_eq!(
            flowed("Asks\n`it` for\n30 days.\n\nThen\nit ends."),
            "Asks `it` for 30 days.\n\nThen it ends."
        );
        let list = "Steps:\n- the first\n- the second\n    opsbook db ping\n1. one\n| a | b |";
        assert_eq!(flowed(list), list);
    }

    #[test]
    fn cuts_by_cells_not_by_characters() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(width(&fit("日本語", 5)), 5);
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 0), "");
        assert_eq!(fit("❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}", 4), "❤\u{fe0f}❤…");
    }

    #[test]
    fn tells_how_long_it_took_without_a_unit_too_full() {
        let shown = [
            (f64::NAN, "0.0 ms"),
            (-1.0, "0.0 ms"),
            (0.44, "0.4 ms"),
            (0.96, "1 ms"),
            (12.4, "12 ms"),
            (999.4, "999 ms"),
            (999.6, "1.00 s"),
            (2000.0, "2.00 s"),
            (59_996.0, "1 m 00 s"),
            (65_000.0, "1 m 05 s"),
            (3_599_600.0, "1 h 00 m"),
            (7_380_000.0, "2 h 03 m"),
            (1e18, "277,777,777,777 h 46 m"),
            (f64::INFINITY, "5,124,095,576,030 h 25 m"),
        ];
        for (milliseconds, text) in shown {
            assert_eq!(took(milliseconds), text, "{milliseconds}");
        }
    }

    #[test]
    fn groups_digits() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(18_204), "18,204");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
