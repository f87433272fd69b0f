//! One use of an action: `http.get = "/health"` with its options.

use crate::base::Place;

use super::{ActionSpec, Expression, Statement, Template, VerbSpec};

/// One use of an action in a runbook, checked against the action's own description.
#[derive(Clone, Debug)]
pub struct Call {
    /// The action's description.
    pub action: &'static ActionSpec,
    /// The verb's description.
    pub verb: &'static VerbSpec,
    /// What stands right of `action.verb =`.
    pub object: Node,
    /// The options that are given, in the order of the file.
    pub options: Vec<(&'static str, Node)>,
    /// Where `action.verb` stands.
    pub place: Place,
}

impl Call {
    /// `http.get`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.action.name, self.verb.name)
    }

    /// The option of this name, if given.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Node> {
        self.options
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, node)| node)
    }

    /// Every template and expression of the call, object first.
    pub fn visit(
        &self,
        on_template: &mut dyn FnMut(&Template),
        on_expression: &mut dyn FnMut(&Expression),
    ) {
        self.object.visit(on_template, on_expression);
        for (_, node) in &self.options {
            node.visit(on_template, on_expression);
        }
    }
}

/// A value as written in a runbook: TOML whose texts are templates or, where the kind says so, expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Text, evaluated as a template.
    Text(Template),
    /// Text, evaluated as an expression.
    Expression(Expression),
    /// A statement that the caller of the runbook types.
    Statement(Statement),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A list.
    List(Vec<Node>),
    /// A table in the order of the file.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Every template and expression in it, in the order of the file.
    pub fn visit(
        &self,
        on_template: &mut dyn FnMut(&Template),
        on_expression: &mut dyn FnMut(&Expression),
    ) {
        match self {
            Self::Text(template) => on_template(template),
            Self::Expression(expression) => on_expression(expression),
            Self::Statement(statement) => on_template(&statement.template),
            Self::List(items) => {
                for item in items {
                    item.visit(on_template, on_expression);
                }
            }
            Self::Table(entries) => {
                for (_, node) in entries {
                    node.visit(on_template, on_expression);
                }
            }
            Self::Integer(_) | Self::Float(_) | Self::Boolean(_) => {}
        }
    }
}
