//! The command line that a person is told to run next: a value is one word of it or part of one, never an option and never
//! code, for it may come from whom the command is to look into.

use minijinja::value::ValueKind;

use crate::base::Masker;
use crate::base::text::shell_word;
use crate::expr::error::Fault;
use crate::expr::pieces::Piece;
use crate::expr::value::message_of;

use super::shell_context::{ShellContext, Spot};

/// The longest value, in bytes, that anybody would paste.
const LONGEST_WORD: usize = 1024;

/// The command line, without the leading `opsbook`.
pub(in crate::expr) fn land(pieces: &[Piece<'_>], masker: &Masker) -> Result<String, Fault> {
    let mut context = ShellContext::default();
    context.read("opsbook ");
    let mut line = String::new();
    let mut begins_word = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                context.read(text);
                line.push_str(text);
                if let Some(last) = text.chars().next_back() {
                    begins_word = last.is_whitespace() || last == '"';
                }
            }
            Piece::Value(value, range) => {
                let at = |fault: Fault| fault.at(range.clone());
                let spot = context.value().map_err(at)?;
                let text = masker.text(&message_of(value).map_err(at)?);
                let number = value.kind() == ValueKind::Number;
                fits(&text, begins_word && !number).map_err(at)?;
                let word = shell_word(&text);
                match spot {
                    Spot::Bare => line.push_str(&word),
                    // The author's quotes end before it and begin again behind it.
                    Spot::InQuotes => line.extend(["\"", &word, "\""]),
                }
                begins_word &= text.is_empty();
            }
        }
    }
    Ok(line)
}

fn fits(text: &str, may_be_option: bool) -> Result<(), Fault> {
    if may_be_option && text.starts_with('-') {
        return Err(
            Fault::unfit("the value begins with a dash: it would be read as an option")
                .help("write it as `--name={{ … }}`"),
        );
    }
    if text.len() > LONGEST_WORD {
        return Err(Fault::unfit(
            "the value is longer than 1 KiB: nobody pastes it",
        ));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failing test panics")]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;
    use serde_json::json;

    use crate::expr::testing::{evaluator, hostile, scope, template};

    /// The arguments that a shell hands to opsbook where the line is pasted.
    fn pasted(line: &str) -> Vec<String> {
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!(
                "opsbook() {{ printf '%s\\001' \"$@\"; }}\nopsbook {line}"
            ))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        told.split_terminator('\u{1}').map(str::to_owned).collect()
    }

    fn command(text: &str, value: &str) -> Option<String> {
        evaluator()
            .command(&template(text), &scope(&json!({"x": value})))
            .ok()
    }

    #[test]
    fn a_value_is_one_word_and_no_code() {
        for value in ["x; id | sh", "$(id)", "`id`", "it's", "a\n b", "\"", ""] {
            for (text, before, after) in [
                ("db info a{{ x }}", "a", ""),
                ("db info --name={{ x }}z", "--name=", "z"),
                ("db info \"a {{ x }} b\"", "a ", " b"),
            ] {
                let word = format!("{before}{value}{after}");
                let line = command(text, value).unwrap();
                assert_eq!(pasted(&line), ["db", "info", &word], "{line}");
            }
        }
        assert_eq!(command("db info {{ x }}", "main").unwrap(), "db info main");
    }

    #[test]
    fn what_cannot_be_a_word_makes_no_command() {
        assert_eq!(command("db info {{ x }}", "--yes"), None);
        assert_eq!(command("db info \"{{ x }}\"", "--yes"), None);
        assert_eq!(
            command("db info --name={{ x }}", "-x").unwrap(),
            "db info --name=-x"
        );
        assert_eq!(command("db info {{ x }}", &"x".repeat(1025)), None);
        assert_eq!(command("db info '{{ x }}'", "x"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn a_hostile_value_is_one_word(value in hostile()) {
            prop_assume!(!value.contains(['\0', '\u{1}']));
            if let Some(line) = command("db info {{ x }}", &value) {
                prop_assert_eq!(pasted(&line), ["db", "info", value.as_str()]);
            }
        }
    }
}
