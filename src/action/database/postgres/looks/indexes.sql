-- What is wrong with the indexes of this database: invalid ones first, then missing, duplicate and unused ones.
-- $1: those of one table alone; null for all.
--
-- statement mends it; null where none does alone.
--
-- invalid    a CREATE INDEX or REINDEX CONCURRENTLY failed and left it behind: it costs every write and serves no read.
--            One that is being built at this moment is none.
--            https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
-- missing    a foreign key whose columns no index begins with: deleting from its parent reads the whole table. Or a table
--            of 10,000 rows and more that was read in full 100 times and more, and more often than by an index; a backup
--            a day would not come so far in three months. Both figures are our own.
-- duplicate  another index does all that it does: the same columns, or these first (B-tree), in the same order, of the same
--            operator classes, collations and condition.
-- unused     nobody read it since the statistics began; nothing is held by it (unique, a constraint, a foreign key, the
--            identity of a replica); it takes more than 64 KiB, for the planner reads small tables in full; and no index
--            that is read is a duplicate for its sake, for that one may be dropped. What replicas read is counted there
--            and not here.
WITH relation AS (
    SELECT c.oid, c.reltuples,
           CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
           format('%I.%I', n.nspname, c.relname) AS quoted, c.relkind
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND ($1::int8 IS NULL OR c.oid = $1::int8)),
known AS (
    SELECT i.indexrelid AS oid, i.indrelid, i.indisunique, i.indisprimary, i.indisreplident,
           i.indisvalid AND i.indisready AS is_valid, i.indnkeyatts, i.indpred IS NOT NULL AS is_partial,
           relation.name, relation.quoted, c.relkind, c.relam, c.relname,
           CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS index,
           format('%I.%I', n.nspname, c.relname) AS quoted_index,
           -- That of a partitioned table can be dropped in no other way.
           format('DROP INDEX%s %I.%I', CASE c.relkind WHEN 'I' THEN '' ELSE ' CONCURRENTLY' END, n.nspname, c.relname) AS dropping,
           pg_relation_size(c.oid) AS bytes,
           -- Vectors count from 0, slices of them from 1. 0 stands for an expression; behind the keys comes what is only carried
           -- along (INCLUDE).
           i.indkey::int2[] AS attributes,
           (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys,
           (i.indclass::oid[])[0:i.indnkeyatts - 1] AS classes,
           (i.indcollation::oid[])[0:i.indnkeyatts - 1] AS collations,
           (i.indoption::int2[])[0:i.indnkeyatts - 1] AS options,
           coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions,
           coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS condition,
           EXISTS (SELECT FROM pg_constraint AS held WHERE held.conindid = c.oid AND held.contype IN ('p', 'u', 'x')) AS is_held,
           EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS is_part,
           (SELECT string_agg(pg_get_indexdef(c.oid, place, true), ', ' ORDER BY place)
            FROM generate_series(1, i.indnkeyatts) AS place) AS columns
    FROM pg_index AS i
         JOIN relation ON relation.oid = i.indrelid
         JOIN pg_class AS c ON c.oid = i.indexrelid
         JOIN pg_namespace AS n ON n.oid = c.relnamespace),
reference AS (
    SELECT f.conrelid, f.conname, f.confrelid::regclass::text AS parent, f.conkey, relation.name, relation.quoted, relation.relkind,
           (SELECT string_agg(a.attname, ', ' ORDER BY place)
            FROM unnest(f.conkey) WITH ORDINALITY AS key (attnum, place)
                 JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = key.attnum) AS columns,
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY place)
            FROM unnest(f.conkey) WITH ORDINALITY AS key (attnum, place)
                 JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = key.attnum) AS quoted_columns
    FROM pg_constraint AS f JOIN relation ON relation.oid = f.conrelid
    WHERE f.contype = 'f' AND f.conparentid = 0),
-- Which index serves which foreign key: the key's columns come first in it, in whatever order.
serving AS (
    SELECT reference.conrelid, reference.conname, known.oid
    FROM reference JOIN known ON known.indrelid = reference.conrelid
    WHERE known.is_valid AND NOT known.is_partial AND cardinality(reference.conkey) <= known.indnkeyatts
      AND (known.keys)[1:cardinality(reference.conkey)] @> reference.conkey),
