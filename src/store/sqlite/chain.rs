//! The chain over all events in the order in which they were written: the hash of each covers it and the hash before it.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use crate::base::text::hexadecimal;

/// The format that brought it.
pub(super) const SINCE: i64 = 2;

/// The SHA-256 of an event in the chain. The last one stands for everything before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before the first event.
    pub(super) const START: Self = Self([0; 32]);

    /// The hash of an event behind this one.
    pub(super) fn then(self, link: &Link<'_>) -> Self {
        let Link {
            run,
            seq,
            version,
            kind,
            at,
            body,
        } = link;
        let mut hash = Sha256::new();
        hash.update(format!("{self}\n{run}\n{seq}\n{version}\n{kind}\n{at}\n"));
        hash.update(body);
        Self(hash.finalize().into())
    }
}

/// The columns of an event that its hash covers, as they are written. What is hashed is the hash before it and these, a
/// line each; the body, which comes last, ends without a line feed. No other column may hold one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    pub(super) run: i64,
    pub(super) seq: i64,
    pub(super) version: i64,
    pub(super) kind: &'a str,
    pub(super) at: &'a str,
    pub(super) body: &'a str,
}

/// The hash of the last event.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<ChainHash> {
    let last = connection
        .prepare_cached("SELECT hash FROM events ORDER BY position DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(ChainHash::START))
}

/// The SHA-256 of a text, in hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    hexadecimal(&Sha256::digest(text))
}

impl fmt::Display for ChainHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for ChainHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("{text:?} is no hash of the journal: those have 64 digits of 0-9 and a-f");
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| {
                digit
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        match (digits.len(), <[u8; 32]>::try_from(bytes)) {
            (64, Ok(bytes)) => Ok(Self(bytes)),
            _ => Err(wrong()),
        }
    }
}

impl ToSql for ChainHash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

impl FromSql for ChainHash {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| FromSqlError::InvalidBlobSize {
                expected_size: 32,
                blob_size: bytes.len(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{ChainHash, Link};

    /// The example of docs/journal.md, which `sha256sum` can be asked about.
    #[test]
    fn the_hash_is_that_of_lines_that_anybody_can_write() {
        let link = Link {
            run: 7,
            seq: 0,
            version: 1,
            kind: "run-started",
            at: "2026-11-20T03:00:00Z",
            body: "{\"type\":\"run-started\"}",
        };
        let hash = ChainHash::START.then(&link);
        assert_eq!(
            hash.to_string(),
            "5446f3a763c0b3cc252429822a4002b547730ae06a8021c7414ddd6c50a20885"
        );
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        for wrong in ["", "abc", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert!(wrong.parse::<ChainHash>().is_err(), "{wrong}");
        }
    }
}
