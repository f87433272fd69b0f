//! What is known of the functions of SQLite and PostgreSQL, one list an engine. A name that stands in none takes the worst
//! reading: it may be a user's function, or one that runs SQL from a text, ends sessions or writes files.

use super::Dialect;
use super::pragma;

/// What a call of a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing.
    None,
    /// It changes state that outlives the query: a sequence, a lock, a setting, a statistic.
    Writes,
    /// Nobody knows.
    Unknown,
}

/// What a call of the function of this name, as the engine folds it, may do.
pub(super) fn harm(name: &str, dialect: Dialect) -> Harm {
    let (harmless, writing) = match dialect {
        Dialect::Sqlite => {
            if name.strip_prefix("pragma_").is_some_and(pragma::only_looks) {
                return Harm::None;
            }
            (SQLITE, [].as_slice())
        }
        Dialect::Postgres => (POSTGRES, POSTGRES_WRITING),
    };
    if harmless.binary_search(&name).is_ok() {
        Harm::None
    } else if writing.binary_search(&name).is_ok() {
        Harm::Writes
    } else {
        Harm::Unknown
    }
}

/// Functions of PostgreSQL that change state without losing data. Ending another's session (`pg_terminate_backend`),
/// large objects, files, other servers and extensions stand in no list.
#[rustfmt::skip]
const POSTGRES_WRITING: &[&str] = &[
    "nextval", "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_unlock", "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_cancel_backend",
    "pg_create_restore_point", "pg_current_xact_id", "pg_export_snapshot", "pg_notify", "pg_prewarm", "pg_reload_conf",
    "pg_rotate_logfile", "pg_stat_clear_snapshot", "pg_stat_reset", "pg_stat_reset_shared",
    "pg_stat_reset_single_table_counters", "pg_stat_statements_reset", "pg_switch_wal", "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock", "pg_try_advisory_xact_lock_shared", "set_config",
    "setval", "txid_current",
];