covered AS (
    SELECT one.oid, other.oid AS by_oid, other.quoted_index AS other, one.keys = other.keys AS is_same
    FROM known AS one JOIN known AS other ON other.indrelid = one.indrelid AND other.oid <> one.oid
    WHERE one.is_valid AND other.is_valid AND other.relam = one.relam AND other.condition = one.condition
      AND NOT one.is_held AND NOT one.indisreplident AND NOT one.is_part
      AND other.attributes @> one.attributes
      AND CASE WHEN one.keys = other.keys THEN
              one.classes = other.classes AND one.collations = other.collations AND one.options = other.options
              AND one.expressions = other.expressions
              -- Of two that are the same the one that holds more stays, else the older one.
              AND (other.indisunique OR NOT one.indisunique)
              AND (other.is_held OR other.indisunique AND NOT one.indisunique
                   OR cardinality(other.attributes) > cardinality(one.attributes)
                   OR one.indisunique = other.indisunique AND other.oid < one.oid)
          ELSE
              NOT one.indisunique AND one.expressions = '' AND one.indnkeyatts < other.indnkeyatts
              AND one.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
              AND one.keys = (other.keys)[1:one.indnkeyatts]
              AND one.classes = (other.classes)[1:one.indnkeyatts]
              AND one.collations = (other.collations)[1:one.indnkeyatts]
              AND one.options = (other.options)[1:one.indnkeyatts]
          END),
duplicate AS (SELECT DISTINCT ON (oid) oid, other, is_same FROM covered ORDER BY oid, is_same DESC, by_oid),
-- Where nobody reset those of the database, they are as old as those of the server: after a crash it begins anew.
age AS (
    SELECT format('since %s', to_char(coalesce(of_database.stats_reset, least(written.stats_reset, archived.stats_reset))
                                      AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC')) AS since
    FROM pg_stat_database AS of_database, pg_stat_bgwriter AS written, pg_stat_archiver AS archived
    WHERE datname = current_database()),
found AS (
    SELECT 1 AS place, 'invalid' AS problem, known.name, known.index, known.columns, known.bytes,
           CASE
               WHEN known.relkind = 'I'
               THEN 'not every partition has its part of it: create those and ALTER INDEX … ATTACH PARTITION them'
               -- Beside the one that serves still, or in whose place another serves already.
               WHEN known.relname ~ '_cc(new|old)[0-9]*$' THEN 'left behind by a REINDEX that failed: drop it, nothing misses it'
               ELSE 'left behind by what failed: drop it and build it again'
           END AS detail,
           CASE known.relkind WHEN 'I' THEN NULL ELSE dropping END AS statement
    FROM known
    WHERE NOT known.is_valid
      AND known.oid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index WHERE datname = current_database())
    UNION ALL
    SELECT 2, 'missing', reference.name, NULL, reference.columns, NULL,
           format('deleting from %s reads all of it', reference.parent),
           format('CREATE INDEX%s ON %s (%s)', CASE reference.relkind WHEN 'p' THEN '' ELSE ' CONCURRENTLY' END,
                  reference.quoted, reference.quoted_columns)
    FROM reference
    WHERE NOT EXISTS (SELECT FROM serving
                      WHERE serving.conrelid = reference.conrelid AND serving.conname = reference.conname)
    UNION ALL
    SELECT 3, 'missing', relation.name, NULL, NULL, NULL,
           format('read in full %s times, %s rows each, by an index %s times, %s: `opsbook db slow` has the statements',
                  t.seq_scan, t.seq_tup_read / t.seq_scan, coalesce(t.idx_scan, 0), age.since),
           NULL
    FROM age, pg_stat_all_tables AS t JOIN relation ON relation.oid = t.relid
    WHERE t.seq_scan >= 100 AND t.seq_scan > coalesce(t.idx_scan, 0) AND t.seq_tup_read / t.seq_scan >= 10000
    UNION ALL
    SELECT 4, 'duplicate', known.name, known.index, known.columns, known.bytes,
           format('%s %s', duplicate.other,
                  CASE WHEN duplicate.is_same THEN 'has the same columns' ELSE 'begins with the same columns' END),
           dropping
    FROM duplicate JOIN known USING (oid)
    UNION ALL
    SELECT 5, 'unused', known.name, known.index, known.columns, known.bytes,
           format('never read here %s; drop it if replicas do not read it either', age.since),
           dropping
    FROM age, known JOIN pg_stat_all_indexes AS s ON s.indexrelid = known.oid
    WHERE s.idx_scan = 0 AND known.is_valid AND known.relkind = 'i' AND known.bytes > 65536
      AND NOT known.indisunique AND NOT known.is_held AND NOT known.indisreplident AND NOT known.is_part
      AND known.oid NOT IN (SELECT oid FROM duplicate)
      AND NOT EXISTS (SELECT FROM covered JOIN pg_stat_all_indexes AS read ON read.indexrelid = covered.oid
                      WHERE covered.by_oid = known.oid AND read.idx_scan > 0)
      AND NOT EXISTS (SELECT FROM serving WHERE serving.oid = known.oid))
SELECT problem, name AS "table", index, columns, bytes, detail, statement
FROM found
ORDER BY place, bytes DESC NULLS LAST, name, index, columns
