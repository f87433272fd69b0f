//! The protocol of Redis, RESP2: commands out, replies in, bounded. See <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// The most that one reply may take, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The longest line of the protocol: a length, a number, a word or an error.
const LONGEST_LINE: u64 = 64 * 1024;

/// How deep lists may nest.
const DEEPEST: usize = 8;

/// What a server replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word: `OK`.
    Word(String),
    /// A refusal: `WRONGTYPE Operation against a key …`.
    Refusal(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing there.
    Nothing,
    /// Several replies.
    List(Vec<Reply>),
}

/// Why a reply cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no reply.
    #[error("it does not speak the protocol")]
    Foreign,
    /// It is longer than is taken.
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
}

/// A command as it is sent: its words, each with its length, so that nothing in a word can end it.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads one reply.
pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Reply, Unreadable> {
    let mut left = MOST_BYTES;
    read_within(stream, &mut left, 0).await
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Reply, Unreadable>> + 'a>>;

fn read_within<'a>(
    stream: &'a mut (impl AsyncBufRead + Unpin),
    left: &'a mut usize,
    depth: usize,
) -> Reading<'a> {
    Box::pin(async move {
        let line = read_line(stream).await?;
        spend(left, line.len() + size_of::<Reply>())?;
        let mut letters = line.chars();
        let kind = letters.next();
        let rest = letters.as_str();
        match kind {
            Some('+') => Ok(Reply::Word(rest.to_owned())),
            Some('-') => Ok(Reply::Refusal(rest.to_owned())),
            Some(':') => Ok(Reply::Number(number(rest)?)),
            Some('$') => match usize::try_from(number(rest)?) {
                Err(_) => Ok(Reply::Nothing),
                Ok(length) => {
                    spend(left, length)?;
                    let mut bytes = vec![0; length];
                    stream.read_exact(&mut bytes).await?;
                    let mut end = [0; 2];
                    stream.read_exact(&mut end).await?;
                    match &end {
                        b"\r\n" => Ok(Reply::Bytes(bytes)),
                        _ => Err(Unreadable::Foreign),
                    }
                }
            },
            Some('*') if depth < DEEPEST => match usize::try_from(number(rest)?) {
                Err(_) => Ok(Reply::Nothing),
                Ok(length) => {
                    // Room is made as they come: a length is only a promise.
                    let mut replies = Vec::new();
                    for _ in 0..length {
                        replies.push(read_within(stream, left, depth + 1).await?);
                    }
                    Ok(Reply::List(replies))
                }
            },
            _ => Err(Unreadable::Foreign),
        }
    })
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), Unreadable> {
    *left = left.checked_sub(bytes).ok_or(Unreadable::TooLarge)?;
    Ok(())
}

fn number(text: &str) -> Result<i64, Unreadable> {
    text.parse().map_err(|_| Unreadable::Foreign)
}

/// A line without its end.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String, Unreadable> {
    let mut line = Vec::new();
    let mut limited = stream.take(LONGEST_LINE);
    if limited.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let Some(line) = line.strip_suffix(b"\r\n") else {
        // Cut off, or as long as no line is.
        return Err(match line.len() as u64 {
            LONGEST_LINE => Unreadable::Foreign,
            _ if line.ends_with(b"\n") => Unreadable::Foreign,
            _ => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
        });
    };
    Ok(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert_eq;

    use super::{Reply, Unreadable, command, read};

    async fn replied(bytes: &[u8]) -> Result<Reply, Unreadable> {
        read(&mut &*bytes).await
    }

    #[tokio::test]
    async fn reads_every_kind() {
        let bytes = b"*5\r\n+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n*1\r\n$3\r\na\r\n\r\n";
        assert_eq!(
            replied(bytes).await.unwrap(),
            Reply::List(vec![
                Reply::Word("OK".to_owned()),
                Reply::Refusal("ERR no".to_owned()),
                Reply::Number(-7),
                Reply::Nothing,
                Reply::List(vec![Reply::Bytes(b"a\r\n".to_vec())]),
            ])
        );
    }

    #[tokio::test]
    async fn takes_neither_too_much_nor_something_else() {
        for large in ["$999999999\r\n", "*1\r\n$99999999\r\n"] {
            let error = replied(large.as_bytes()).await.unwrap_err();
            assert!(matches!(error, Unreadable::TooLarge), "{large}: {error}");
        }
        let deep = "*1\r\n".repeat(100);
        for foreign in [
            "HTTP/1.1 400 Bad Request\r\n",
            "$1\r\nab\r\n",
            ":x\r\n",
            &deep,
        ] {
            let error = replied(foreign.as_bytes()).await.unwrap_err();
            assert!(matches!(error, Unreadable::Foreign), "{foreign}: {error}");
        }
        for cut in ["", "+OK", "$5\r\nab", "*2\r\n:1\r\n"] {
            let error = replied(cut.as_bytes()).await.unwrap_err();
            assert!(matches!(error, Unreadable::Io(_)), "{cut}: {error}");
        }
        // A list that promises more than there is room for is not believed.
        let error = replied(b"*9999999999\r\n:1\r\n").await.unwrap_err();
        assert!(matches!(error, Unreadable::Io(_)));
    }

    proptest! {
        #[test]
        fn words_arrive_whatever_they_hold(words in vec(vec(any::<u8>(), 0..20), 1..5)) {
            let borrowed: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let sent = command(&borrowed);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let back = runtime.block_on(replied(&sent)).unwrap();
            prop_assert_eq!(back, Reply::List(words.into_iter().map(Reply::Bytes).collect()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(replied(&bytes));
        }
    }
}
