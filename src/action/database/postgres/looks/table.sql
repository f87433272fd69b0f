-- The table of the name $1, which is written without quotes: as `schema.table`, or alone where it is found without its schema.
SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS quoted
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND (c.relname = $1::text AND pg_table_is_visible(c.oid) OR n.nspname || '.' || c.relname = $1::text)
ORDER BY c.relname = $1::text DESC, c.oid
LIMIT 1
