//! What expressions can use beside operators: filters, tests and functions, each with its line of help. Nothing here
//! reaches outside but the clock, and nothing marks a value as safe.

mod number;
mod text;
mod time;

use std::sync::Arc;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value, filters, functions, tests};

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
    ("in", "one of a list, a key of a table or a part of a text"),
    ("integer", "a whole number"),
    ("iterable", "something with items"),
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
    text::register(environment);
    number::register(environment);
    time::register(environment, clock);
    environment.add_filter("identifier", identifier);
}

fn register_builtin_filters(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("attr", filters::attr);
    environment.add_filter("batch", filters::batch);
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
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("float", tests::is_float);
    environment.add_test("in", tests::is_in);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("iterable", tests::is_iterable);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
    environment.add_test("undefined", tests::is_undefined);
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
