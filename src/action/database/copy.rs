//! `database.copy`: keeps what one can go back to before a change. It is no backup: it lies beside what it is of, and nobody
//! looks after it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::base::text::shell_word;
use crate::base::{Effect, Size, Span};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::event::Preview;
use crate::model::{Kind, OptionSpec, OutputSpec, VerbSpec};
use crate::platform::draft::{self, Draft, DraftError, Kept};

use super::spec::verb;
use super::system::{self, Answer};

/// The folder of copies, beside the configuration, where nothing else is said.
const FOLDER: &str = "copies";

/// So many copies of a database are kept in one second at most.
const MOST_A_SECOND: u32 = 100;

/// `database.copy`
pub(super) const COPY: VerbSpec = VerbSpec {
    options: &[OptionSpec {
        name: "to",
        kind: Kind::Path,
        required: false,
        help: "the folder that the copy is put into; `copies` of the database unless given, or else the folder copies beside opsbook.toml",
    }],
    outputs: &[
        OutputSpec {
            name: "kind",
            help: "what was kept: file (sqlite), dump (postgres), bookmark (d1)",
        },
        OutputSpec {
            name: "path",
            help: "the file; null for a bookmark",
        },
        OutputSpec {
            name: "sha256",
            help: "its SHA-256; null for a bookmark",
        },
        OutputSpec {
            name: "bookmark",
            help: "d1: the bookmark of its Time Travel; else null",
        },
        OutputSpec {
            name: "restore",
            help: "the command that goes back to it; of a dump, the one that restores it into a new database beside",
        },
    ],
    ..verb(
        "copy",
        "Keep what one can go back to before a change, and look whether it is whole; it is no backup",
        Effect::Write,
    )
};

/// What a copy needs of a system that serves databases.
pub(in crate::action) trait CopySystem {
    /// What is kept of the database; refused where nothing can be.
    fn copy_kind(&self) -> Result<CopyKind, ActionError>;

    /// About how many bytes a copy takes, where that is known.
    fn copy_bytes(&self) -> Answer<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    /// Copies it into a file that is there and empty, and looks whether the copy is whole.
    fn copy<'a>(&'a self, _to: &'a Path) -> Answer<'a, ()> {
        Box::pin(async { Err(ActionError::own("it is not copied into a file")) })
    }

    /// What its server calls the state that it has now.
    fn bookmark(&self) -> Answer<'_, String> {
        let none = "its server has no name for what it holds now";
        Box::pin(async move { Err(ActionError::own(none)) })
    }

    /// What the command that restores a file must be told of the database as it is now.
    fn restored_as(&self) -> Answer<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }

    /// The command that goes back to a copy, by its path or bookmark; of a dump, that restores it into a new database.
    fn restore_in_words(&self, copy: &str, restored_as: &str) -> String;
}

/// What a copy of a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum CopyKind {
    /// A file; how it is made, in words, and how its name ends.
    File {
        how: &'static str,
        ending: &'static str,
    },
    /// A mark that its server keeps the state under.
    Bookmark { how: &'static str },
}

/// Where a copy goes.
struct Place {
    folder: PathBuf,
    /// `main-20261121T082300Z`
    stem: String,
}

impl Place {
    fn of(database: &Database, invocation: &Invocation, context: &ActionContext<'_>) -> Self {
        let config = &context.config.folder;
        let folder = match (invocation.path("to"), &database.copies) {
            (Some(given), _) => context.folder.join(given),
            (None, Some(said)) => config.join(said),
            (None, None) => config.join(FOLDER),
        };
        // The command that goes back to it holds wherever it is typed.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let folder = draft::home(&folder);
        let now = context.now.format("%Y%m%dT%H%M%SZ");
        Self {
            folder,
            stem: format!("{}-{now}", database.name),
        }
    }

    /// The file of this number: in one second there may be several.
    fn file(&self, number: u32, ending: &str) -> PathBuf {
        let number = match number {
            1 => String::new(),
            later => format!("-{later}"),
        };
        self.folder.join(format!("{}{number}.{ending}", self.stem))
    }

