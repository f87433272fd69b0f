-- How many of the tables that VACUUM and ANALYZE would go through this role has no right to: they pass them over, and only
-- warn. The owner of the table or of the database has it, and from version 17 on who was granted MAINTAIN.
-- $1: one table alone, with its partitions; null for all.
WITH relation AS (
    SELECT c.oid, c.relowner
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND ($1::int8 IS NULL OR c.oid = $1::int8
           OR c.oid IN (SELECT relid FROM pg_partition_tree($1::int8::oid::regclass))))
SELECT count(*) AS tables,
       count(*) FILTER (WHERE NOT pg_has_role(relowner, 'USAGE')
           AND NOT pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
           AND NOT CASE WHEN current_setting('server_version_num')::int >= 170000
                        THEN has_table_privilege(oid, 'MAINTAIN') ELSE false END) AS foreign_tables
FROM relation
