//! SQL: a value becomes a bound parameter, a name becomes a quoted identifier.

use minijinja::Value;
use minijinja::machinery::ast::{Expr, Stmt};

use crate::expr::argument::SqlText;
use crate::expr::error::{EvalError, Fault};
use crate::expr::pieces::Piece;
use crate::expr::syntax::statements;
use crate::expr::value::{Identifier, is_compound, is_secret, items_of, json_of, text_of};
use crate::model::{Statement, Template};
use crate::sql::quoted;

use super::bounded;
use super::sql_context::SqlContext;

/// SQLite and PostgreSQL take about twice as many in one statement.
const MOST_PARAMETERS: usize = 16_384;

/// SQL with its values apart.
pub(super) fn land(pieces: &[Piece<'_>]) -> Result<SqlText, Fault> {
    let mut sql = SqlText::default();
    let mut context = SqlContext::default();
    let mut latest = None;
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                context.read(text).map_err(|fault| match latest.take() {
                    Some(range) => fault.at(range),
                    None => fault,
                })?;
                sql.text.push_str(text);
            }
            Piece::Value(value, range) => {
                latest = Some(range.clone());
                value_into(&mut sql, &mut context, value)
                    .map_err(|fault| fault.at(range.clone()))?;
            }
        }
        bounded(&sql.text)?;
    }
    Ok(sql)
}

