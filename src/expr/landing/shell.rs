//! Shell scripts: a value is handed over as an environment variable and the script holds only the variable's name, so
//! that no shell ever parses a value.

use minijinja::Value;

use crate::expr::argument::ShellText;
use crate::expr::error::Fault;
use crate::expr::pieces::Piece;

use super::plain::single;
use super::shell_context::{ShellContext, Spot};
use super::{LONGEST_ARGUMENT, bounded};

/// The script with its values apart.
pub(super) fn land(pieces: &[Piece<'_>]) -> Result<ShellText, Fault> {
    let mut shell = ShellText::default();
    let mut context = ShellContext::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                context.read(text);
                shell.script.push_str(text);
            }
            Piece::Value(value, range) => {
                value_into(&mut shell, &mut context, value)
                    .map_err(|fault| fault.at(range.clone()))?;
            }
        }
        bounded(&shell.script)?;
    }
    Ok(shell)
}

fn value_into(
    shell: &mut ShellText,
    context: &mut ShellContext,
    value: &Value,
) -> Result<(), Fault> {
    let spot = context.value()?;
    let text = single(value)?;
    if text.contains('\0') {
        return Err(Fault::new("a shell cannot hold NUL"));
    }
    if text.len() > LONGEST_ARGUMENT {
        return Err(
            Fault::new("the value is longer than 128 KiB, which the system refuses")
                .help("pass it with `stdin`"),
        );
    }
    let name = format!("OPSBOOK_{}", shell.variables.len() + 1);
    shell.script.push_str(&match spot {
        Spot::Bare => format!("\"${{{name}}}\""),
        Spot::InQuotes => format!("${{{name}}}"),
    });
    shell.variables.push((name, text));
    Ok(())
}
