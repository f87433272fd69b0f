//! Text from elsewhere, made fit to be shown: bounded, and unable to steer a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Makes foreign text harmless: control characters, escape sequences and marks that reorder text become visible
/// stand-ins; line feeds and tabs stay.
#[must_use]
pub fn neutral(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\u{0}'..='\u{1f}' => {
                char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')
            }
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{061c}'
            | '\u{feff}' => '\u{fffd}',
            _ => character,
        })
        .collect()
}

/// The same in one line: line feeds and tabs become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    neutral(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
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
    if cells > 0 {
        kept.push('…');
    }
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

#[cfg(test)]
mod tests {
    use super::{fit, neutral, one_line, thousands, width};

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(neutral("a\u{1b}[31mb\rc\u{202e}d"), "a␛[31mb␍c\u{fffd}d");
        assert_eq!(one_line("a\n\tb"), "a b");
    }

    #[test]
    fn cuts_by_cells_not_by_characters() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(width(&fit("日本語", 5)), 5);
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 0), "");
    }

    #[test]
    fn groups_digits() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(18_204), "18,204");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
