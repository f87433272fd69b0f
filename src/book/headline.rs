//! The first lines of a runbook, for lists and help: cheap enough for thousands of files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::base::SourceFile;
use crate::base::text::one_line;

use super::document::{self, Document};
use super::mistakes::Mistakes;

/// How much of a file is read at first.
const HEAD: usize = 4096;

/// What a list shows of a runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headline {
    /// What it does, in one line.
    pub title: String,
    /// What a person sees when it is the right one.
    pub symptoms: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether its head cannot be read; the title is then `(invalid)`.
    pub invalid: bool,
}

impl Headline {
    /// Reads the head of a file; none when there is no such file.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let mut bytes = Vec::with_capacity(HEAD);
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(_) => return Some(Self::invalid()),
        };
        if opened.take(HEAD as u64).read_to_end(&mut bytes).is_err() {
            return Some(Self::invalid());
        }
        let head = match std::str::from_utf8(&bytes) {
            Ok(head) => head,
            // The end of what was read may fall into a character.
            Err(error) if error.error_len().is_none() && bytes.len() == HEAD => {
                std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Some(Self::invalid()),
        };
        Some(match Self::of_head(head) {
            Some(headline) => headline,
            None => {
                document::read_text(file).map_or_else(|_| Self::invalid(), |text| Self::of(&text))
            }
        })
    }

    /// Reads the head of a text, and all of it where the head does not tell.
    pub(super) fn of(text: &str) -> Self {
        Self::of_head(text)
            .or_else(|| Self::of_toml(text))
            .unwrap_or_else(Self::invalid)
    }

    /// Reads what stands above the first table. None where this is no TOML by itself: a text of several lines may hold
    /// what looks like a table.
    fn of_head(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let end = text.find("\n[")?;
        Self::of_toml(&text[..=end])
    }

    fn of_toml(text: &str) -> Option<Self> {
        let document = Document::parse(SourceFile::new("", text)).ok()?;
        let mistakes = Mistakes::new();
        let table = document.root("the runbook", &mistakes);
        let title = table.required("title").and_then(|field| field.text());
        let texts = |key| table.optional(key).and_then(|field| field.texts());
        let (symptoms, tags) = (texts("symptoms"), texts("tags"));
        mistakes.is_empty().then(|| Self {
            title: one_line(title.unwrap_or_default()),
            symptoms: symptoms.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            invalid: false,
        })
    }

    fn invalid() -> Self {
        Self {
            title: "(invalid)".to_owned(),
            invalid: true,
            ..Self::default()
        }
    }
}