    /// Every name that a copy of this second may have.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        (1..=MOST_A_SECOND)
            .map(|number| self.file(number, ending))
            .collect()
    }

    /// Begins the first file that is not there yet.
    fn draft(&self, ending: &str, about: u64) -> Result<Draft, DraftError> {
        let mut number = 1;
        loop {
            match Draft::begin(&self.file(number, ending), about) {
                Err(DraftError::There(_)) if number < MOST_A_SECOND => number += 1,
                begun => return begun,
            }
        }
    }
}

/// Tells what would be kept, and where.
pub(super) fn preview(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Preview, ActionError> {
    let database = system::find(context.config, Some(invocation.object_text()))?;
    let system = system::open(database, context)?;
    let place = Place::of(database, invocation, context);
    let name = &database.name;
    Ok(Preview::of(match system.copy_kind()? {
        CopyKind::File { how, ending } => {
            format!("{how} of {name} to {}", place.file(1, ending).display())
        }
        CopyKind::Bookmark { how } => format!("{how} of {name}"),
    }))
}

/// Keeps it.
pub(super) async fn run(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let started = Instant::now();
    let database = system::find(context.config, Some(invocation.object_text()))?;
    let system = system::open(database, context)?;
    let place = Place::of(database, invocation, context);
    let work = async {
        match system.copy_kind()? {
            CopyKind::File { ending, .. } => {
                let about = system.copy_bytes().await?;
                let restored_as = system.restored_as().await?;
                let draft = place.draft(ending, about).map_err(not_kept)?;
                system.copy(draft.path()).await?;
                let others = place.files(ending);
                let kept = draft.keep_or_as(others).await.map_err(not_kept)?;
                let path = kept.path.display().to_string();
                let restore = system.restore_in_words(&path, &restored_as);
                Ok(of_file(ending, &kept, restore))
            }
            CopyKind::Bookmark { .. } => {
                let bookmark = system.bookmark().await?;
                let restore = system.restore_in_words(&bookmark, "");
                Ok(of_bookmark(bookmark, restore))
            }
        }
    };
    // What it was writing goes with it: stopped, it is made again by whoever goes on.
    let outputs = system::transaction_until_stopped(system.as_ref(), context, work).await?;
    Ok(outputs
        .with("count", 0)
        .with("rows", Vec::<Value>::new())
        .with("problems", 0)
        .with("ms", Span(started.elapsed()).milliseconds()))
}

fn of_file(ending: &str, kept: &Kept, restore: String) -> Outputs {
    let path = kept.path.display().to_string();
    let (kind, way) = match ending {
        "dump" => ("dump", "to restore it into a new database"),
        _ => ("file", "to go back"),
    };
    let size = Size(kept.bytes);
    Outputs::new(format!("{path}, {size}; {way}: {restore}"))
        .with("kind", kind)
        .with("path", path)
        .with("bytes", kept.bytes)
        .with("sha256", kept.sha256.clone())
        .with("bookmark", Value::Null)
        .with("restore", restore)
}

fn of_bookmark(bookmark: String, restore: String) -> Outputs {
    Outputs::new(format!("bookmark {bookmark}; to go back: {restore}"))
        .with("kind", "bookmark")
        .with("path", Value::Null)
        .with("bytes", Value::Null)
        .with("sha256", Value::Null)
        .with("bookmark", bookmark)
        .with("restore", restore)
}

fn not_kept(error: DraftError) -> ActionError {
    let help = match &error {
        DraftError::There(_) => "nothing is ever overwritten: run it again in a second",
        DraftError::NoRoom { .. } => "make room, or name another folder with `to` or `copies`",
        DraftError::Unwritable { .. } => "name a folder that may be written with `to` or `copies`",
        DraftError::Open(folder) => {
            let folder = shell_word(&folder.display().to_string());
            let help =
                format!("run chmod go-w {folder}, or name another folder with `to` or `copies`");
            return ActionError::own(error.to_string()).help(help);
        }
    };
    ActionError::own(error.to_string()).help(help)
}

#[cfg(test)]
mod tests;
