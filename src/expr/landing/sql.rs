//! SQL: a value becomes a bound parameter, a name becomes a quoted identifier.

use minijinja::Value;
use minijinja::machinery::ast::{Expr, Stmt};

use crate::expr::argument::SqlText;
use crate::expr::error::Fault;
use crate::expr::pieces::Piece;
use crate::expr::syntax::statements;
use crate::expr::value::{Identifier, is_compound, is_secret, items_of, json_of, text_of};
use crate::model::Template;

use super::bounded;
use super::sql_context::SqlContext;

/// SQLite and PostgreSQL take about twice as many in one statement.
const MOST_PARAMETERS: usize = 16_384;

/// SQL with its values apart.
pub(super) fn land(pieces: &[Piece<'_>]) -> Result<SqlText, Fault> {
    let mut sql = SqlText::default();
    let mut context = SqlContext::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                context.read(text)?;
                sql.text.push_str(text);
            }
            Piece::Value(value, range) => {
                value_into(&mut sql, &mut context, value)
                    .map_err(|fault| fault.at(range.clone()))?;
            }
        }
        bounded(&sql.text)?;
    }
    Ok(sql)
}

fn value_into(sql: &mut SqlText, context: &mut SqlContext, value: &Value) -> Result<(), Fault> {
    if let Some(name) = value.downcast_object_ref::<Identifier>() {
        context.identifier()?;
        sql.text.push_str(&quoted(&name.0));
        return Ok(());
    }
    context.value()?;
    if value.kind() == minijinja::value::ValueKind::Map || !is_compound(value) {
        return bind(sql, value);
    }
    let items = items_of(value)?;
    if items.is_empty() {
        sql.text.push_str("NULL");
    }
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            sql.text.push_str(", ");
        }
        bind(sql, item)?;
    }
    Ok(())
}

/// Binds one value. A list or a table inside of a list is bound as its JSON text: databases know no other form of it.
fn bind(sql: &mut SqlText, value: &Value) -> Result<(), Fault> {
    let parameter = if is_secret(value) || is_compound(value) {
        text_of(value)?.into()
    } else {
        json_of(value)?
    };
    sql.parameters.push(parameter);
    if sql.parameters.len() > MOST_PARAMETERS {
        return Err(Fault::new(format!(
            "more than {MOST_PARAMETERS} values in one statement"
        ))
        .help("take them from a table, or use `for_each` with `batch`"));
    }
    sql.text.push('?');
    sql.text.push_str(&sql.parameters.len().to_string());
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The SQL of a template with something parseable in place of each value, so that its effect is known before the run:
/// `?1` for a value, a quoted name for `| identifier`. None where conditions or loops decide what the text is, or the
/// syntax is wrong.
#[must_use]
pub fn sql_skeleton(template: &Template) -> Option<String> {
    let read = statements(&template.text).ok()?;
    let mut skeleton = String::new();
    let mut values = 0;
    for statement in read.all() {
        match statement {
            Stmt::EmitRaw(raw) => skeleton.push_str(raw.raw),
            Stmt::EmitExpr(emit) => {
                values += 1;
                match &emit.expr {
                    Expr::Filter(filter) if filter.name == "identifier" => {
                        let known = filter.expr.as_ref().and_then(Expr::as_const);
                        let name = known.as_ref().and_then(Value::as_str);
                        skeleton.push_str(&quoted(name.unwrap_or("name")));
                    }
                    _ => skeleton.push_str(&format!("?{values}")),
                }
            }
            _ => return None,
        }
    }
    Some(skeleton)
}
