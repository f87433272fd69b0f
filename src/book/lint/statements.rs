//! SQL that does more than its verb or its step says.

use crate::base::{Diagnostic, Effect};
use crate::expr::sql_skeleton;
use crate::model::{Call, EffectRule, Kind, Node, Step};
use crate::sql::{self, Analysis, Dialect};

use super::super::node::is_template;
use super::{Lint, LintEstate};

/// Looks at the SQL of a step.
pub(super) fn step(step: &Step, estate: Option<&LintEstate>, lint: &mut Lint) {
    for call in step.calls() {
        let stated = std::ptr::eq(call, &step.call)
            .then_some(step.effect)
            .flatten();
        statement(call, stated, estate, lint);
    }
}

fn statement(call: &Call, stated: Option<Effect>, estate: Option<&LintEstate>, lint: &mut Lint) {
    let (Kind::Sql, Node::Text(template)) = (call.verb.object, &call.object) else {
        return;
    };
    let place = template.place.clone();
    let Some(text) = sql_skeleton(template) else {
        lint.advise(
            Diagnostic::at(place, "what this SQL does cannot be known before it runs")
                .help("it counts as destroy; write it without {% … %}, or as several steps"),
        );
        return;
    };
    let analysis = mildest(call, &text, estate);
    let reason = &analysis.reason;
    let said = match call.verb.effect {
        EffectRule::Always(effect) if analysis.effect > effect => Some((
            format!(
                "`{}` only reads, and this may {}: {reason}",
                call.name(),
                analysis.effect
            ),
            "use `sql.execute`",
        )),
        EffectRule::OfSql => stated
            .filter(|stated| *stated < analysis.effect)
            .map(|stated| {
                (
                    format!(
                        "the step states {stated}, and this may {}: {reason}",
                        analysis.effect
                    ),
                    "stating a milder effect does not make it milder; remove `effect`",
                )
            }),
        _ => None,
    };
    if let Some((message, help)) = said {
        lint.mistake(Diagnostic::at(place, message).help(help));
    } else if reason.starts_with(sql::UNPARSED) {
        lint.advise(Diagnostic::at(
            place,
            format!("counts as destroy: {reason}"),
        ));
    }
}

/// What the SQL may do on the database that is meant; where that is not known, on the one where it does least.
fn mildest(call: &Call, text: &str, estate: Option<&LintEstate>) -> Analysis {
    let text = match call.verb.name {
        "explain" => format!("EXPLAIN {text}"),
        _ => text.to_owned(),
    };
    let on = match call.option("on") {
        Some(Node::Text(template)) if !is_template(&template.text) => Some(template.text.as_str()),
        _ => None,
    };
    match estate.and_then(|estate| estate.dialect(on)) {
        Some(dialect) => sql::effect(&text, dialect),
        None => {
            let [first, second] = Dialect::ALL.map(|dialect| sql::effect(&text, dialect));
            if second.effect < first.effect {
                second
            } else {
                first
            }
        }
    }
}
