-- The tables of this database and the dead rows in each; what needs care first, then the most dead rows.
-- $1: one table alone, with its partitions; null for all.
--
-- problem, the worst of:
--   wraparound      the oldest row has not been frozen for more transactions than autovacuum_freeze_max_age (200 million
--                   unless set): vacuum, which should have come by itself, has not been through. At two thousand million
--                   the server stops to take writes.
--                   https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
--   dead rows       twice as many as autovacuum comes for: autovacuum_vacuum_threshold (50) + autovacuum_vacuum_scale_factor
--                   (0.2) of its rows, of the table where it says so itself.
--                   https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
--   never analyzed  the planner knows nothing of it, though more rows changed than autovacuum comes for:
--                   autovacuum_analyze_threshold (50) + autovacuum_analyze_scale_factor (0.1) of its rows.
--
-- free_bytes is an estimate: what the table takes beyond its live rows at their average width, as the last ANALYZE saw it
-- (23 bytes of head, 4 of pointer, each row from a multiple of eight on, 24 bytes of head a page). Null where nobody
-- analyzed it or this role may not read it.
WITH setting AS (
    SELECT current_setting('block_size')::float8 AS block,
           current_setting('autovacuum_freeze_max_age')::int8 AS age_limit,
           current_setting('autovacuum_multixact_freeze_max_age')::int8 AS multixact_limit),
relation AS (
    SELECT c.oid, c.reltuples, c.reltoastrelid, c.relfrozenxid, c.relminmxid,
           CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
           format('%I.%I', n.nspname, c.relname) AS quoted,
           coalesce((SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(c.reloptions)), '{}') AS own
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND ($1::int8 IS NULL OR c.oid = $1::int8
           OR c.oid IN (SELECT relid FROM pg_partition_tree($1::int8::oid::regclass)))),
width AS (
    SELECT relation.oid, sum((1 - s.null_frac) * s.avg_width) AS bytes
    FROM relation
         JOIN pg_class AS c ON c.oid = relation.oid
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited
    GROUP BY relation.oid),
measured AS (
    SELECT relation.name, relation.quoted, relation.oid,
           coalesce(t.n_dead_tup, 0) AS dead, coalesce(t.n_live_tup, 0) AS live, coalesce(t.n_mod_since_analyze, 0) AS changed,
           greatest(t.last_vacuum, t.last_autovacuum) AS last_vacuum,
           greatest(t.last_analyze, t.last_autoanalyze) AS last_analyze,
           pg_table_size(relation.oid) AS bytes,
           CASE WHEN relation.reltuples >= 0 AND width.bytes IS NOT NULL THEN
               greatest(0, pg_relation_size(relation.oid)
                   - relation.reltuples * (4 + 8 * ceil((23 + width.bytes) / 8))
                     * setting.block / (setting.block - 24)
                     * 100 / coalesce((relation.own ->> 'fillfactor')::float8, 100))::int8
           END AS free_bytes,
           greatest(age(relation.relfrozenxid), age(toast.relfrozenxid)) AS age,
           greatest(mxid_age(relation.relminmxid), mxid_age(toast.relminmxid)) AS multixact_age,
           coalesce((relation.own ->> 'autovacuum_vacuum_threshold')::float8,
                    current_setting('autovacuum_vacuum_threshold')::float8)
           + coalesce((relation.own ->> 'autovacuum_vacuum_scale_factor')::float8,
                      current_setting('autovacuum_vacuum_scale_factor')::float8) * coalesce(t.n_live_tup, 0) AS vacuumed_at,
           coalesce((relation.own ->> 'autovacuum_analyze_threshold')::float8,
                    current_setting('autovacuum_analyze_threshold')::float8)
           + coalesce((relation.own ->> 'autovacuum_analyze_scale_factor')::float8,
                      current_setting('autovacuum_analyze_scale_factor')::float8) * coalesce(t.n_live_tup, 0) AS analyzed_at,
           current_setting('autovacuum')::bool AS is_running,
           current_setting('autovacuum')::bool
           AND coalesce((relation.own ->> 'autovacuum_enabled')::bool, true) AS is_tended,
           setting.age_limit, setting.multixact_limit
    FROM setting, relation
         LEFT JOIN pg_class AS toast ON toast.oid = relation.reltoastrelid
         LEFT JOIN pg_stat_all_tables AS t ON t.relid = relation.oid
         LEFT JOIN width ON width.oid = relation.oid),
judged AS (
    SELECT *,
           age > age_limit OR multixact_age > multixact_limit AS is_old,
           dead > 2 * vacuumed_at AS is_dead,
           last_analyze IS NULL AND changed > analyzed_at AS is_unknown
    FROM measured)
SELECT name AS "table", dead AS dead_rows, live AS live_rows,
       CASE WHEN dead + live > 0 THEN round(100.0 * dead / (dead + live), 1) ELSE 0 END::float8 AS dead_percent,
       bytes, free_bytes, last_vacuum, last_analyze, age::int8 AS oldest_transaction,
       CASE WHEN is_old THEN 'wraparound' WHEN is_dead THEN 'dead rows' WHEN is_unknown THEN 'never analyzed' END AS problem,
       nullif(concat_ws('; ',
           CASE WHEN age > age_limit THEN
               format('not frozen for %s transactions, %s are allowed: VACUUM (FREEZE) %s', age, age_limit, quoted) END,
           CASE WHEN multixact_age > multixact_limit THEN
               format('not frozen for %s multixacts, %s are allowed: VACUUM (FREEZE) %s', multixact_age, multixact_limit, quoted) END,
           CASE WHEN is_dead THEN
               format('autovacuum should have come at %s dead rows: VACUUM %s', round(vacuumed_at::numeric), quoted) END,
           CASE WHEN is_dead AND NOT is_tended AND is_running THEN 'autovacuum is switched off for it'
                WHEN is_dead AND NOT is_tended THEN 'autovacuum is switched off for the whole server' END,
           CASE WHEN is_unknown THEN
               format('%s rows changed and nobody counted them: ANALYZE %s', changed, quoted) END), '') AS detail
FROM judged
ORDER BY is_old DESC, is_dead DESC, is_unknown DESC, dead DESC, bytes DESC, 1
