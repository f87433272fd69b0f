//! Long text in several lines.

use unicode_width::UnicodeWidthStr as _;

use crate::base::text::width;

/// Breaks a text into lines of at most `cells` cells: between words where it can, inside them where it must.
#[must_use]
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    wrap_words(text.split_whitespace(), cells)
}

/// The same for a text whose spaces are part of it: only those where a line ends are left away.
pub(super) fn wrap_exact(text: &str, cells: usize) -> Vec<String> {
    wrap_words(text.split(' '), cells)
}

fn wrap_words<'a>(words: impl Iterator<Item = &'a str>, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    // An empty line is not the same as one of no width: there are characters that take no cell.
    for word in words {
        let needed = width(word);
        if !line.is_empty() && used + 1 + needed <= cells {
            line.push(' ');
            line.push_str(word);
            used += 1 + needed;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut pieces = pieces(word, cells);
        line = pieces.pop().unwrap_or_default();
        used = width(&line);
        lines.append(&mut pieces);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The same with the spaces that the text begins with before each of them, and two more before each but the first.
pub(super) fn wrap_indented(text: &str, cells: usize) -> Vec<String> {
    if width(text) <= cells {
        return vec![text.to_owned()];
    }
    let inset = text.len() - text.trim_start_matches(' ').len();
    // Half of the room is for words, however deep they stand.
    let inset = inset.min((cells / 2).saturating_sub(2));
    let mut lines = wrap(text, cells.saturating_sub(inset + 2).max(1));
    for (number, line) in lines.iter_mut().enumerate() {
        let further = if number == 0 { 0 } else { 2 };
        line.insert_str(0, &" ".repeat(inset + further));
    }
    lines
}

/// A word in pieces of at most `cells` cells; a character that is wider than that stands alone.
fn pieces(word: &str, cells: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut used = 0;
    for character in word.chars() {
        piece.push(character);
        // A character may widen or join the one before it, so the whole piece is measured where that matters.
        used = if character.is_ascii() {
            used + 1
        } else {
            piece.width()
        };
        if used > cells && piece.chars().nth(1).is_some() {
            piece.pop();
            pieces.push(std::mem::replace(&mut piece, character.to_string()));
            used = piece.width();
        }
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{width, wrap, wrap_exact, wrap_indented};
    use crate::event::sample;

    #[test]
    fn breaks_between_words_and_inside_long_ones() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefgh b", 3), ["a", "abc", "def", "gh", "b"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn spaces_that_are_part_of_a_text_stay() {
        assert_eq!(wrap_exact("a  b   c", 8), ["a  b   c"]);
        assert_eq!(wrap_exact("one  two   three", 8), ["one  two", "three"]);
    }

    #[test]
    fn what_is_indented_stays_so() {
        assert_eq!(wrap_indented("  ->  a  b", 10), ["  ->  a  b"]);
        let deep = "  ->  Seq Scan on orders  (rows=1)";
        assert_eq!(
            wrap_indented(deep, 20),
            ["  -> Seq Scan on", "    orders (rows=1)"]
        );
        let deeper = format!("{}Sort by one", " ".repeat(60));
        assert_eq!(wrap_indented(&deeper, 12), ["    Sort", "      by one"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_what_is_indented(inset in 0_usize..80, text in sample::any_text(), cells in 4_usize..60) {
            let text = format!("{}{}", " ".repeat(inset), text.replace(['\n', '\t'], " "));
            let lines = wrap_indented(&text, cells);
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
            for line in lines {
                prop_assert!(width(&line) <= cells, "{line:?} in {cells}");
            }
        }

        #[test]
        fn nothing_is_lost_and_nothing_is_too_wide(text in sample::any_text(), cells in 2_usize..60) {
            let lines = wrap(&text, cells);
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
            for line in lines {
                prop_assert!(width(&line) <= cells, "{line:?} in {cells}");
            }
        }
    }
}
