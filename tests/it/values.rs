//! Every value that each engine has, and names of columns as odd as they come: exactly what it is, in every format.

use serde_json::{Value, json};

use super::harness::Project;
use super::three_engines::Engine;

/// Every kind of value of SQLite, each in a column of its own; the last is one that JSON has no word for.
const OF_SQLITE: &str = r#"SELECT NULL AS none, '' AS empty, 9223372036854775807 AS longest, -9007199254740993 AS exact,
    0.1 + 0.2 AS "sum", 1e300 AS large, 0.0 * -1 AS zero, 9e999 AS infinite, x'00ff' AS blob, x'' AS "no blob",
    CAST(x'610062' AS TEXT) AS nul, CAST(x'ff61' AS TEXT) AS bytes, char(10) || 'two "lines", 😀' AS "we""ird",
    '{"a": [1, null]}' AS doc, 1 AS "none", 2 AS "two
lines, 😀""#;

/// The name of the last column.
const ODD: &str = "two\nlines, 😀";

/// The same as JSON.
fn of_sqlite() -> Value {
    json!([
        null,
        "",
        i64::MAX,
        -9_007_199_254_740_993_i64,
        0.300_000_000_000_000_04,
        1e300,
        -0.0,
        "Infinity",
        {"base64": "AP8="},
        {"base64": ""},
        "a\u{0}b",
        {"base64": "/2E="},
        "\ntwo \"lines\", 😀",
        "{\"a\": [1, null]}",
        1,
        2
    ])
}

/// The same as a reader of CSV has it.
const OF_SQLITE_IN_CSV: &str = r#"["", "", "9223372036854775807", "-9007199254740993", "0.30000000000000004", "1e+300", "-0.0",
    "Infinity", "\\x00ff", "\\x", "a\u0000b", "\\xff61", "\ntwo \"lines\", 😀", "{\"a\": [1, null]}", "1", "2"]"#;

/// The same as a table shows it, one below the other where it is too wide.
const OF_SQLITE_IN_TABLE: &str = r#"
 none           NULL
 empty
 longest        9223372036854775807
 exact          -9007199254740993
 sum            0.30000000000000004
 large          1e+300
 zero           -0.0
 infinite       Infinity
 blob           \x00ff
 no blob        \x
 nul            a␀b
 bytes          \xff61
 we"ird         ␊two "lines", 😀
 doc            {"a": [1, null]}
 none_2         1
 two lines, 😀  2"#;

/// The same for the server of PostgreSQL.
const OF_POSTGRES: &str = r#"SELECT NULL::int AS none, '' AS empty, 9223372036854775807 AS longest,
    1234567890.123456789012::numeric AS "exact", 12.50::numeric(6,2) AS price, 12345678901234567890::numeric AS large,
    'NaN'::float8 AS nan, '-Infinity'::float8 AS low, 'Infinity'::numeric AS high, '-0'::float8 AS zero,
    0.1::float4 AS single, true AS yes, '\x00ff'::bytea AS bytes, ARRAY[1, NULL, 3] AS list,
    ARRAY[['a','b,"'],['c','NULL']] AS square, '{"a": [9007199254740993, 1.50], "b": null}'::jsonb AS doc,
    '{"a": 0.12345678901234567890}'::json AS long, '2026-02-03 04:05:06.789+02'::timestamptz AS at,
    '2026-02-03 04:05:06'::timestamp AS here, '2026-02-03'::date AS day, '04:05:06'::time AS clock,
    interval '1 day 2 hours' AS lasts, '6f2c3c0e-9a53-4d1b-8f4e-000000000001'::uuid AS id, '10.0.0.1/8'::inet AS net,
    '[1,5)'::int4range AS span, ROW(1, 'a,b', NULL) AS pair, E'two\n"lines", \U0001F600' AS "we""ird", 7 AS none, 2 AS "two
lines, 😀""#;

fn of_postgres() -> Value {
    json!([
        null,
        "",
        i64::MAX,
        "1234567890.123456789012",
        12.5,
        "12345678901234567890",
        "NaN",
        "-Infinity",
        "Infinity",
        -0.0,
        0.1,
        true,
        {"base64": "AP8="},
        [1, null, 3],
        [["a", "b,\""], ["c", "NULL"]],
        {"a": [9_007_199_254_740_993_i64, 1.5], "b": null},
        "{\"a\": 0.12345678901234567890}",
        "2026-02-03T02:05:06.789Z",
        "2026-02-03T04:05:06",
        "2026-02-03",
        "04:05:06",
        "1 day 02:00:00",
        "6f2c3c0e-9a53-4d1b-8f4e-000000000001",
        "10.0.0.1/8",
        "[1,5)",
        "(1,\"a,b\",)",
        "two\n\"lines\", 😀",
        7,
        2
    ])
}