/// Functions of PostgreSQL and its usual extensions that only compute or look, and names of types, which look like calls
/// where they have a length. Some can cost much time; none changes anything.
#[rustfmt::skip]
const POSTGRES: &[&str] = &[
    "abbrev", "abs", "acos", "acosh", "age", "any_value", "array", "array_agg", "array_append", "array_cat",
    "array_dims", "array_fill", "array_length", "array_lower", "array_ndims", "array_position", "array_positions",
    "array_prepend", "array_remove", "array_replace", "array_to_json", "array_to_string", "array_upper", "ascii",
    "asin", "asinh", "atan", "atan2", "atanh", "avg", "bernoulli", "bigint", "bit", "bit_and", "bit_length", "bit_or",
    "bit_xor", "blob", "bool", "bool_and", "bool_or", "boolean", "broadcast", "btrim", "bytea", "cardinality", "cast",
    "cbrt", "ceil", "ceiling", "char", "char_length", "character", "character_length", "chr", "clock_timestamp",
    "coalesce", "col_description", "concat", "concat_ws", "convert_from", "convert_to", "corr", "cos", "cosh", "cot",
    "count", "covar_pop", "covar_samp", "cume_dist", "current_catalog", "current_database", "current_date",
    "current_query", "current_role", "current_schema", "current_schemas", "current_setting", "current_time",
    "current_timestamp", "current_user", "currval", "date", "date_bin", "date_part", "date_trunc", "dec", "decimal",
    "decode", "degrees", "dense_rank", "div", "double", "encode", "enum_first", "enum_last", "enum_range", "every",
    "exp", "extract", "factorial", "family", "first_value", "float", "float4", "float8", "floor", "format",
    "format_type", "gcd", "gen_random_uuid", "generate_series", "generate_subscripts", "geography", "geometry",
    "greatest", "halfvec", "has_any_column_privilege", "has_column_privilege", "has_database_privilege",
    "has_function_privilege", "has_schema_privilege", "has_sequence_privilege", "has_table_privilege", "host",
    "hostmask", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "initcap", "int",
    "int2", "int4", "int8", "integer", "interval", "isempty", "isfinite", "json", "json_agg", "json_array",
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array", "json_build_object",
    "json_each", "json_each_text", "json_extract_path", "json_extract_path_text", "json_object", "json_object_agg",
    "json_object_keys", "json_populate_record", "json_strip_nulls", "json_to_record", "json_to_recordset",
    "json_typeof", "jsonb", "jsonb_agg", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
    "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text", "jsonb_extract_path",
    "jsonb_extract_path_text", "jsonb_insert", "jsonb_object", "jsonb_object_agg", "jsonb_object_keys",
    "jsonb_path_exists", "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first",
    "jsonb_pretty", "jsonb_set", "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof",
    "justify_days", "justify_hours", "justify_interval", "lag", "last_value", "lastval", "lcm", "lead", "least", "left",
    "length", "like", "ln", "localtime", "localtimestamp", "log", "log10", "lower", "lower_inc", "lpad", "ltrim",
    "make_date", "make_interval", "make_time", "make_timestamp", "make_timestamptz", "masklen", "max", "md5", "min",
    "min_scale", "mod", "mode", "nchar", "netmask", "network", "normalize", "now", "nth_value", "ntile", "nullif",
    "num_nonnulls", "num_nulls", "numeric", "nvarchar", "obj_description", "octet_length", "overlay", "parse_ident",
    "percent_rank", "percentile_cont", "percentile_disc", "pg_backend_pid", "pg_blocking_pids", "pg_char_to_encoding",
    "pg_client_encoding", "pg_column_compression", "pg_column_size", "pg_conf_load_time", "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn", "pg_current_wal_lsn", "pg_database_size", "pg_encoding_to_char",
    "pg_function_is_visible", "pg_get_constraintdef", "pg_get_expr", "pg_get_function_arguments",
    "pg_get_function_identity_arguments", "pg_get_function_result", "pg_get_functiondef", "pg_get_indexdef",
    "pg_get_keywords", "pg_get_partkeydef", "pg_get_ruledef", "pg_get_serial_sequence", "pg_get_triggerdef",
    "pg_get_userbyid", "pg_get_viewdef", "pg_index_column_has_property", "pg_index_has_property", "pg_indexes_size",
    "pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp", "pg_lock_status", "pg_options_to_table", "pg_postmaster_start_time",
    "pg_relation_filenode", "pg_relation_size", "pg_safe_snapshot_blocking_pids", "pg_size_bytes", "pg_size_pretty",
    "pg_sleep", "pg_stat_get_activity", "pg_stat_get_db_numbackends", "pg_stat_get_dead_tuples",
    "pg_stat_get_live_tuples", "pg_table_is_visible", "pg_table_size", "pg_tablespace_size", "pg_total_relation_size",
    "pg_typeof", "pg_wal_lsn_diff", "pgstatindex", "pgstattuple", "pgstattuple_approx", "phraseto_tsquery", "pi",
    "plainto_tsquery", "position", "pow", "power", "precision", "quote_ident", "quote_literal", "quote_nullable",
    "radians", "random", "random_normal", "range_agg", "rank", "real", "regexp_count", "regexp_instr", "regexp_like",
    "regexp_match", "regexp_matches", "regexp_replace", "regexp_split_to_array", "regexp_split_to_table",
    "regexp_substr", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "repeat",
    "replace", "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "scale", "session_user",
    "setweight", "sha224", "sha256", "sha384", "sha512", "shobj_description", "sign", "similarity", "sin", "sinh",
    "smallint", "split_part", "sqrt", "starts_with", "statement_timestamp", "stddev", "stddev_pop", "stddev_samp",
    "string_agg", "string_to_array", "string_to_table", "strip", "strpos", "substr", "substring", "sum", "system",
    "tan", "tanh", "text", "time", "timeofday", "timestamp", "timestamptz", "timetz", "to_ascii", "to_char", "to_date",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_regclass", "to_regnamespace", "to_regproc", "to_regrole",
    "to_regtype", "to_timestamp", "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "trim",
    "trim_scale", "trunc", "ts_headline", "ts_rank", "ts_rank_cd", "tsvector_to_array", "txid_current_if_assigned",
    "txid_status", "unistr", "unnest", "upper", "upper_inc", "uuid", "uuid_generate_v4", "uuidv4", "uuidv7", "var_pop",
    "var_samp", "varbit", "varchar", "variance", "varying", "vector", "version", "websearch_to_tsquery", "width_bucket",
    "word_similarity",
];

