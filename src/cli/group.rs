//! What a group without a default prints when it is named alone: its runbooks.

use serde_json::json;

use crate::app::{App, AppError, Listing};
use crate::base::CommandPath;
use crate::base::exit::ExitCode;
use crate::base::text::count;

/// Prints the runbooks and groups of a group.
///
/// # Errors
/// When nobody reads them.
pub(super) fn print(folder: &[String], app: &App) -> Result<ExitCode, AppError> {
    let library = app.library();
    let mut listing = Listing::new(&["command", "title"], "the group is empty");
    for entry in library.entries(folder) {
        let words: Vec<String> = folder.iter().cloned().chain([entry.name.clone()]).collect();
        let headline = CommandPath::from_words(&words)
            .ok()
            .and_then(|path| library.headline(&path));
        let title = match headline {
            Some(headline) => headline.title,
            None => count(library.entries(&words).len(), "runbook"),
        };
        let item = json!({ "path": words.join("/"), "title": title, "group": entry.is_group });
        listing.push(vec![words.join(" "), title], item);
    }
    app.print_listing(&listing)?;
    Ok(ExitCode::Ok)
}
