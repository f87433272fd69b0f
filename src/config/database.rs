//! `[database.*]`: what serves a database and what may be deleted from it.

use crate::base::Span;
use crate::book::{Field, TableReader};
use crate::model::Template;

use super::estate::{D1Via, Database, DatabaseKind, PostgresSettings, Retention, WranglerTool};
use super::load::Site;
use super::migrations;

/// The words of `kind`, each with the reader of its own keys.
const KINDS: [(&str, Reader); 3] = [("d1", d1), ("postgres", postgres), ("sqlite", sqlite)];

type Reader = fn(&TableReader<'_>, &str, Site<'_>) -> Option<DatabaseKind>;

/// `[database.NAME]`
pub(super) fn read(field: Field<'_>, site: Site<'_>) -> Option<Database> {
    let table = field.table(format!("database {:?}", field.key()))?;
    let place = table.place();
    let reader = table
        .required("kind")
        .and_then(|field| field.choice(&KINDS));
    let retention = table
        .optional("retention")
        .and_then(|field| field.tables("retention"))
        .unwrap_or_default()
        .into_iter()
        .filter_map(retention)
        .collect();
    let copies = match table.optional("copies") {
        Some(field) => Some(site.path(field)?),
        None => None,
    };
    let kind_word = table.optional("kind").and_then(|field| field.text());
    let migrations = table
        .optional("migrations")
        .map(|field| migrations::read(field, kind_word.unwrap_or_default(), site));
    let Some(reader) = reader else {
        // Which keys belong here is not known, so none is told to be unknown.
        return None;
    };
    let kind = reader(&table, field.key(), site);
    table.finish();
    Some(Database {
        name: field.key().to_owned(),
        kind: kind?,
        retention,
        copies,
        migrations: match migrations {
            Some(migrations) => Some(migrations?),
            None => None,
        },
        place,
    })
}

fn d1(table: &TableReader<'_>, name: &str, site: Site<'_>) -> Option<DatabaseKind> {
    let given = table.optional("name");
    let id = table.optional("id");
    let (account, token) = (template(table, "account"), template(table, "token"));
    let via = via(table, site);
    let own = match given {
        Some(field) => field.filled_text()?,
        None => name,
    };
    let id = match id {
        Some(field) => Some(field.filled_text()?.to_owned()),
        None => None,
    };
    Some(DatabaseKind::D1 {
        name: own.to_owned(),
        id,
        account: account?,
        token: token?,
        via: via?,
    })
}

/// How a D1 database is reached: the keys of wrangler belong to it alone.
fn via(table: &TableReader<'_>, site: Site<'_>) -> Option<D1Via> {
    const WAYS: [(&str, Option<bool>); 3] = [
        ("api", None),
        ("local", Some(true)),
        ("wrangler", Some(false)),
    ];
    let Some(field) = table.optional("via") else {
        return Some(D1Via::Api);
    };
    let Some(local) = field.choice(&WAYS)? else {
        return Some(D1Via::Api);
    };
    let text = |key| match table.optional(key) {
        Some(field) => field.filled_text().map(|text| Some(text.to_owned())),
        None => Some(None),
    };
    let path = |key| match table.optional(key) {
        Some(field) => site.path(field).map(Some),
        None => Some(None),
    };
    let (config, environment, program) = (path("wrangler"), text("env"), text("tool"));
    let persist_to = if local {
        path("persist_to")
    } else {
        Some(None)
    };
    let tool = WranglerTool {
        config: config?,
        environment: environment?,
        persist_to: persist_to?,
        program: program?,
    };
    Some(if local {
        D1Via::Local(tool)
    } else {
        D1Via::Wrangler(tool)
    })
}

fn postgres(table: &TableReader<'_>, _: &str, _: Site<'_>) -> Option<DatabaseKind> {
    let (url, password) = (template(table, "url"), template(table, "password"));
    let service = table.optional("service");
    let limit = |key| table.optional(key).map(|field| field.positive_duration());
    let (statement, lock) = (limit("statement_timeout"), limit("lock_timeout"));
    let service = match service {
        Some(field) => Some(field.filled_text()?.to_owned()),
        None => None,
    };
    // A wrong limit is told and is no left-out one.
    let given = |limit: Option<Option<Span>>| limit.map_or(Some(None), |limit| limit.map(Some));
    Some(DatabaseKind::Postgres(PostgresSettings {
        url: url?,
        password: password?,
        service,
        statement_timeout: given(statement)?,
        lock_timeout: given(lock)?,
    }))
}

/// A template that may be left out; none where it is wrong.
#[expect(
    clippy::option_option,
    reason = "a wrong value is told and is no left-out one"
)]
fn template(table: &TableReader<'_>, key: &str) -> Option<Option<Template>> {
    match table.optional(key) {
        Some(field) => field.filled_template().map(Some),
        None => Some(None),
    }
}

fn sqlite(table: &TableReader<'_>, _: &str, site: Site<'_>) -> Option<DatabaseKind> {
    let path = table.required("path");
    let create = table.optional("create");
    let create = match create {
        Some(field) => Some(site.path(field)?),
        None => None,
    };
    Some(DatabaseKind::Sqlite {
        path: site.path(path?)?,
        create,
    })
}

fn retention(table: TableReader<'_>) -> Option<Retention> {
    let text = |key| {
        let field = table.required(key)?;
        field.filled_text().map(str::to_owned)
    };
    let name = text("table");
    let column = text("column");
    let keep = table
        .required("keep")
        .and_then(|field| field.positive_duration());
    let rows = |key, least| {
        let field = table.optional(key)?;
        let rows = field.integer_in(least..=i64::MAX)?;
        u64::try_from(rows).ok()
    };
    let (batch, max_rows) = (rows("batch", 1), rows("max_rows", 0));
    let max_share = table
        .optional("max_share")
        .and_then(|field| percent(&field));
    table.finish();
    Some(Retention {
        table: name?,
        column: column?,
        keep: keep?,
        batch,
        max_rows,
        max_share,
    })
}

fn percent(field: &Field<'_>) -> Option<f64> {
    let share = field.float()?;
    if (0.0..=100.0).contains(&share) {
        return Some(share);
    }
    field.mistake(format!("{share} is no share in percent: it is 0 to 100"));
    None
}
