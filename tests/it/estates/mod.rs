//! The procedures of five estates, as `examples/` has them: each is run against a world that plays its estate, well and unwell.
//! Here is what they share: the copy of an estate, the table of its procedures, and that the page of them tells the truth.

mod codebook;
mod concierge;
mod crm;
mod d1;
mod manuscripts;
mod page;
mod parts;
mod tail;
mod wellness;
mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Output, Project};
use crate::terminal::Terminal;
use crate::workerd;

use d1::D1;
use parts::Parts;
use tail::Tail;
pub(crate) use world::{Reply, World};

/// A copy of `examples/NAME`, in the environment `test`, whose services the world plays.
pub(crate) struct Estate {
    project: Project,
    pub(crate) world: World,
    d1: Option<D1>,
    tail: Option<Tail>,
    parts: Parts,
    /// What files were before they were written, if they were there.
    written: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
}

/// What a person or a scheduler starts for a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// A check of a service: `opsbook health SERVICE`.
    Check(&'static str, &'static str),
    /// A runbook with its inputs, by its command: `["perf", "timing"]`.
    Runbook(&'static [&'static str]),
    /// A runbook that has a person do something: at a terminal, where it is done.
    Attended(&'static [&'static str]),
    /// A runbook where nobody answers what it asks, or that is asked for what it does not know: it must not run.
    Unanswered(&'static [&'static str]),
}

/// A row of the table of an estate: a procedure, and one way in which the world is unwell for it.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The procedure, by the catalogue: `concierge.health.live`.
    pub(crate) id: &'static str,
    pub(crate) run: Run,
    /// Makes the world unwell.
    pub(crate) red: fn(&Estate),
    /// The status of the check, or of the worst step: `warning`.
    pub(crate) status: &'static str,
    pub(crate) exit: i32,
}

/// A row.
pub(crate) const fn case(
    id: &'static str,
    run: Run,
    red: fn(&Estate),
    status: &'static str,
    exit: i32,
) -> Case {
    Case {
        id,
        run,
        red,
        status,
        exit,
    }
}

/// The folder of an estate in this repository.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

impl Estate {
    /// A copy of this estate. The world plays these tables of its configuration: `service.api` has its routes below `/api`.
    /// `more` is laid over the configuration beside that: lines of `[environment.test]`, `database.main.url = "…"`.
    pub(crate) fn new(name: &str, played: &[&str], more: &str) -> Self {
        let world = World::new();
        let mut overlay = String::from("\n[environment.test]\n");
        for table in played {
            let (_, base) = table.split_once('.').unwrap();
            overlay.push_str(&format!("{table}.url = \"{}/{base}\"\n", world.url()));
        }
        overlay.push_str(more);
        let project = copy(name, &overlay).variable("OPSBOOK_ENV", "test");
        Self {
            project,
            world,
            d1: None,
            tail: None,
            parts: Parts::default(),
            written: RefCell::default(),
        }
    }

