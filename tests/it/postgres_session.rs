//! Sessions of psql that stay: they hold locks, wait for others, and do nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use super::harness::WATCHDOG;
use super::postgres_cluster::Cluster;

/// A session of psql, which ends with this value.
pub(crate) struct Session {
    psql: Child,
    pub(crate) pid: i64,
}

impl Session {
    pub(crate) fn open(cluster: &Cluster, database: &str) -> Self {
        let mut command = cluster.client("psql");
        let mut psql = command
            .args(["-X", "-q", "-A", "-t", "-d", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = psql.stdin.as_mut().unwrap();
        writeln!(stdin, "SELECT pg_backend_pid();").unwrap();
        let mut line = String::new();
        // Nothing else comes before the next statement, so that nothing is lost in this reader.
        let mut reader = BufReader::new(psql.stdout.as_mut().unwrap());
        reader.read_line(&mut line).unwrap();
        let pid = line.trim().parse().unwrap();
        Self { psql, pid }
    }

    /// Runs statements to their end.
    pub(crate) fn say(&mut self, sql: &str) {
        self.begin(&format!("{sql}\n\\echo said"));
        let mut lines = BufReader::new(self.psql.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "said"));
    }

    /// Begins statements and does not wait for them.
    pub(crate) fn begin(&mut self, sql: &str) {
        writeln!(self.psql.stdin.as_mut().unwrap(), "{sql}").unwrap();
    }
}

impl Session {
    /// One that has done this, a transaction that holds a lock as a rule.
    pub(crate) fn holding(cluster: &Cluster, database: &str, sql: &str) -> Self {
        let mut session = Self::open(cluster, database);
        session.say(sql);
        session
    }

    /// Ends it, and waits until the server has let go of what it held.
    pub(crate) fn end(self, cluster: &Cluster) {
        let gone = format!(
            "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {})",
            self.pid
        );
        drop(self);
        until(cluster, "postgres", &gone);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may wait for a lock that nobody gives up any more.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

/// Looks until the server says so, or the watchdog barks.
#[track_caller]
pub(crate) fn until(cluster: &Cluster, database: &str, condition: &str) {
    let began = std::time::Instant::now();
    while cluster.psql(database, &format!("SELECT {condition}")) != "t" {
        assert!(
            began.elapsed() < WATCHDOG,
            "it never came about: {condition}"
        );
    }
}

/// It waits for a lock for longer than the five seconds from which on a wait is long.
pub(crate) fn waits_long(pid: i64) -> String {
    format!(
        "EXISTS (SELECT FROM pg_locks WHERE pid = {pid} AND clock_timestamp() - waitstart > interval '5.1 s')"
    )
}

pub(crate) fn is_waiting(pid: i64) -> String {
    format!("EXISTS (SELECT FROM pg_locks WHERE pid = {pid} AND NOT granted)")
}
