//! What expressions can use beside operators: filters, tests and functions, each with its line of help. Nothing here
//! reaches outside but the clock, and nothing marks a value as safe.

mod alert_range;
mod number;
mod text;
mod time;

pub(super) use alert_range::AlertRange;

use std::sync::Arc;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value, filters, functions, tests as builtin_tests};

use super::error::Fault;
use super::value::Identifier;
use crate::base::Clock;

/// Every filter with what it gives.
pub const FILTERS: &[(&str, &str)] = &[
    ("abs", "the number without its sign"),
    ("age", "how many seconds ago a timestamp was"),
    (
        "ago",
        "the moment a duration before now: 2026-12-31 23:59:59 (UTC)",
    ),
    ("attr", "the attribute of this name"),
    ("b64encode", "the text in base64; of a secret, a secret"),
    ("batch", "a list cut into lists of so many items"),
    ("bool", "true unless empty, zero or null"),
    ("bytes", "the bytes in a size: 10MiB is 10485760"),
    ("capitalize", "the text with a capital at its start"),
    (
        "default",
        "another value where this one is not defined; with true, also where it is empty or null",
    ),
    ("dictsort", "the pairs of a table, sorted"),
    (
        "duration",
        "seconds as a duration: 90 is 1m 30s; with 'ms', milliseconds",
    ),
    ("first", "the first item"),
    ("float", "a number"),
    (
        "from_now",
        "the moment a duration after now: 2026-12-31 23:59:59 (UTC)",
    ),
    ("fromjson", "what a JSON text says"),
    ("groupby", "the items grouped by an attribute"),
    (
        "identifier",
        "the name of a table or column, quoted for SQL",
    ),
    ("int", "a whole number"),
    ("items", "the pairs of a table"),
    ("join", "the items as one text, with something between them"),
    ("last", "the last item"),
    ("length", "how many items or characters"),
    ("lines", "the lines of a text"),
    ("list", "a list"),
    ("lower", "the text in small letters"),
    ("map", "a filter or an attribute of every item"),
    ("max", "the greatest item"),
    ("min", "the least item"),
    ("percent", "how many percent of a total"),
    (
        "quantile",
        "the value below which this part of a list lies: quantile(0.95)",
    ),
    (
        "range_check",
        "whether a number alerts by a monitoring-plugins range: @10:20",
    ),
    (
        "regex_match",
        "whether a regular expression matches somewhere in the text",
    ),
    ("reject", "the items that fail a test"),
    ("rejectattr", "the items whose attribute fails a test"),
    ("replace", "the text with one part replaced by another"),
    ("reverse", "the other way round"),
    ("round", "the number rounded to so many digits"),
    ("seconds", "the seconds in a duration: 5m is 300"),
    ("select", "the items that pass a test"),
    ("selectattr", "the items whose attribute passes a test"),
    ("size", "bytes as a size: 10485760 is 10.0 MiB"),
    ("sort", "the items in order"),
    ("split", "the parts of a text"),
    ("string", "a text"),
    ("sum", "the numbers added up"),
    ("title", "the text with a capital at the start of each word"),
    ("tojson", "the value as a JSON text"),
    ("trim", "the text without space around it"),
    ("unique", "the items without repetition"),
    ("upper", "the text in capitals"),
];

/// Every test with what it asks: `x is defined`.
pub const TESTS: &[(&str, &str)] = &[
    ("boolean", "true or false"),
    ("defined", "there is such a value"),
    ("divisibleby", "a multiple of a number"),
    ("endingwith", "a text that ends with another"),
    ("eq", "equal"),
    ("even", "an even number"),
    ("false", "false"),
    ("float", "a number with a fraction"),
    ("ge", "as great as another number or text, or greater"),
    ("gt", "greater than another number or text"),
    ("in", "one of a list, a key of a table or a part of a text"),
    ("integer", "a whole number"),
    ("iterable", "something with items"),
    ("le", "as small as another number or text, or smaller"),
    ("lt", "less than another number or text"),
    ("mapping", "a table"),
    (
        "matches",
        "a text in which a regular expression matches somewhere",
    ),
    ("ne", "not equal"),
    ("none", "null"),
    ("number", "a number"),
    ("odd", "an odd number"),
    ("sequence", "a list"),
    ("startingwith", "a text that starts with another"),
    ("string", "a text"),
    ("true", "true"),
    ("undefined", "there is no such value"),
];

/// Every function with what it gives.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("now", "the present moment: 2026-12-31 23:59:59 (UTC)"),
    ("range", "the whole numbers from one to before another"),
];

/// The longest text that a filter makes.
const LONGEST_TEXT: usize = 4 << 20;

