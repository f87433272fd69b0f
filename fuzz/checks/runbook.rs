//! Runbooks as anybody may write them.

use std::sync::{Arc, LazyLock};

use opsbook::action;
use opsbook::base::{CommandPath, Diagnostics, Effect, SourceFile};
use opsbook::book::{Document, Library, Lint, check_references, children, lint, parse_runbook};
use opsbook::config::{Config, lint_estate, parse};
use opsbook::model::Runbook;
use opsbook::plan::{Plan, effect_of_step};

use super::assert_harmless;

/// The runbooks in the binary, which a runbook may run.
static LIBRARY: LazyLock<Library> =
    LazyLock::new(|| Library::new(None, None, action::vocabulary()));

/// An estate with one of each.
static ESTATE: LazyLock<Config> = LazyLock::new(|| {
    let text = "[secret]\nmonitor = { env = \"M\" }\n[service.api]\nurl = \"https://api.example.com\"\n\
        [database.main]\nkind = \"sqlite\"\npath = \"x.db\"\n[database.other]\nkind = \"postgres\"\n";
    parse(
        SourceFile::new("opsbook.toml", text),
        None,
        action::vocabulary(),
    )
    .unwrap_or_default()
});

/// What is wrong is told in harmless words; what is right can be planned, and its plan knows the worst of its steps.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match read(text) {
        Err(mistakes) => told(&mistakes),
        Ok(runbook) => {
            told(&check_references(&runbook));
            told_by(&lint(&LIBRARY, &runbook, None));
            told_by(&lint(&LIBRARY, &runbook, Some(&lint_estate(&ESTATE))));
            match children(&LIBRARY, &runbook) {
                Err(mistakes) => told(&mistakes),
                Ok(children) => plan(&Plan::new(
                    Arc::new(runbook),
                    serde_json::Map::new(),
                    children,
                    &ESTATE,
                )),
            }
        }
    }
}

fn read(text: &str) -> Result<Runbook, Diagnostics> {
    let document = Document::parse(SourceFile::new("runbooks/db/fuzz.toml", text))?;
    let path = CommandPath::parse("db/fuzz").expect("a legal path");
    parse_runbook(&document, path, action::vocabulary())
}

fn told(mistakes: &Diagnostics) {
    assert_harmless(&mistakes.to_string());
}

fn told_by(lint: &Lint) {
    told(&lint.mistakes);
    told(&lint.advice);
}

fn plan(plan: &Plan) {
    let worst = plan
        .runbook
        .all_steps()
        .map(|step| effect_of_step(step, &ESTATE, &plan.children))
        .max();
    assert_eq!(plan.effect, worst.unwrap_or(Effect::Read));
    for step in plan.runbook.all_steps() {
        // A statement of the runbook makes nothing that SQL tells of itself milder.
        if step.call.name() == "sql.execute" {
            let mut unstated = step.clone();
            unstated.effect = None;
            let inferred = effect_of_step(&unstated, &ESTATE, &plan.children);
            assert!(effect_of_step(step, &ESTATE, &plan.children) >= inferred);
        }
    }
    if plan.effect.changes() {
        assert!(plan.first_change(&ESTATE).is_some());
    }
    assert_eq!(plan.digest().len(), 64);
}
