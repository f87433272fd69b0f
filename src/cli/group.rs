//! What a group without a default prints when it is named alone: its runbooks, or its help.

use clap::Command;
use clap::builder::StyledStr;
use serde_json::json;

use crate::app::{App, AppError, Listing};
use crate::base::CommandPath;
use crate::base::exit::ExitCode;
use crate::book::{Library, LibraryEntry};

use super::options;

/// So many names stand in the line of a group; a longer list ends in how many are left out.
const NAMES: usize = 6;

/// Prints the runbooks and groups of a group.
///
/// # Errors
/// When nobody reads them.
pub(super) fn print(folder: &[String], app: &App) -> Result<ExitCode, AppError> {
    let library = app.library();
    let mut listing = Listing::new(&["command", "title"], "the group is empty");
    for entry in library.entries(folder) {
        let words: Vec<String> = folder.iter().cloned().chain([entry.name.clone()]).collect();
        let title = title(library, &words, &entry);
        let item = json!({ "path": words.join("/"), "title": title, "group": entry.is_group });
        listing.push(vec![words.join(" "), title], item);
    }
    app.print_listing(&listing)?;
    Ok(ExitCode::Ok)
}

/// Prints the help of a group.
///
/// # Errors
/// When the help cannot be written.
pub(super) fn print_help(folder: &[String], app: &App) -> Result<ExitCode, AppError> {
    let help = help(folder, app.library());
    app.print_help(&help.to_string(), &help.ansi().to_string())?;
    Ok(ExitCode::Ok)
}

/// The help of a group, as the tree of commands would have it. There each of a thousand runbooks would have a copy of
/// every option of those above it.
pub(super) fn help(folder: &[String], library: &Library) -> StyledStr {
    let runbooks = library.entries(folder).into_iter().map(|entry| {
        let path: Vec<String> = folder.iter().cloned().chain([entry.name.clone()]).collect();
        Command::new(entry.name.clone()).about(title(library, &path, &entry))
    });
    let group = Command::new("group").bin_name(format!("opsbook {}", folder.join(" ")));
    options::with_all(group)
        .disable_help_subcommand(true)
        .subcommands(runbooks)
        .render_help()
}

/// One line about an entry in a list: the title of the runbook, or what stands in the group.
pub(super) fn title(library: &Library, path: &[String], entry: &LibraryEntry) -> String {
    let headline = CommandPath::from_words(path)
        .ok()
        .and_then(|path| library.headline(&path));
    match headline {
        Some(headline) => headline.title,
        None if entry.is_group => {
            let names = library.entries(path).into_iter().map(|entry| entry.name);
            named(&names.collect::<Vec<_>>())
        }
        None => String::new(),
    }
}

/// All names where they are few; else as many as leave room for how many more there are.
fn named(names: &[String]) -> String {
    match names.get(NAMES..) {
        None | Some([]) => names.join(", "),
        Some(_) => {
            let (shown, more) = names.split_at(NAMES - 1);
            format!("{} and {} more", shown.join(", "), more.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_long_list_of_names_is_cut_and_never_by_one() {
        let names = |many: usize| (1..=many).map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(named(&names(0)), "");
        assert_eq!(named(&names(1)), "1");
        assert_eq!(named(&names(6)), "1, 2, 3, 4, 5, 6");
        assert_eq!(named(&names(7)), "1, 2, 3, 4, 5 and 2 more");
    }
}
