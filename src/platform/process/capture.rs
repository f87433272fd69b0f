//! The output of a program, bounded in memory: its first and its last part, and a count of what lies between.

use std::collections::VecDeque;

use crate::base::Masker;
use crate::base::text::thousands;

/// How much of the beginning of an output is kept.
const HEAD: usize = 256 * 1024;

/// How much of the end of an output is kept.
const TAIL: usize = 256 * 1024;

/// What a program wrote: all of it, or its first and last part where it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// How much of the beginning is kept.
    room: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Default for Captured {
    fn default() -> Self {
        Self::keeping(HEAD)
    }
}

impl Captured {
    /// Nothing yet; so many bytes of the beginning will be kept.
    pub(super) const fn keeping(room: usize) -> Self {
        Self {
            room,
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
        }
    }

    /// Takes in what was written next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.room - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(TAIL)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes of the middle were left out; 0 where everything was kept.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// The text, with `… 1,073,741,824 bytes left out …` as a line of its own where the middle was left out. What is
    /// no UTF-8 becomes U+FFFD. A secret that the cut went through is left out whole: no mask would know its parts.
    #[must_use]
    pub fn text(&self, masker: &Masker) -> String {
        let (one, two) = self.tail.as_slices();
        if self.left_out() == 0 {
            let whole = [&self.head, one, two].concat();
            return match String::from_utf8(whole) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            };
        }
        // The cut may also have gone through a character.
        let cut = |character| character == char::REPLACEMENT_CHARACTER;
        let head = String::from_utf8_lossy(&self.head);
        let tail = [one, two].concat();
        let tail = String::from_utf8_lossy(&tail);
        format!(
            "{}\n… {} bytes left out …\n{}",
            masker.before_cut(head.trim_end_matches(cut)),
            thousands(self.left_out()),
            masker.after_cut(tail.trim_start_matches(cut))
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Captured, HEAD, TAIL};
    use crate::base::{Masker, Secret};

    #[test]
    fn keeps_all_of_what_fits_and_says_what_does_not() {
        let mut captured = Captured::default();
        captured.push(&vec![b'a'; HEAD]);
        captured.push(&vec![b'b'; TAIL]);
        assert_eq!(captured.left_out(), 0);
        assert_eq!(captured.text(&Masker::default()).len(), HEAD + TAIL);
        captured.push(b"c");
        assert_eq!(captured.left_out(), 1);
        let text = captured.text(&Masker::default());
        assert!(text.contains("a\n… 1 bytes left out …\nb"));
        assert!(text.ends_with("bc"));
    }

    #[test]
    fn a_cut_through_a_secret_leaves_no_part_of_it() {
        let masker = Masker::new(&[Secret::new("hunter2-pässword".to_owned())]);
        for before in 4..13 {
            let mut captured = Captured::default();
            captured.push(&vec![b'a'; HEAD - before]);
            captured.push("hunter2-pässword".as_bytes());
            captured.push(&vec![b'b'; TAIL]);
            captured.push("hunter2-pässword".as_bytes());
            captured.push(&vec![b'c'; TAIL - before]);
            let text = captured.text(&masker);
            assert!(!text.contains("hunt") && !text.contains("word"), "{before}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            pieces in prop::collection::vec((any::<u8>(), 0_usize..200_000), 0..12)
        ) {
            let mut captured = Captured::default();
            let mut whole = Vec::new();
            for (byte, length) in pieces {
                captured.push(&vec![byte; length]);
                whole.extend(vec![byte; length]);
            }
            prop_assert_eq!(captured.total(), whole.len() as u64);
            prop_assert_eq!(&captured.head[..], &whole[..whole.len().min(HEAD)]);
            let kept: Vec<u8> = captured.tail.iter().copied().collect();
            prop_assert!(whole.ends_with(&kept));
            prop_assert!(captured.left_out() == 0 || kept.len() == TAIL);
            prop_assert_eq!(
                captured.left_out(),
                whole.len().saturating_sub(HEAD + TAIL) as u64
            );
        }
    }
}
