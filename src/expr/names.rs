//! The names that a template or an expression uses, for lint and for telling which one is missing.

use std::ops::Range;

use minijinja::Value;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::value::ValueKind;

use super::Scope;
use super::error::Fault;
use super::filters::{AlertRange, FILTERS, FUNCTIONS, TESTS};
use super::judge::misplaced_ordering;
use super::syntax::{bytes, expression, statements};
use super::value::kind_of;
use crate::base::nearest;
use crate::model::{Expression, Template};

/// One use of a name: `steps.count.rows[0].n` is `["steps", "count", "rows"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// The name and the attributes after it, as deep as they are written out.
    pub path: Vec<String>,
    /// The bytes of the template or expression where it stands.
    pub range: Range<usize>,
    /// Whether the text copes with its absence: `x is defined`, `x | default(1)`.
    pub optional: bool,
}

/// The names that a template uses, without those of its own loops; nothing when its syntax is wrong.
#[must_use]
pub fn names_in_template(template: &Template) -> Vec<NameUse> {
    let mut finder = Finder::default();
    if let Ok(read) = statements(&template.text) {
        finder.statements(read.all());
    }
    finder.found
}

/// The names that an expression uses; nothing when its syntax is wrong.
#[must_use]
pub fn names_in_expression(expression: &Expression) -> Vec<NameUse> {
    let mut finder = Finder::default();
    if let Ok(read) = self::expression(&expression.text) {
        finder.expression(&read, false);
    }
    finder.found
}

/// The names that a part of an expression uses.
pub(super) fn names_of(whole: &Expr<'_>) -> Vec<NameUse> {
    let mut finder = Finder::default();
    finder.expression(whole, false);
    finder.found
}

