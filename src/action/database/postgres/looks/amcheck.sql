-- The statements that read every B-tree index and every table of this database, system catalogs included, and compare them:
-- one each, for one error ends a statement. Each gives rows {detail}; empty where all is well.
-- $1: one table alone with its indexes, its partitions and its large values; null for all. $2: the schema of amcheck, quoted.
--
-- bt_index_check with its second argument looks for every row of the table in the index. verify_heapam (version 14) follows
-- the large values too. Temporary tables of others cannot be read, nor unlogged ones on a replica.
-- https://www.postgresql.org/docs/current/amcheck.html
WITH relation AS (
    SELECT c.oid, c.relkind, c.reltoastrelid,
           CASE WHEN n.nspname IN ('public', 'pg_catalog') THEN c.relname ELSE n.nspname || '.' || c.relname END AS name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
      AND ($1::int8 IS NULL OR c.oid = $1::int8
           OR c.oid IN (SELECT relid FROM pg_partition_tree($1::int8::oid::regclass))
           OR c.oid IN (SELECT reltoastrelid FROM pg_class WHERE oid = $1::int8)))
SELECT relation.name AS "table", 'index ' || c.relname AS part,
       format('SELECT %s.bt_index_check(%s::oid::regclass, true)::text AS detail', $2::text, i.indexrelid) AS statement
FROM relation
     JOIN pg_index AS i ON i.indrelid = relation.oid
     JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relkind = 'i' AND i.indisvalid AND i.indisready AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
UNION ALL
SELECT relation.name, 'rows',
       format('SELECT format(''block %%s, row %%s: %%s'', blkno, offnum, msg) AS detail FROM %s.verify_heapam(%s::oid::regclass)',
              $2::text, relation.oid)
FROM relation
WHERE relation.relkind IN ('r', 'm', 't')
  AND EXISTS (SELECT FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace
              WHERE proname = 'verify_heapam' AND quote_ident(n.nspname) = $2::text)
ORDER BY 1, 2
