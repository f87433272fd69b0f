//! Values on their way into PostgreSQL, as text, and out of it, in its binary forms. What has no form here is asked as
//! text, in the server's own words: see [`is_known`].

use std::error::Error;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::base::text::hexadecimal;

type Failure = Box<dyn Error + Sync + Send>;

/// A value bound as text: the server reads it as whatever type the statement gives its place, as it reads a literal.
#[derive(Debug)]
pub(super) struct Parameter<'v>(pub(super) &'v Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::String(text) => out.extend_from_slice(text.as_bytes()),
            value => match blob(value) {
                Some(bytes) => write!(out, "\\x{}", hexadecimal(&bytes))?,
                None => write!(out, "{value}")?,
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The bytes of `{"base64": "…"}`, as a blob comes out.
fn blob(value: &Value) -> Option<Vec<u8>> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    STANDARD.decode(fields.get("base64")?.as_str()?).ok()
}

/// A value as JSON.
pub(super) struct Decoded(pub(super) Value);

impl<'r> FromSql<'r> for Decoded {
    fn from_sql(of: &Type, bytes: &'r [u8]) -> Result<Self, Failure> {
        decode(of, bytes, number).map(Self)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value as JSON that loses nothing: a decimal that is not what its nearest double is written as is text.
pub(super) struct Exact(pub(super) Value);

impl<'r> FromSql<'r> for Exact {
    fn from_sql(of: &Type, bytes: &'r [u8]) -> Result<Self, Failure> {
        let value = decode(of, bytes, exact_number)?;
        Ok(Self(match *of {
            Type::JSON | Type::JSONB if !value.is_string() => exact_document(value, bytes),
            _ => value,
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Whether values of a type can be read in their binary form.
pub(super) fn is_known(of: &Type) -> bool {
    match of.kind() {
        Kind::Array(element) => is_known(element),
        Kind::Enum(_) => true,
        _ => matches!(
            *of,
            Type::BOOL
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::OID
                | Type::FLOAT4
                | Type::FLOAT8
                | Type::NUMERIC
                | Type::TEXT
                | Type::VARCHAR
                | Type::BPCHAR
                | Type::NAME
                | Type::UNKNOWN
                | Type::VOID
                | Type::BYTEA
                | Type::UUID
                | Type::JSON
                | Type::JSONB
                | Type::DATE
                | Type::TIMESTAMP
                | Type::TIMESTAMPTZ
        ),
    }
}

/// Reads the binary form of a value. The forms are those of the server's `*_send` functions.
fn decode(of: &Type, bytes: &[u8], number: fn(String) -> Value) -> Result<Value, Failure> {
    if let Kind::Array(element) = of.kind() {
        return array(element, bytes, number);
    }
    Ok(match *of {
        Type::BOOL => Value::from(bytes != [0]),
        Type::INT2 => Value::from(i16::from_be_bytes(bytes.try_into()?)),
        Type::INT4 => Value::from(i32::from_be_bytes(bytes.try_into()?)),
        Type::INT8 => Value::from(i64::from_be_bytes(bytes.try_into()?)),
        Type::OID => Value::from(u32::from_be_bytes(bytes.try_into()?)),
        // The shortest decimal that is this number, not what it is nearest to in twice the precision.
        Type::FLOAT4 => real(
            f32::from_be_bytes(bytes.try_into()?)
                .to_string()
                .parse::<f64>()?,
        ),
        Type::FLOAT8 => real(f64::from_be_bytes(bytes.try_into()?)),
        Type::NUMERIC => number(numeric(bytes)?),
        Type::BYTEA => json!({ "base64": STANDARD.encode(bytes) }),
        Type::UUID => uuid(bytes),
        Type::JSON => document(bytes)?,
        Type::JSONB => document(bytes.strip_prefix(&[1]).ok_or("an unknown form of jsonb")?)?,
        Type::DATE => date(i32::from_be_bytes(bytes.try_into()?)),
        Type::TIMESTAMP => moment(i64::from_be_bytes(bytes.try_into()?), false),
        Type::TIMESTAMPTZ => moment(i64::from_be_bytes(bytes.try_into()?), true),
        // A database may hold texts of any bytes (SQL_ASCII).
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
        },
    })
}

/// JSON has no word for what is no finite number: it is PostgreSQL's word, as text.
fn real(real: f64) -> Value {
    match real {
        real if real.is_nan() => Value::from("NaN"),
        real if real.is_finite() => Value::from(real),
        real if real > 0.0 => Value::from("Infinity"),
        _ => Value::from("-Infinity"),
    }
}

/// A decimal number as JSON: a whole one exactly, as text where it takes more than 64 bits; another as the nearest double.
fn number(text: String) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    match text.parse::<f64>() {
        Ok(real) if real.is_finite() && text.contains('.') => Value::from(real),
        _ => Value::from(text),
    }
}

/// A decimal number as JSON with every digit: a number where its double is written with the same ones, else text.
fn exact_number(text: String) -> Value {
    // So many digits always come back: <https://en.wikipedia.org/wiki/Double-precision_floating-point_format>.
    if text.bytes().filter(u8::is_ascii_digit).count() <= f64::DIGITS as usize {
        return number(text);
    }
    let near = number(text.clone());
    // Written without an exponent.
    let written = near.as_f64().filter(|_| near.is_f64());
    match written.map(|near| near.to_string()) {
        Some(written) if significant(&written) != significant(&text) => Value::from(text),
        Some(_) | None => near,
    }
}

/// A decimal without the zeros that it ends in.
fn significant(decimal: &str) -> &str {
    match decimal.contains('.') {
        true => decimal.trim_end_matches('0').trim_end_matches('.'),
        false => decimal,
    }
}

/// A document, as text where one of its numbers is none that a double or 64 bits hold.
fn exact_document(document: Value, bytes: &[u8]) -> Value {
    let bytes = bytes.strip_prefix(&[1]).unwrap_or(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return document;
    };
    match numbers(text).all(|number| !exact_number(number.to_owned()).is_string()) {
        true => document,
        false => Value::from(text),
    }
}

/// The decimals in a text of JSON: what stands in no string and begins like one. One with an exponent is a double already.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut in_string = false;
    let mut escaped = false;
    let outside = move |character: char| {
        let was_in_string = in_string;
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        was_in_string || !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')
    };
    text.split(outside)
        .filter(|part| part.contains(|digit: char| digit.is_ascii_digit()))
        .filter(|part| !part.contains(['e', 'E']))
}

/// The digits of a `numeric`: how many groups of four digits, the weight of the first, the sign, the digits behind the
/// point, then the groups.
fn numeric(bytes: &[u8]) -> Result<String, Failure> {
    let (words, rest) = bytes.as_chunks::<2>();
    let [count, weight, sign, scale, groups @ ..] = words else {
        return Err("a numeric without a head".into());
    };
    let (count, scale) = (u16::from_be_bytes(*count), u16::from_be_bytes(*scale));
    let weight = i32::from(i16::from_be_bytes(*weight));
    if !rest.is_empty() || groups.len() != usize::from(count) {
        return Err("a numeric of another length than it says".into());
    }
    let sign = match u16::from_be_bytes(*sign) {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Ok("NaN".to_owned()),
        0xD000 => return Ok("Infinity".to_owned()),
        0xF000 => return Ok("-Infinity".to_owned()),
        _ => return Err("a numeric with an unknown sign".into()),
    };
    let group = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        let group = index.and_then(|index| groups.get(index));
        group.map_or(0, |group| u16::from_be_bytes(*group))
    };
    let mut text = sign.to_owned();
    for place in (0..=weight).rev() {
        for digit in digits(group(place)) {
            // None stands before the first that counts.
            if digit != '0' || text.len() > sign.len() {
                text.push(digit);
            }
        }
    }
    if text.len() == sign.len() {
        text.push('0');
    }
    if scale > 0 {
        text.push('.');
        let whole = text.len();
        for place in 1..=i32::from(scale.div_ceil(4)) {
            text.extend(digits(group(-place)));
        }
        text.truncate(whole + usize::from(scale));
    }
    Ok(text)
}

/// The four digits of a group.
fn digits(group: u16) -> [char; 4] {
    [1000, 100, 10, 1].map(|unit| char::from(b'0' + (group / unit % 10) as u8))
}

fn uuid(bytes: &[u8]) -> Value {
    let mut text = hexadecimal(bytes);
    for place in [20, 16, 12, 8] {
        if place < text.len() {
            text.insert(place, '-');
        }
    }
    Value::from(text)
}

/// A document as it is; as text where it holds a number that nothing here can hold.
fn document(bytes: &[u8]) -> Result<Value, Failure> {
    let text = std::str::from_utf8(bytes)?;
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))
}

/// Days since 2000-01-01.
fn date(days: i32) -> Value {
    let day = match days {
        i32::MAX => return Value::from("infinity"),
        i32::MIN => return Value::from("-infinity"),
        days => NaiveDate::from_ymd_opt(2000, 1, 1)
            .and_then(|start| start.checked_add_signed(TimeDelta::days(days.into()))),
    };
    day.map_or_else(
        || Value::from(format!("2000-01-01 and {days} days")),
        |day| Value::from(day.to_string()),
    )
}

/// Microseconds since 2000-01-01, in UTC or in no zone.
fn moment(microseconds: i64, zoned: bool) -> Value {
    /// 2000-01-01 in seconds since 1970.
    const START: i64 = 946_684_800;
    let moment = match microseconds {
        i64::MAX => return Value::from("infinity"),
        i64::MIN => return Value::from("-infinity"),
        microseconds => DateTime::from_timestamp(START, 0)
            .and_then(|start| start.checked_add_signed(TimeDelta::microseconds(microseconds))),
    };
    let Some(moment) = moment else {
        return Value::from(format!("2000-01-01 and {microseconds} microseconds"));
    };
    let mut text = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if !zoned {
        text.truncate(text.len() - 1);
    }
    Value::from(text)
}

/// Elements of an array: how many dimensions, whether there are nulls, the type, each dimension's length and first
/// index, then the elements, each behind its length or -1 for null.
fn array(element: &Type, bytes: &[u8], number: fn(String) -> Value) -> Result<Value, Failure> {
    let mut rest = bytes;
    let mut next = || -> Result<i32, Failure> {
        let (word, tail) = rest.split_first_chunk::<4>().ok_or("an array cut short")?;
        rest = tail;
        Ok(i32::from_be_bytes(*word))
    };
    let dimensions = next()?;
    let (_nulls, _type) = (next()?, next()?);
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(next()?)?);
        next()?;
    }
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (word, tail) = rest.split_first_chunk::<4>().ok_or("an array cut short")?;
        rest = tail;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*word)) else {
            values.push(Value::Null);
            continue;
        };
        let (value, tail) = rest.split_at_checked(length).ok_or("an array cut short")?;
        rest = tail;
        values.push(decode(element, value, number)?);
    }
    for length in lengths.into_iter().skip(1).rev() {
        if length == 0 || values.len() % length != 0 {
            return Err("an array of another length than it says".into());
        }
        values = values.chunks(length).map(|row| json!(row)).collect();
    }
    Ok(Value::Array(values))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use serde_json::json;
    use tokio_postgres::types::Type;

    use tokio_postgres::types::FromSql as _;

    use super::{Exact, decode, exact_number, is_known, number, numeric, significant};

    /// A numeric as the server sends it.
    fn sent(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let head = [groups.len() as u16, weight as u16, sign, scale];
        let words = head.iter().chain(groups);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_keep_their_digits() {
        let told = |weight, sign, scale, groups: &[u16]| {
            numeric(&sent(weight, sign, scale, groups)).unwrap()
        };
        assert_eq!(told(0, 0, 0, &[]), "0");
        assert_eq!(told(0, 0, 2, &[12, 5000]), "12.50");
        assert_eq!(told(1, 0x4000, 0, &[1, 2]), "-10002");
        assert_eq!(told(2, 0, 0, &[1]), "100000000");
        assert_eq!(told(-2, 0, 8, &[25]), "0.00000025");
        assert_eq!(told(0, 0xC000, 0, &[]), "NaN");
        assert!(numeric(&[0, 1, 0, 0, 0, 0, 0, 0]).is_err());

        assert_eq!(
            number("9007199254740993".into()),
            json!(9_007_199_254_740_993_i64)
        );
        assert_eq!(
            number("12345678901234567890".into()),
            json!("12345678901234567890")
        );
        assert_eq!(
            number("33.3333333333333333".into()),
            json!(33.333_333_333_333_336)
        );
    }

    #[test]
    fn a_decimal_is_a_number_only_where_nothing_of_it_is_lost() {
        for (text, value) in [
            ("12.50", json!(12.5)),
            ("0.1", json!(0.1)),
            ("-7", json!(-7)),
            ("100.00", json!(100.0)),
            ("0.00000012", json!(0.000_000_12)),
            ("0.00000000000000000001", json!(1e-20)),
            ("9007199254740993", json!(9_007_199_254_740_993_i64)),
        ] {
            assert_eq!(exact_number(text.to_owned()), value, "{text}");
        }
        for text in [
            "33.3333333333333333",
            "1234567890.123456789012",
            "12345678901234567890",
            "NaN",
        ] {
            assert_eq!(exact_number(text.to_owned()), json!(text), "{text}");
        }
    }

    #[test]
    fn a_document_keeps_every_digit() {
        let of = |text: &str| Exact::from_sql(&Type::JSON, text.as_bytes()).unwrap().0;
        assert_eq!(
            of(
                r#"{"a": [9007199254740993, 1.50, -2], "b": "0.12345678901234567890 \" 1", "c": 1e5, "d": true}"#
            ),
            json!({"a": [9_007_199_254_740_993_i64, 1.5, -2], "b": "0.12345678901234567890 \" 1", "c": 100_000.0, "d": true})
        );
        for text in [
            r#"{"a": 0.12345678901234567890}"#,
            "[12345678901234567890123]",
        ] {
            assert_eq!(of(text), json!(text));
        }
    }

    #[test]
    fn what_no_number_or_day_of_json_is_has_postgres_word() {
        let of = |of: Type, bytes: &[u8]| decode(&of, bytes, number).unwrap();
        assert_eq!(of(Type::FLOAT8, &f64::NAN.to_be_bytes()), json!("NaN"));
        let below = f64::NEG_INFINITY.to_be_bytes();
        assert_eq!(of(Type::FLOAT8, &below), json!("-Infinity"));
        assert_eq!(of(Type::FLOAT4, &0.1_f32.to_be_bytes()), json!(0.1));
        assert_eq!(of(Type::DATE, &i32::MAX.to_be_bytes()), json!("infinity"));
        assert_eq!(of(Type::TIMESTAMP, &[0; 8]), json!("2000-01-01T00:00:00"));
        assert_eq!(
            of(Type::TIMESTAMPTZ, &[0; 8]),
            json!("2000-01-01T00:00:00Z")
        );
        assert_eq!(of(Type::JSON, b"1e999"), json!("1e999"));
        assert_eq!(of(Type::TEXT, &[0xff]), json!({"base64": "/w=="}));
    }

    proptest! {
        #[test]
        fn a_decimal_of_any_length_keeps_its_digits(
            first in 1_u16..10_000, rest in vec(0_u16..10_000, 0..6), fraction in vec(0_u16..10_000, 0..4), cut in 0_u16..4,
        ) {
            let groups: Vec<u16> = [first].iter().chain(&rest).chain(&fraction).copied().collect();
            let scale = (fraction.len() as u16 * 4).saturating_sub(cut);
            let told = numeric(&sent(rest.len() as i16, 0x4000, scale, &groups)).unwrap();
            let written = |groups: &[u16]| groups.iter().map(|group| format!("{group:04}")).collect::<String>();
            let behind = &written(&fraction)[..usize::from(scale)];
            let point = if scale > 0 { "." } else { "" };
            assert_eq!(told, format!("-{first}{}{point}{behind}", written(&rest)));
        }

        #[test]
        fn a_decimal_is_a_number_exactly_where_its_double_is_written_so(text in "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,12}") {
            let double: f64 = text.parse().unwrap();
            let value = exact_number(text.clone());
            match significant(&double.to_string()) == significant(&text) {
                true => assert_eq!(value, json!(double)),
                false => assert_eq!(value, json!(text)),
            }
        }

        #[test]
        fn hostile_bytes_are_refused_or_read(bytes in vec(any::<u8>(), 0..40), which in any::<usize>()) {
            let types = [
                Type::BOOL, Type::INT8, Type::FLOAT4, Type::NUMERIC, Type::UUID, Type::JSONB, Type::DATE,
                Type::TIMESTAMPTZ, Type::TEXT_ARRAY, Type::INT4_ARRAY, Type::NUMERIC_ARRAY,
            ];
            let of = &types[which % types.len()];
            assert!(is_known(of));
            let _ = decode(of, &bytes, exact_number);
        }
    }
}
