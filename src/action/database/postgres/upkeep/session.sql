-- The session $1, where it is one of this database; $2 is when it began, null for whenever. A process id is given away again.
SELECT pid, usename AS "user", application_name AS application, state, query,
       backend_start::text AS began, query_start::text AS asked
FROM pg_stat_activity
WHERE pid = $1::int AND datname = current_database()
  AND ($2::text IS NULL OR backend_start IS NOT DISTINCT FROM $2::timestamptz)
