-- The sessions of clients in this database but one's own, the longest statement first.
-- $1: only those whose statement or transaction takes longer than this, in seconds; null for all. $2: one process id alone; null for all.
--
-- To a role without pg_read_all_stats the sessions of others show neither kind nor state nor statement: those of users are
-- kept.
SELECT *
FROM (SELECT pid, usename AS "user", application_name AS application, host(client_addr) AS client, state,
             CASE WHEN state = 'active' THEN extract(epoch FROM clock_timestamp() - query_start)::float8 END AS seconds,
             extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
             CASE WHEN wait_event_type <> 'Client' THEN wait_event_type || ': ' || wait_event END AS waiting,
             pg_blocking_pids(pid) AS blocked_by, query
      FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL)) AS session
WHERE ($1::float8 IS NULL OR greatest(seconds, transaction_seconds) > $1::float8) AND ($2::int8 IS NULL OR pid = $2::int8)
ORDER BY seconds DESC NULLS LAST, transaction_seconds DESC NULLS LAST, pid