/// The same for SQLite, with its extensions for JSON, mathematics and full text.
#[rustfmt::skip]
const SQLITE: &[&str] = &[
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bigint", "bit", "blob", "bm25", "bool",
    "boolean", "bytea", "cast", "ceil", "ceiling", "changes", "char", "character", "coalesce", "concat", "concat_ws",
    "cos", "cosh", "count", "cume_dist", "current_date", "current_time", "current_timestamp", "date", "datetime", "dec",
    "decimal", "degrees", "dense_rank", "double", "exp", "first_value", "float", "float4", "float8", "floor", "format",
    "geography", "geometry", "glob", "group_concat", "halfvec", "hex", "highlight", "if", "ifnull", "iif", "instr",
    "int", "int2", "int4", "int8", "integer", "interval", "json", "json_array", "json_array_insert",
    "json_array_length", "json_each", "json_error_position", "json_extract", "json_group_array", "json_group_object",
    "json_insert", "json_object", "json_patch", "json_pretty", "json_quote", "json_remove", "json_replace", "json_set",
    "json_tree", "json_type", "json_valid", "jsonb", "jsonb_array", "jsonb_each", "jsonb_extract", "jsonb_group_array",
    "jsonb_group_object", "jsonb_insert", "jsonb_object", "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set",
    "julianday", "lag", "last_insert_rowid", "last_value", "lead", "length", "like", "likelihood", "likely", "ln",
    "log", "log10", "log2", "lower", "ltrim", "max", "median", "min", "mod", "nchar", "nth_value", "ntile", "nullif",
    "numeric", "nvarchar", "octet_length", "percent_rank", "percentile", "percentile_cont", "percentile_disc", "pi",
    "pow", "power", "precision", "printf", "quote", "radians", "raise", "random", "randomblob", "rank", "real",
    "replace", "round", "row_number", "rtrim", "sign", "sin", "sinh", "smallint", "snippet", "soundex",
    "sqlite_compileoption_get", "sqlite_compileoption_used", "sqlite_source_id", "sqlite_version", "sqrt", "strftime",
    "string_agg", "substr", "substring", "subtype", "sum", "tan", "tanh", "text", "time", "timediff", "timestamp",
    "timestamptz", "timetz", "total", "total_changes", "trim", "trunc", "typeof", "unhex", "unicode", "unistr",
    "unistr_quote", "unixepoch", "unlikely", "upper", "uuid", "varbit", "varchar", "varying", "vector", "zeroblob",
];

#[cfg(test)]
mod tests {
    use super::{Dialect, Harm, POSTGRES, POSTGRES_WRITING, SQLITE, harm};

    #[test]
    fn the_lists_are_sorted_apart_and_in_small_letters() {
        for list in [POSTGRES, POSTGRES_WRITING, SQLITE] {
            assert!(list.is_sorted_by(|left, right| left < right));
            assert!(list.iter().all(|name| *name == name.to_ascii_lowercase()));
        }
        let both = |name: &&&str| POSTGRES.binary_search(name).is_ok();
        assert_eq!(POSTGRES_WRITING.iter().find(both), None);
    }

    #[test]
    fn what_is_not_listed_is_not_known() {
        assert_eq!(harm("nextval", Dialect::Postgres), Harm::Writes);
        assert_eq!(harm("nextval", Dialect::Sqlite), Harm::Unknown);
        assert_eq!(harm("pragma_table_info", Dialect::Sqlite), Harm::None);
        // Each engine's own functions are a user's in the other.
        assert_eq!(harm("changes", Dialect::Postgres), Harm::Unknown);
        assert_eq!(harm("pragma_table_info", Dialect::Postgres), Harm::Unknown);
        for name in [
            "query_to_xml",
            "dblink_exec",
            "load_extension",
            "pragma_journal_mode",
            "crosstab",
            "",
        ] {
            for dialect in Dialect::ALL {
                assert_eq!(harm(name, dialect), Harm::Unknown, "{name}");
                assert_eq!(harm("count", dialect), Harm::None);
            }
        }
    }
}
