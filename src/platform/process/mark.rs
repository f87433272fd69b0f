//! Tells this process from every other that ever was, and whether another one still runs.
//!
//! The `machine` of a [`ProcessMark`] is `HOST/BOOT/NAMESPACE`: the machine itself (its name and its identity from
//! `/etc/machine-id`, as `name@identity`), its boot id, and the inode of its PID namespace. What a system does not tell is
//! left empty.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::base::{Liveness, ProcessMark};

use super::stat::Stat;

/// What tells this process from every other.
#[must_use]
pub fn own_mark() -> ProcessMark {
    let first_line = |path: &str| {
        std::fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim().to_owned())
    };
    let name = nix::unistd::gethostname().map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    );
    let identity = first_line("/etc/machine-id");
    let boot = first_line("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::metadata("/proc/self/ns/pid")
        .map_or_else(|_| String::new(), |namespace| namespace.ino().to_string());
    ProcessMark {
        machine: format!("{name}@{identity}/{boot}/{namespace}"),
        pid: std::process::id(),
        started: Stat::of(Path::new("/proc/self"))
            .ok()
            .map(|stat| stat.started),
    }
}

/// Whether a process still runs, as far as the process with the mark `own` can tell.
///
/// Dead is told only where it is certain: on the same machine since the same start within the same PID namespace there is no
/// process of this number, or one that began at another time; or the same machine has been started anew since. A machine is
/// the same only if both its name and its identity are: copies of one image share the identity, and many are called
/// `localhost`.
#[must_use]
pub fn liveness(process: &ProcessMark, own: &ProcessMark) -> Liveness {
    if process.machine != own.machine {
        return if was_restarted_since(&process.machine, &own.machine) {
            Liveness::Dead
        } else {
            Liveness::Unknown
        };
    }
    let Some(pid) = i32::try_from(process.pid).ok().filter(|pid| *pid > 0) else {
        return Liveness::Unknown;
    };
    let folder = format!("/proc/{pid}");
    match (Stat::of(Path::new(&folder)), process.started) {
        (Ok(stat), Some(started)) if !stat.ended && stat.started == started => Liveness::Alive,
        (Ok(_), Some(_)) => Liveness::Dead,
        (Ok(stat), None) if stat.ended => Liveness::Dead,
        (Ok(_), None) | (Err(_), _) => match kill(Pid::from_raw(pid), None) {
            Err(Errno::ESRCH) => Liveness::Dead,
            // A process of this number runs, but /proc hides when it began.
            Ok(()) | Err(_) if process.started.is_some() => Liveness::Unknown,
            Ok(()) | Err(_) => Liveness::Alive,
        },
    }
}

/// Whether the machine of `now` is that of `then`, started anew.
fn was_restarted_since(then: &str, now: &str) -> bool {
    let (Some((then_host, then_boot)), Some((now_host, now_boot))) = (parts(then), parts(now))
    else {
        return false;
    };
    let is_told = now_host
        .split_once('@')
        .is_some_and(|(name, identity)| !name.is_empty() && !identity.is_empty());
    is_told && then_host == now_host && !then_boot.is_empty() && then_boot != now_boot
}

/// The host and the boot id of the `machine` of a mark.
fn parts(machine: &str) -> Option<(&str, &str)> {
    let (rest, _namespace) = machine.rsplit_once('/')?;
    rest.rsplit_once('/')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::process::{Command, Stdio};

    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    use nix::unistd::Pid;

    use super::{Stat, liveness, own_mark};
    use crate::base::{Liveness, ProcessMark};

    fn of_pid(pid: u32) -> ProcessMark {
        let folder = format!("/proc/{pid}");
        ProcessMark {
            pid,
            started: Some(Stat::of(folder.as_ref()).unwrap().started),
            ..own_mark()
        }
    }

    #[test]
    fn this_process_lives_and_one_that_had_its_number_before_does_not() {
        let own = own_mark();
        assert_eq!(own, own_mark());
        assert_eq!(liveness(&own, &own), Liveness::Alive);
        let earlier = ProcessMark {
            started: own.started.map(|started| started - 1),
            ..own.clone()
        };
        assert_eq!(liveness(&earlier, &own), Liveness::Dead);
    }

    #[test]
    fn a_zombie_is_dead_and_so_is_what_was_collected() {
        let own = own_mark();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mark = of_pid(child.id());
        assert_eq!(liveness(&mark, &own), Liveness::Alive);
        drop(child.stdin.take());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(Pid::from_raw(child.id().cast_signed())), ended).unwrap();
        assert_eq!(liveness(&mark, &own), Liveness::Dead);
        child.wait().unwrap();
        assert_eq!(liveness(&mark, &own), Liveness::Dead);
    }

    #[test]
    fn without_a_start_the_number_alone_decides() {
        let own = own_mark();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mark = ProcessMark {
            started: None,
            ..of_pid(child.id())
        };
        assert_eq!(liveness(&mark, &own), Liveness::Alive);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(liveness(&mark, &own), Liveness::Dead);
    }

    #[test]
    fn only_the_same_machine_started_anew_is_known_to_have_lost_its_processes() {
        let seen = |then: &str, now: &str| {
            let of = |machine: &str| ProcessMark {
                machine: machine.to_owned(),
                ..own_mark()
            };
            liveness(&of(then), &of(now))
        };
        let cases = [
            ("a@1/one/7", "a@1/one/7", Liveness::Alive),
            ("a@1/one/7", "a@1/two/7", Liveness::Dead),
            ("a@1/one/7", "a@1/two/8", Liveness::Dead),
            ("a@1/one/7", "a@1/one/8", Liveness::Unknown),
            ("a@1/one/7", "b@1/two/7", Liveness::Unknown),
            ("a@1/one/7", "a@2/two/7", Liveness::Unknown),
            ("a@/one/7", "a@/two/7", Liveness::Unknown),
            ("@1/one/7", "@1/two/7", Liveness::Unknown),
            ("a@1//", "a@1/two/7", Liveness::Unknown),
            ("", "a@1/two/7", Liveness::Unknown),
        ];
        for (then, now, expected) in cases {
            assert_eq!(seen(then, now), expected, "{then} {now}");
        }
    }
}
