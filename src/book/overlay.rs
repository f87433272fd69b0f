//! One part of a document laid over the rest, key by key; every value keeps its place, so that a mistake points at the
//! part that it was written in. It knows TOML, never what a key means.

use super::document::{Document, Table, Value};

/// The key by which a table says what it is: over a table of another kind nothing of it is kept.
const KIND: &str = "kind";

impl Document {
    /// The document with the table at `path` laid over its root, but for its keys in `without`. Tables merge key by key;
    /// lists and all else are replaced, and so are tables for whose path `whole` holds or whose `kind` is another.
    /// Without such a table the document is as it was.
    #[must_use]
    pub fn overlaid(
        &self,
        path: &[&str],
        without: &[&str],
        whole: &dyn Fn(&[&str]) -> bool,
    ) -> Self {
        let mut layered = self.clone();
        let over = path.iter().try_fold(&self.root, |table, key| {
            let entry = table.entries.iter().find(|entry| entry.key == *key)?;
            match &entry.item.value {
                Value::Table(table) => Some(table),
                _ => None,
            }
        });
        if let Some(over) = over {
            let mut over = over.clone();
            over.entries
                .retain(|entry| !without.contains(&entry.key.as_str()));
            merge(&mut layered.root, over, &mut Vec::new(), whole);
        }
        layered
    }
}

fn merge(base: &mut Table, over: Table, path: &mut Vec<String>, whole: &dyn Fn(&[&str]) -> bool) {
    for entry in over.entries {
        let Some(below) = base.entries.iter_mut().find(|below| below.key == entry.key) else {
            base.entries.push(entry);
            continue;
        };
        path.push(entry.key.clone());
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let replaces = whole(&words);
        match (&mut below.item.value, entry.item.value) {
            (Value::Table(table), Value::Table(over)) if !replaces && same_kind(table, &over) => {
                merge(table, over, path, whole);
            }
            (_, value) => {
                below.key_range = entry.key_range;
                below.item.range = entry.item.range;
                below.item.value = value;
            }
        }
        path.pop();
    }
}

/// Whether the table above is of the kind of the one below, or says nothing of it.
fn same_kind(base: &Table, over: &Table) -> bool {
    let kind = |table: &Table| {
        table
            .entries
            .iter()
            .find_map(|entry| match &entry.item.value {
                Value::Text(text) if entry.key == KIND => Some(text.clone()),
                _ => None,
            })
    };
    kind(over).is_none_or(|above| kind(base).is_none_or(|below| above == below))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::base::SourceFile;
    use crate::book::{Document, Mistakes};

    fn layered(text: &str) -> Document {
        Document::parse(SourceFile::new("a.toml", text))
            .unwrap()
            .overlaid(&["over"], &["secretly"], &|path| path == ["whole"])
    }

    fn text_at(document: &Document, table: &str, key: &str) -> (Option<String>, String) {
        let mistakes = Mistakes::new();
        let root = document.root("the file", &mistakes);
        let table = root.optional(table).unwrap().table("a table").unwrap();
        let field = table.optional(key);
        (
            field.and_then(|field| field.text()).map(str::to_owned),
            field
                .map(|field| field.place().to_string())
                .unwrap_or_default(),
        )
    }

    #[test]
    fn merges_key_by_key_and_keeps_places() {
        let document =
            layered("[a]\nx = '1'\ny = '2'\n[over]\na.y = '3'\na.z = '4'\nsecretly = 1\n");
        assert_eq!(
            text_at(&document, "a", "x"),
            (Some("1".into()), "a.toml:2:5".into())
        );
        assert_eq!(
            text_at(&document, "a", "y"),
            (Some("3".into()), "a.toml:5:7".into())
        );
        assert_eq!(
            text_at(&document, "a", "z"),
            (Some("4".into()), "a.toml:6:7".into())
        );
        let mistakes = Mistakes::new();
        assert!(!document.root("the file", &mistakes).contains("secretly"));
    }

    #[test]
    fn another_kind_and_named_tables_replace_the_whole() {
        let document = layered(
            "[a]\nkind = 'one'\nx = '1'\n[whole]\nx = '1'\n[over.a]\nkind = 'two'\n[over.whole]\ny = '2'\n",
        );
        assert_eq!(text_at(&document, "a", "x").0, None);
        assert_eq!(text_at(&document, "whole", "x").0, None);
        assert_eq!(text_at(&document, "whole", "y").0.as_deref(), Some("2"));
    }

    #[test]
    fn without_the_table_nothing_changes() {
        let document = layered("[a]\nx = '1'\n");
        assert_eq!(text_at(&document, "a", "x").0.as_deref(), Some("1"));
    }
}
