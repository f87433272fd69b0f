-- How far those behind this server are, how far it is behind itself, and the slots that keep its log for somebody.
--
-- lag_bytes is what was written here and not yet taken over there; of a slot, how much of the log is kept for it.
-- lag_seconds of a replica is as it told it last; it tells none once it has caught up and nothing happens: then it is 0.
--
-- problem:
--   not streaming  a replica, or this server, takes nothing over at present.
--   lost           the log that the slot needs is removed already: who used it has to be set up anew.
--   unreserved     the same is about to happen (max_slot_wal_keep_size).
--   inactive       nobody uses the slot, and the log is kept for it until the disk is full.
--   behind         more of the log is kept for a slot than max_wal_size, which a checkpoint would bring it down to.
-- https://www.postgresql.org/docs/current/view-pg-replication-slots.html
WITH here AS (
    SELECT pg_is_in_recovery() AS is_replica,
           -- The first asks for what a replica does not have.
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS position,
           (SELECT setting::numeric * 1024 * 1024 FROM pg_settings WHERE name = 'max_wal_size') AS most),
replica AS (
    SELECT 1 AS place, coalesce(nullif(r.application_name, ''), host(r.client_addr), 'pid ' || r.pid) AS replica, r.state,
           coalesce(r.sync_state, 'replica') AS role,
           CASE WHEN r.replay_lsn >= here.position THEN 0 ELSE extract(epoch FROM r.replay_lag) END::float8 AS lag_seconds,
           pg_wal_lsn_diff(here.position, r.replay_lsn) AS lag_bytes,
           CASE WHEN r.state <> 'streaming' THEN 'not streaming' END AS problem,
           CASE WHEN r.state <> 'streaming' THEN 'it is not up to date yet: ' || r.state END AS detail
    FROM here, pg_stat_replication AS r
    -- A backup that is being taken is none.
    WHERE r.state IS DISTINCT FROM 'backup'),
-- Without its receiver a replica has taken over all that came, and still falls behind.
receiver AS (
    SELECT 2 AS place, 'this server' AS replica,
           CASE WHEN w.pid IS NULL THEN 'not streaming' ELSE coalesce(w.status, 'streaming') END AS state, 'standby' AS role,
           CASE WHEN w.pid IS NOT NULL AND pg_last_wal_replay_lsn() >= here.position THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
           END::float8 AS lag_seconds,
           pg_wal_lsn_diff(greatest(w.latest_end_lsn, here.position), pg_last_wal_replay_lsn()) AS lag_bytes,
           CASE WHEN coalesce(w.status, CASE WHEN w.pid IS NOT NULL THEN 'streaming' END) IS DISTINCT FROM 'streaming'
                THEN 'not streaming' END AS problem,
           CASE WHEN w.pid IS NULL THEN 'nothing comes from its primary: see primary_conninfo and the log of both servers'
                WHEN w.status <> 'streaming' THEN 'its receiver is ' || w.status END AS detail
    FROM here LEFT JOIN pg_stat_wal_receiver AS w ON w.pid IS NOT NULL
    WHERE here.is_replica),
slot AS (
    SELECT s.slot_name::text AS name, s.active, to_jsonb(s) ->> 'wal_status' AS status,
           pg_wal_lsn_diff(here.position, s.restart_lsn) AS kept, here.most
    FROM here, pg_replication_slots AS s),
judged AS (
    SELECT *,
           CASE WHEN status IN ('lost', 'unreserved') THEN status
                WHEN NOT active AND kept IS NOT NULL THEN 'inactive'
                WHEN kept > most THEN 'behind' END AS problem
    FROM slot)
SELECT replica, state, role, lag_seconds, lag_bytes::int8 AS lag_bytes, problem, detail
FROM (SELECT * FROM replica
      UNION ALL
      SELECT * FROM receiver
      UNION ALL
      SELECT 3, name, CASE WHEN active THEN 'active' ELSE 'inactive' END, 'slot', NULL, kept, problem,
             CASE problem
                 WHEN 'lost' THEN 'what it needs of the log is removed: set up anew who used it'
                 WHEN 'unreserved' THEN 'what it needs of the log is about to be removed: start who uses it, now'
                 WHEN 'inactive' THEN format('it keeps %s of the log for nobody: start who uses it, or for good: SELECT pg_drop_replication_slot(%L)',
                                             pg_size_pretty(kept), name)
                 WHEN 'behind' THEN format('it keeps %s of the log, more than max_wal_size', pg_size_pretty(kept))
             END
      FROM judged) AS known
ORDER BY place, problem IS NULL, lag_seconds DESC NULLS FIRST, lag_bytes DESC NULLS FIRST, replica
