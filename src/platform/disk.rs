//! How full the file system of a path is.

use std::io;
use std::path::Path;

/// How full a file system is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskUsage {
    /// Its size, in bytes.
    pub total: u64,
    /// What is not in use, in bytes, including what is reserved for the superuser.
    pub free: u64,
    /// What an ordinary user can still write, in bytes.
    pub available: u64,
    /// Used share of what an ordinary user can have, 0 to 100, as `df` counts it.
    pub used_percent: f64,
    /// Used share of the inodes, 0 to 100; 0 where the file system has no fixed number of them.
    pub inodes_used_percent: f64,
}

/// Looks at the file system that the path lies on.
///
/// # Errors
/// When the path does not exist or cannot be reached.
pub fn usage(path: &Path) -> io::Result<DiskUsage> {
    let found = nix::sys::statvfs::statvfs(path)?;
    let unit = widen(found.fragment_size());
    let (blocks, free, available) = (
        widen(found.blocks()),
        widen(found.blocks_free()),
        widen(found.blocks_available()),
    );
    let used = blocks.saturating_sub(free);
    let (inodes, inodes_free) = (widen(found.files()), widen(found.files_free()));
    Ok(DiskUsage {
        total: blocks.saturating_mul(unit),
        free: free.saturating_mul(unit),
        available: available.saturating_mul(unit),
        used_percent: percent(used, used.saturating_add(available)),
        inodes_used_percent: percent(inodes.saturating_sub(inodes_free), inodes),
    })
}

/// The width of these numbers differs between systems.
fn widen(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// The share in percent with one decimal; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use super::{percent, usage};

    #[test]
    fn the_root_file_system_adds_up() {
        let root = usage(Path::new("/")).unwrap();
        assert!(root.total > 0);
        assert!(root.available <= root.free && root.free <= root.total);
        assert!((0.0..=100.0).contains(&root.used_percent));
        assert!((0.0..=100.0).contains(&root.inodes_used_percent));
    }

    #[test]
    fn a_missing_path_is_an_error() {
        let error = usage(Path::new("/no/such/path")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn counts_like_df() {
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(percent(5, 0), 0.0);
    }
}
