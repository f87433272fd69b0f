//! How much memory the machine has left, and the limit of the control group that this process lives in.

use std::io;

use super::disk::percent;

/// How much memory is in use. All amounts are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryUsage {
    /// What the machine has.
    pub total: u64,
    /// What new programs can have without swapping, as the kernel estimates it.
    pub available: u64,
    /// Share of the total that is not available, 0 to 100.
    pub used_percent: f64,
    /// The size of the swap space.
    pub swap_total: u64,
    /// What is left of it.
    pub swap_free: u64,
    /// Used share of the swap space, 0 to 100; 0 where there is none.
    pub swap_used_percent: f64,
    /// The limit of the control group, if it has one.
    pub group_limit: Option<u64>,
    /// What the control group uses, if that is known.
    pub group_used: Option<u64>,
}

/// Reads `/proc/meminfo` (proc_meminfo(5)) and the control group's `memory.max` and `memory.current` (cgroup v2).
///
/// # Errors
/// When `/proc/meminfo` cannot be read or holds no total.
pub fn usage() -> io::Result<MemoryUsage> {
    let mut usage = parse(&std::fs::read_to_string("/proc/meminfo")?).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "/proc/meminfo lacks MemTotal or MemAvailable",
        )
    })?;
    let group = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?;
        text.trim().parse().ok()
    };
    usage.group_limit = group("memory.max");
    usage.group_used = group("memory.current");
    Ok(usage)
}

/// Understands the text of `/proc/meminfo`; none when what matters is missing.
fn parse(text: &str) -> Option<MemoryUsage> {
    let total = field(text, "MemTotal")?;
    let available = field(text, "MemAvailable")?;
    let swap_total = field(text, "SwapTotal").unwrap_or(0);
    let swap_free = field(text, "SwapFree").unwrap_or(0);
    Some(MemoryUsage {
        total,
        available,
        used_percent: percent(total.saturating_sub(available), total),
        swap_total,
        swap_free,
        swap_used_percent: percent(swap_total.saturating_sub(swap_free), swap_total),
        group_limit: None,
        group_used: None,
    })
}

/// The amount beside a name, in bytes; the file counts in KiB whatever it writes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{parse, usage};

    #[test]
    fn reads_what_the_kernel_writes() {
        let parsed = parse(
            "MemTotal:        8000 kB\nMemFree:  10 kB\nMemAvailable:    2000 kB\nSwapTotal: 100 kB\nSwapFree: 75 kB\n",
        )
        .unwrap();
        assert_eq!(parsed.total, 8_192_000);
        assert_eq!(parsed.available, 2_048_000);
        assert_eq!(parsed.used_percent, 75.0);
        assert_eq!(parsed.swap_used_percent, 25.0);
    }

    #[test]
    fn the_machine_has_memory() {
        let machine = usage().unwrap();
        assert!(machine.total >= machine.available && machine.total > 0);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text: String, number: u64) {
            let _ = parse(&text);
            let _ = parse(&format!("MemTotal: {number} kB\nMemAvailable: {number} kB"));
        }
    }
}
