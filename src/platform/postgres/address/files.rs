//! The files beside a connection that libpq knows: services with their keywords, and passwords by host, port, database
//! and user. Their formats are those of <https://www.postgresql.org/docs/current/libpq-pgservice.html> and
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::parts::Parts;
use super::{AddressError, Surroundings};
use crate::base::Secret;

/// Such a file is read up to this size, in bytes.
const LARGEST: u64 = 1 << 20;

/// Where Debian keeps the services of a machine.
const SERVICES_OF_THE_MACHINE: &str = "/etc/postgresql-common";

/// The keywords of a service.
pub(super) fn service(name: &str, around: &Surroundings<'_>) -> Result<Parts, AddressError> {
    let own = around
        .variable("PGSERVICEFILE")
        .map(PathBuf::from)
        .or_else(|| Some(around.home()?.join(".pg_service.conf")));
    let folder = around
        .variable("PGSYSCONFDIR")
        .unwrap_or_else(|| SERVICES_OF_THE_MACHINE.to_owned());
    let machine = PathBuf::from(folder).join("pg_service.conf");
    let mut tried = Vec::new();
    for path in own.into_iter().chain([machine]) {
        match text_of(&path) {
            Ok(text) => {
                if let Some(parts) = in_services(&text, name, &path)? {
                    return Ok(parts);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(AddressError::File {
                    path,
                    reason: error.to_string(),
                });
            }
        }
        tried.push(path.display().to_string());
    }
    // What is no plain word may be a piece of something else.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    Err(AddressError::Service {
        name: match name.bytes().all(is_plain) {
            true => name.to_owned(),
            false => "***".to_owned(),
        },
        tried: tried.join(" and "),
    })
}

/// The keywords below `[name]`; none where there is no such part.
fn in_services(text: &str, name: &str, path: &Path) -> Result<Option<Parts>, AddressError> {
    let mut found: Option<Parts> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let section = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(section) = section {
            if found.is_some() {
                break;
            }
            if section == name {
                found = Some(Parts::default());
            }
            continue;
        }
        let Some(parts) = &mut found else { continue };
        // A password may stand in the line: it is not quoted.
        let wrong = |reason: &str| AddressError::File {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", index + 1),
        };
        let (keyword, value) = line
            .split_once('=')
            .ok_or_else(|| wrong("neither a keyword with a value nor a name in brackets"))?;
        match Parts::keyword(keyword.trim()) {
            Ok("service") => return Err(wrong("a service inside of a service")),
            // As libpq, the first word counts.
            Ok(keyword) if parts.get(keyword).is_some() => {}
            Ok(keyword) => parts.set(keyword, value.trim().to_owned()),
            Err(near) => {
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                return Err(wrong(&format!("an unknown keyword{near}")));
            }
        }
    }
    Ok(found)
}

/// The passwords of a file.
#[derive(Debug, Default)]
pub(super) struct Passwords {
    text: Option<Secret>,
    /// Why the file is there and not used.
    pub(super) unused: Option<String>,
}

impl Passwords {
    /// Reads the file that was named, else the one in the home folder. A file that others may read is not used.
    pub(super) fn read(named: Option<&str>, around: &Surroundings<'_>) -> Self {
        let path = named
            .map(|path| around.folder.join(path))
            .or_else(|| Some(around.home()?.join(".pgpass")));
        let Some(path) = path else {
            return Self::default();
        };
        match kept(&path) {
            Ok(text) => Self {
                text: Some(Secret::new(text)),
                unused: None,
            },
            Err(None) => Self::default(),
            Err(Some(reason)) => Self {
                text: None,
                unused: Some(format!("{} is not used: {reason}", path.display())),
            },
        }
    }

    /// The password of the first line that fits.
    pub(super) fn of(&self, wanted: [&str; 4]) -> Option<Secret> {
        let text = self.text.as_ref()?.expose();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(fields).find_map(|fields| {
            let [fields @ .., password] = fields.as_slice() else {
                return None;
            };
            let fits = fields.len() == wanted.len()
                && fields
                    .iter()
                    .zip(wanted)
                    .all(|(field, wanted)| field.as_str() == "*" || unescaped(field) == wanted);
            fits.then(|| Secret::new(unescaped(password)))
        })
    }
}

/// The text of a file of passwords; why it is not used, where it is there.
fn kept(path: &Path) -> Result<String, Option<String>> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(None),
        Err(error) => return Err(Some(error.to_string())),
    };
    if !metadata.is_file() {
        return Err(Some("it is no plain file".to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(Some("others may read it (chmod 600)".to_owned()));
    }
    text_of(path).map_err(|error| Some(error.to_string()))
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
    }
    Ok(text)
}

/// The five fields of a line as they are written; the last one goes to its end.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == 5;
        let Some(field) = fields.last_mut() else {
            break;
        };
        match character {
            ':' if !is_last => fields.push(String::new()),
            '\\' => {
                field.push('\\');
                field.extend(characters.next());
            }
            other => field.push(other),
        }
    }
    fields
}

/// `\:` is a colon and `\\` a backslash.
fn unescaped(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use proptest::prelude::{any, proptest};

    use super::{Passwords, in_services};
    use crate::base::Secret;

    fn password(text: &str, wanted: [&str; 4]) -> Option<String> {
        let passwords = Passwords {
            text: Some(Secret::new(text.to_owned())),
            unused: None,
        };
        passwords
            .of(wanted)
            .map(|password| password.expose().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# db:5432:crm:app:comment\nshort:line\ndb:5432:crm:app:first\ndb:*:*:app:sec\\:ond:\\\\\n*:*:*:*:any\n";
        let of = |host: &str, database: &str, user: &str| {
            password(text, [host, "5432", database, user]).unwrap()
        };
        assert_eq!(of("db", "crm", "app"), "first");
        assert_eq!(of("db", "other", "app"), "sec:ond:\\");
        assert_eq!(of("elsewhere", "crm", "app"), "any");
        let escaped = "2001\\:db8\\:\\:1:5432:a\\\\b:*:w";
        assert_eq!(
            password(escaped, ["2001:db8::1", "5432", "a\\b", "me"]).unwrap(),
            "w"
        );
        assert_eq!(password("\\*:*:*:*:w", ["db", "1", "a", "b"]), None);
        assert_eq!(password("", ["db", "1", "a", "b"]), None);
    }

    #[test]
    fn a_service_has_the_lines_below_its_name() {
        let text = "# services\n[other]\nhost=other\n\n[crm]\n host = db.example.com\nport=6432\nport=1\n[last]\nport=2\n";
        let read = |text: &str, name: &str| in_services(text, name, Path::new("/s"));
        let parts = read(text, "crm").unwrap().unwrap();
        assert_eq!(parts.get("host"), Some("db.example.com"));
        assert_eq!(parts.get("port"), Some("6432"));
        assert!(read(text, "nothing").unwrap().is_none());
        for (wrong, told) in [
            ("[crm]\nhost", "/s: line 2: neither"),
            (
                "[crm]\n\nhots=hunter2",
                "line 3: an unknown keyword; did you mean host?",
            ),
            ("[crm]\nservice=other", "a service inside of a service"),
        ] {
            let error = read(wrong, "crm").err().unwrap().to_string();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in any::<String>()) {
            let _ = password(&text, ["a", "1", "b", "c"]);
            let _ = in_services(&format!("[x]\n{text}"), "x", Path::new("/s"));
        }
    }
}
