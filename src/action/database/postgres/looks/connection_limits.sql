-- What limits the connections, the tightest first: the server's own limit without what it keeps for superusers (and, from
-- version 16 on, for pg_use_reserved_connections), that of this database, those of roles.
-- https://www.postgresql.org/docs/current/runtime-config-connection.html
WITH session AS MATERIALIZED (
    SELECT datname, usename
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL),
limits (scope, used, most) AS (
    SELECT 'the server', (SELECT count(*) FROM session),
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0)
    UNION ALL
    SELECT 'the database ' || datname, (SELECT count(*) FROM session WHERE session.datname = known.datname), datconnlimit
    FROM pg_database AS known
    WHERE datname = current_database() AND datconnlimit >= 0
    UNION ALL
    SELECT 'the role ' || rolname, (SELECT count(*) FROM session WHERE usename = rolname), rolconnlimit
    FROM pg_roles
    WHERE rolconnlimit >= 0 AND rolcanlogin)
SELECT scope, used, most,
       CASE WHEN most > 0 THEN round(100.0 * used / most, 1) WHEN used > 0 THEN 100 ELSE 0 END::float8 AS percent
FROM limits
ORDER BY percent DESC, scope DESC
