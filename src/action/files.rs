//! `files`: finds files by pattern, age and size.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::base::text::{one_line, thousands};
use crate::base::{Effect, Size};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};
use crate::platform::files::{self, Entry, EntryKind, FilesError, Found, Search};

/// How many rows are kept unless the step says otherwise.
const LIMIT: usize = 10_000;

/// `files.find`.
pub(super) struct Files;

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        required: false,
        help,
    }
}

static SPEC: ActionSpec = ActionSpec {
    name: "files",
    summary: "Find files by pattern, age and size",
    verbs: &[VerbSpec {
        name: "find",
        summary: "Find what matches one of the patterns: * and ? stay within a name, ** goes through folders; symbolic links are not followed",
        object: Kind::TextList,
        effect: EffectRule::Always(Effect::Read),
        options: &[
            option(
                "in",
                Kind::Path,
                "the folder to look in; that of the runbooks unless given",
            ),
            option(
                "kind",
                Kind::Choice(&["file", "folder", "any"]),
                "what to find: file unless given",
            ),
            option(
                "older_than",
                Kind::Duration,
                "only what was not changed for longer than this",
            ),
            option(
                "newer_than",
                Kind::Duration,
                "only what was changed within this time",
            ),
            option(
                "larger_than",
                Kind::Size,
                "only what has more bytes than this",
            ),
            option(
                "smaller_than",
                Kind::Size,
                "only what has fewer bytes than this",
            ),
            option(
                "limit",
                Kind::Integer,
                "how many rows are kept at most: 10000 unless given; all are counted",
            ),
        ],
        outputs: &[],
    }],
    options: &[],
    outputs: &[
        OutputSpec {
            name: "rows",
            help: "what was found, by path: {path, bytes, modified (UTC), age (seconds)}",
        },
        OutputSpec {
            name: "count",
            help: "how many there are, also beyond the limit",
        },
        OutputSpec {
            name: "bytes",
            help: "the bytes of all of them",
        },
        OutputSpec {
            name: "truncated",
            help: "whether there are more than the rows",
        },
        OutputSpec {
            name: "unreadable",
            help: "the folders that could not be read, with the reason: at most 20",
        },
    ],
    timeout: None,
};

impl Action for Files {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let now = SystemTime::now();
            let search = search(invocation, context, now)?;
            let found = files::find(search).await.map_err(|error| match &error {
                FilesError::Pattern { .. } => ActionError::config(one_line(&error.to_string())),
                FilesError::Folder { .. } => ActionError::own(one_line(&error.to_string()))
                    .help("correct `in`, or check who may read it"),
                FilesError::Interrupted => ActionError::own(error.to_string()),
            })?;
            Ok(outputs(found, now))
        })
    }
}

fn search(
    invocation: &Invocation,
    context: &ActionContext<'_>,
    now: SystemTime,
) -> Result<Search, ActionError> {
    let limit = match invocation.integer("limit") {
        None => LIMIT,
        Some(limit) => usize::try_from(*limit).map_err(|_| {
            ActionError::config(format!("`limit` is {limit}: it cannot be negative"))
        })?,
    };
    let length = |name| invocation.duration(name).map(|span| span.0);
    let size = |name| invocation.size(name).map(|size| size.0);
    Ok(Search {
        folder: invocation.path("in").map_or_else(
            || context.folder.to_owned(),
            |folder| context.folder.join(folder),
        ),
        patterns: invocation.object_list().to_vec(),
        kind: match invocation.text("kind") {
            Some("folder") => EntryKind::Folder,
            Some("any") => EntryKind::Any,
            Some(_) | None => EntryKind::File,
        },
        older_than: length("older_than"),
        newer_than: length("newer_than"),
        larger_than: size("larger_than"),
        smaller_than: size("smaller_than"),
        limit,
        now,
    })
}

fn outputs(found: Found, now: SystemTime) -> Outputs {
    let mut detail = format!("{} found, {}", thousands(found.count), Size(found.bytes));
    let truncated = found.count > found.entries.len() as u64;
    if truncated {
        let kept = thousands(found.entries.len() as u64);
        detail.push_str(&format!("; only {kept} are listed"));
    }
    if let Some(first) = found.unreadable_paths.first() {
        let unreadable = thousands(found.unreadable);
        detail.push_str(&format!(
            "; {unreadable} could not be read: {}",
            one_line(first)
        ));
    }
    let rows: Value = found.entries.iter().map(|entry| row(entry, now)).collect();
    Outputs::new(detail)
        .with("rows", rows)
        .with("count", found.count)
        .with("bytes", found.bytes)
        .with("truncated", truncated)
        .with("unreadable", found.unreadable_paths)
}

fn row(entry: &Entry, now: SystemTime) -> Value {
    let age = now.duration_since(entry.modified).unwrap_or(Duration::ZERO);
    let modified = DateTime::<Utc>::from(entry.modified);
    json!({
        "path": entry.path.to_string_lossy(),
        "bytes": entry.bytes,
        "modified": modified.to_rfc3339_opts(SecondsFormat::Secs, true),
        "age": age.as_secs(),
    })
}
