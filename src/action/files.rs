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
            if invocation.object_list().is_empty() {
                return Err(ActionError::config("there is no pattern to look for"));
            }
            let mut patterns = invocation.object_list().iter();
            if patterns.any(|pattern| pattern.contains('\0')) {
                return Err(ActionError::target("the name of a file cannot hold NUL"));
            }
            let now = SystemTime::now();
            let search = search(invocation, context, now)?;
            let found = files::find(search).await.map_err(|error| match &error {
                FilesError::Pattern { .. } => ActionError::target(one_line(&error.to_string()))
                    .help("name the folder as `in`"),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::Files;
    use crate::action::testing::{World, list, text};
    use crate::base::{Size, Span};
    use crate::engine::ErrorKind;
    use crate::expr::Argument;

    /// `old.log` (100 bytes, ten days old), `new.log` (10 bytes), `sub/deep/old.log`, and a link around in a circle.
    fn world() -> World {
        let world = World::new();
        fs::create_dir_all(world.path("sub/deep")).unwrap();
        let ago = SystemTime::now() - Duration::from_secs(10 * 86_400);
        for (name, bytes, changed) in [
            ("old.log", 100, Some(ago)),
            ("new.log", 10, None),
            ("sub/deep/old.log", 1000, Some(ago)),
            ("notes.txt", 1, None),
        ] {
            fs::write(world.path(name), vec![b'x'; bytes]).unwrap();
            if let Some(changed) = changed {
                let file = File::options().write(true).open(world.path(name)).unwrap();
                file.set_modified(changed).unwrap();
            }
        }
        symlink(world.path(""), world.path("sub/circle.log")).unwrap();
        world
    }

    async fn found(patterns: Argument, options: &[(&'static str, Argument)]) -> Vec<String> {
        let world = world();
        let outputs = world.run(&Files, "find", patterns, options).await.unwrap();
        let folder = format!("{}/", world.folder.path().display());
        let rows = outputs.values["rows"].as_array().unwrap();
        rows.iter()
            .map(|row| row["path"].as_str().unwrap().replace(&folder, ""))
            .collect()
    }

    #[tokio::test]
    async fn finds_by_pattern_age_size_and_kind() {
        let logs = || list(["**/*.log"]);
        assert_eq!(found(list(["*.log"]), &[]).await, ["new.log", "old.log"]);
        assert_eq!(
            found(logs(), &[]).await,
            ["new.log", "old.log", "sub/deep/old.log"]
        );
        assert_eq!(
            found(list(["*.txt", "sub/*/*"]), &[]).await,
            ["notes.txt", "sub/deep/old.log"]
        );
        let week = || Argument::Duration(Span::seconds(7 * 86_400));
        assert_eq!(
            found(logs(), &[("older_than", week())]).await,
            ["old.log", "sub/deep/old.log"]
        );
        assert_eq!(found(logs(), &[("newer_than", week())]).await, ["new.log"]);
        let hundred = || Argument::Size(Size(100));
        assert_eq!(
            found(logs(), &[("larger_than", hundred())]).await,
            ["sub/deep/old.log"]
        );
        assert_eq!(
            found(logs(), &[("smaller_than", hundred())]).await,
            ["new.log"]
        );
        assert_eq!(
            found(list(["*"]), &[("kind", text("folder"))]).await,
            ["sub"]
        );
        assert_eq!(
            found(list(["sub/*"]), &[("kind", text("any"))]).await,
            ["sub/circle.log", "sub/deep"]
        );
        assert_eq!(
            found(list(["*"]), &[("in", Argument::Path("sub/deep".into()))]).await,
            ["sub/deep/old.log"]
        );
    }

    #[tokio::test]
    async fn counts_all_and_says_what_it_does_not_list() {
        let limit = [("limit", Argument::Integer(1))];
        let outputs = world()
            .run(&Files, "find", list(["**/*.log"]), &limit)
            .await
            .unwrap();
        assert_eq!(outputs.values["count"], 3);
        assert_eq!(outputs.values["bytes"], 1110);
        assert_eq!(outputs.values["truncated"], true);
        assert_eq!(outputs.values["rows"].as_array().unwrap().len(), 1);
        assert_eq!(outputs.detail, "3 found, 1.1 KiB; only 1 are listed");
    }

    #[tokio::test]
    async fn a_row_tells_size_time_and_age() {
        let world = World::new();
        fs::write(world.path("a"), "12345").unwrap();
        let file = File::options().write(true).open(world.path("a")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
        let outputs = world.run(&Files, "find", list(["a"]), &[]).await.unwrap();
        let row = &outputs.values["rows"][0];
        assert_eq!(row["bytes"], 5);
        assert_eq!(row["modified"], "2001-09-09T01:46:40Z");
        assert!(row["age"].as_u64().unwrap() > 700_000_000);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_is_named() {
        // Not even root reads a path that is longer than the system takes: two long halves, one moved into the other.
        let world = World::new();
        let half = vec!["x".repeat(200); 15].join("/");
        for name in ["one", "two"] {
            fs::create_dir_all(world.path(name).join(&half)).unwrap();
        }
        fs::rename(world.path("two"), world.path("one").join(&half).join("two")).unwrap();
        let outputs = world
            .run(
                &Files,
                "find",
                list(["**/two"]),
                &[("kind", text("folder"))],
            )
            .await
            .unwrap();
        assert_eq!(outputs.values["count"], 1);
        assert_eq!(outputs.values["unreadable"].as_array().unwrap().len(), 1);
        assert!(
            outputs.detail.contains("1 could not be read: "),
            "{}",
            outputs.detail
        );
    }

    #[tokio::test]
    async fn mistakes_are_told() {
        let world = World::new();
        for pattern in ["a[", "/etc/*", "./a", "a/../b", ""] {
            let error = world
                .run(&Files, "find", list([pattern]), &[])
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Target, "{pattern}");
        }
        let error = world.run(&Files, "find", list([]), &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        let nowhere = [("in", Argument::Path("nowhere".into()))];
        let error = world
            .run(&Files, "find", list(["*"]), &nowhere)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Own);
        assert!(error.message.contains("nowhere"));
        let outputs = world.run(&Files, "find", list(["*"]), &[]).await.unwrap();
        assert_eq!(outputs.values["rows"], json!([]));
    }
}