    /// Sets an environment variable for every run.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.project = self.project.variable(name, value);
        self
    }

    /// Writes a file of the project.
    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.project = self.project.file(path, content);
        self
    }

    /// Puts a stand-in for a program on the PATH: this script.
    pub(crate) fn program(self, name: &str, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = format!("bin/{name}");
        let estate = self.file(&path, script);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(estate.project.path(&path), executable).unwrap();
        let path = format!("{}:{}", estate.project.path("bin").display(), estate.path());
        estate.variable("PATH", path)
    }

    /// Puts the Node.js and the wrangler of npm on the PATH.
    pub(crate) fn wrangler(self) -> Self {
        let node = workerd::node();
        let path = format!(
            "{}:{}:{}",
            node.parent().unwrap().display(),
            workerd::npm("node_modules/.bin").display(),
            self.path()
        );
        self.variable("PATH", path)
    }

    /// The PATH as it is for every run.
    fn path(&self) -> String {
        let command = self.project.command(&[]);
        let mut variables = command.get_envs();
        let path = variables.find_map(|(name, value)| value.filter(|_| name == "PATH"));
        path.unwrap().to_str().unwrap().to_owned()
    }

    /// Has a live log, for the real wrangler: of the file `events`, beside the API of the D1 database.
    pub(crate) fn live_log(self) -> Self {
        let behind = self.d1.as_ref().unwrap().api.url();
        let tail = Tail::of(&self.project.path("events"), &behind);
        let url = tail.url();
        let mut estate = self.variable("CLOUDFLARE_API_BASE_URL", url);
        estate.tail = Some(tail);
        estate
    }

    /// Writes a file, until all is well again.
    pub(crate) fn writes(&self, path: &str, content: &str) {
        let place = self.project.path(path);
        let before = std::fs::read(&place).ok();
        let mut written = self.written.borrow_mut();
        written.entry(path.to_owned()).or_insert(before);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }

    /// What a file of the project holds.
    pub(crate) fn reads(&self, path: &str) -> String {
        self.project.read(path)
    }

    /// Tells the stand-ins of programs what is wrong: they read the file `unwell`.
    pub(crate) fn unwell(&self, what: &str) {
        std::fs::write(self.project.path("unwell"), what).unwrap();
    }

    /// All is well again.
    fn well(&self) {
        self.world.well();
        self.parts.well();
        if let Some(d1) = &self.d1 {
            d1.well();
        }
        for (path, before) in self.written.take() {
            let place = self.project.path(&path);
            match before {
                Some(content) => std::fs::write(place, content).unwrap(),
                None => std::fs::remove_file(place).unwrap(),
            }
        }
        let _ = std::fs::remove_file(self.project.path("unwell"));
    }

    /// Runs what a procedure is run with; of a check, all checks of its service by this look alone. Gives the status of the
    /// check, or of the worst step, the exit code, and what was shown.
    fn run(&self, run: Run) -> (String, i32, String) {
        if let (Some(d1), Run::Runbook(_) | Run::Attended(_)) = (&self.d1, run) {
            d1.is_touched();
        }
        let content = || match (&self.d1, run) {
            (Some(d1), Run::Unanswered(_)) => d1.content(),
            _ => Vec::new(),
        };
        let before = content();
        let output = match run {
            Run::Check(service, _) => self.health(&[service]),
            Run::Runbook(words) => self.json(words),
            Run::Unanswered(words) => self.project.run(&[words, &["--format", "json"]].concat()),
            Run::Attended(words) => {
                let mut terminal = Terminal::start(&self.project, words);
                terminal.wait_for("Done?");
                terminal.press("y\r");
                let (code, shown) = terminal.end();
                let bad = [("CRITICAL", "critical"), ("WARNING", "warning")];
                let told = bad.into_iter().find(|(word, _)| shown.contains(word));
                let told = told.map_or("ok", |(_, status)| status);
                return (told.to_owned(), code, shown);
            }
        };
        if matches!(output.code, 64 | 75) {
            assert_eq!(content(), before, "{run:?} was refused and done");
        }
        let told = match run {
            Run::Check(service, check) => status_of(&output, service, check),
            Run::Unanswered(_) if matches!(output.code, 64 | 75) => "refused".to_owned(),
            Run::Runbook(_) | Run::Attended(_) | Run::Unanswered(_) => worst_step(&output),
        };
        (told, output.code, output.shown())
    }

    /// Runs a runbook for its record.
    pub(crate) fn json(&self, words: &[&str]) -> Output {
        let options = ["--format", "json", "--yes"];
        self.project.run(&[words, options.as_slice()].concat())
    }

    /// `opsbook health` of these services, or of all, by this look alone.
    pub(crate) fn health(&self, services: &[&str]) -> Output {
        self.project
            .run(&[&["health", "--now", "--format", "json"], services].concat())
    }

    /// Well, every procedure of the table is ok; and each row makes its own procedure as bad as it says.
    pub(crate) fn holds(&self, cases: &[Case]) {
        self.holds_but(cases, &[]);
    }

    /// The same, where these runs are unwell by their options alone.
    pub(crate) fn holds_but(&self, cases: &[Case], never_well: &[Run]) {
        let mut wrong = self.not_green(cases, never_well);
        for case in cases {
            self.well();
            (case.red)(self);
            let (status, code, shown) = self.run(case.run);
            if (status.as_str(), code) != (case.status, case.exit) {
                wrong.push(format!(
                    "{} by {:?}: {status} and {code}, not {} and {}\n{shown}",
                    case.id, case.run, case.status, case.exit
                ));
            }
        }
        self.well();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Of each row, which is a runbook, one cause alone is found, in these words, and this secret is never shown.
    pub(crate) fn names_each_cause(&self, cases: &[Case], named: &[&str], secret: &str) {
        assert_eq!(cases.len(), named.len());
        for (case, named) in cases.iter().zip(named) {
            self.well();
            (case.red)(self);
            let Run::Runbook(words) = case.run else {
                unreachable!("a runbook")
            };
            let output = self.json(words);
            let findings = output.json()["findings"].as_array().unwrap().clone();
            assert_eq!(findings.len(), 1, "{named}: {}", output.shown());
            let cause = findings[0]["cause"].as_str().unwrap();
            assert!(cause.contains(named), "{named}: {cause}");
            assert!(!output.shown().contains(secret), "{}", output.shown());
        }
    }

    /// The runs that are not ok when all is well, each with what it showed.
    fn not_green(&self, cases: &[Case], never_well: &[Run]) -> Vec<String> {
        self.well();
        let health = self.health(&[]).exits(0);
        let mut wrong = Vec::new();
        let mut runbooks: Vec<Run> = Vec::new();
        for case in cases {
            match case.run {
                Run::Check(service, check) => {
                    let status = status_of(&health, service, check);
                    if status != "ok" {
                        let shown = health.shown();
                        wrong.push(format!("well, {} is {status}\n{shown}", case.id));
                    }
                }
                Run::Unanswered(_) => {}
                run if !never_well.contains(&run) && !runbooks.contains(&run) => runbooks.push(run),
                _ => {}
            }
        }
        for run in runbooks {
            self.well();
            let (_, code, shown) = self.run(run);
            if code != 0 {
                wrong.push(format!("well, {run:?} ends in {code}\n{shown}"));
            }
        }
        wrong
    }
}

