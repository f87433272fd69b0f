//! Whether the condition of an UPDATE or DELETE can tell one row of its table from another. It is judged by its form alone:
//! what it really matches, only the database knows.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query,
    SelectItem, SetExpr, TableFactor, TableWithJoins, UnaryOperator, Value,
};

/// The table whose rows are changed.
pub(super) struct Target {
    /// The name of the table.
    table: String,
    /// The name that its columns go by.
    known_as: String,
    /// Whether no other table takes part.
    alone: bool,
}

impl Target {
    /// The target of a statement; none where it is no plain table.
    pub(super) fn of(table: &TableWithJoins, alone: bool) -> Option<Self> {
        let TableFactor::Table { name, alias, .. } = &table.relation else {
            return None;
        };
        let table_name = name.0.last()?.as_ident()?;
        let known_as = alias.as_ref().map_or(table_name, |alias| &alias.name);
        Some(Self {
            table: folded(table_name),
            known_as: folded(known_as),
            alone: alone && table.joins.is_empty(),
        })
    }

    /// Whether a condition is the same for every row: it names no column of the table, compares one with itself, or has a
    /// part that is so and decides alone.
    pub(super) fn is_whole(&self, condition: &Expr) -> bool {
        self.whole(condition, false)
    }

    fn whole(&self, condition: &Expr, negated: bool) -> bool {
        match condition {
            Expr::Nested(inner) => self.whole(inner, negated),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => self.whole(expr, !negated),
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                right,
            } => {
                // De Morgan: a negated AND is an OR.
                let either = (*op == BinaryOperator::Or) != negated;
                let (first, second) = (self.whole(left, negated), self.whole(right, negated));
                if either {
                    first || second || self.exhaust(left, right)
                } else {
                    first && second
                }
            }
            Expr::BinaryOp { left, right, .. }
            | Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right) => {
                self.same(left, right) || self.constant(condition)
            }
            Expr::Between {
                expr, low, high, ..
            } => (self.same(expr, low) && self.same(expr, high)) || self.constant(condition),
            Expr::InList { expr, list, .. } => {
                list.iter().any(|item| self.same(expr, item)) || self.constant(condition)
            }
            Expr::InSubquery { expr, subquery, .. } => self.is_own_column(expr, subquery),
            Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } => {
                matches!(&**pattern, Expr::Value(value) if matches!(
                    &value.value,
                    Value::SingleQuotedString(text) if text.chars().all(|mark| mark == '%')
                )) || self.constant(condition)
            }
            Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner) => self.whole(inner, negated),
            other => self.constant(other),
        }
    }

    /// `a IS NULL OR a IS NOT NULL`, `a OR NOT a`.
    fn exhaust(&self, left: &Expr, right: &Expr) -> bool {
        match (bare(left), bare(right)) {
            (Expr::IsNull(one), Expr::IsNotNull(other))
            | (Expr::IsNotNull(one), Expr::IsNull(other)) => self.same(one, other),
            (
                one,
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr,
                },
            )
            | (
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr,
                },
                one,
            ) => self.same(one, expr),
            _ => false,
        }
    }

    /// Whether two expressions are the same but for parentheses, case and the name of the table before a column.
    fn same(&self, left: &Expr, right: &Expr) -> bool {
        let (left, right) = (bare(left), bare(right));
        match (self.column(left), self.column(right)) {
            (Some(one), Some(other)) => one == other,
            _ => left == right,
        }
    }

    /// The table and the name of a column.
    fn column(&self, expression: &Expr) -> Option<(String, String)> {
        match expression {
            Expr::Identifier(name) => Some((self.known_as.clone(), folded(name))),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, name] => Some((folded(table), folded(name))),
                _ => None,
            },
            _ => None,
        }
    }

    /// `id IN (SELECT id FROM t)`, where `t` is the table itself.
    fn is_own_column(&self, expression: &Expr, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else {
            return false;
        };
        let own_table = matches!(select.from.as_slice(), [only] if only.joins.is_empty()
            && Self::of(only, true).is_some_and(|from| from.table == self.table));
        let own_column = match select.projection.as_slice() {
            [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] => {
                self.same(expression, item)
            }
            _ => false,
        };
        own_table && own_column && select.selection.is_none() && query.limit_clause.is_none()
    }

    /// Whether an expression has no part that differs from row to row, as far as its form tells.
    fn constant(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Value(_) | Expr::TypedString(_) => true,
            Expr::CompoundIdentifier(_) if !self.alone => self
                .column(expression)
                .is_some_and(|(table, _)| table != self.known_as),
            Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::Collate { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.constant(inner),
            Expr::BinaryOp { left, right, .. }
            | Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right) => self.constant(left) && self.constant(right),
            Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
                self.constant(expr) && self.constant(pattern)
            }
            Expr::Between {
                expr, low, high, ..
            } => [expr, low, high].iter().all(|part| self.constant(part)),
            Expr::InList { expr, list, .. } => {
                self.constant(expr) && list.iter().all(|item| self.constant(item))
            }
            Expr::Tuple(items) => items.iter().all(|item| self.constant(item)),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let whens = conditions.iter();
                let mut parts = whens.flat_map(|when| [&when.condition, &when.result]);
                let beside = operand.iter().chain(else_result).map(|part| &**part);
                parts.all(|part| self.constant(part)) && { beside }.all(|part| self.constant(part))
            }
            Expr::Function(function) => match &function.args {
                FunctionArguments::None => true,
                FunctionArguments::Subquery(_) => false,
                FunctionArguments::List(list) => list.args.iter().all(|argument| {
                    let (FunctionArg::Unnamed(value)
                    | FunctionArg::Named { arg: value, .. }
                    | FunctionArg::ExprNamed { arg: value, .. }) = argument;
                    matches!(value, FunctionArgExpr::Expr(value) if self.constant(value))
                }),
            },
            Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => self.apart(subquery),
            _ => false,
        }
    }

    /// Whether a query has nothing to do with the row: it has no condition, and takes plain tables or none.
    fn apart(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else {
            return false;
        };
        let plain = |table: &TableWithJoins| {
            matches!(table.relation, TableFactor::Table { .. }) && table.joins.is_empty()
        };
        let of_row = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. } => {
                // A column of the query's own table is no column of the row.
                select.from.is_empty() && !self.constant(item)
            }
            _ => false,
        };
        select.selection.is_none()
            && select.having.is_none()
            && select.from.iter().all(plain)
            && !select.projection.iter().any(of_row)
    }
}

/// An expression without the parentheses around it.
fn bare(mut expression: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expression {
        expression = inner;
    }
    expression
}

/// A name as both engines compare it at their most lenient.
fn folded(name: &Ident) -> String {
    name.value.to_lowercase()
}
