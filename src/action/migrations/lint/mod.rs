//! Judges migrations before they run: what loses data, what keeps others waiting, what will fail. Reads texts alone; what
//! the database knows is handed in.

mod allow;
mod rules;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};

use crate::base::Effect;
use crate::base::text::{fit, one_line};
use crate::config::{Level, Migrations, Rule};
use crate::platform::d1::LONGEST_STATEMENT;
use crate::sql::{self, Change, Dialect, Piece, Way};

use super::folder::{self, Migration};
use super::script::{NO_TRANSACTION, is_blank};

use allow::Allowance;
pub(super) use rules::FEW_ROWS;
pub(super) use tables::Tables;

/// A migration with its text.
pub(super) struct Source<'a> {
    pub(super) migration: &'a Migration,
    pub(super) sql: String,
    /// Whether it is judged; others only tell which tables there are.
    pub(super) is_judged: bool,
}

/// What migrations are held to.
pub(super) struct Standard<'a> {
    pub(super) dialect: Dialect,
    pub(super) is_d1: bool,
    pub(super) migrations: &'a Migrations,
    /// Whether what applies them adds a transaction of its own.
    pub(super) adds_transaction: bool,
    /// How many rows tables have, about, where the database was asked.
    pub(super) rows: Option<BTreeMap<String, u64>>,
}

/// Something that a migration has against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) rule: Rule,
    pub(super) level: Level,
    pub(super) detail: String,
    pub(super) instead: String,
}

impl Finding {
    pub(super) fn row(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.line,
            "rule": self.rule.name(),
            "severity": match self.level {
                Level::Deny => "problem",
                Level::Warn | Level::Allow => "warning",
            },
            "detail": self.detail,
            "instead": self.instead,
        })
    }
}

/// What a rule says, before it is known how much that matters.
struct Said {
    line: usize,
    rule: Rule,
    detail: String,
    instead: String,
}

impl Said {
    fn new(line: usize, rule: Rule, detail: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            line,
            rule,
            detail: detail.into(),
            instead: instead.into(),
        }
    }
}

/// Judges the migrations in their order. `tables` are those that there are before the first.
pub(super) fn judge(
    sources: &[Source<'_>],
    standard: &Standard<'_>,
    mut tables: Tables,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<Vec<u128>, &str> = BTreeMap::new();
    for source in sources {
        let file = File::of(source, standard);
        let mut said = file.whole();
        let version = source.migration.version();
        if let Some(first) = versions.get(&version) {
            said.push(Said::new(
                1,
                Rule::DuplicateVersion,
                format!("{first} has the same number"),
                "give it the next number",
            ));
        } else if !version.is_empty() {
            versions.insert(version, &source.migration.file);
        }
        said.extend(file.statements(&mut tables));
        if source.is_judged {
            findings.extend(file.findings(said));
        }
    }
    findings
}

/// One migration while it is judged.
struct File<'a> {
    source: &'a Source<'a>,
    standard: &'a Standard<'a>,
    pieces: Vec<Piece<'a>>,
    /// What each statement does; none where the parser does not understand it.
    changes: Vec<Option<Vec<Change>>>,
    allowances: Vec<Allowance>,
}

impl<'a> File<'a> {
    fn of(source: &'a Source<'a>, standard: &'a Standard<'a>) -> Self {
        let pieces = sql::pieces(&source.sql, standard.dialect);
        let changes = pieces
            .iter()
            .map(|piece| sql::changes(piece.text, standard.dialect))
            .collect();
        Self {
            source,
            standard,
            changes,
            allowances: allow::read(&source.sql, &pieces),
            pieces,
        }
    }

    /// What concerns the file as a whole.
    fn whole(&self) -> Vec<Said> {
        let migration = self.source.migration;
        let mut said = Vec::new();
        let pattern: Option<&Regex> = self.standard.migrations.names.as_ref();
        if let Some(pattern) = pattern.filter(|pattern| !pattern.is_match(&migration.name)) {
            let detail = format!("the name does not match {pattern}");
            said.push(Said::new(
                1,
                Rule::Name,
                detail,
                "rename it before it is applied anywhere",
            ));
        }
        let missing = match &migration.down {
            None => Some("no file takes it back"),
            Some(down) => folder::text(down)
                .is_ok_and(|text| is_blank(&text.sql, self.standard.dialect))
                .then_some("the file that takes it back holds no statement"),
        };
        if let Some(missing) = missing {
            let instead = "write what takes it back, or allow it with the reason why nothing can";
            said.push(Said::new(1, Rule::Revert, missing, instead));
        }
        if self.standard.is_d1 && self.source.sql.contains("\r\n") {
            let instead = "have the file end its lines in LF: *.sql text eol=lf in .gitattributes";
            said.push(Said::new(
                1,
                Rule::LineEndings,
                "lines end in CR LF",
                instead,
            ));
        }
        said.extend(self.transactions());
        said
    }