/// A copy of an estate with more lines in its configuration.
fn copy(name: &str, overlay: &str) -> Project {
    let source = folder(name);
    let mut project = Project::bare();
    let mut names = vec![PathBuf::new()];
    while let Some(name) = names.pop() {
        let path = source.join(&name);
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            names.extend(entries.map(|entry| name.join(entry.unwrap().file_name())));
        } else {
            let content = std::fs::read(path).unwrap();
            project = project.file(name.to_str().unwrap(), content);
        }
    }
    let configuration = project.read("opsbook.toml") + overlay;
    project.config(&configuration)
}

/// The text of a file below `examples/`.
pub(crate) fn example(path: &str) -> String {
    std::fs::read_to_string(folder("").join(path)).unwrap()
}

/// What the migrations of an estate make of an empty D1, with the table in which wrangler says that they are applied.
pub(crate) fn migrated(name: &str) -> String {
    let mut sql =
        "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, \
        applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);\n"
            .to_owned();
    let entries = std::fs::read_dir(folder(name).join("migrations")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".sql")).collect();
    names.sort();
    for file in names {
        sql += &example(&format!("{name}/migrations/{file}"));
        sql += &format!("INSERT INTO d1_migrations (name) VALUES ('{file}');\n");
    }
    sql
}

/// What is told of a check.
fn status_of(output: &Output, service: &str, check: &str) -> String {
    let told = output.json();
    let rows = told["steps"][0]["outputs"]["rows"].as_array();
    let row = rows
        .into_iter()
        .flatten()
        .find(|row| row["service"] == service && row["check"] == check);
    let row = row.unwrap_or_else(|| panic!("no check {service}/{check}\n{}", output.shown()));
    row["status"].as_str().unwrap().to_owned()
}

/// The status of the step that is worst.
fn worst_step(output: &Output) -> String {
    let told = output.json();
    let steps = told["steps"].as_array().unwrap();
    let has = |status: &str| steps.iter().any(|step| step["status"] == status);
    let worst = ["critical", "unknown", "warning"]
        .into_iter()
        .find(|status| has(status));
    worst.unwrap_or("ok").to_owned()
}

/// The table of an estate has a row for each of the procedures that it has to have, and for no other.
#[track_caller]
pub(crate) fn covers(cases: &[Case], ids: &[&str]) {
    let rows: BTreeSet<&str> = cases.iter().map(|case| case.id).collect();
    assert_eq!(rows, ids.iter().copied().collect());
}

/// A remedy with a word for each expression of it.
fn filled(remedy: &str) -> String {
    let mut parts = remedy.split("{{");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |told, part| {
        told + "1" + part.split_once("}}").unwrap().1
    })
}

/// What an estate's checks and runbooks say to run next can be run.
fn remedies_are_commands(name: &str, project: &Project) {
    let mut texts = vec![project.read("opsbook.toml")];
    for group in std::fs::read_dir(project.path("runbooks"))
        .into_iter()
        .flatten()
    {
        for runbook in std::fs::read_dir(group.unwrap().path()).unwrap() {
            texts.push(std::fs::read_to_string(runbook.unwrap().path()).unwrap());
        }
    }
    let lines = texts.iter().flat_map(|text| text.lines());
    let remedies: BTreeSet<&str> = lines
        .filter_map(|line| line.strip_prefix("remedy")?.split('"').nth(1))
        .collect();
    for remedy in remedies {
        let told = filled(remedy);
        let words: Vec<&str> = told.split(' ').chain(["--help"]).collect();
        let output = project.run(&words);
        assert_eq!(output.code, 0, "{name}: {remedy}\n{}", output.shown());
    }
}

/// What `opsbook lint` finds in the estates that are shipped: nothing.
#[test]
fn every_estate_is_clean() {
    for entry in std::fs::read_dir(folder("")).unwrap() {
        let path = entry.unwrap().path();
        if path.join("opsbook.toml").exists() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let project = copy(name, "");
            project.run(&["lint"]).exits(0);
            remedies_are_commands(name, &project);
        }
    }
}

/// The outputs of a step of a run.
#[track_caller]
pub(crate) fn outputs(output: &Output, step: &str) -> Value {
    let told = output.json();
    let steps = told["steps"].as_array().unwrap();
    let found = steps.iter().find(|found| found["step"] == step);
    let found = found.unwrap_or_else(|| panic!("no step {step:?}\n{}", output.shown()));
    found["outputs"].clone()
}
