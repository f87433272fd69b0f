//! Filters over numbers and lists of numbers.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Value};

use super::alert_range::AlertRange;
use super::{from_fault, number, plain, refused};
use crate::base::Size;
use crate::expr::compare::order_of;
use crate::expr::value::{items_of, kind_of};

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("bytes", bytes);
    environment.add_filter("percent", percent);
    environment.add_filter("quantile", quantile);
    environment.add_filter("range_check", range_check);
    environment.add_filter("size", size);
    // MiniJinja's own order values of any kind: null would be less than every number.
    environment.add_test("gt", |left: &Value, right: &Value| {
        Ok(order(left, right)?.is_gt())
    });
    environment.add_test("ge", |left: &Value, right: &Value| {
        Ok(order(left, right)?.is_ge())
    });
    environment.add_test("lt", |left: &Value, right: &Value| {
        Ok(order(left, right)?.is_lt())
    });
    environment.add_test("le", |left: &Value, right: &Value| {
        Ok(order(left, right)?.is_le())
    });
}

fn order(left: &Value, right: &Value) -> Result<Ordering, Error> {
    order_of(left, right).ok_or_else(|| {
        refused(format!(
            "{} cannot be compared with {}",
            kind_of(left),
            kind_of(right)
        ))
    })
}

fn bytes(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) => text
            .parse::<Size>()
            .map(|size| Value::from(size.0))
            .map_err(|error| refused(error.to_string())),
        None => number(value).map(plain),
    }
}

fn size(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::String {
        return bytes(value).and_then(|bytes| size(&bytes));
    }
    u64::try_from(value.clone())
        .map(|bytes| Size(bytes).to_string())
        .map_err(|_| refused(format!("{value} is not a number of bytes")))
}

fn percent(value: &Value, total: &Value) -> Result<Value, Error> {
    let total = number(total)?;
    if total == 0.0 {
        return Err(refused("there is no percentage of zero"));
    }
    Ok(plain(number(value)? / total * 100.0))
}

/// Linear interpolation between the two nearest values, as spreadsheets do it.
fn quantile(values: &Value, part: f64) -> Result<Value, Error> {
    if !(0.0..=1.0).contains(&part) {
        return Err(refused("a quantile lies between 0 and 1: quantile(0.95)"));
    }
    let mut numbers = items_of(values)
        .map_err(from_fault)?
        .iter()
        .map(number)
        .collect::<Result<Vec<_>, _>>()?;
    numbers.sort_by(f64::total_cmp);
    let Some(last) = numbers.len().checked_sub(1) else {
        return Err(refused("an empty list has no quantiles"));
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lists are shorter than 2^52 items and the position is not negative"
    )]
    let (below, fraction) = {
        let position = part * last as f64;
        (position as usize, position.fract())
    };
    let low = numbers[below];
    let high = numbers[(below + 1).min(last)];
    Ok(plain((high - low).mul_add(fraction, low)))
}

/// Whether a number alerts by a range of the monitoring-plugins guidelines.
fn range_check(value: &Value, range: &str) -> Result<bool, Error> {
    let range: AlertRange = range.parse().map_err(|error: String| refused(error))?;
    Ok(range.alerts(number(value)?))
}