/// The first mistake in a template that can be told before it is evaluated: a filter or a test that does not exist, a
/// comparison that cannot be judged.
pub(super) fn mistake_in_statements(all: &[Stmt<'_>]) -> Option<Fault> {
    let mut finder = Finder::default();
    finder.statements(all);
    finder.mistake
}

/// The same for one expression.
pub(super) fn mistake_in_expression(whole: &Expr<'_>) -> Option<Fault> {
    let mut finder = Finder::default();
    finder.top(whole);
    finder.mistake
}

/// What to say of a filter, a test or a function that does not exist; `name` may be empty where it is not known.
pub(super) fn unknown(noun: &str, name: &str, known: &[(&str, &str)]) -> Fault {
    if name.is_empty() {
        return Fault::new(format!("there is no {noun} of this name"));
    }
    let fault = Fault::new(format!("there is no {noun} `{name}`"));
    match nearest(name, known.iter().map(|(known, _)| *known)) {
        Some(meant) => fault.help(format!("did you mean `{meant}`?")),
        None => fault,
    }
}

#[derive(Default)]
struct Finder {
    found: Vec<NameUse>,
    locals: Vec<String>,
    mistake: Option<Fault>,
}

impl Finder {
    fn statements(&mut self, all: &[Stmt<'_>]) {
        for statement in all {
            match statement {
                Stmt::EmitExpr(emit) => self.top(&emit.expr),
                Stmt::IfCond(branch) => {
                    self.top(&branch.expr);
                    self.statements(&branch.true_body);
                    self.statements(&branch.false_body);
                }
                Stmt::ForLoop(each) => {
                    self.expression(&each.iter, false);
                    let outer = self.locals.len();
                    self.locals.push("loop".to_owned());
                    self.bind(&each.target);
                    if let Some(filter) = &each.filter_expr {
                        self.top(filter);
                    }
                    self.statements(&each.body);
                    self.locals.truncate(outer);
                    self.statements(&each.else_body);
                }
                _ => {}
            }
        }
    }

    /// An expression that is not part of another.
    fn top(&mut self, whole: &Expr<'_>) {
        if self.mistake.is_none() {
            self.mistake = misplaced_ordering(whole);
        }
        self.expression(whole, false);
    }

    fn bind(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(name) => self.locals.push(name.id.to_owned()),
            Expr::List(list) => list.items.iter().for_each(|item| self.bind(item)),
            _ => {}
        }
    }

    fn expression(&mut self, whole: &Expr<'_>, optional: bool) {
        if let Some(path) = path_of(whole) {
            self.name(path, extent(whole), optional);
        }
        match whole {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::GetAttr(inner) if path_of(whole).is_none() => {
                self.expression(&inner.expr, optional);
            }
            Expr::GetAttr(_) => {}
            Expr::GetItem(inner) => {
                if path_of(whole).is_none() {
                    self.expression(&inner.expr, optional);
                    self.expression(&inner.subscript_expr, false);
                }
            }
            Expr::Slice(inner) => {
                self.expression(&inner.expr, optional);
                for part in [&inner.start, &inner.stop, &inner.step]
                    .into_iter()
                    .flatten()
                {
                    self.expression(part, false);
                }
            }
            Expr::UnaryOp(inner) => self.expression(&inner.expr, false),
            Expr::BinOp(inner) => {
                self.expression(&inner.left, false);
                self.expression(&inner.right, false);
            }
            Expr::Compare(inner) => {
                self.expression(&inner.expr, false);
                for part in &inner.ops {
                    self.expression(&part.expr, false);
                }
            }
            Expr::IfExpr(inner) => {
                self.expression(&inner.test_expr, false);
                self.expression(&inner.true_expr, false);
                if let Some(otherwise) = &inner.false_expr {
                    self.expression(otherwise, false);
                }
            }
            Expr::Filter(inner) => {
                self.known("filter", inner.name, inner.span(), FILTERS);
                self.range(whole);
                if let Some(value) = &inner.expr {
                    self.expression(value, inner.name == "default");
                }
                self.arguments(&inner.args);
            }
            Expr::Test(inner) => {
                self.known("test", inner.name, inner.span(), TESTS);
                self.expression(&inner.expr, matches!(inner.name, "defined" | "undefined"));
                self.arguments(&inner.args);
            }
            Expr::Call(inner) => {
                match &inner.expr {
                    Expr::Var(name) if FUNCTIONS.iter().any(|(known, _)| *known == name.id) => {}
                    Expr::GetAttr(method) => self.expression(&method.expr, false),
                    callee => self.expression(callee, false),
                }
                self.arguments(&inner.args);
            }
            Expr::List(inner) => inner
                .items
                .iter()
                .for_each(|item| self.expression(item, false)),
            Expr::Tuple(inner) => inner
                .items
                .iter()
                .for_each(|item| self.expression(item, false)),
            Expr::Map(inner) => {
                for part in inner.keys.iter().chain(&inner.values) {
                    self.expression(part, false);
                }
            }
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value, false),
            }
        }
    }

    /// A range that is written out is read now.
    fn range(&mut self, whole: &Expr<'_>) {
        if self.mistake.is_none()
            && let Some((_, text, range)) = range_check(whole)
            && let Err(error) = text.parse::<AlertRange>()
        {
            self.mistake = Some(Fault::new(error).at(range));
        }
    }

    fn known(&mut self, noun: &str, name: &str, span: Span, known: &[(&str, &str)]) {
        if self.mistake.is_none() && !known.iter().any(|(known, _)| *known == name) {
            let start = bytes(span).start;
            self.mistake = Some(unknown(noun, name, known).at(start..start + name.len()));
        }
    }

    fn name(&mut self, path: Vec<String>, range: Range<usize>, optional: bool) {
        let local = path
            .first()
            .is_some_and(|first| first == "null" || self.locals.contains(first));
        if !local {
            self.found.push(NameUse {
                path,
                range,
                optional,
            });
        }
    }
}

/// What `x | range_check('10:20')` checks, the range as it is written out and where it stands.
pub(super) fn range_check<'e>(whole: &'e Expr<'_>) -> Option<(&'e Expr<'e>, String, Range<usize>)> {
    let Expr::Filter(filter) = whole else {
        return None;
    };
    let ("range_check", Some(value), [CallArg::Pos(range @ Expr::Const(text))]) =
        (filter.name, &filter.expr, filter.args.as_slice())
    else {
        return None;
    };
    let text = text.value.as_str()?.to_owned();
    Some((value, text, extent(range)))
}

/// The dotted path of a name with its attributes, if that is what the expression is.
fn path_of(whole: &Expr<'_>) -> Option<Vec<String>> {
    match whole {
        Expr::Var(name) => Some(vec![name.id.to_owned()]),
        Expr::GetAttr(inner) => {
            let mut path = path_of(&inner.expr)?;
            path.push(inner.name.to_owned());
            Some(path)
        }
        Expr::GetItem(inner) => {
            let Expr::Const(key) = &inner.subscript_expr else {
                return None;
            };
            let key = key.value.as_str()?.to_owned();
            let mut path = path_of(&inner.expr)?;
            path.push(key);
            Some(path)
        }
        _ => None,
    }
}

