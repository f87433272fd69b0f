-- Damage that the server knows of itself.
-- $1: the indexes of one table alone; null for all. Pages are counted for the whole database whatever it is.
--
-- A page whose checksum is wrong was changed by something else than the server: the disk, the file system, a copy.
-- https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
SELECT 'checksum' AS kind, NULL AS "table",
       format('%s of its pages had a wrong checksum, the last at %s', checksum_failures,
              to_char(checksum_last_failure AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC')) AS detail
FROM pg_stat_database
WHERE datname = current_database() AND checksum_failures > 0
UNION ALL
SELECT 'index', CASE n.nspname WHEN 'public' THEN t.relname ELSE n.nspname || '.' || t.relname END,
       format('%s is invalid, left behind by what failed: DROP INDEX CONCURRENTLY %I.%I', c.relname, n.nspname, c.relname)
FROM pg_index AS i
     JOIN pg_class AS c ON c.oid = i.indexrelid
     JOIN pg_class AS t ON t.oid = i.indrelid
     JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready) AND ($1::int8 IS NULL OR i.indrelid = $1::int8)
  AND i.indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index WHERE datname = current_database())
ORDER BY 1, 2, 3
