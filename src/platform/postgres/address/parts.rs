//! The keywords of a connection, filled from one source after the other: what was said first stays.

use std::collections::BTreeMap;

use crate::base::nearest;

use super::AddressError;

/// The keywords that have a meaning, each with the variable that stands in for it. Described at
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>.
const KEYWORDS: [(&str, &str); 18] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("service", "PGSERVICE"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// What is known of a connection so far. Nothing that is empty stands in it.
#[derive(Clone, Default)]
pub(super) struct Parts(BTreeMap<&'static str, String>);

impl Parts {
    /// The keyword that is meant; else the one that looks like it.
    pub(super) fn keyword(name: &str) -> Result<&'static str, Option<&'static str>> {
        let known = || KEYWORDS.iter().map(|(keyword, _)| *keyword);
        known().find(|keyword| *keyword == name).ok_or_else(|| {
            let near = nearest(name, known())?;
            known().find(|keyword| *keyword == near)
        })
    }

    /// Says a keyword once more: the last word counts.
    pub(super) fn set(&mut self, keyword: &'static str, value: String) {
        if value.is_empty() {
            self.0.remove(keyword);
        } else {
            self.0.insert(keyword, value);
        }
    }

    /// Takes what nobody has said yet.
    pub(super) fn or(&mut self, others: Self) {
        for (keyword, value) in others.0 {
            self.0.entry(keyword).or_insert(value);
        }
    }

    /// Takes from the variables of the environment what nobody has said yet.
    pub(super) fn or_variables(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for (keyword, name) in KEYWORDS {
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                self.0.entry(keyword).or_insert(value);
            }
        }
    }

    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }

    pub(super) fn take(&mut self, keyword: &str) -> Option<String> {
        self.0.remove(keyword)
    }
}

/// Reads `keyword = value …`, as libpq takes it instead of a URL. A value with a space or none at all stands in single
/// quotes; `\` keeps what follows as it is.
pub(super) fn conninfo(text: &str) -> Result<Parts, AddressError> {
    let mut parts = Parts::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(AddressError::Conninfo)?;
        // A piece of a password may stand here: it is not quoted.
        let keyword =
            Parts::keyword(name.trim_end()).map_err(|near| AddressError::Keyword { near })?;
        let (value, after) = value(after.trim_start()).ok_or(AddressError::Conninfo)?;
        parts.set(keyword, value);
        rest = after.trim_start();
    }
    Ok(parts)
}

/// The value that a text begins with, and what stands behind it; none where a quotation does not end.
fn value(text: &str) -> Option<(String, &str)> {
    let is_quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(is_quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if is_quoted => {
                let rest = &text[at + 1..];
                let ends = rest.chars().next().is_none_or(char::is_whitespace);
                return ends.then_some((value, rest));
            }
            space if space.is_whitespace() && !is_quoted => return Some((value, &text[at..])),
            other => value.push(other),
        }
    }
    (!is_quoted).then_some((value, ""))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Parts, conninfo};
    use crate::platform::postgres::AddressError;

    #[test]
    fn keywords_and_values_are_read_as_libpq_reads_them() {
        let parts = conninfo(
            " host = db.example.com port=6432 user='a b' password='it\\'s \\\\ ' options=-c\\ geqo=off dbname='' ",
        )
        .unwrap();
        assert_eq!(parts.get("host"), Some("db.example.com"));
        assert_eq!(parts.get("port"), Some("6432"));
        assert_eq!(parts.get("user"), Some("a b"));
        assert_eq!(parts.get("password"), Some("it's \\ "));
        assert_eq!(parts.get("options"), Some("-c geqo=off"));
        assert_eq!(parts.get("dbname"), None);
        for wrong in ["host", "user='a", "user='a'b", "password=a\\"] {
            let error = conninfo(wrong).err();
            assert_eq!(error, Some(AddressError::Conninfo), "{wrong}");
        }
        let near = Some("sslmode");
        assert_eq!(
            conninfo("sslmod=require").err(),
            Some(AddressError::Keyword { near })
        );
    }

    #[test]
    fn what_was_said_first_stays() {
        let mut parts = conninfo("host=a").unwrap();
        parts.or(conninfo("host=b port=2").unwrap());
        parts.or_variables(|name| Some(format!("of {name}")));
        assert_eq!(parts.get("host"), Some("a"));
        assert_eq!(parts.get("port"), Some("2"));
        assert_eq!(parts.get("user"), Some("of PGUSER"));
        let mut parts = Parts::default();
        parts.or_variables(|_| Some(String::new()));
        assert_eq!(parts.get("user"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = conninfo(&text);
            let _ = conninfo(&format!("user='{text}' password={text}"));
        }
    }
}
