//! A copy of a D1 database: D1 keeps what it held by itself, and its bookmark names the present state.

use crate::action::database::copy::{CopyKind, CopySystem};
use crate::action::database::system::{Answer, has_none};
use crate::base::text::shell_word;
use crate::engine::ActionError;

use super::D1System;

impl CopySystem for D1System {
    fn copy_kind(&self) -> Result<CopyKind, ActionError> {
        if self.way.keeps_no_past() {
            let instead = "it is a SQLite file below .wrangler/state: say kind = \"sqlite\" and its path; \
                           what keeps a copy first goes on without one with --no-copy";
            return Err(has_none(
                &self.table,
                "d1 on this machine",
                "Time Travel",
                instead,
            ));
        }
        Ok(CopyKind::Bookmark {
            how: "the bookmark of the Time Travel",
        })
    }

    fn bookmark(&self) -> Answer<'_, String> {
        Box::pin(async move {
            let bookmark = self.way.bookmark().await;
            bookmark.map_err(|failure| failure.trouble(&self.table))
        })
    }

    fn restore_in_words(&self, copy: &str, _: &str) -> String {
        format!(
            "wrangler d1 time-travel restore {} --bookmark={}",
            shell_word(&self.name),
            shell_word(copy)
        )
    }
}
