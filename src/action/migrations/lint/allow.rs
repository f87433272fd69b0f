//! Comments that allow what a rule forbids: `-- opsbook: allow RULE reason`.

use crate::config::Rule;
use crate::sql::Piece;

use super::Said;

/// How such a comment begins.
const MARK: &str = "-- opsbook: allow";

/// One comment.
pub(super) struct Allowance {
    /// Its line.
    pub(super) line: usize,
    /// The rule; none where there is none of this name.
    rule: Option<Rule>,
    word: String,
    has_reason: bool,
    /// The line of the statement that it stands before or in; the last comments of a file stand before none.
    statement: Option<usize>,
}

/// The comments of a text.
pub(super) fn read(text: &str, pieces: &[Piece<'_>]) -> Vec<Allowance> {
    let mut allowances = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, said)) = line.split_once(MARK) else {
            continue;
        };
        let line = index + 1;
        let mut words = said.split_whitespace();
        let word = words
            .next()
            .unwrap_or_default()
            .trim_end_matches(':')
            .to_owned();
        let statement = pieces.iter().find(|piece| {
            let lines = text[piece.range.clone()].matches('\n').count();
            piece.line + lines >= line
        });
        allowances.push(Allowance {
            line,
            rule: Rule::of(&word),
            word,
            has_reason: words.next().is_some(),
            statement: statement.map(|piece| piece.line),
        });
    }
    allowances
}

impl Allowance {
    /// Whether it silences what was said: of its own statement, or of the file as a whole.
    pub(super) fn covers(&self, said: &Said) -> bool {
        let is_of_file = matches!(
            said.rule,
            Rule::Name
                | Rule::Revert
                | Rule::DuplicateVersion
                | Rule::LineEndings
                | Rule::Transaction
        );
        self.rule == Some(said.rule)
            && self.has_reason
            && (is_of_file || self.statement == Some(said.line))
    }

    /// What is wrong with it.
    pub(super) fn mistake(&self, used: bool) -> Option<String> {
        match self.rule {
            None => Some(format!("there is no rule {:?}", self.word)),
            Some(_) if !self.has_reason => {
                Some(format!("{} is allowed without a reason", self.word))
            }
            Some(_) if !used => Some(format!("nothing here needs {} to be allowed", self.word)),
            Some(_) => None,
        }
    }
}
