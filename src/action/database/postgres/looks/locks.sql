-- Who waits for a lock in this database and who keeps them waiting, in no order.
--
-- seconds is how long somebody waits; of who does not wait, how long the transaction is open. pg_locks has waitstart from
-- version 14 on and sets it a moment late: else it is the statement's beginning.
-- A transaction that waits for a row waits for the transaction that changed it: which table that is tells the lock on the
-- row itself (tuple), which it holds meanwhile.
-- Process 0 stands for a transaction that was prepared and that no session holds any more.
WITH waiting AS MATERIALIZED (
    SELECT lock.pid, lock.mode, pg_blocking_pids(lock.pid) AS blocked_by,
           coalesce((to_jsonb(lock) ->> 'waitstart')::timestamptz, session.query_start) AS since,
           CASE
               WHEN lock.relation IS NOT NULL THEN lock.relation::regclass::text
               WHEN lock.locktype = 'advisory' THEN format('advisory lock %s, %s', lock.classid, lock.objid)
               ELSE coalesce((SELECT row.relation::regclass::text
                              FROM pg_locks AS row
                              WHERE row.pid = lock.pid AND row.locktype = 'tuple' AND row.granted
                              LIMIT 1), lock.locktype)
           END AS relation
    FROM pg_locks AS lock JOIN pg_stat_activity AS session USING (pid)
    WHERE NOT lock.granted AND session.datname = current_database()),
concerned AS (
    SELECT pid FROM waiting WHERE blocked_by <> '{}'
    UNION
    SELECT unnest(blocked_by) FROM waiting)
SELECT concerned.pid, coalesce(waiting.blocked_by, '{}') AS blocked_by,
       session.usename AS "user", session.application_name AS application,
       CASE concerned.pid WHEN 0 THEN 'prepared' ELSE session.state END AS state,
       extract(epoch FROM clock_timestamp() - coalesce(waiting.since, session.xact_start))::float8 AS seconds,
       waiting.mode AS lock, waiting.relation,
       CASE concerned.pid
           WHEN 0 THEN (SELECT string_agg(format('PREPARE TRANSACTION %L', gid), '; ' ORDER BY prepared)
                        FROM pg_prepared_xacts WHERE database = current_database())
           ELSE session.query
       END AS query,
       CASE concerned.pid
           WHEN 0 THEN (SELECT array_agg(format('%L', gid) ORDER BY prepared)
                        FROM pg_prepared_xacts WHERE database = current_database())
       END AS prepared
FROM concerned
     LEFT JOIN waiting USING (pid)
     LEFT JOIN pg_stat_activity AS session USING (pid)
ORDER BY concerned.pid
