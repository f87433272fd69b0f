//! Which names a runbook may give to what it makes: legal in expressions, and hiding nothing.

use super::field::Field;

/// Names that every expression can use.
pub(super) const EVERYWHERE: [&str; 9] = [
    "input",
    "steps",
    "service",
    "database",
    "queue",
    "secret",
    "run",
    "project",
    "environment",
];

/// Words that the grammar of expressions claims, and the number of an item.
const CLAIMED: [&str; 12] = [
    "index", "true", "false", "none", "not", "and", "or", "in", "is", "if", "else", "self",
];

/// Whether a name would hide another or be none.
pub(super) fn is_reserved(name: &str) -> bool {
    EVERYWHERE.contains(&name) || CLAIMED.contains(&name)
}

/// The longest name of a step.
const LONGEST_NAME: usize = 64;

/// Checks that a key can be a name of its own in expressions.
pub(super) fn identifier(field: Field<'_>) -> Option<()> {
    let name = field.key();
    if !is_identifier(name) {
        field.key_mistake(format!(
            "{name:?} cannot be used in expressions; a name is made of a-z, 0-9 and \"_\""
        ));
        return None;
    }
    if is_reserved(name) {
        field.key_mistake(format!("the name `{name}` is taken"));
        return None;
    }
    Some(())
}

/// Whether an expression can name it.
pub(super) fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads the name of a step.
pub(super) fn step_name<'a>(field: Field<'a>) -> Option<&'a str> {
    let name = field.filled_text()?;
    if let Some(character) = name.chars().find(|c| "/[]".contains(*c) || c.is_control()) {
        field.mistake(format!("the name of a step cannot hold {character:?}"));
        return None;
    }
    if name.chars().count() > LONGEST_NAME {
        field.mistake(format!(
            "the name of a step has at most {LONGEST_NAME} characters"
        ));
        return None;
    }
    if name.trim() != name {
        field.mistake("the name of a step cannot begin or end with a space");
        return None;
    }
    Some(name)
}

/// A name as expressions write it: a dash is an underscore.
pub(super) fn variable(name: &str) -> String {
    name.replace('-', "_")
}
