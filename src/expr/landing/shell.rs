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
        return Err(Fault::unfit("a shell cannot hold NUL"));
    }
    if text.len() > LONGEST_ARGUMENT {
        return Err(
            Fault::unfit("the value is longer than 128 KiB, which the system refuses")
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

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::super::testing::{hostile, land, refused, scope};
    use crate::expr::{Argument, Scope, ShellText};
    use crate::model::Kind;

    fn shell(text: &str, scope: &Scope) -> ShellText {
        match land(text, Kind::Shell, scope) {
            Ok(Argument::Shell(shell)) => shell,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn run(program: &str, shell: &ShellText) -> String {
        let output = Command::new(program)
            .arg("-c")
            .arg(&shell.script)
            .envs(shell.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The shells of this machine: always `sh`, and bash where there is one.
    fn shells() -> impl Iterator<Item = &'static str> {
        ["/bin/sh", "/bin/bash"]
            .into_iter()
            .filter(|program| Path::new(program).exists())
    }

    /// Every place where a value may stand; each prints the value, then `|`.
    const PLACES: &[&str] = &[
        "printf '%s|' {{ x }}",
        "printf '%s|' \"{{ x }}\"",
        "y={{ x }}; printf '%s|' \"$y\"",
        "y=\"$(printf '%s|' \"{{ x }}\")\"; printf '%s' \"$y\"",
        "y=$(printf '%s|' {{ x }}); printf '%s' \"$y\"",
        "if true; then printf '%s|' {{ x }}; fi # it's a comment\n",
        "case a in a) printf '%s|' {{ x }};; esac",
        "y=$(case a in a) printf '%s|' {{ x }};; esac); printf '%s' \"$y\"",
        "cat >/dev/null <<'END'\nit's \" not ( closed\nEND\nprintf '%s|' {{ x }}",
        "cat <<END >/dev/null; printf '%s|' {{ x }}\nsome $(echo ')') text\nEND\n",
        "printf '%s|' 'it'\\''s' \"a\\\"b\" >/dev/null; ( printf '%s|' {{ x }} )",
        "echo ${HOME} ${#HOME} $((1 + (2))) >/dev/null; printf '%s|' {{ x }}",
        "y=${1:-\"a } b\"}${2:-'}'}; printf '%s|' {{ x }} 2>&1",
        // No echo: that of dash takes a backslash for an escape of its own.
        "y=\"$(printf '%s\\n' \"$(printf '%s|' \"{{ x }}\")\")\"; printf '%s' \"$y\"",
        "[ x{{ x }} != y ] && printf '%s|' {{ x }}",
        "while read -r line; do printf '%s|' {{ x }}; done <<END\none\nEND",
        "# it's\nprintf '%s|' {{ x }} # \"\n",
        "case it in i*) if :; then printf '%s|' \"{{ x }}\"; fi;; *) echo no;; esac",
        "f() { printf '%s|' \"$1\"; }; f {{ x }}",
    ];

    #[test]
    fn a_value_is_a_variable() {
        let scope = scope(&json!({"x": "a b", "n": 5}));
        assert_eq!(
            shell("echo {{ x }} \"-{{ n }}-\" {{ n }}px", &scope),
            ShellText {
                script: "echo \"${OPSBOOK_1}\" \"-${OPSBOOK_2}-\" \"${OPSBOOK_3}\"px".to_owned(),
                variables: [("OPSBOOK_1", "a b"), ("OPSBOOK_2", "5"), ("OPSBOOK_3", "5")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
            }
        );
    }

    #[test]
    fn a_value_stands_only_where_no_shell_parses_it() {
        let scope = scope(&json!({"x": "a[$(id)]"}));
        for (text, words) in [
            ("echo `echo {{ x }}`", "backticks"),
            ("echo # {{ x }}", "a comment"),
            ("cat <<END\n{{ x }}\nEND\n", "here-document"),
            ("cat <<-\"E ND\"\n{{ x }}\nEND\n", "here-document"),
            ("cat <<{{ x }}", "here-document"),
            ("echo $(( {{ x }} + 1 ))", "arithmetic"),
            ("(( {{ x }} > 1 ))", "arithmetic"),
            ("echo \"$(( {{ x }} ))\"", "arithmetic"),
            ("let {{ x }}", "arithmetic"),
            ("if [[ {{ x }} -eq 1 ]]; then echo; fi", "[[ … ]]"),
            ("[[ \"{{ x }}\" -eq 1 ]]", "[[ … ]]"),
            ("echo ${y:-{{ x }}}", "${ … }"),
            ("echo \"${y:-{{ x }}}\"", "${ … }"),
            ("y[{{ x }}]=1", "an array index"),
            ("eval {{ x }}", "`eval`"),
            ("eval \"echo {{ x }}\"", "`eval`"),
            ("y=1 eval {{ x }}", "`eval`"),
            ("trap {{ x }} EXIT", "`trap`"),
            ("echo \\{{ x }}", "backslash"),
            ("echo \"\\{{ x }}\"", "backslash"),
            ("echo ${{ x }}", "backslash or `$`"),
        ] {
            refused(text, Kind::Shell, &scope, words, "x");
        }
        for text in ["echo '{{ x }}'", "echo $'a\\'{{ x }}'", "echo $'a' {{ x }}"] {
            assert!(land(text, Kind::Shell, &scope).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_word_is_refused() {
        let scope =
            scope(&json!({"nul": "a\0b", "list": [1], "null": null, "long": "x".repeat(200_000)}));
        refused("echo {{ nul }}", Kind::Shell, &scope, "NUL", "nul");
        refused("echo {{ list }}", Kind::Shell, &scope, "a list", "list");
        refused("echo {{ null }}", Kind::Shell, &scope, "null", "null");
        refused("echo {{ long }}", Kind::Shell, &scope, "128 KiB", "long");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_value_reaches_the_program_as_it_is(value in hostile()) {
            prop_assume!(!value.contains('\0'));
            let scope = scope(&json!({"x": value}));
            for program in shells() {
                for place in PLACES {
                    let printed = run(program, &shell(place, &scope));
                    prop_assert_eq!(&printed, &format!("{value}|"), "{} {}", program, place);
                }
            }
        }

        #[test]
        fn any_script_is_followed_without_panic(script in hostile(), value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let _ = land(&format!("{}{{{{ x }}}}", script.replace('{', "")), Kind::Shell, &scope);
        }
    }
}
