//! What a runbook needs installed: `psql`, `wrangler >= 4.87`.

use crate::model::Requirement;

use super::field::Field;

/// Reads one item of `requires`.
pub(super) fn parse_requirement(field: Field<'_>) -> Option<Requirement> {
    let text = field.filled_text()?;
    let (tool, version) = match text.split_once(">=") {
        Some((tool, version)) => (tool.trim(), Some(version.trim())),
        None => (text.trim(), None),
    };
    let is_name = !tool.is_empty()
        && tool
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_.+".contains(character));
    let at_least = version.map(parse_version);
    if !is_name || at_least == Some(None) {
        field.mistake_with_help(
            format!("{text:?} is not a requirement"),
            "write a program like \"psql\", or with its least version like \"wrangler >= 4.87\"",
        );
        return None;
    }
    Some(Requirement {
        tool: tool.to_owned(),
        at_least: at_least.flatten(),
        place: field.place(),
    })
}

/// The numbers of a version: `4.87` is 4 and 87.
fn parse_version(text: &str) -> Option<Vec<u64>> {
    text.split('.')
        .map(
            |part| match part.bytes().all(|byte| byte.is_ascii_digit()) {
                true => part.parse().ok(),
                false => None,
            },
        )
        .collect()
}
