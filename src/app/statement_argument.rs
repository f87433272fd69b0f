//! SQL that the caller hands over: as it is typed, from a file, or from standard input.

use std::io::Read as _;

use super::AppError;
use crate::base::text::without_mark;
use crate::book::LONGEST_SQL;

/// The SQL that an argument of the input `name` stands for: `@FILE` is what the file holds, `-` is standard input. No SQL
/// begins like that.
///
/// # Errors
/// When it cannot be read, is not UTF-8 or is larger than 1 MiB.
pub fn read_statement(name: &str, argument: &str) -> Result<String, AppError> {
    let (place, source): (&str, std::io::Result<Box<dyn std::io::Read>>) = match argument {
        "-" => ("standard input", Ok(Box::new(std::io::stdin()))),
        _ => match argument.strip_prefix('@') {
            Some(path) => {
                let opened = std::fs::File::open(path);
                (path, opened.map(|file| Box::new(file) as Box<_>))
            }
            None => return Ok(argument.to_owned()),
        },
    };
    let mut text = String::new();
    let bound = LONGEST_SQL as u64 + 1;
    source
        .and_then(|source| source.take(bound).read_to_string(&mut text))
        .map_err(|error| {
            AppError::usage(format!("{name} cannot be read from {place}: {error}"))
                .hint("the text is UTF-8")
        })?;
    if text.len() > LONGEST_SQL {
        return Err(
            AppError::usage(format!("{name}: {place} holds more than 1 MiB of SQL"))
                .hint("`opsbook db file` runs the statements of a large file"),
        );
    }
    Ok(without_mark(text))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::read_statement;
    use crate::book::LONGEST_SQL;

    #[test]
    fn sql_is_typed_or_read_from_a_file_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.sql");
        let argument = format!("@{}", path.display());
        let missing = read_statement("sql", &argument).unwrap_err();
        assert!(missing.message.contains("report.sql"), "{missing}");
        std::fs::write(&path, "SELECT 1\n").unwrap();
        assert_eq!(read_statement("sql", &argument).unwrap(), "SELECT 1\n");
        std::fs::write(&path, "\u{feff}SELECT 2\n").unwrap();
        assert_eq!(read_statement("sql", &argument).unwrap(), "SELECT 2\n");
        assert_eq!(read_statement("sql", "SELECT '@x'").unwrap(), "SELECT '@x'");
        std::fs::write(&path, vec![b' '; LONGEST_SQL + 1]).unwrap();
        let large = read_statement("sql", &argument).unwrap_err();
        assert!(large.message.contains("1 MiB"), "{large}");
        assert_eq!(large.exit().code(), 64);
    }
}
