BEGIN;

-- The manual's example made an index on started_at, which its table does not have.
CREATE TABLE jobs (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id    uuid REFERENCES clients (id) ON DELETE CASCADE,
    job_type     text NOT NULL,
    status       text NOT NULL DEFAULT 'pending',
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    completed_at timestamptz
);

CREATE INDEX idx_jobs_status ON jobs (status, started_at);
CREATE INDEX idx_jobs_client ON jobs (client_id);

COMMIT;
