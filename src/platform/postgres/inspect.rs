//! What is asked of a server to look at a database as a whole. Everything here may be asked by any role; what a role may
//! not see (the kind of the sessions of others) is null.

use serde_json::{Map, Value};

/// A table and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name, with its schema where that is not `public`.
    pub table: String,
    /// How many columns it has.
    pub columns: i64,
    /// About how many rows it has, as the server last estimated it; none where it never did.
    pub rows: Option<i64>,
    /// What it, its indexes and its large values take on the disk, in bytes.
    pub bytes: i64,
}

impl TableSize {
    pub(super) fn of(row: &Map<String, Value>) -> Self {
        Self {
            table: row["table"].as_str().unwrap_or_default().to_owned(),
            columns: row["columns"].as_i64().unwrap_or_default(),
            rows: row["rows"].as_i64(),
            bytes: row["bytes"].as_i64().unwrap_or_default(),
        }
    }
}

/// One row, a column for each fact.
pub(super) const INFO: &str = "\
SELECT current_setting('server_version') AS version,
       current_database() AS database,
       current_user AS \"user\",
       pg_database_size(current_database()) AS bytes,
       CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END AS role,
       pg_is_in_recovery() AS replica,
       CASE WHEN pg_is_in_recovery() THEN
           CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                     -- Without its receiver it has taken over all that came, and still falls behind.
                     AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END
       END AS replica_lag_seconds,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL) AS connections,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS reserved_connections,
       pg_postmaster_start_time() AS started,
       extract(epoch FROM now() - pg_postmaster_start_time())::int8 AS uptime_seconds,
       current_setting('server_encoding') AS encoding,
       current_setting('TimeZone') AS timezone,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace NOT IN (
           SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')) AS tables,
       (SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relnamespace NOT IN (
           SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')) AS indexes";

/// Ordinary and partitioned tables and materialized views; a partitioned table has no bytes of its own.
pub(super) const TABLES: &str = "\
SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS \"table\",
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END AS rows,
       coalesce(pg_total_relation_size(c.oid), 0) AS bytes,
       (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 3 DESC, 1";

/// One row, a column for each part; what is in neither is the catalog.
pub(super) const SIZE: &str = "\
SELECT parts.tables::int8 AS tables, parts.indexes::int8 AS indexes,
       greatest(pg_database_size(current_database()) - parts.tables - parts.indexes, 0)::int8 AS catalog
FROM (SELECT coalesce(sum(pg_table_size(c.oid)), 0) AS tables, coalesce(sum(pg_indexes_size(c.oid)), 0) AS indexes
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema') AS parts";
