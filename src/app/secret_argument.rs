//! A secret that the caller hands over: never on the command line itself, where every process of the machine can read it.

use std::io::Read as _;
use std::path::PathBuf;

use super::AppError;

/// More is no secret that a person or a program hands over.
pub(super) const LARGEST: u64 = 64 * 1024;

/// Where the caller put a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretArgument {
    /// `@FILE`
    File(PathBuf),
    /// `-`: standard input.
    Input,
    /// The secret itself, which is refused and not kept: a message that quotes it would spread it.
    Typed,
}

impl From<&str> for SecretArgument {
    fn from(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some(path) if !path.is_empty() => Self::File(PathBuf::from(path)),
            None if text == "-" => Self::Input,
            Some(_) | None => Self::Typed,
        }
    }
}

impl SecretArgument {
    /// The secret for the input `name`, without its last line feed.
    ///
    /// # Errors
    /// When it was typed, cannot be read, is not UTF-8 or is larger than 64 KiB.
    pub fn read(&self, name: &str) -> Result<String, AppError> {
        let mut text = String::new();
        let (place, read) = match self {
            Self::File(path) => (
                path.display().to_string(),
                std::fs::File::open(path)
                    .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)),
            ),
            Self::Input => (
                "standard input".to_owned(),
                std::io::stdin().take(LARGEST + 1).read_to_string(&mut text),
            ),
            Self::Typed => {
                let message = format!(
                    "the secret {name:?} was given on the command line, where every process can read it"
                );
                return Err(AppError::usage(message)
                    .hint(format!(
                        "give --{name} @FILE, or --{name} - to read standard input"
                    ))
                    .hint(
                        "and change the secret: it may stand in the history of your shell by now",
                    ));
            }
        };
        read.map_err(|error| {
            AppError::usage(format!("the secret cannot be read from {place}: {error}"))
        })?;
        if text.len() as u64 > LARGEST {
            return Err(AppError::usage(format!(
                "{place} holds more than 64 KiB: that is no secret"
            )));
        }
        Ok(without_line_feed(&text).to_owned())
    }
}

/// The text without its last line feed.
pub(super) fn without_line_feed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::SecretArgument;

    #[test]
    fn a_secret_is_read_from_a_file_and_never_from_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let given = SecretArgument::from(format!("@{}", path.display()).as_str());
        assert_eq!(given.read("token").unwrap(), "s3cret");
        assert_eq!(SecretArgument::from("-"), SecretArgument::Input);
        let refused = SecretArgument::from("hunter2hunter2")
            .read("token")
            .unwrap_err();
        assert!(
            refused.hints[0].contains("--token @FILE")
                && !format!("{refused:?}").contains("hunter2")
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = SecretArgument::from("@/nowhere/token")
            .read("token")
            .unwrap_err();
        assert_eq!(error.exit().code(), 64);
        assert!(error.message.contains("/nowhere/token"));
    }
}