    fn transactions(&self) -> Vec<Said> {
        let dialect = self.standard.dialect;
        let mut said = Vec::new();
        let alone = self.pieces.iter().find(|piece| piece.way == Way::Alone);
        match sql::unwrapped(&self.source.sql, dialect) {
            Err(line) => said.push(Said::new(
                line,
                Rule::TransactionControl,
                "a transaction is begun or ended within the migration",
                "leave it out; BEGIN and COMMIT may only stand around all of it",
            )),
            Ok(bare) => {
                if !bare.was_wrapped && alone.is_none() && !self.pieces.is_empty() {
                    let instead = "write BEGIN; before and COMMIT; behind everything else";
                    let detail = "no transaction stands around it";
                    said.push(Said::new(1, Rule::Transaction, detail, instead));
                }
            }
        }
        let mut leaving = self.pieces.iter().filter(|piece| !only_sets(piece));
        if let Some(alone) = alone
            && leaving.nth(1).is_some()
        {
            said.push(Said::new(
                alone.line,
                Rule::Alone,
                format!(
                    "{} runs in no transaction, and other statements stand beside it",
                    alone.opening()
                ),
                "give it a migration of its own",
            ));
        }
        said
    }

    /// What concerns single statements. Takes what they do into the tables that there are.
    fn statements(&self, tables: &mut Tables) -> Vec<Said> {
        let mut fresh = Fresh::default();
        let mut said = Vec::new();
        let mut acts_on_references = self.acts_on_references();
        for (piece, changes) in self.pieces.iter().zip(&self.changes) {
            said.extend(self.of_text(piece, changes.is_none()));
            if !self.standard.is_d1 {
                acts_on_references &= !switches_references_off(piece);
            }
            said.extend(self.hidden(piece, changes.as_deref()));
            for change in changes.iter().flatten() {
                let subject = rules::Subject {
                    change,
                    dialect: self.standard.dialect,
                    tables,
                    fresh: &fresh.tables,
                    copied: &fresh.copied,
                    rows: self.standard.rows.as_ref(),
                    acts_on_references,
                };
                said.extend(subject.judged().into_iter().map(|judged| Said {
                    line: piece.line,
                    ..judged
                }));
                tables.take(change);
                fresh.take(change);
            }
            fresh.copied.extend(self.copied(piece, &fresh.tables));
        }
        said
    }

    /// The table of which a statement puts every row into one that this file makes.
    fn copied(&self, piece: &Piece<'_>, fresh: &BTreeSet<String>) -> Option<String> {
        let copied = sql::copied(piece.text, self.standard.dialect);
        copied.and_then(|(to, from)| fresh.contains(&to).then_some(from))
    }

    /// Whether rows that refer to others go with them while the file runs: D1 cannot be told otherwise, and SQLite only by
    /// the file itself where that runs in no transaction.
    fn acts_on_references(&self) -> bool {
        let runs_alone = || {
            let mut pieces = self.pieces.iter();
            self.source.sql.contains(NO_TRANSACTION) || pieces.any(|piece| piece.way == Way::Alone)
        };
        self.standard.is_d1 || (self.standard.dialect == Dialect::Sqlite && runs_alone())
    }

    /// What a statement may lose although nothing that it does to a table shows.
    fn hidden(&self, piece: &Piece<'_>, changes: Option<&[Change]>) -> Option<Said> {
        let shows_nothing =
            changes.is_some_and(|changes| changes.iter().all(|change| *change == Change::Other));
        let detail = if piece.begins(&["DO"]) {
            "what DO runs is not known, and may lose rows".to_owned()
        } else if piece.begins(&["WITH"]) && shows_nothing {
            let analysis = sql::effect(piece.text, self.standard.dialect);
            (analysis.effect == Effect::Destroy)
                .then(|| format!("{} loses rows: {}", piece.opening(), analysis.reason))?
        } else {
            return None;
        };
        let instead = "write its statements by themselves, or allow it with the reason";
        Some(Said::new(piece.line, Rule::Unparsed, detail, instead))
    }

