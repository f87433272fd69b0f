//! A user's TOML file as a tree whose every value knows its place. It knows TOML, never what a key means.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::base::text::without_mark;
use crate::base::{Diagnostic, Diagnostics, Place, Size, SourceFile};

use super::mistakes::Mistakes;
use super::reader::TableReader;

/// The largest file that is read.
pub(super) const LARGEST_FILE: Size = Size(1024 * 1024);

/// How many mistakes of TOML's own grammar are told; one slip may cause many.
const MOST_SYNTAX_MISTAKES: usize = 20;

/// How deep tables and lists may lie in each other: later passes over the tree recurse.
const DEEPEST: usize = 32;

/// A TOML file that was read and is free of mistakes of grammar.
#[derive(Clone, Debug)]
pub struct Document {
    source: SourceFile,
    pub(super) root: Table,
}

/// A table in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    pub(super) range: Range<usize>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_range: Range<usize>,
    pub(super) item: Item,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Moment(String),
    List(Vec<Item>),
    Table(Table),
}

impl Document {
    /// Reads a file. A byte order mark is accepted; places do not count it.
    ///
    /// # Errors
    /// When the file cannot be read, is no UTF-8 text, is larger than 1 MiB or is no TOML.
    pub fn open(path: &Path) -> Result<Self, Diagnostics> {
        Self::parse(SourceFile::new(path, read_text(path)?))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Every mistake of TOML's grammar that can be told apart.
    pub fn parse(source: SourceFile) -> Result<Self, Diagnostics> {
        let (tree, errors) = DeTable::parse_recoverable(source.text());
        if !errors.is_empty() {
            return Err(syntax_mistakes(&source, &errors));
        }
        let mistakes = Mistakes::new();
        let range = tree.span();
        let root = Converter {
            source: &source,
            mistakes: &mistakes,
        }
        .table(tree.into_inner(), range, 0);
        mistakes.into_result(Some(root)).map(|root| Self {
            source: source.clone(),
            root,
        })
    }

    /// The file.
    #[must_use]
    pub fn source(&self) -> &SourceFile {
        &self.source
    }

    /// Reads the top of the file; `what` names it in messages: `the runbook`. Mistakes go to `mistakes`.
    #[must_use]
    pub fn root<'a>(&'a self, what: &str, mistakes: &'a Mistakes) -> TableReader<'a> {
        TableReader::new(&self.source, &self.root, what.to_owned(), mistakes)
    }
}

/// The text of a file, without a byte order mark.
///
/// # Errors
/// As [`Document::open`], but for TOML.
pub(crate) fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let shown = crate::base::text::neutral(&path.display().to_string());
    let unreadable =
        |error: &std::io::Error| Diagnostic::new(format!("cannot read {shown}: {error}"));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let about = file.metadata().map_err(|error| unreadable(&error))?;
    if about.is_dir() {
        return Err(Diagnostic::new(format!("{shown} is a folder, not a file")));
    }
    let too_large = |size: String| {
        Diagnostic::new(format!(
            "{shown} is {size}; a file of at most {LARGEST_FILE} is read"
        ))
    };
    if about.len() > LARGEST_FILE.0 {
        return Err(too_large(Size(about.len()).to_string()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE.0 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LARGEST_FILE.0 {
        return Err(too_large(format!("more than {LARGEST_FILE}")));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
    Ok(without_mark(text))
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostic {
    let start = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(start).copied().unwrap_or_default();
    let source = SourceFile::new(path, String::from_utf8_lossy(error.as_bytes()).as_ref());
    Diagnostic::at(
        Place::new(&source, start..start + 1),
        format!("byte 0x{byte:02x} at offset {start} is not UTF-8"),
    )
    .help("save the file as UTF-8")
}

fn syntax_mistakes(source: &SourceFile, errors: &[toml::de::Error]) -> Diagnostics {
    let mut mistakes = Diagnostics::new();
    for error in errors.iter().take(MOST_SYNTAX_MISTAKES) {
        let range = error.span().unwrap_or(0..0);
        mistakes.push(Diagnostic::at(
            Place::new(source, range),
            format!("not valid TOML: {}", error.message()),
        ));
    }
    mistakes.sort();
    if let Some(more) = errors.len().checked_sub(MOST_SYNTAX_MISTAKES)
        && more > 0
    {
        mistakes.push(Diagnostic::new(format!(
            "{} and {more} more mistakes",
            source.path().display()
        )));
    }
    mistakes
}

/// Turns the parser's tree into ours, so that nothing else depends on the parser.
struct Converter<'a> {
    source: &'a SourceFile,
    mistakes: &'a Mistakes,
}

impl Converter<'_> {
    fn table(&self, table: DeTable<'_>, range: Range<usize>, depth: usize) -> Table {
        let entries = table
            .into_iter()
            .filter_map(|(key, value)| {
                Some(Entry {
                    key_range: key.span(),
                    key: key.into_inner().into_owned(),
                    item: self.item(value, depth + 1)?,
                })
            })
            .collect();
        Table { entries, range }
    }

    fn item(&self, value: Spanned<DeValue<'_>>, depth: usize) -> Option<Item> {
        let range = value.span();
        if depth > DEEPEST {
            self.mistake(&range, "lies too deep: at most 32 tables in each other");
            return None;
        }
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => Value::Integer(self.integer(&number, &range)?),
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => {
                    self.mistake(&range, "is not a number that can be held");
                    return None;
                }
            },
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .filter_map(|item| self.item(item, depth + 1))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, range.clone(), depth)),
        };
        Some(Item { value, range })
    }

    fn integer(&self, number: &DeInteger<'_>, range: &Range<usize>) -> Option<i64> {
        let value = i64::from_str_radix(number.as_str(), number.radix());
        if value.is_err() {
            self.mistake(range, "is larger than a whole number of 64 bits can be");
        }
        value.ok()
    }

    fn mistake(&self, range: &Range<usize>, message: &str) {
        self.mistakes.push(Diagnostic::at(
            Place::new(self.source, range.clone()),
            message,
        ));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::{Document, Mistakes, SourceFile};

    fn mistakes_of(text: &str) -> String {
        Document::parse(SourceFile::new("a.toml", text))
            .unwrap_err()
            .to_string()
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn refusal(path: &std::path::Path) -> String {
        let shown = path.display().to_string();
        Document::open(path)
            .unwrap_err()
            .to_string()
            .replace(&shown, "FILE")
    }

    #[test]
    fn tells_several_mistakes_of_grammar_at_once() {
        assert_eq!(
            mistakes_of("a = \nb = 1\nc = 'x\n"),
            "a.toml:1:5\n    1 │ a = \n      │     ^ not valid TOML: string values must be quoted, expected literal string\n\n\
             a.toml:3:7\n    3 │ c = 'x\n      │       ^ not valid TOML: invalid literal string, expected `'`"
        );
    }

    #[test]
    fn a_byte_order_mark_does_not_move_places() {
        let file = file("\u{feff}a = 1\n".as_bytes());
        let document = Document::open(file.path()).unwrap();
        let mistakes = Mistakes::new();
        document.root("the file", &mistakes).finish();
        let mistakes = mistakes.into_result(Some(())).unwrap_err().to_string();
        assert!(
            mistakes.contains(":1:1\n    1 │ a = 1\n      │ ^ unknown key in the file"),
            "{mistakes}"
        );
    }

    #[test]
    fn refuses_what_is_no_readable_text_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(refusal(folder.path()), "FILE is a folder, not a file");
        assert_eq!(
            refusal(&folder.path().join("none.toml")),
            "cannot read FILE: No such file or directory (os error 2)"
        );
        assert_eq!(
            refusal(file(b"a = 1\nb = \"\xff\"\n").path()),
            "FILE:2:6\n    2 │ b = \"\u{fffd}\"\n      │      ^ byte 0xff at offset 11 is not UTF-8; save the file as UTF-8"
        );
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let file = file(b"");
        file.as_file().set_len(50 * 1024 * 1024).unwrap();
        assert_eq!(
            refusal(file.path()),
            "FILE is 50.0 MiB; a file of at most 1.0 MiB is read"
        );
        assert_eq!(
            refusal(std::path::Path::new("/dev/zero")),
            "FILE is more than 1.0 MiB; a file of at most 1.0 MiB is read"
        );
    }

    #[test]
    fn deep_nesting_is_a_mistake_and_no_overflow() {
        let keys = vec!["a"; 79].join(".");
        let nested = format!("{}1{}", format!("{{{keys}=").repeat(75), "}".repeat(75));
        assert!(mistakes_of(&format!("[{keys}]\n{keys} = {nested}")).contains("lies too deep"));
        let lists = format!("a = {}{}", "[".repeat(70), "]".repeat(70));
        assert!(mistakes_of(&lists).contains("lies too deep"));
        let endless = format!("a = {}", "[".repeat(100_000));
        assert!(mistakes_of(&endless).contains("not valid TOML"));
    }

    #[test]
    fn numbers_that_cannot_be_held_are_mistakes() {
        assert_eq!(
            mistakes_of("a = 9223372036854775808"),
            "a.toml:1:5\n    1 │ a = 9223372036854775808\n      │     ^^^^^^^^^^^^^^^^^^^ is larger than a whole number of 64 bits can be"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-b=\\[\\]{}.,'\"\\n 0-9#x\u{e9}-]{0,80}") {
            if let Err(mistakes) = Document::parse(SourceFile::new("a.toml", text)) {
                prop_assert!(!mistakes.to_string().is_empty());
            }
        }
    }
}