/// Registers everything that is listed above.
pub(super) fn register(environment: &mut Environment<'static>, clock: Arc<dyn Clock>) {
    register_builtin_filters(environment);
    register_tests(environment);
    environment.add_function("range", functions::range);
    // JSON's word for what MiniJinja calls `none`.
    environment.add_global("null", ());
    text::register(environment);
    number::register(environment);
    time::register(environment, clock);
    environment.add_filter("identifier", identifier);
}

fn register_builtin_filters(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("attr", filters::attr);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("default", filters::default);
    environment.add_filter("dictsort", filters::dictsort);
    environment.add_filter("first", filters::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("groupby", filters::groupby);
    environment.add_filter("int", filters::int);
    environment.add_filter("items", filters::items);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("lines", filters::lines);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("reverse", filters::reverse);
    environment.add_filter("round", filters::round);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("split", filters::split);
    environment.add_filter("string", filters::string);
    environment.add_filter("sum", filters::sum);
    environment.add_filter("title", filters::title);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("unique", filters::unique);
    environment.add_filter("upper", filters::upper);
}

fn register_tests(environment: &mut Environment<'static>) {
    environment.add_test("boolean", builtin_tests::is_boolean);
    environment.add_test("defined", builtin_tests::is_defined);
    environment.add_test("divisibleby", builtin_tests::is_divisibleby);
    environment.add_test("endingwith", builtin_tests::is_endingwith);
    environment.add_test("eq", builtin_tests::is_eq);
    environment.add_test("even", builtin_tests::is_even);
    environment.add_test("false", builtin_tests::is_false);
    environment.add_test("float", builtin_tests::is_float);
    environment.add_test("in", builtin_tests::is_in);
    environment.add_test("integer", builtin_tests::is_integer);
    environment.add_test("iterable", builtin_tests::is_iterable);
    environment.add_test("mapping", builtin_tests::is_mapping);
    environment.add_test("ne", builtin_tests::is_ne);
    environment.add_test("none", builtin_tests::is_none);
    environment.add_test("number", builtin_tests::is_number);
    environment.add_test("odd", builtin_tests::is_odd);
    environment.add_test("sequence", builtin_tests::is_sequence);
    environment.add_test("startingwith", builtin_tests::is_startingwith);
    environment.add_test("string", builtin_tests::is_string);
    environment.add_test("true", builtin_tests::is_true);
    environment.add_test("undefined", builtin_tests::is_undefined);
}

fn identifier(value: &Value) -> Result<Value, Error> {
    let name = value
        .as_str()
        .ok_or_else(|| refused("the name of a table or column is a text"))?;
    if name.is_empty() || name.contains('\0') {
        return Err(refused(
            "the name of a table or column is not empty and holds no NUL",
        ));
    }
    Ok(Value::from_object(Identifier(name.to_owned())))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn from_fault(fault: Fault) -> Error {
    refused(match fault.help {
        Some(help) => format!("{}; {help}", fault.message),
        None => fault.message,
    })
}

/// The number that a value is; texts are not numbers.
fn number(value: &Value) -> Result<f64, Error> {
    (value.kind() == ValueKind::Number)
        .then(|| f64::try_from(value.clone()).ok())
        .flatten()
        .filter(|number| number.is_finite())
        .ok_or_else(|| {
            refused(format!(
                "this is {}, not a number",
                super::value::kind_of(value)
            ))
        })
}

/// A whole number where it is one.
fn plain(number: f64) -> Value {
    // Beyond 2^53 a float no longer tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53, as just checked"
        )]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The one optional argument of a filter.
fn optional(arguments: &Rest<Value>) -> Result<Option<&Value>, Error> {
    if arguments.len() > 1 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    Ok(arguments.first())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FILTERS, FUNCTIONS, TESTS};
    use crate::expr::Scope;
    use crate::expr::testing::{evaluator, expression};

    fn value(text: &str) -> Result<serde_json::Value, String> {
        evaluator()
            .value(&expression(text), &Scope::new())
            .map_err(|error| error.message)
    }

    #[test]
    fn the_lists_are_sorted_and_true() {
        for list in [FILTERS, TESTS, FUNCTIONS] {
            assert!(list.is_sorted_by_key(|(name, _)| name));
        }
        for (name, _) in FILTERS {
            let error = value(&format!("1 | {name}")).err().unwrap_or_default();
            assert!(!error.contains("there is no filter"), "{name}: {error}");
        }
        for (name, _) in TESTS {
            let error = value(&format!("1 is {name}")).err().unwrap_or_default();
            assert!(!error.contains("there is no test"), "{name}: {error}");
        }
        for (name, _) in FUNCTIONS {
            let error = value(&format!("{name}()")).err().unwrap_or_default();
            assert!(!error.contains("missing`"), "{name}: {error}");
        }
    }

    #[test]
    fn durations_and_moments() {
        for (text, expected) in [
            ("now()", json!("2026-12-31 12:00:00")),
            ("'90d' | ago", json!("2026-10-02 12:00:00")),
            ("3600 | ago", json!("2026-12-31 11:00:00")),
            ("'1h' | from_now", json!("2026-12-31 13:00:00")),
            ("'5m' | seconds", json!(300)),
            ("'1500ms' | seconds", json!(1.5)),
            ("90 | duration", json!("1m 30s")),
            ("1500 | duration('ms')", json!("1s 500ms")),
            ("'2026-12-31 11:59:00' | age", json!(60)),
            ("'2026-12-31T12:59:00+01:00' | age", json!(60)),
            ("'2026-12-31 12:59:00.5+01' | age", json!(59)),
            ("'2026-12-31' | age", json!(43200)),
            ("1798718340 | age", json!(60)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in [
            "'soon' | ago",
            "-5 | ago",
            "'yesterday' | age",
            "'99999999y' | ago",
            "1e30 | age | string | length > 99",
        ] {
            let _ = value(text);
        }
        assert!(value("'soon' | ago").is_err_and(|error| error.contains("is not a duration")));
        assert!(value("-5 | duration").is_err());
        assert!(value("'yesterday' | age").is_err_and(|error| error.contains("is not a moment")));
    }

    #[test]
    fn numbers_and_sizes() {
        for (text, expected) in [
            ("'10MiB' | bytes", json!(10_485_760)),
            ("10485760 | size", json!("10.0 MiB")),
            ("50 | percent(200)", json!(25)),
            ("[4, 1, 3, 2] | quantile(0.5)", json!(2.5)),
            ("[4, 1, 3, 2] | quantile(1)", json!(4)),
            ("[7] | quantile(0.95)", json!(7)),
            ("[1, 2] | sum", json!(3)),
            ("[3, 1] | min", json!(1)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in [
            "[] | quantile(0.5)",
            "[1] | quantile(2)",
            "['a'] | quantile(0.5)",
            "1 | percent(0)",
            "-1 | size",
            "null | bytes",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_alert_as_the_monitoring_plugins_do() {
        for (number, range, alerts) in [
            ("11", "10", true),
            ("-1", "10", true),
            ("10", "10", false),
            ("0", "10", false),
            ("9", "10:", true),
            ("10", "10:", false),
            ("11", "~:10", true),
            ("-99", "~:10", false),
            ("9", "10:20", true),
            ("21", "10:20", true),
            ("20", "10:20", false),
            ("10", "@10:20", true),
            ("15", "@10:20", true),
            ("21", "@10:20", false),
        ] {
            let text = format!("{number} | range_check('{range}')");
            assert_eq!(value(&text), Ok(json!(alerts)), "{text}");
        }
        for range in ["", "@", "20:10", "a", "1:b", "nan", "1:2:3"] {
            assert!(
                value(&format!("1 | range_check('{range}')")).is_err(),
                "{range}"
            );
        }
        assert!(value("'1' | range_check('10')").is_err());
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            ("'v1.22' is matches('^v1[.]')", json!(true)),
            ("'abc' | regex_match('x')", json!(false)),
            ("'aé' | b64encode", json!("YcOp")),
            ("'{\"a\": [1]}' | fromjson", json!({"a": [1]})),
            ("[1, null] | tojson", json!("[1,null]")),
            ("[1, 'a', true] | join('-')", json!("1-a-true")),
            ("'a\\nb' | lines | length", json!(2)),
            ("'a,b' | split(',') | last", json!("b")),
            (
                "[{'a': 1}, {'a': 2}] | map(attribute='a') | list",
                json!([1, 2]),
            ),
            (
                "[{'a': 1}, {'a': 2}] | selectattr('a', 'eq', 2) | list",
                json!([{"a": 2}]),
            ),
            ("missing | default('x')", json!("x")),
            (
                "[{'a': 1}, {'a': 2}] | selectattr('a', 'gt', 1) | list",
                json!([{"a": 2}]),
            ),
            ("[1, 2, 3] | reject('le', 2) | list", json!([3])),
            ("[1, 2, 3] | batch(2)", json!([[1, 2], [3]])),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in [
            "'a' is matches('(')",
            "'a' | regex_match('(a{1000}){1000}')",
            "'{' | fromjson",
            "[null] | join",
            "[null] | select('lt', 1) | list",
            "'5' is gt(1)",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
