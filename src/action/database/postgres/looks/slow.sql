-- The statements of this database that took most time in all. {schema} is where pg_stat_statements lies.
-- $1: only those that take longer than this on average, in seconds; null for all.
SELECT query, calls, mean_exec_time AS mean_ms, max_exec_time AS max_ms, total_exec_time AS total_ms, rows
FROM {schema}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ($1::float8 IS NULL OR mean_exec_time > $1::float8 * 1000)
ORDER BY total_exec_time DESC, queryid
