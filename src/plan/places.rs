//! Where steps stand. Counts the lines of a file once, however many steps it holds.

use crate::base::{Place, SourceFile};
use crate::event::StepPlace;

/// Counts lines from where it stopped the last time.
#[derive(Default)]
pub(super) struct Lines {
    seen: Option<Seen>,
}

struct Seen {
    source: SourceFile,
    byte: usize,
    line: usize,
}

impl Lines {
    /// The file and line of a place. Cheap where places of one file come in their order.
    pub(super) fn place(&mut self, place: &Place) -> StepPlace {
        let byte = place.range.start;
        let line = match &self.seen {
            Some(seen) if seen.byte <= byte && seen.source.path() == place.source.path() => {
                seen.line + place.source.slice(seen.byte..byte).matches('\n').count()
            }
            Some(_) | None => place.source.line_and_column(byte).0,
        };
        self.seen = Some(Seen {
            source: place.source.clone(),
            byte,
            line,
        });
        StepPlace {
            file: place.source.path().display().to_string(),
            line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::base::{Place, SourceFile};

    #[test]
    fn lines_are_those_of_an_editor_in_any_order_and_file() {
        let one = SourceFile::new("one.toml", "a\nbb\nccc\n");
        let other = SourceFile::new("other.toml", "\n\n\nx");
        let mut lines = Lines::default();
        let places = [
            (&one, 0),
            (&one, 3),
            (&one, 5),
            (&other, 3),
            (&one, 6),
            (&one, 2),
        ];
        let told = places.map(|(file, byte)| {
            let place = lines.place(&Place::new(file, byte..byte + 1));
            format!("{}:{}", place.file, place.line)
        });
        let expected = [
            "one.toml:1",
            "one.toml:2",
            "one.toml:3",
            "other.toml:4",
            "one.toml:3",
            "one.toml:2",
        ];
        assert_eq!(told, expected);
    }
}
