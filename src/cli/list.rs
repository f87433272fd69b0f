//! `opsbook list`: the runbooks that there are, or those that fit some words.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError, Listing};
use crate::base::CommandPath;
use crate::base::exit::ExitCode;
use crate::book::Headline;

use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "list",
    command,
    run,
};

/// List the runbooks, or those that some words fit
#[derive(Debug, Args)]
struct Arguments {
    /// What to look for in paths, titles, tags and symptoms: slow queries
    words: Vec<String>,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let words: Vec<String> = arguments
        .words
        .iter()
        .map(|word| word.to_lowercase())
        .collect();
    let library = app.library();
    let mut listing = Listing::new(&["command", "title"], "no runbook fits");
    for (path, origin) in library.all() {
        let headline = library.headline(&path).unwrap_or_default();
        if fits(&path, &headline, &words) {
            let item = json!({
                "path": path,
                "command": path.typed(),
                "title": headline.title,
                "symptoms": headline.symptoms,
                "tags": headline.tags,
                "origin": origin.as_str(),
                "invalid": headline.invalid,
            });
            listing.push(vec![path.typed(), headline.title], item);
        }
    }
    app.print_listing(&listing)?;
    Ok(ExitCode::Ok)
}

/// Whether a runbook holds every word, in small letters, anywhere that a person would look.
fn fits(path: &CommandPath, headline: &Headline, words: &[String]) -> bool {
    let mut text = format!("{} {}", path.typed(), headline.title);
    for part in headline.tags.iter().chain(&headline.symptoms) {
        text.push(' ');
        text.push_str(part);
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::fits;
    use crate::base::CommandPath;
    use crate::book::Headline;

    #[test]
    fn every_word_must_be_found_somewhere() {
        let headline = Headline {
            title: "Delete old rows".to_owned(),
            symptoms: vec!["the database grows".to_owned()],
            tags: vec!["Retention".to_owned()],
            invalid: false,
        };
        let path = CommandPath::parse("db/prune").unwrap_or_else(|_| unreachable!());
        let fit = |words: &[&str]| {
            fits(
                &path,
                &headline,
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert!(fit(&[]) && fit(&["prune", "grows"]) && fit(&["retention", "old", "db"]));
        assert!(!fit(&["prune", "missing"]));
    }
}
