//! A copy of a SQLite file: another one, of the same moment throughout.

use std::path::Path;

use crate::action::database::copy::{CopyKind, CopySystem};
use crate::action::database::system::Answer;
use crate::base::text::shell_word;
use crate::engine::ActionError;

use super::SqliteSystem;

impl CopySystem for SqliteSystem {
    fn copy_kind(&self) -> Result<CopyKind, ActionError> {
        Ok(CopyKind::File {
            how: "a copy",
            ending: "sqlite",
        })
    }

    fn copy_bytes(&self) -> Answer<'_, u64> {
        Box::pin(async { Ok(self.sqlite.bytes()) })
    }

    fn copy<'a>(&'a self, to: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move {
            let copied = self.sqlite.copy(to).await;
            copied.map_err(|error| self.trouble(&error))
        })
    }

    fn restore_in_words(&self, copy: &str, _: &str) -> String {
        let path = self.sqlite.path();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let path = shell_word(&path.display().to_string());
        let copy = copy.replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "sqlite3 {path} {}",
            shell_word(&format!(".restore \"{copy}\""))
        )
    }
}
