-- Who holds the connections of the server, of all its databases: they share one limit. The most first.
--
-- To a role without pg_read_all_stats the sessions of others show neither kind nor state: those of users are counted.
SELECT datname AS database, usename AS "user", application_name AS application, host(client_addr) AS client, state,
       count(*) AS connections,
       max(extract(epoch FROM clock_timestamp() - backend_start))::float8 AS oldest_seconds
FROM pg_stat_activity
WHERE backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
ORDER BY connections DESC, 1, 2, 3, 4, 5
