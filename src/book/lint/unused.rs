//! Inputs that the caller gives for nothing, and names that are saved for nobody.

use crate::base::Diagnostic;
use crate::model::Runbook;

use super::Lint;
use super::walk::names;

/// An input that nothing uses: the caller's word would be without effect, and nobody would be told.
pub(super) fn inputs(runbook: &Runbook, lint: &mut Lint) {
    let used = names(runbook);
    let paths = || used.iter().map(|used| used.name.path.as_slice());
    // `input` as a whole may stand for any of them.
    if paths().any(|path| matches!(path, [only] if only == "input")) {
        return;
    }
    for input in &runbook.inputs {
        let variable = input.variable();
        let is_used = paths()
            .any(|path| matches!(path, [first, name, ..] if first == "input" && *name == variable));
        if !is_used {
            lint.mistake(
                Diagnostic::at(
                    input.place.clone(),
                    format!("the input {:?} is never used", input.name),
                )
                .help(format!("use `input.{variable}` or remove it")),
            );
        }
    }
}

/// A saved name that no later text uses.
pub(super) fn saved(runbook: &Runbook, lint: &mut Lint) {
    let used = names(runbook);
    for step in runbook.all_steps() {
        for (name, expression) in &step.save {
            let is_used = used.iter().any(|used| match used.name.path.as_slice() {
                [first, ..] if first == name => true,
                [first] if first == "steps" => true,
                [first, of] if first == "steps" => *of == step.name,
                [first, of, output, ..] if first == "steps" && *of == step.name => {
                    output == name || output == "items"
                }
                _ => false,
            });
            if !is_used {
                lint.advise(Diagnostic::at(
                    expression.place.clone(),
                    format!("nothing uses `{name}`, which step {:?} saves", step.name),
                ));
            }
        }
    }
}
