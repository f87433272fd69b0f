-- A doctor may leave before a brief does: no reference is declared, and `opsbook db cleanup-orphans` deletes what is left.
CREATE TABLE patient_briefs (
    id         TEXT PRIMARY KEY,
    doctor_id  TEXT,
    created_at TEXT NOT NULL
);
