//! Checks for the tests: an estate from its TOML, and ends of looks.

use crate::base::{SourceFile, Status};
use crate::config::{Config, parse};
use crate::event::{StepFinished, sample};
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec, Vocabulary};

use super::Asked;

static ACT: ActionSpec = ActionSpec {
    name: "act",
    summary: "",
    verbs: &[VerbSpec {
        name: "look",
        summary: "",
        object: Kind::Text,
        effect: EffectRule::Always(crate::base::Effect::Read),
        options: &[],
        outputs: &[],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

/// An estate whose checks use `act.look`.
pub(super) fn estate(text: &str) -> Config {
    const VOCABULARY: Vocabulary = Vocabulary(&[&ACT]);
    let source = SourceFile::new("opsbook.toml", text);
    let config = parse(source, None, VOCABULARY);
    config.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

/// All its checks.
pub(super) fn all(config: &Config) -> Vec<Asked<'_>> {
    let of = |service| move |check| Asked { service, check };
    let services = config.services.iter();
    services
        .flat_map(|service| service.checks.iter().map(of(service)))
        .collect()
}

/// The end of a look.
pub(super) fn end(status: Status) -> Box<StepFinished> {
    Box::new(sample::step_finished("look", status))
}
