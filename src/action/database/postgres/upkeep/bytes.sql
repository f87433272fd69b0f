-- What the database takes on the disk, or $1 alone, a table with its partitions, indexes and large values.
SELECT CASE WHEN $1::int8 IS NULL THEN pg_database_size(current_database())
            ELSE (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int8
                  FROM (SELECT $1::int8::oid
                        UNION SELECT relid FROM pg_partition_tree($1::int8::oid::regclass)) AS part (oid))
       END AS bytes