/// The bytes of an expression. MiniJinja's own spans of compound expressions begin too late or too early.
pub(super) fn extent(whole: &Expr<'_>) -> Range<usize> {
    let own = bytes(whole.span());
    let start = match whole {
        Expr::GetAttr(inner) => extent(&inner.expr).start,
        Expr::GetItem(inner) => extent(&inner.expr).start,
        Expr::Slice(inner) => extent(&inner.expr).start,
        Expr::Call(inner) => extent(&inner.expr).start,
        Expr::BinOp(inner) => extent(&inner.left).start,
        Expr::Compare(inner) => extent(&inner.expr).start,
        Expr::IfExpr(inner) => extent(&inner.true_expr).start,
        Expr::Test(inner) => extent(&inner.expr).start,
        Expr::Filter(inner) => inner
            .expr
            .as_ref()
            .map_or(own.start, |value| extent(value).start),
        Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => extent(&inner.expr).start,
        _ => own.start,
    };
    start..own.end.max(start)
}

/// An expression as its author wrote it, with the parentheses and each `not` that it begins with: no extent holds those.
pub(super) fn written<'s>(source: &'s str, whole: &Expr<'_>) -> &'s str {
    let Range { mut start, mut end } = extent(whole);
    let (opened, mut closed) = unpaired(source.get(start..end).unwrap_or_default());
    let mut negations = negations_before(whole);
    loop {
        let before = source[..start].trim_end();
        if let Some(before) = before.strip_suffix('(').filter(|_| closed > 0) {
            (start, closed) = (before.len(), closed - 1);
        } else if let Some(before) = before.strip_suffix("not").filter(|_| negations > 0) {
            (start, negations) = (before.len(), negations - 1);
        } else {
            break;
        }
    }
    for _ in 0..opened {
        match source[end..].trim_start().strip_prefix(')') {
            Some(behind) => end = source.len() - behind.len(),
            None => break,
        }
    }
    source.get(start..end).unwrap_or_default()
}

/// How often `not` stands where an expression begins.
fn negations_before(whole: &Expr<'_>) -> usize {
    match whole {
        Expr::GetAttr(inner) => negations_before(&inner.expr),
        Expr::GetItem(inner) => negations_before(&inner.expr),
        Expr::Slice(inner) => negations_before(&inner.expr),
        Expr::Call(inner) => negations_before(&inner.expr),
        Expr::BinOp(inner) => negations_before(&inner.left),
        Expr::Compare(inner) => negations_before(&inner.expr),
        Expr::IfExpr(inner) => negations_before(&inner.true_expr),
        Expr::Test(inner) => negations_before(&inner.expr),
        Expr::Filter(inner) => inner.expr.as_ref().map_or(0, negations_before),
        Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => {
            1 + negations_before(&inner.expr)
        }
        _ => 0,
    }
}

/// How many parentheses of a part of an expression are opened and not closed, and closed and not opened.
pub(super) fn unpaired(text: &str) -> (usize, usize) {
    let (mut opened, mut closed) = (0_usize, 0);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '(' => opened += 1,
            ')' if opened == 0 => closed += 1,
            ')' => opened -= 1,
            quote @ ('\'' | '"') => {
                while let Some(within) = characters.next().filter(|within| *within != quote) {
                    if within == '\\' {
                        characters.next();
                    }
                }
            }
            _ => {}
        }
    }
    (opened, closed)
}

/// Tells which name of an expression is missing, and which may have been meant.
pub(super) fn undefined_fault(whole: &Expr<'_>, source: &str, scope: &Scope) -> Fault {
    let mut finder = Finder::default();
    finder.expression(whole, false);
    // What may be missing comes last: it is to blame only for a missing part before its end.
    finder.found.sort_by_key(|name| name.optional);
    let missing = finder
        .found
        .iter()
        .find_map(|name| missing_part(name, scope));
    missing.unwrap_or_else(|| {
        let text = written(source, whole);
        Fault::new(format!("`{text}` is missing")).at(extent(whole))
    })
}

