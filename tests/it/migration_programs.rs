//! Other programs that apply migrations, by the keys that docs/migrations.md gives for them: the real Alembic and the real
//! Supabase on a real PostgreSQL server; Prisma, whose engine no package has, by a stand-in.

use std::path::Path;

use serde_json::{Value, json};

use super::harness::{Output, Project};
use super::postgres_cluster::cluster;
use super::workerd::npm;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrations.md");
    std::fs::read_to_string(path).unwrap()
}

/// The keys that the page's table has for a program, as lines of the configuration.
fn row(program: &str) -> String {
    let page = page();
    let start = format!("| {program}");
    let row = page.lines().find(|line| line.starts_with(&start)).unwrap();
    let keys = row.split('`').filter(|part| part.contains(" = "));
    let lines: Vec<&str> = keys.collect();
    assert!(lines.len() > 2, "{row}");
    lines.join("\n")
}

/// A project whose database is this URL and whose migrations another program applies.
fn project(url: &str, keys: &str) -> Project {
    let config = format!(
        "project = \"test\"\n[secret]\ndatabase = {{ env = \"URL\" }}\n[database.main]\nkind = \"postgres\"\n\
         url = \"{{{{ secret.database }}}}\"\n[database.main.migrations]\ntool = \"command\"\n{keys}\n"
    );
    let project = Project::new().config(&config).variable("URL", url);
    let home = project.path(".").display().to_string();
    project.variable("HOME", home)
}

fn run(project: &Project, arguments: &[&str]) -> Output {
    let without: &[&str] = match arguments[0] {
        "apply" | "revert" => &["--no-copy", "--yes"],
        _ => &[],
    };
    project.run(&[&["db", "migrations"], arguments, without].concat())
}

/// The names of what is pending, as status tells them.
#[track_caller]
fn pending(project: &Project) -> Vec<String> {
    let output = run(project, &["status", "--format", "json"]);
    let told = output.json();
    let outputs = &told["steps"][0]["outputs"];
    let rows = outputs["rows"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("{}", output.shown()));
    assert_eq!(outputs["pending"], json!(rows.len()), "{}", output.shown());
    assert_eq!(output.code, i32::from(!rows.is_empty()));
    let name = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
    rows.iter().map(name).collect()
}

/// The tables that people made.
fn tables(database: &str) -> String {
    let sql = "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class \
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'";
    cluster().psql(database, sql).trim().to_owned()
}

const REVISION: &str = r#"
from alembic import op
import sqlalchemy as sa

revision = "NAME"
down_revision = BEFORE

def upgrade():
    op.create_table("TABLE", sa.Column("id", sa.Integer, primary_key=True))

def downgrade():
    op.drop_table("TABLE")
"#;

/// What `alembic init` makes, as short as it can be.
const ALEMBIC_ENV: &str = r#"
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"#;

#[test]
fn alembic_tells_applies_and_takes_back() {
    let database = cluster().database("");
    let url = cluster()
        .url(&database)
        .replace("postgres://", "postgresql://");
    let revision = |name: &str, before: &str, table: &str| {
        let text = REVISION.replace("NAME", name).replace("BEFORE", before);
        text.replace("TABLE", table)
    };
    let keys = row("Alembic") + "\nenv = { DATABASE_URL = \"{{ secret.database }}\" }";
    let project = project(&url, &keys)
        .file("alembic.ini", "[alembic]\nscript_location = alembic\n")
        .file("alembic/env.py", ALEMBIC_ENV)
        .file(
            "alembic/script.py.mako",
            "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n",
        )
        .file(
            "alembic/versions/0001_users.py",
            revision("0001", "None", "users"),
        )
        .file(
            "alembic/versions/0002_orders.py",
            revision("0002", "\"0001\"", "orders"),
        );
    // It does not say which: one without a name.
    assert_eq!(pending(&project).len(), 1);
    run(&project, &["apply", "--to", "0001"]).exits(0);
    assert_eq!(tables(&database), "users");
    assert_eq!(pending(&project).len(), 1);
    run(&project, &["apply"]).exits(0).never_shows(&url);
    assert_eq!(tables(&database), "orders users");
    assert_eq!(pending(&project).len(), 0);
    run(&project, &["revert"]).exits(0);
    assert_eq!(tables(&database), "users");
    run(&project, &["apply"]).exits(0);
    run(&project, &["revert", "--to", "base"]).exits(0);
    assert_eq!(tables(&database), "");
    run(&project, &["new", "add notes"]).exits(0);
    let made = std::fs::read_dir(project.path("alembic/versions")).unwrap();
    let mut names = made.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.ends_with("_add_notes.py")));
    // A server that is gone is no migration that is pending.
    let gone = project.variable("URL", "postgresql://nobody@127.0.0.1:1/none");
    run(&gone, &["status"]).exits(2).prints("refused");
}

