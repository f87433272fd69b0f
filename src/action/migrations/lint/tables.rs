//! The tables that there are at a moment of the migrations, with their columns as far as they are known.

use std::collections::{BTreeMap, BTreeSet};

use crate::sql::{Change, TableChange};

/// The tables by name; the columns of a table may be unknown.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tables {
    columns: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Columns that a CHECK keeps from NULL.
    checked: BTreeSet<(String, String)>,
    /// Which rows go or change with which: the table, the one that it refers to, and by which words.
    following: BTreeSet<(String, String, String)>,
}

impl Tables {
    /// Adds a column of a table that there is.
    pub(in super::super) fn add(&mut self, table: &str, column: &str) {
        let columns = self.columns.entry(table.to_owned());
        if let Some(columns) = columns.or_insert_with(|| Some(BTreeSet::new())) {
            columns.insert(column.to_owned());
        }
    }

    /// Adds that rows of a table go or change with those of another.
    pub(in super::super) fn follow(&mut self, table: String, parent: String, words: String) {
        self.following.insert((table, parent, words));
    }

    /// The other tables whose rows go or change with those of this one, and by which words.
    pub(super) fn followers<'t>(
        &'t self,
        parent: &'t str,
    ) -> impl Iterator<Item = (&'t str, &'t str)> {
        let of = move |(table, to, _): &&(String, String, String)| to == parent && table != parent;
        let following = self.following.iter().filter(of);
        following.map(|(table, _, words)| (table.as_str(), words.as_str()))
    }

    /// Whether a table is known not to have a column.
    pub(super) fn lacks(&self, table: &str, column: &str) -> bool {
        let known = self.columns.get(table).and_then(Option::as_ref);
        known.is_some_and(|columns| !columns.contains(column))
    }

    /// Whether a CHECK keeps a column from NULL.
    pub(super) fn checks(&self, table: &str, column: &str) -> bool {
        self.checked
            .contains(&(table.to_owned(), column.to_owned()))
    }

    /// Takes in what a statement does.
    pub(super) fn take(&mut self, change: &Change) {
        match change {
            Change::CreateTable(table, columns, if_not_exists) => {
                let columns = columns
                    .as_ref()
                    .map(|columns| columns.iter().cloned().collect());
                if !if_not_exists || !self.columns.contains_key(table) {
                    self.columns.insert(table.clone(), columns);
                }
            }
            Change::DropTable(table) => {
                self.columns.remove(table);
                // What refers to it goes on to do so, by its name.
                self.following.retain(|(child, ..)| child != table);
            }
            Change::RenameTable(from, to) => {
                // One that is not known has a new name now, and is as unknown as before.
                let columns = self.columns.remove(from).flatten();
                self.columns.insert(to.clone(), columns);
                let renamed = |name: String| if name == *from { to.clone() } else { name };
                let following = std::mem::take(&mut self.following).into_iter();
                self.following = following
                    .map(|(table, parent, words)| (renamed(table), renamed(parent), words))
                    .collect();
            }
            Change::Follows(table, parent, words) => {
                self.follow(table.clone(), parent.clone(), words.clone());
            }
            Change::Table(table, change) => self.alter(table, change),
            Change::DropContainer(_)
            | Change::DropOther(_)
            | Change::CreateIndex(_)
            | Change::Truncate(_)
            | Change::Rows(..)
            | Change::Other => {}
        }
    }

    fn alter(&mut self, table: &str, change: &TableChange) {
        if let TableChange::AddConstraint(constraint) = change
            && let Some(column) = &constraint.not_null
        {
            self.checked.insert((table.to_owned(), column.clone()));
        }
        let Some(Some(columns)) = self.columns.get_mut(table) else {
            return;
        };
        match change {
            TableChange::AddColumn(column) => {
                columns.insert(column.name.clone());
            }
            TableChange::DropColumn(column) => {
                columns.remove(column);
            }
            TableChange::RenameColumn(from, to) => {
                columns.remove(from);
                columns.insert(to.clone());
            }
            TableChange::ChangeType(..)
            | TableChange::SetNotNull(_)
            | TableChange::AddConstraint(_)
            | TableChange::Other => {}
        }
    }
}