const OF_POSTGRES_IN_CSV: &str = r#"["", "", "9223372036854775807", "1234567890.123456789012", "12.5", "12345678901234567890",
    "NaN", "-Infinity", "Infinity", "-0.0", "0.1", "true", "\\x00ff", "[1,null,3]", "[[\"a\",\"b,\\\"\"],[\"c\",\"NULL\"]]",
    "{\"a\":[9007199254740993,1.5],\"b\":null}", "{\"a\": 0.12345678901234567890}", "2026-02-03T02:05:06.789Z",
    "2026-02-03T04:05:06", "2026-02-03", "04:05:06", "1 day 02:00:00", "6f2c3c0e-9a53-4d1b-8f4e-000000000001", "10.0.0.1/8",
    "[1,5)", "(1,\"a,b\",)", "two\n\"lines\", 😀", "7", "2"]"#;

const OF_POSTGRES_IN_TABLE: &str = r#"
 none           NULL
 empty
 longest        9223372036854775807
 exact          1234567890.123456789012
 price          12.5
 large          12345678901234567890
 nan            NaN
 low            -Infinity
 high           Infinity
 zero           -0.0
 single         0.1
 yes            true
 bytes          \x00ff
 list           [1,null,3]
 square         [["a","b,\""],["c","NULL"]]
 doc            {"a":[9007199254740993,1.5],"b":null}
 long           {"a": 0.12345678901234567890}
 at             2026-02-03T02:05:06.789Z
 here           2026-02-03T04:05:06
 day            2026-02-03
 clock          04:05:06
 lasts          1 day 02:00:00
 id             6f2c3c0e-9a53-4d1b-8f4e-000000000001
 net            10.0.0.1/8
 span           [1,5)
 pair           (1,"a,b",)
 we"ird         two␊"lines", 😀
 none_2         7
 two lines, 😀  2"#;

/// The records of a text, as Python's module `csv` reads them.
pub(crate) fn read_by_python(csv: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, csv).unwrap();
    let program = "import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1], newline='', encoding='utf-8')))))";
    let read = std::process::Command::new("python3")
        .args(["-c", program])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Asks for one row in every form, and holds each against what it should be.
#[track_caller]
fn comes_right(
    project: &Project,
    sql: &str,
    row: &Value,
    in_csv: &str,
    in_table: &str,
    columns: &[&str],
) {
    let ask = |more: &[&str]| project.run(&[&["db", "query", sql], more].concat());
    let told = ask(&["--format", "json"]).exits(0).json();
    assert_eq!(told["output"]["columns"], json!(columns));
    assert_eq!(&told["output"]["rows"], &json!([row]));
    let zero = |row: &Value| row.to_string().contains("-0.0");
    assert_eq!(zero(&told["output"]["rows"]), zero(row), "the sign of zero");

    let wanted: Vec<String> = serde_json::from_str(in_csv).unwrap();
    let printed = ask(&["--format", "csv"]).exits(0);
    assert_eq!(printed.stderr, "");
    let exported = ask(&["--to", "-", "-q"]).exits(0);
    assert_eq!(exported.stdout, printed.stdout);
    let records = read_by_python(&printed.stdout);
    assert_eq!(
        records,
        [
            columns.iter().map(|&name| name.to_owned()).collect(),
            wanted
        ]
    );
    // Null and the empty text are two things.
    assert!(printed.stdout.contains("\r\n,\"\","), "{}", printed.shown());

    let lines = ask(&["--to", "-", "--as", "jsonl", "-q"])
        .exits(0)
        .json_lines();
    assert_eq!(lines.len(), 1);
    let values: Vec<&Value> = columns.iter().map(|name| &lines[0][name]).collect();
    assert_eq!(json!(values), *row);
    let list = ask(&["--to", "-", "--as", "json", "-q"]).exits(0).json();
    assert_eq!(list, json!(lines));

    // One below the other at 80 columns, each as it is written there, and nothing of it can steer the terminal.
    let shown = ask(&[]).exits(0);
    let block = shown.stdout.split("\n\n").next().unwrap();
    assert_eq!(block, &in_table[1..]);
    assert!(
        !shown.stdout.chars().any(|c| c.is_control() && c != '\n'),
        "{}",
        shown.shown()
    );
    assert!(
        shown.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        shown.shown()
    );
}

#[test]
fn every_value_of_sqlite_comes_right() {
    let columns = [
        "none", "empty", "longest", "exact", "sum", "large", "zero", "infinite", "blob", "no blob",
        "nul", "bytes", "we\"ird", "doc", "none_2", ODD,
    ];
    comes_right(
        &Engine::with("sqlite", "").project,
        OF_SQLITE,
        &of_sqlite(),
        OF_SQLITE_IN_CSV,
        OF_SQLITE_IN_TABLE,
        &columns,
    );
}

