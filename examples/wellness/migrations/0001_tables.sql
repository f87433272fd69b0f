CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
);

CREATE TABLE tasks (
    id           INTEGER PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    status       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    completed_at TEXT
);

CREATE TABLE health_logs (
    id          INTEGER PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users (id),
    type        TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    created_at  TEXT NOT NULL
);

CREATE TABLE focus_sessions (
    id           INTEGER PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    start_time   TEXT NOT NULL,
    completed_at TEXT
);

CREATE TABLE voice_notes (
    id         INTEGER PRIMARY KEY,
    created_at TEXT NOT NULL
);

CREATE TABLE achievement_definitions (
    badge_key    TEXT PRIMARY KEY,
    name         TEXT,
    category     TEXT,
    target_value INTEGER NOT NULL,
    is_active    INTEGER NOT NULL
);

CREATE TABLE user_badges (
    user_id     TEXT,
    badge_key   TEXT,
    unlocked_at TEXT,
    created_at  TEXT NOT NULL
);

CREATE TABLE badge_progress (
    user_id   TEXT,
    badge_key TEXT,
    progress  INTEGER NOT NULL
);

CREATE TABLE notification_devices (
    user_id  TEXT NOT NULL,
    platform TEXT
);

CREATE TABLE notification_preferences (
    user_id      TEXT PRIMARY KEY,
    push_enabled INTEGER NOT NULL
);

CREATE TABLE user_connections (
    created_at TEXT NOT NULL
);

CREATE TABLE student_verifications (
    created_at TEXT NOT NULL
);
