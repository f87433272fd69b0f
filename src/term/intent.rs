//! What is about to be done, as lines above the question whether to do it. Must not ask.

use crate::base::text::{count, one_line, thousands};
use crate::engine::Intent;
use crate::report::{Style, glance_at, wrapped};

/// So many lines of a screen are what would be sent; a dry run shows all of it.
const MOST_LINES: usize = 24;

/// The lines that tell of it, each harmless and none wider than so many cells.
pub(super) fn lines(intent: &Intent, cells: usize) -> Vec<String> {
    let preview = &intent.preview;
    let room = cells.saturating_sub(5).max(1);
    let mut lines = vec![String::new()];
    lines.extend(
        wrapped(&one_line(&intent.title), room)
            .into_iter()
            .map(|part| format!(" {part}")),
    );
    let sent = sent(preview.sent.trim_end(), room);
    lines.extend(sent.into_iter().map(|part| format!("   {part}")));
    if let Some(rows) = preview.rows {
        let shown = preview.sample.as_ref().map(|sample| sample.rows.len());
        let told = wrapped(&touched(rows, shown), room);
        lines.extend(told.into_iter().map(|part| format!(" {part}")));
    }
    if let Some(sample) = preview
        .sample
        .as_ref()
        .filter(|sample| !sample.rows.is_empty())
    {
        let style = Style {
            colour: false,
            width: cells.saturating_sub(2).max(1),
            ..Style::default()
        };
        lines.extend(
            glance_at(sample, style)
                .lines()
                .map(|line| format!("  {line}")),
        );
    }
    lines.push(String::new());
    lines
}

/// The beginning of a text, and how many of its lines are left out.
fn sent(text: &str, room: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut parts = wrapped(&one_line(line), room);
        let fits = MOST_LINES - shown.len();
        if parts.len() <= fits {
            shown.append(&mut parts);
            continue;
        }
        parts.truncate(fits);
        shown.append(&mut parts);
        let behind = lines.len() - index - 1;
        let left_out = match (fits, behind) {
            (0, behind) => count(behind + 1, "more line"),
            (_, 0) => "the rest of this line".to_owned(),
            (_, behind) => format!("the rest of this line and {}", count(behind, "more line")),
        };
        shown.extend(wrapped(&format!("… {left_out}; --dry-run shows all"), room));
        break;
    }
    shown
}

/// How many rows it would touch, and how many of them are shown below.
fn touched(rows: u64, shown: Option<usize>) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    let told = format!("It touches {} {noun}", thousands(rows));
    match shown {
        Some(shown) if shown > 0 && (shown as u64) < rows => {
            format!("{told}, {shown} of which are:")
        }
        Some(shown) if shown > 0 => format!("{told}:"),
        Some(_) | None => format!("{told}."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lines;
    use crate::base::text::width;
    use crate::engine::Intent;
    use crate::event::{Preview, StepTable};

    fn intent(rows: u64) -> Intent {
        let long = "a street with a name that is longer than the line that it is to be shown on";
        Intent {
            title: "fix: sql.execute on main in production, may write".to_owned(),
            preview: Preview {
                sent: "UPDATE users SET active = 0\nWHERE last_seen < '2026-01-01' AND note = '\u{1b}[2J'".to_owned(),
                rows: Some(rows),
                effect: None,
                sample: Some(StepTable {
                    columns: ["id", "email", "street"].map(str::to_owned).to_vec(),
                    rows: vec![
                        vec![json!(1), json!("a@example.com"), json!(long)],
                        vec![json!(2), json!(null), json!("x")],
                    ],
                    ..StepTable::default()
                }),
                held: None,
            },
        }
    }

    #[test]
    fn the_statement_the_number_of_rows_and_some_of_them_stand_above_the_question() {
        let told = lines(&intent(18_204), 80).join("\n");
        let barred: Vec<String> = told.lines().map(|line| format!("|{line}")).collect();
        insta::assert_snapshot!(barred.join("\n"), @"
        |
        | fix: sql.execute on main in production, may write
        |   UPDATE users SET active = 0
        |   WHERE last_seen < '2026-01-01' AND note = '␛[2J'
        | It touches 18,204 rows, 2 of which are:
        |   id  email          street
        |    1  a@example.com  a street with a name that is longer than the line that it…
        |    2  –              x
        ");
        let two = lines(&intent(2), 80).join("\n");
        assert!(two.contains(" It touches 2 rows:\n"), "{two}");
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_a_long_text_ends() {
        for cells in [20, 40, 80, 140] {
            for line in lines(&intent(3), cells) {
                assert!(width(&line) <= cells, "{cells}: {line}");
                assert!(!line.contains('\u{1b}'));
            }
        }
        let mut long = intent(1);
        long.preview.sent = "SELECT 1;\n".repeat(1_000);
        let told = lines(&long, 80);
        assert!(told.len() < 40);
        let left_out = "   … 976 more lines; --dry-run shows all".to_owned();
        assert!(told.contains(&left_out), "{told:?}");
        // What is left out is told in lines of the text, however many the screen makes of each.
        let wide = format!("{};\n", "word ".repeat(20));
        long.preview.sent = wide.repeat(100);
        let told = lines(&long, 80);
        let left_out = "   … 88 more lines; --dry-run shows all".to_owned();
        assert!(told.contains(&left_out), "{told:?}");
        long.preview.sent = format!("SELECT 1;\n{}", wide.repeat(2))
            .replace(";\n", "; ")
            .repeat(30);
        let told = lines(&long, 80);
        let left_out = "   … the rest of this line; --dry-run shows all".to_owned();
        assert!(told.contains(&left_out), "{told:?}");
        long.preview.sent = format!("SELECT 1;\n{}", wide.repeat(20));
        let told = lines(&long, 80);
        let left_out =
            "   … the rest of this line and 8 more lines; --dry-run shows all".to_owned();
        assert!(told.contains(&left_out), "{told:?}");
    }
}
