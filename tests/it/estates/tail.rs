//! The live log of a worker, as the real wrangler reads it: a stand-in of Cloudflare's API for tails before the estate's own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::workerd::{node, npm};

/// The running stand-in.
pub(super) struct Tail {
    url: String,
    /// Ends with its standard input, which ends with the process.
    keeper: Child,
}

impl Tail {
    /// Says the events of this file; what it does not know it asks of the API behind it.
    pub(super) fn of(events: &Path, behind: &str) -> Self {
        let mut keeper = Command::new(node())
            .arg(npm("tail.mjs"))
            .args([events.as_os_str(), behind.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap())
            .read_line(&mut url)
            .unwrap();
        let url = url.trim_end().to_owned();
        assert!(!url.is_empty(), "no live log; run: sudo scripts/test");
        Self { url, keeper }
    }

    /// What `CLOUDFLARE_API_BASE_URL` is to be.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
