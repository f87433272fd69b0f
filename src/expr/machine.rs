//! MiniJinja, held to what a runbook may do: strict, limited, and without anything that reaches outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::ast::Expr;
use minijinja::machinery::{CodeGenerator, eval, make_string_output};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::error::Fault;
use super::filters::{self, FILTERS, FUNCTIONS, TESTS};
use super::names::{undefined_fault, unknown};
use super::{Scope, names};
use crate::base::{Clock, Masker};

/// How many instructions one expression may take.
const FUEL: u64 = 100_000;

/// Evaluates expressions natively: without the rules for comparisons, which [`super::judge`] adds.
#[derive(Clone)]
pub(super) struct Machine {
    environment: Arc<Environment<'static>>,
    /// Knows the secrets, also where one came back as an output of a step.
    pub(super) masker: Masker,
}

impl Machine {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        filters::register(&mut environment, clock);
        Self {
            environment: Arc::new(environment),
            masker: Masker::default(),
        }
    }

    /// The value of an expression; it may be undefined.
    pub(super) fn evaluate(
        &self,
        expression: &Expr<'_>,
        source: &str,
        scope: &Scope,
    ) -> Result<Value, Fault> {
        let mut generator = CodeGenerator::new("expression", source);
        generator.compile_expr(expression);
        let (instructions, _) = generator.finish();
        let blocks = BTreeMap::new();
        let mut nothing = String::new();
        let mut output = make_string_output(&mut nothing);
        let evaluated = eval(
            &self.environment,
            &instructions,
            scope.to_value(),
            &blocks,
            &mut output,
            AutoEscape::None,
        );
        match evaluated {
            Ok((value, _)) => Ok(value.unwrap_or(Value::UNDEFINED)),
            Err(error) => Err(fault(&error, expression, source, scope)),
        }
    }

    /// The value of an expression, which must be defined.
    pub(super) fn defined(
        &self,
        expression: &Expr<'_>,
        source: &str,
        scope: &Scope,
    ) -> Result<Value, Fault> {
        let value = self.evaluate(expression, source, scope)?;
        if value.is_undefined() {
            return Err(undefined_fault(expression, source, scope));
        }
        Ok(value)
    }
}

fn fault(error: &minijinja::Error, expression: &Expr<'_>, source: &str, scope: &Scope) -> Fault {
    let range = error.range().unwrap_or_else(|| names::extent(expression));
    let detail = error.detail().unwrap_or_default();
    let fault = match error.kind() {
        ErrorKind::UndefinedError => return undefined_fault(expression, source, scope),
        _ if detail.contains("is undefined)") => {
            return undefined_fault(expression, source, scope);
        }
        ErrorKind::OutOfFuel => Fault::new(format!("the expression takes more than {FUEL} steps")),
        ErrorKind::UnknownFilter => unknown("filter", named(detail), FILTERS),
        ErrorKind::UnknownTest => unknown("test", named(detail), TESTS),
        ErrorKind::UnknownFunction => unknown("function", named(detail), FUNCTIONS),
        ErrorKind::UnknownMethod => {
            Fault::new(detail.to_owned()).help("there are no methods, but filters: `x | items`")
        }
        _ if detail.is_empty() => Fault::new(error.kind().to_string()),
        _ => Fault::new(detail.to_owned()),
    };
    fault.at(range)
}

/// The name in MiniJinja's `filter x is unknown`, `x is unknown`.
fn named(detail: &str) -> &str {
    detail
        .trim_end_matches(" is unknown")
        .rsplit(' ')
        .next()
        .unwrap_or_default()
}
