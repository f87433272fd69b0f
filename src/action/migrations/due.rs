//! What is due, by name and text, beside what was due when it was judged. Must not know how that is applied.

use serde_json::{Value, json};

use crate::engine::ActionError;

/// The most migrations that a refusal names.
const MOST_NAMED: usize = 10;

/// What is due, each by its name and the digest of its text, as a list of {name, sha256}.
pub(super) fn told<'a>(due: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    due.map(|(name, sha256)| json!({ "name": name, "sha256": sha256 }))
        .collect()
}

/// Refuses what came or changed since it was told what is due; null where nobody told. What another has applied since may be
/// gone.
pub(super) fn hold<'a>(
    due: impl Iterator<Item = (&'a str, &'a str)>,
    told: &Value,
) -> Result<(), ActionError> {
    let told = match told {
        Value::Null => return Ok(()),
        Value::Array(told) => told,
        _ => {
            return Err(ActionError::config(
                "`due` is no list of {name, sha256}, as the output `due` of migrations.plan is",
            ));
        }
    };
    let differences = due.filter_map(|(name, sha256)| {
        let mut told = told.iter();
        match told.find(|one| one["name"] == name) {
            None => Some(format!("{name} came")),
            Some(one) if one["sha256"] != sha256 => Some(format!("{name} changed")),
            Some(_) => None,
        }
    });
    let mut differences: Vec<String> = differences.collect();
    if differences.is_empty() {
        return Ok(());
    }
    if let Some(more) = differences.len().checked_sub(MOST_NAMED + 1) {
        differences.truncate(MOST_NAMED);
        differences.push(format!("and {} more", more + 1));
    }
    Err(ActionError::refused(format!(
        "what is pending is not what was judged: {}; nothing more was done",
        differences.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{hold, told};

    fn said(due: &[(&str, &str)], told: &Value) -> String {
        let held = hold(due.iter().copied(), told);
        held.err().map(|error| error.message).unwrap_or_default()
    }

    #[test]
    fn what_came_or_changed_is_refused_and_what_is_gone_is_not() {
        let before = told([("1_a", "x"), ("2_b", "y")].into_iter());
        assert_eq!(said(&[("1_a", "x"), ("2_b", "y")], &before), "");
        assert_eq!(said(&[("2_b", "y")], &before), "");
        assert_eq!(said(&[], &json!([])), "");
        assert_eq!(
            said(&[("1_a", "x"), ("2_b", "z"), ("3_c", "x")], &before),
            "what is pending is not what was judged: 2_b changed, 3_c came; nothing more was done"
        );
        assert_eq!(
            said(&[("1_a", "x")], &json!([])),
            "what is pending is not what was judged: 1_a came; nothing more was done"
        );
        assert_eq!(said(&[("1_a", "x")], &Value::Null), "");
        assert!(said(&[("1_a", "x")], &json!("1_a")).starts_with("`due` is no list"));
        assert!(said(&[("1_a", "x")], &json!(["1_a"])).contains("1_a came"));
    }

    #[test]
    fn a_refusal_names_a_few() {
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let due = || names.iter().map(|name| (name.as_str(), ""));
        let error = hold(due(), &json!([])).err();
        let message = error.map(|error| error.message).unwrap_or_default();
        assert!(message.contains("9 came, and 2 more; "), "{message}");
        let error = hold(due().take(11), &json!([])).err();
        let message = error.map(|error| error.message).unwrap_or_default();
        assert!(message.contains("9 came, and 1 more; "), "{message}");
    }
}
