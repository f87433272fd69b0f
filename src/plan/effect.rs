//! What a step may do to the world, known before it runs.

use crate::base::{CommandPath, Effect};
use crate::book::Children;
use crate::config::{Config, DatabaseKind};
use crate::expr::sql_skeleton;
use crate::model::{Call, EffectRule, Node, Runbook, Step};
use crate::sql::{self, Dialect};

/// What a step may do: what its action says of itself, unless the step states what cannot be inferred.
#[must_use]
pub fn effect_of_step(step: &Step, config: &Config, children: &Children) -> Effect {
    let inferred = effect_of_call(&step.call, config, children);
    match (step.call.verb.effect, step.effect) {
        (EffectRule::Unless(_), Some(stated)) => stated,
        // Stating a worse effect is caution; a milder one does not make SQL any milder.
        (_, Some(stated)) => inferred.max(stated),
        (_, None) => inferred,
    }
}

/// The worst effect of the steps of a runbook.
#[must_use]
pub fn effect_of_runbook(runbook: &Runbook, config: &Config, children: &Children) -> Effect {
    runbook
        .all_steps()
        .map(|step| effect_of_step(step, config, children))
        .max()
        .unwrap_or(Effect::Read)
}

/// What a call may do by itself.
pub(crate) fn effect_of_call(call: &Call, config: &Config, children: &Children) -> Effect {
    match call.verb.effect {
        EffectRule::Always(effect) | EffectRule::Unless(effect) => effect,
        EffectRule::OfSql => match &call.object {
            Node::Text(template) => sql_skeleton(template).map_or(Effect::Destroy, |text| {
                sql::effect(&text, dialect_of(call, config)).effect
            }),
            _ => Effect::Destroy,
        },
        EffectRule::OfRunbook => match &call.object {
            Node::Text(template) => CommandPath::parse(&template.text)
                .ok()
                .and_then(|path| children.get(&path))
                .map_or(Effect::Destroy, |child| {
                    effect_of_runbook(child, config, children)
                }),
            _ => Effect::Destroy,
        },
    }
}

/// The dialect of the database that a call names. SQLite's is the default; where the name is a template the stricter
/// reading of both dialects would be the same for everything but functions, which Postgres has more of.
fn dialect_of(call: &Call, config: &Config) -> Dialect {
    let named = match call.option("on") {
        Some(Node::Text(template)) => config.database(&template.text),
        _ => None,
    };
    let database = named.or(match config.databases.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    match database.map(|database| &database.kind) {
        Some(DatabaseKind::Postgres { .. }) => Dialect::Postgres,
        Some(DatabaseKind::Sqlite { .. } | DatabaseKind::D1 { .. }) | None => Dialect::Sqlite,
    }
}
