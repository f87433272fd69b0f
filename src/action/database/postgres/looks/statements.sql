-- Where pg_stat_statements lies, and whether it tells since when it counts (from its version 1.9 on).
SELECT quote_ident(namespace.nspname) AS schema, extension.extversion AS version,
       string_to_array(extension.extversion, '.')::int[] >= '{1,8}' AS is_known,
       string_to_array(extension.extversion, '.')::int[] >= '{1,9}' AS tells_since
FROM pg_extension AS extension JOIN pg_namespace AS namespace ON namespace.oid = extension.extnamespace
WHERE extension.extname = 'pg_stat_statements'