fn missing_part(name: &NameUse, scope: &Scope) -> Option<Fault> {
    let mut parent = scope.to_value();
    for (depth, part) in name.path.iter().enumerate() {
        let child = parent.get_attr(part).unwrap_or(Value::UNDEFINED);
        if !child.is_undefined() {
            parent = child;
            continue;
        }
        let shown = name.path[..=depth].join(".");
        let fault = Fault::new(format!("`{shown}` is missing")).at(name.range.clone());
        if depth > 0 && parent.kind() != ValueKind::Map {
            let owner = name.path[..depth].join(".");
            return Some(fault.help(format!("`{owner}` is {}", kind_of(&parent))));
        }
        return Some(match suggestion(part, &parent) {
            Some(help) => fault.help(help),
            None => fault,
        });
    }
    None
}

fn suggestion(part: &str, parent: &Value) -> Option<String> {
    const MOST_SHOWN: usize = 12;
    let mut known: Vec<String> = parent
        .try_iter()
        .ok()?
        .take(1000)
        .map(|key| key.to_string())
        .collect();
    known.sort_unstable();
    if let Some(meant) = nearest(part, known.iter().map(String::as_str)) {
        return Some(format!("did you mean `{meant}`?"));
    }
    if known.is_empty() {
        return None;
    }
    let more = if known.len() > MOST_SHOWN {
        ", …"
    } else {
        ""
    };
    known.truncate(MOST_SHOWN);
    Some(format!("there is {}{more}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{names_in_expression, names_in_template};
    use crate::expr::check_expression;
    use crate::expr::testing::{evaluator, expression, scope, template};

    fn in_expression(text: &str) -> Vec<String> {
        names_in_expression(&expression(text))
            .into_iter()
            .map(|name| {
                let optional = if name.optional { "?" } else { "" };
                format!("{}{optional} {}", name.path.join("."), &text[name.range])
            })
            .collect()
    }

    #[test]
    fn finds_dotted_names_with_their_places() {
        assert_eq!(
            in_expression("'é' in body or steps.count.rows[0].n > 5"),
            ["body body", "steps.count.rows steps.count.rows"]
        );
    }

    #[test]
    fn knows_what_may_be_missing() {
        assert_eq!(
            in_expression("json.x is defined and json.y | default(z) > now()"),
            ["json.x? json.x", "json.y? json.y", "z z"]
        );
        assert_eq!(
            in_expression("steps['a-b'].code"),
            ["steps.a-b.code steps['a-b'].code"]
        );
    }

    #[test]
    fn leaves_out_the_names_of_loops() {
        let text =
            "{% for row in rows %}{{ row.n }}{{ loop.index }}{{ other }}{% endfor %}{{ row }}";
        let found = names_in_template(&template(text));
        let paths: Vec<String> = found.iter().map(|name| name.path.join(".")).collect();
        assert_eq!(paths, ["rows", "other", "row"]);
        assert!(names_in_template(&template("{{ broken")).is_empty());
    }

    #[test]
    fn a_range_that_is_written_out_is_read_at_once() {
        let mistake = |text: &str| {
            let found = check_expression(&expression(text)).err()?;
            let place = found.place?;
            Some((found.message, place.source.slice(place.range).to_owned()))
        };
        assert_eq!(mistake("ms | range_check('@10:20')"), None);
        assert_eq!(mistake("ms | range_check(input.range)"), None);
        assert_eq!(
            mistake("ms > 5 and not (ms | abs | range_check('20:10'))"),
            Some((
                "\"20:10\" ends before it begins".to_owned(),
                "'20:10'".to_owned()
            ))
        );
    }

    #[test]
    fn a_missing_name_suggests_another() {
        let scope = scope(&json!({"status": null}));
        scope.finish_step("count", &json!({"rows": []}));
        for (text, message, help) in [
            (
                "{{ steps.cuont.rows }}",
                "`steps.cuont` is missing",
                "did you mean `count`?",
            ),
            (
                "{{ steps.count.rwos }}",
                "`steps.count.rwos` is missing",
                "did you mean `rows`?",
            ),
            (
                "{{ statsu + 1 }}",
                "`statsu` is missing",
                "did you mean `status`?",
            ),
            (
                "{{ status.code }}",
                "`status.code` is missing",
                "`status` is null",
            ),
            (
                "{{ steps.count.zzzzzz }}",
                "`steps.count.zzzzzz` is missing",
                "there is rows",
            ),
        ] {
            let error = evaluator().text(&template(text), &scope).err();
            let found = error.map(|error| (error.message, error.help.unwrap_or_default()));
            assert_eq!(found, Some((message.to_owned(), help.to_owned())), "{text}");
        }
    }
}