    fn of_text(&self, piece: &Piece<'_>, is_unparsed: bool) -> Vec<Said> {
        let mut said = Vec::new();
        let standard = self.standard;
        if is_unparsed && !rules::is_beyond_the_parser(piece) {
            let detail = format!(
                "{} is not understood, so nothing is known of it",
                piece.opening()
            );
            said.push(Said::new(
                piece.line,
                Rule::Unparsed,
                detail,
                "see whether it is what it should be",
            ));
        }
        if standard.is_d1 && piece.text.len() > LONGEST_STATEMENT {
            let detail = format!(
                "it has {} bytes, and D1 takes {LONGEST_STATEMENT}",
                piece.text.len()
            );
            said.push(Said::new(
                piece.line,
                Rule::StatementSize,
                detail,
                "divide it",
            ));
        }
        let makes = ["CREATE", "DROP"].iter().any(|word| piece.begins(&[word]));
        if makes && !piece.has("EXISTS") && !piece.begins(&["CREATE", "OR", "REPLACE"]) {
            let detail = format!("{} fails when it is run again", piece.opening());
            said.push(Said::new(
                piece.line,
                Rule::Idempotent,
                detail,
                "write IF NOT EXISTS or IF EXISTS",
            ));
        }
        let does_nothing = sql::setting(piece.text)
            .is_some_and(|name| ["foreign_keys", "journal_mode"].contains(&name.as_str()));
        // Looked for where it matters alone: there may be a hundred thousand statements in ten megabytes.
        let is_within = || standard.adds_transaction && !self.source.sql.contains(NO_TRANSACTION);
        if standard.dialect == Dialect::Sqlite && does_nothing && is_within() {
            let instead = match standard.is_d1 {
                true => "leave it out; PRAGMA defer_foreign_keys = ON puts the look at references off, but ON DELETE CASCADE deletes all the same".to_owned(),
                false => format!(
                    "leave it out: references are not acted upon while a migration runs; {NO_TRANSACTION} runs the file in none"
                ),
            };
            let detail = format!("{} does nothing within a transaction", piece.opening());
            said.push(Said::new(piece.line, Rule::Pragma, detail, instead));
        }
        said
    }

    /// What is left of what was said once the comments and the levels have had their word.
    fn findings(&self, said: Vec<Said>) -> Vec<Finding> {
        let mut used = vec![false; self.allowances.len()];
        let mut findings = Vec::new();
        let mut add = |said: Said| {
            let level = self.standard.migrations.level(said.rule);
            if level != Level::Allow {
                findings.push(Finding {
                    file: self.source.migration.file.clone(),
                    line: said.line,
                    rule: said.rule,
                    level,
                    detail: fit(&one_line(&said.detail), 300),
                    instead: said.instead,
                });
            }
        };
        for said in said {
            let allowing = self
                .allowances
                .iter()
                .position(|allowance| allowance.covers(&said));
            match allowing {
                Some(position) => used[position] = true,
                None => add(said),
            }
        }
        for (allowance, used) in self.allowances.iter().zip(used) {
            if let Some(detail) = allowance.mistake(used) {
                let instead = "write -- opsbook: allow RULE and the reason";
                add(Said::new(allowance.line, Rule::Allow, detail, instead));
            }
        }
        findings.sort_by(|a, b| (a.line, a.rule.name()).cmp(&(b.line, b.rule.name())));
        findings
    }
}

/// What the statements of a file have made so far.
#[derive(Default)]
struct Fresh {
    /// The tables, by the names that they have now: what is done to them keeps nobody waiting.
    tables: BTreeSet<String>,
    /// The tables whose rows are in one of those by now.
    copied: BTreeSet<String>,
}

impl Fresh {
    fn take(&mut self, change: &Change) {
        match change {
            Change::CreateTable(table, _, false) => {
                self.tables.insert(table.clone());
            }
            Change::DropTable(table) => {
                self.tables.remove(table);
            }
            Change::RenameTable(from, to) if self.tables.remove(from) => {
                self.tables.insert(to.clone());
            }
            _ => {}
        }
    }
}

/// Whether a statement has SQLite act upon no reference from now on.
fn switches_references_off(piece: &Piece<'_>) -> bool {
    let words = piece.text.to_ascii_uppercase();
    let value = words.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    sql::setting(piece.text).as_deref() == Some("foreign_keys")
        && ["OFF", "0", "NO", "FALSE"]
            .iter()
            .any(|off| value.ends_with(off))
}

/// Whether a statement only tells the session something: one that runs in no transaction may need that before it.
fn only_sets(piece: &Piece<'_>) -> bool {
    piece.begins(&["SET"]) || piece.begins(&["RESET"]) || sql::setting(piece.text).is_some()
}

#[cfg(test)]
mod tests;