#[test]
fn every_value_of_postgres_comes_right() {
    let Engine { project, .. } = Engine::with("postgres", "");
    let columns = [
        "none", "empty", "longest", "exact", "price", "large", "nan", "low", "high", "zero",
        "single", "yes", "bytes", "list", "square", "doc", "long", "at", "here", "day", "clock",
        "lasts", "id", "net", "span", "pair", "we\"ird", "none_2", ODD,
    ];
    comes_right(
        &project,
        OF_POSTGRES,
        &of_postgres(),
        OF_POSTGRES_IN_CSV,
        OF_POSTGRES_IN_TABLE,
        &columns,
    );
    // A step that judges has numbers to compare.
    let judging = project.runbook(
        "judge",
        "[[step]]\nname = \"judge\"\nsql.query = \"SELECT avg(x) AS mean FROM (VALUES (1), (2), (2)) AS v(x)\"\nwarn = \"rows[0].mean > 1.5\"\n",
    );
    judging.run(&["judge"]).exits(1).prints("1.66");
}

/// D1 computes in doubles on its way out: what it would round is asked for once more, written out.
const OF_D1: &str = r#"SELECT NULL AS none, '' AS empty, 9223372036854775807 AS longest, -9007199254740993 AS exact,
    0.1 + 0.2 AS "sum", 1e300 AS large, x'00ff' AS blob, x'' AS "no blob", zeroblob(9) AS zeros, CAST(x'610062' AS TEXT) AS nul,
    char(10) || 'two "lines", 😀' AS "we""ird", '{"a": [1, null]}' AS doc, '[0, 255]' AS list, n > 1 AS yes,
    '2026-02-03 04:05:06+02:00' AS at, 1 AS "none", 2 AS "two
lines, 😀" FROM v"#;

fn of_d1() -> Value {
    json!([
        null,
        "",
        i64::MAX,
        -9_007_199_254_740_993_i64,
        0.300_000_000_000_000_04,
        1e300,
        {"base64": "AP8="},
        {"base64": ""},
        {"base64": "AAAAAAAAAAAA"},
        "a\u{0}b",
        "\ntwo \"lines\", 😀",
        "{\"a\": [1, null]}",
        "[0, 255]",
        1,
        "2026-02-03 04:05:06+02:00",
        1,
        2
    ])
}

const OF_D1_IN_CSV: &str = r#"["", "", "9223372036854775807", "-9007199254740993", "0.30000000000000004", "1e+300", "\\x00ff",
    "\\x", "\\x000000000000000000", "a\u0000b", "\ntwo \"lines\", 😀", "{\"a\": [1, null]}", "[0, 255]", "1",
    "2026-02-03 04:05:06+02:00", "1", "2"]"#;

const OF_D1_IN_TABLE: &str = r#"
 none           NULL
 empty
 longest        9223372036854775807
 exact          -9007199254740993
 sum            0.30000000000000004
 large          1e+300
 blob           \x00ff
 no blob        \x
 zeros          \x0000000000000000… 9 bytes
 nul            a␀b
 we"ird         ␊two "lines", 😀
 doc            {"a": [1, null]}
 list           [0, 255]
 yes            1
 at             2026-02-03 04:05:06+02:00
 none_2         1
 two lines, 😀  2"#;

#[test]
fn every_value_of_d1_comes_right() {
    let setup = "CREATE TABLE v (n INTEGER); INSERT INTO v VALUES (9007199254740993)";
    let engine = Engine::with("d1", setup);
    let columns = [
        "none", "empty", "longest", "exact", "sum", "large", "blob", "no blob", "zeros", "nul",
        "we\"ird", "doc", "list", "yes", "at", "none_2", ODD,
    ];
    comes_right(
        &engine.project,
        OF_D1,
        &of_d1(),
        OF_D1_IN_CSV,
        OF_D1_IN_TABLE,
        &columns,
    );
}

/// Side by side numbers stand to the right, each with every digit, and a blob is no longer than its column.
#[test]
fn rows_below_each_other_are_shown_digit_by_digit() {
    for (engine, blob) in [("sqlite", "blob"), ("postgres", "bytea"), ("d1", "blob")] {
        let value = match engine {
            "postgres" => "'\\x00ff'",
            _ => "x'00ff'",
        };
        let setup = format!(
            "CREATE TABLE v (n bigint, x double precision, b {blob}, s text); \
             INSERT INTO v VALUES (9223372036854775807, 0.1, {value}, 'a'), (-7, -1e300, NULL, 'it''s ☃');"
        );
        let sql = "SELECT n, x AS \"x\ny 😀\", b, s FROM v ORDER BY n DESC";
        let Engine { project, .. } = &Engine::with(engine, &setup);
        let told = project.run(&["db", "query", sql]).exits(0);
        let block = told.stdout.split("\n\n").next().unwrap();
        let shown = "                   n   x y 😀  b       s\n \
                     9223372036854775807      0.1  \\x00ff  a\n \
                     \x20                -7  -1e+300  NULL    it's ☃";
        assert_eq!(block, shown, "{engine}");
    }
}