/// SQL that the caller typed: all of it is theirs, so there are no values in it.
pub(super) fn typed(statement: &Statement) -> Result<SqlText, EvalError> {
    let Statement {
        template,
        input,
        given,
    } = statement;
    let text = given
        .clone()
        .ok_or_else(|| Fault::new(format!("nobody has given the input {input:?}")));
    let sql = text.and_then(|text| {
        bounded(&text)?;
        Ok(SqlText {
            text,
            parameters: Vec::new(),
        })
    });
    sql.map_err(|fault| fault.in_text(&template.text, &template.place))
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

/// Binds one value. A list or a table is bound as its JSON text: databases know no other form of it. Only a blob stays
/// what it is, as it came out of a database.
fn bind(sql: &mut SqlText, value: &Value) -> Result<(), Fault> {
    let parameter = if is_secret(value) || (is_compound(value) && !is_blob(value)) {
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

/// Whether the value is `{"base64": "…"}` and nothing else.
fn is_blob(value: &Value) -> bool {
    let is_text = |value: Value| value.as_str().is_some();
    value.len() == Some(1) && value.get_attr("base64").is_ok_and(is_text)
}

/// The SQL of a template with something parseable in place of each value, so that its effect is known before the run:
/// `?1` for a value, a quoted name for `| identifier`. None where conditions or loops decide what the text is, or the
/// syntax is wrong.
#[must_use]
pub fn sql_skeleton(template: &Template) -> Option<String> {
    let read = statements(&template.text).ok()?;
    let mut skeleton = String::new();
    let mut values = 0_usize;
    for statement in read.all() {
        match statement {
            Stmt::EmitRaw(raw) => skeleton.push_str(raw.raw),
            Stmt::EmitExpr(emit) => match &emit.expr {
                Expr::Filter(filter) if filter.name == "identifier" => {
                    let known = filter.expr.as_ref().and_then(Expr::as_const);
                    let name = known.as_ref().and_then(Value::as_str);
                    skeleton.push_str(&quoted(name.unwrap_or("name")));
                }
                _ => {
                    values += 1;
                    skeleton.push('?');
                    skeleton.push_str(&values.to_string());
                }
            },
            _ => return None,
        }
    }
    Some(skeleton)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::Value as Sqlite;
    use serde_json::json;

    use super::super::super::testing::{hostile, land, refused, scope, template};
    use super::sql_skeleton;
    use crate::expr::{Argument, Scope, SqlText};
    use crate::model::Kind;

    fn sql(text: &str, scope: &Scope) -> SqlText {
        match land(text, Kind::Sql, scope) {
            Ok(Argument::Sql(sql)) => sql,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn values_become_parameters() {
        let scope = scope(
            &json!({"a": "x' OR 1=1 --", "b": null, "ids": [1, "2", {"k": 1}], "empty": [], "t": "we\"ird"}),
        );
        let sql_text = "SELECT * FROM {{ t | identifier }} WHERE a={{ a }} AND b IS {{ b }} AND c IN ({{ ids }}) AND d IN ({{ empty }})";
        let landed = sql(sql_text, &scope);
        assert_eq!(
            landed.text,
            "SELECT * FROM \"we\"\"ird\" WHERE a=?1 AND b IS ?2 AND c IN (?3, ?4, ?5) AND d IN (NULL)"
        );
        assert_eq!(
            json!(landed.parameters),
            json!(["x' OR 1=1 --", null, 1, "2", "{\"k\":1}"])
        );
    }

    #[test]
    fn a_blob_stays_a_blob() {
        let blob = json!({"base64": "AP8="});
        let scope =
            scope(&json!({"blob": blob, "json": {"base64": "AP8=", "n": 1}, "odd": {"base64": 7}}));
        let landed = sql("SELECT {{ blob }}, {{ json }}, {{ odd }}", &scope);
        assert_eq!(
            json!(landed.parameters),
            json!([blob, "{\"base64\":\"AP8=\",\"n\":1}", "{\"base64\":7}"])
        );
    }

    #[test]
    fn loops_and_conditions_keep_values_apart() {
        let scope = scope(&json!({"rows": [["a", 1], ["b", 2]], "deep": true}));
        let landed = sql(
            "{% for k, v in rows %}({{ k }}, {{ v }}){% if not loop.last %}, {% endif %}{% endfor %}{% if deep %} -- x{% endif %}",
            &scope,
        );
        assert_eq!(landed.text, "(?1, ?2), (?3, ?4) -- x");
        assert_eq!(json!(landed.parameters), json!(["a", 1, "b", 2]));
    }

    #[test]
    fn nothing_in_an_expression_gets_around_it() {
        let scope = scope(&json!({"x": "1; DROP TABLE t", "xs": ["a", "b"]}));
        for text in [
            "{{ x }}",
            "{{ x ~ ' --' }}",
            "{{ xs | join('; ') }}",
            "{{ x | replace('1', '2') | upper | string }}",
            "{{ [x] | first }}",
            "{{ {'k': x}.k }}",
            "{{ x if x else '' }}",
            "{{ 'DELETE FROM t' }}",
            "{% for y in [x] %}{{ y }}{% endfor %}",
            "{{ (x | identifier) ~ '' }}",
        ] {
            assert_eq!(sql(text, &scope).text, "?1", "{text}");
        }
        for text in [
            "{% set y = x %}{{ y }}",
            "{% set y %}{{ x }}{% endset %}{{ y }}",
            "{% filter upper %}{{ x }}{% endfilter %}",
            "{% with y = x %}{{ y }}{% endwith %}",
            "{% autoescape false %}{{ x }}{% endautoescape %}",
            "{% for y in xs recursive %}{{ y }}{% endfor %}",
            "{% do x() %}",
            "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}",
            "{% include 'x' %}",
            "{% import 'x' as y %}",
            "{{ x | safe }}",
            "{{ x | escape }}",
            "{{ namespace() }}",
            "{{ debug() }}",
        ] {
            assert!(land(text, Kind::Sql, &scope).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_stands_only_where_a_parameter_can() {
        let scope = scope(&json!({"x": 1, "t": "a"}));
        let refuse = |text: &str, words: &str| {
            let part = if text.contains("t | id") {
                "t | identifier"
            } else {
                "x"
            };
            refused(text, Kind::Sql, &scope, words, part);
        };
        refuse("SELECT \"{{ x }}\"", "inside of quotes");
        refuse("SELECT `{{ x }}`", "inside of quotes");
        refuse("SELECT 1 -- {{ x }}", "comment");
        refuse("SELECT /* {{ x }} */ 1", "comment");
        refuse("SELECT /*/ {{ x }} */ 1", "comment");
        refuse("SELECT /* /* */ {{ x }}", "read differently");
        refuse("SELECT $a$ {{ x }} $a$", "$…$ quotes");
        refuse("SELECT {{ x }}0", "touches");
        refuse("SELECT a{{ x }}", "touches");
        refuse("SELECT [{{ t | identifier }}]", "[ ]");
        refuse("SELECT \"a{{ t | identifier }}\"", "quotes");
        refuse("SELECT U&{{ t | identifier }}", "touches");
        assert_eq!(
            sql("SELECT $a$ $b$ $a$, {{ x }}", &scope).text,
            "SELECT $a$ $b$ $a$, ?1"
        );
        assert_eq!(
            sql("SELECT \"a\"\"b\", /*/ x */ {{ x }}::text", &scope).text,
            "SELECT \"a\"\"b\", /*/ x */ ?1::text"
        );
        for text in ["SELECT ?", "SELECT ?1", "SELECT $1, {{ x }}"] {
            assert!(land(text, Kind::Sql, &scope).is_err(), "{text}");
        }
        for text in [
            "SELECT E'a\\'{{ x }}'",
            "SELECT E'a''b\\'{{ x }}'",
            "SELECT E'a'\n'b\\' {{ x }}'",
            "SELECT E'a' -- it's\n -- so\n'b\\' {{ x }}'",
        ] {
            assert!(land(text, Kind::Sql, &scope).is_err(), "{text}");
        }
        for text in ["E'a' - 'b\\'", "E'a', 'b\\'", "E'a' -'b\\'", "E'a'\n'b\\''"] {
            let text = format!("SELECT {text}, {{{{ x }}}}");
            assert!(land(&text, Kind::Sql, &scope).is_ok(), "{text}");
        }
        assert!(land("SELECT 'it''s {{ x }}'", Kind::Sql, &scope).is_err());
    }

    #[test]
    fn the_skeleton_can_be_parsed_before_the_run() {
        let skeleton = |text: &str| sql_skeleton(&template(text));
        assert_eq!(
            skeleton(
                "DELETE FROM {{ input.t | identifier }} WHERE a < {{ x | ago }} AND b = {{ y }}"
            )
            .as_deref(),
            Some("DELETE FROM \"name\" WHERE a < ?1 AND b = ?2")
        );
        assert_eq!(skeleton("{% if x %}DELETE{% endif %}"), None);
        assert_eq!(skeleton("{{ broken"), None);
    }

    /// What SQLite makes of the statement: the value that comes back, and the tables that are left.
    fn run(sql: &SqlText) -> (Vec<String>, Sqlite, i64) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        let mut statement = connection.prepare(&sql.text).unwrap();
        assert_eq!(statement.parameter_count(), sql.parameters.len());
        let parameters = sql.parameters.iter().map(|value| value.as_str().unwrap());
        let columns = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut rows = statement
            .query(rusqlite::params_from_iter(parameters))
            .unwrap();
        let value = rows.next().unwrap().unwrap().get(0).unwrap();
        drop(rows);
        drop(statement);
        let tables = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        (columns, value, tables)
    }

    proptest! {
        #[test]
        fn a_value_comes_back_from_sqlite_as_it_went_in(value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let landed = sql("SELECT {{ x }} AS a, {{ x }} AS b", &scope);
            prop_assert_eq!(&landed.text, "SELECT ?1 AS a, ?2 AS b");
            let (_, back, tables) = run(&landed);
            // SQLite's texts end at a NUL only when they are shown, not when they are bound.
            prop_assert_eq!(back, Sqlite::Text(value));
            prop_assert_eq!(tables, 1);
        }

        #[test]
        fn a_name_stays_a_name(value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let landed = land("SELECT 1 AS {{ x | identifier }}", Kind::Sql, &scope);
            if value.is_empty() || value.contains('\0') {
                prop_assert!(landed.is_err());
            } else {
                let Ok(Argument::Sql(landed)) = landed else { panic!("{landed:?}") };
                let (columns, back, tables) = run(&landed);
                prop_assert_eq!(columns, vec![value]);
                prop_assert_eq!(back, Sqlite::Integer(1));
                prop_assert_eq!(tables, 1);
            }
        }
    }
}
