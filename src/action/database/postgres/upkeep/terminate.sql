-- Ends the session $1, which began at $2 and belongs to this database: CASE asks first, a WHERE need not.
SELECT CASE WHEN EXISTS (SELECT FROM pg_stat_activity
                         WHERE pid = $1::int AND datname = current_database()
                           AND ($2::text IS NULL OR backend_start IS NOT DISTINCT FROM $2::timestamptz))
            THEN pg_terminate_backend($1::int) END AS is_sent
