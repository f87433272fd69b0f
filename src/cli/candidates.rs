//! What completes the value of an input: its choices, or the names that the configuration describes.

use crate::base::Severity;
use crate::book::EstateNames;
use crate::model::{Input, InputType};

/// The values that an input may take, as far as they can be listed.
pub(super) fn of(input: &Input, names: &EstateNames) -> Vec<String> {
    if !input.choices.is_empty() {
        return input.choices.clone();
    }
    if let Some(names) = names.of(input.kind) {
        return names.to_vec();
    }
    match input.kind {
        InputType::Bool => ["true", "false"].map(str::to_owned).to_vec(),
        InputType::Severity => Severity::ALL
            .map(|severity| severity.as_str().to_owned())
            .to_vec(),
        _ => Vec::new(),
    }
}
