"""Fills a journal with runs that never were, chained as opsbook chains them: `runs verify` finds nothing wrong with it.

The file and its first run are opsbook's own; the others are copies of that run.
"""

import hashlib
import sqlite3


def fill(path, runs):
    """Copies run 1 until there are so many runs."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -65536")
    row = connection.execute(
        "SELECT runbook, started_at, verdict, exit, took_ms, user, reason, dry FROM runs WHERE run = 1"
    ).fetchone()
    events = connection.execute(
        "SELECT seq, version, type, at, body FROM events WHERE run = 1 ORDER BY seq"
    ).fetchall()
    (head,) = connection.execute("SELECT hash FROM events ORDER BY position DESC LIMIT 1").fetchone()
    connection.execute("BEGIN")
    for run in range(2, runs + 1):
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (run, *row))
        for event in events:
            head = chained(head, run, event)
            connection.execute(
                "INSERT INTO events (run, seq, version, type, at, body, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run, *event, head),
            )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def chained(before, run, event):
    """The hash of an event behind this hash; docs/journal.md says how."""
    *columns, body = [before.hex(), run, *event]
    text = "".join(f"{column}\n" for column in columns) + body
    return hashlib.sha256(text.encode()).digest()