/// Its `--remote` is the project of the service: here it names a server instead. All else is as the page has it.
#[test]
fn supabase_tells_and_applies() {
    let database = cluster().database("");
    let url = cluster().url(&database);
    let keys = row("Supabase");
    assert_eq!(keys.matches("\"--remote\"").count(), 2, "{keys}");
    let keys = keys
        .replace(
            "\"--remote\"",
            &format!("\"--remote={url}?sslmode=disable\""),
        )
        .replace(
            "[\"supabase\"",
            &format!(
                "[{:?}",
                npm("node_modules/@supabase/cli-linux-x64/bin/supabase")
            ),
        );
    let keys = keys + "\nenv = { SUPABASE_TELEMETRY_DISABLED = \"1\", DO_NOT_TRACK = \"1\" }";
    let migration = |version: &str, table: &str| {
        (
            format!("supabase/migrations/{version}_{table}.sql"),
            format!("CREATE TABLE {table} (id integer);"),
        )
    };
    let (first, second) = (
        migration("20260101000000", "users"),
        migration("20260102000000", "orders"),
    );
    let project = project(&url, &keys).file(&first.0, &first.1);
    assert_eq!(pending(&project), ["20260101000000"]);
    run(&project, &["apply"]).exits(0);
    assert_eq!(tables(&database), "users");
    assert_eq!(pending(&project).len(), 0);
    let project = project.file(&second.0, &second.1);
    assert_eq!(pending(&project), ["20260102000000"]);
    run(&project, &["apply"]).exits(0);
    assert_eq!(tables(&database), "orders users");
    // What is applied and has no file is not pending.
    std::fs::remove_file(project.path(&second.0)).unwrap();
    assert_eq!(pending(&project).len(), 0);
    run(&project, &["new", "notes"]).exits(0);
    assert_eq!(pending(&project).len(), 1);
}

/// A stand-in of npx with Prisma, by <https://www.prisma.io/docs/cli/migrate/status>: it ends with 1 while something is
/// pending, and with what it cannot do.
const PRISMA: &str = r#"#!/bin/sh
[ -n "$DATABASE_URL" ] || { echo "Error: Environment variable not found: DATABASE_URL." >&2; exit 1; }
found() { printf 'Prisma schema loaded from prisma/schema.prisma\n\n%s found in prisma/migrations\n\n' "$1"; }
case "$*:$(cat applied 2>/dev/null)" in
"prisma migrate status:")
    found '2 migrations'
    printf 'Following migrations have not yet been applied:\n20240115120000_add_user\n20240116120000_add_post\n\n'
    printf 'To apply migrations in development run prisma migrate dev.\nTo apply migrations in production run prisma migrate deploy.\n'
    exit 1 ;;
"prisma migrate status:one")
    found '2 migrations'
    printf 'Following migration have not yet been applied:\n20240116120000_add_post\n\nTo apply migrations in production run prisma migrate deploy.\n'
    exit 1 ;;
"prisma migrate status:all") found '2 migrations'; echo 'Database schema is up to date!' ;;
"prisma migrate deploy:"*) echo all >applied; echo 'All migrations have been successfully applied.' ;;
"prisma migrate status:gone") echo "Error: P1001: Can't reach database server at \`127.0.0.1:1\`" >&2; exit 1 ;;
*) exit 64 ;;
esac
"#;

#[test]
fn an_answer_of_prisma_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let page = page();
    let block = page.split("## Another program").nth(1).unwrap();
    let block = block.split("```").nth(1).unwrap();
    let keys: Vec<&str> = block
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with("tool"))
        .collect();
    let url = cluster().url(&cluster().database(""));
    let project = project(&url, &keys.join("\n"))
        .file("bin/npx", PRISMA)
        .file(
            "prisma/migrations/20240115120000_add_user/migration.sql",
            "CREATE TABLE users (id integer PRIMARY KEY);",
        )
        .file("applied", "");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.path("bin/npx"), executable).unwrap();
    let path = format!(
        "{}:{}",
        project.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let project = project.variable("PATH", path);
    assert_eq!(
        pending(&project),
        ["20240115120000_add_user", "20240116120000_add_post"]
    );
    let project = project.file("applied", "one");
    assert_eq!(pending(&project), ["20240116120000_add_post"]);
    run(&project, &["apply"]).exits(0).never_shows(&url);
    assert_eq!(pending(&project).len(), 0);
    let project = project.file("applied", "gone");
    run(&project, &["status"]).exits(2).prints("P1001");
    run(&project, &["revert"]).exits(78).prints("`revert`");
}
