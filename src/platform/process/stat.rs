//! What Linux tells of a process in `/proc/PID/stat`. Other systems tell nothing.

use std::io;
use std::path::Path;

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Whether it has ended: a zombie waits for its parent and runs no more.
    pub(super) ended: bool,
    /// Its process group.
    pub(super) group: i32,
    /// When it began, in ticks since the machine's start.
    pub(super) started: u64,
}

impl Stat {
    /// Reads it for the process with this folder below `/proc`. The name of a program is no text: any byte but NUL.
    ///
    /// # Errors
    /// When there is no such process, or it may not be seen.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let line = std::fs::read(folder.join("stat"))?;
        Self::parse(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads a line in the format of proc_pid_stat(5): `PID (NAME) STATE PARENT GROUP …`, where the start is the 22nd field
    /// and the name may hold anything, parentheses too.
    fn parse(line: &[u8]) -> Option<Self> {
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> = std::str::from_utf8(&line[name_end + 1..])
            .ok()?
            .split_ascii_whitespace()
            .collect();
        // The first of them is the third of the line.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            ended: matches!(field(3)?, "Z" | "X" | "x"),
            group: field(5)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::Stat;

    const REST: &str = "1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 6 7\n";

    proptest! {
        #[test]
        fn the_name_may_hold_anything(name in prop::collection::vec(any::<u8>(), 0..16)) {
            let mut line = b"8 (".to_vec();
            line.extend(&name);
            line.extend(b") Z ");
            line.extend(REST.as_bytes());
            let expected = Stat { ended: true, group: 7, started: 4242 };
            prop_assert_eq!(Stat::parse(&line), Some(expected));
        }

        #[test]
        fn no_line_is_a_surprise(line in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Stat::parse(&line);
        }
    }

    #[test]
    fn the_name_of_a_program_is_no_state() {
        let line = format!("8 (a) Z 1 7) S {REST}");
        let stat = Stat::parse(line.as_bytes());
        assert_eq!(stat.map(|stat| stat.ended), Some(false));
        assert_eq!(Stat::parse(b"8 (a) S 1 7"), None);
    }
}
