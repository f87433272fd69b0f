-- Makes the embedded database of the example: a small service desk whose rows have ages of every kind.
-- Ages are relative to the moment of creation, so that retention always finds something old to delete.

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('admin', 'agent', 'guest')),
    created_at TEXT NOT NULL
);

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    token_hash TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'failed')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
);

CREATE TABLE audit_logs (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    action     TEXT NOT NULL,
    detail     TEXT,
    created_at TEXT NOT NULL
);

CREATE INDEX sessions_by_age ON sessions (created_at);
CREATE INDEX jobs_by_status ON jobs (status, created_at);
CREATE INDEX audit_logs_by_age ON audit_logs (created_at);
CREATE INDEX audit_logs_by_user ON audit_logs (user_id);

-- 40 users.
WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 40)
INSERT INTO users (id, email, role, created_at)
SELECT
    n,
    'user' || n || '@example.com',
    CASE WHEN n <= 2 THEN 'admin' WHEN n <= 10 THEN 'agent' ELSE 'guest' END,
    datetime('now', '-400 days', '+' || n || ' days')
FROM counter;

-- 600 sessions, ten a day over 60 days: half of them are older than the 30 days that are kept.
WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < 599)
INSERT INTO sessions (id, user_id, token_hash, created_at)
SELECT n + 1, n % 40 + 1, printf('%064x', n), datetime('now', '-' || (n / 10) || ' days', '-12 hours')
FROM counter;

-- 300 jobs; nothing deletes them.
WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < 299)
INSERT INTO jobs (id, kind, status, attempts, created_at)
SELECT
    n + 1,
    CASE n % 3 WHEN 0 THEN 'mail' WHEN 1 THEN 'export' ELSE 'digest' END,
    CASE WHEN n < 12 THEN 'pending' WHEN n < 15 THEN 'failed' ELSE 'done' END,
    CASE WHEN n BETWEEN 12 AND 14 THEN 5 ELSE 1 END,
    datetime('now', '-' || n || ' hours')
FROM counter;

-- 5,000 entries, 25 a day over 200 days: a good half is older than the 90 days that are kept.
WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < 4999)
INSERT INTO audit_logs (id, user_id, action, detail, created_at)
SELECT
    n + 1,
    n % 40 + 1,
    CASE n % 4 WHEN 0 THEN 'login' WHEN 1 THEN 'update' WHEN 2 THEN 'export' ELSE 'logout' END,
    'entry ' || (n + 1),
    datetime('now', '-' || (n / 25) || ' days', '-12 hours')
FROM counter;
