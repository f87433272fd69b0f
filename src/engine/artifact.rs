//! Keeps an output as a file: whole or not at all.

use std::path::Path;

use serde_json::Value;

use crate::expr::{Argument, Scope};
use crate::model::{Artifact, Kind, Node};

use super::{ActionError, Engine, Outputs};

/// Writes the output to its file through a temporary one beside it, and gives the path. Secrets are taken out of it, unless
/// the step is `sensitive`: such a file is where they are meant to be. Nobody but the user may read it.
pub(super) fn keep(
    engine: &Engine<'_>,
    artifact: &Artifact,
    outputs: &Outputs,
    scope: &Scope,
    sensitive: bool,
) -> Result<String, ActionError> {
    let Some(value) = outputs.values.get(&artifact.output) else {
        return Err(ActionError::config(format!(
            "there is no output {:?} to keep as an artifact",
            artifact.output
        )));
    };
    let path =
        match engine
            .evaluator
            .argument(&Node::Text(artifact.path.clone()), Kind::Path, scope)
        {
            Ok(Argument::Path(path)) => engine.folder.join(path),
            Ok(_) => return Err(ActionError::config("the path of an artifact is a text")),
            Err(error) if error.unfit => return Err(ActionError::target(error.message)),
            Err(error) => return Err(ActionError::config(error.message)),
        };
    if engine.masker.finds_in(&path.to_string_lossy()) {
        return Err(ActionError::target(
            "the path of the artifact holds a secret, which whoever may list its folder would read",
        ));
    }
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}\n"),
    };
    if !sensitive {
        text = engine.masker.text(&text);
    }
    let failed = |error: std::io::Error| {
        ActionError::own(format!("{} cannot be written: {error}", path.display()))
    };
    write_whole(&path, text.as_bytes()).map_err(failed)?;
    Ok(path.display().to_string())
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    // A device or a pipe would be gone, and a file in its place.
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(std::io::Error::other("there is something that is no file"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::write_whole;

    #[test]
    fn takes_the_place_of_a_file_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made/on/the/way.txt");
        write_whole(&file, b"old").unwrap();
        write_whole(&file, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(write_whole(&pipe, b"new").is_err());
        assert!(!std::fs::metadata(&pipe).unwrap().is_file());
    }
}
