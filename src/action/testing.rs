//! What the tests of actions share: a context, a person who answers as told, and calls written as data.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::base::{Place, SourceFile, StepKey};
use crate::config::{Config, Database, DatabaseKind};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Baseline, CheckRequest, CheckState, DataOut,
    DataOutError, Invocation, JournalError, Look, LookFuture, NestedRunner, Outage, Outputs,
    Period, Prompt, PromptError, PromptFuture, Reading, ReadingStore, Retention, Sample,
    SampleStore, Seen, Series, Subject,
};
use crate::event::Preview;
use crate::expr::{Argument, SqlText};
use crate::model::Template;

/// A world for actions to run in.
pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) config: Config,
    pub(super) variables: Vec<(String, String)>,
    pub(super) person: Person,
    pub(super) nested: Nested,
    pub(super) data: Data,
    pub(super) told: RefCell<Vec<String>>,
    /// Takes secrets out.
    pub(super) masker: crate::base::Masker,
    pub(super) judged: bool,
    pub(super) thresholds: bool,
    pub(super) counts_only: bool,
    pub(super) may_change: bool,
    pub(super) agreed_rows: Option<u64>,
    pub(super) most_rows: Option<u64>,
    pub(super) deadline: Option<tokio::time::Instant>,
    pub(super) environment: Vec<(String, String)>,
    /// Whether the store of readings cannot be read.
    pub(super) store_is_broken: bool,
    /// The line at which it is stopped, once an action tells that.
    pub(super) stops_at: Option<&'static str>,
}

/// Standard output in memory.
#[derive(Clone, Default)]
pub(super) struct Data(pub(super) std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl DataOut for Data {
    fn open(&self) -> Result<Box<dyn std::io::Write + Send>, DataOutError> {
        Ok(Box::new(self.clone()))
    }
}

impl std::io::Write for Data {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A person, or nobody.
#[derive(Default)]
pub(super) struct Person {
    pub(super) says: Option<&'static str>,
    pub(super) asked: RefCell<Vec<String>>,
}

impl Person {
    fn answer(&self, question: &str) -> Result<&'static str, PromptError> {
        self.asked.borrow_mut().push(question.to_owned());
        self.says.ok_or(PromptError::NoTerminal)
    }
}

impl Prompt for Person {
    fn confirm<'a>(&'a self, question: &'a str) -> PromptFuture<'a, bool> {
        Box::pin(async move { Ok(self.answer(question)? == "yes") })
    }

    fn text<'a>(
        &'a self,
        question: &'a str,
        default: Option<&'a str>,
        _: bool,
    ) -> PromptFuture<'a, String> {
        Box::pin(async move {
            let answer = self.answer(question)?;
            Ok(match (answer, default) {
                ("", Some(default)) => default.to_owned(),
                (answer, _) => answer.to_owned(),
            })
        })
    }

    fn choose<'a>(&'a self, question: &'a str, options: &'a [String]) -> PromptFuture<'a, usize> {
        Box::pin(async move {
            let answer = self.answer(question)?;
            Ok(options.iter().position(|option| option == answer).unwrap())
        })
    }
}

/// Remembers the runbooks that it was to run.
#[derive(Default)]
pub(super) struct Nested(pub(super) RefCell<Vec<(String, Map<String, Value>)>>);

impl NestedRunner for Nested {
    fn run<'a>(
        &'a self,
        path: &'a str,
        inputs: &'a Map<String, Value>,
        _: &'a StepKey,
    ) -> ActionFuture<'a> {
        self.0.borrow_mut().push((path.to_owned(), inputs.clone()));
        Box::pin(async { Ok(Outputs::new("ran")) })
    }

    fn check<'a>(&'a self, request: &'a CheckRequest, _: &'a StepKey) -> ActionFuture<'a> {
        let services = json!({ "services": request.services, "now": request.now });
        let asked = services.as_object().cloned().unwrap_or_default();
        self.0.borrow_mut().push(("check".to_owned(), asked));
        Box::pin(async { Ok(Outputs::new("checked")) })
    }

    fn look<'a>(&'a self, service: &'a str, check: &'a str, _: &'a StepKey) -> LookFuture<'a> {
        let asked = json!({ "service": service, "check": check });
        let asked = asked.as_object().cloned().unwrap_or_default();
        self.0.borrow_mut().push(("look".to_owned(), asked));
        Box::pin(async {
            Ok(Look {
                outputs: Outputs::new("looked"),
                failure: None,
            })
        })
    }
}

/// Keeps no samples; of readings it says what it is told to.
pub(super) struct NoSamples {
    broken: bool,
}

impl SampleStore for NoSamples {
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
        Ok(vec![None; series.len()])
    }

    fn keep_samples(
        &self,
        _: &[(Series, Sample, CheckState)],
        _: &Retention,
    ) -> Result<(), JournalError> {
        Ok(())
    }

    fn history(&self, _: &Series, _: Period, _: &mut dyn FnMut(Seen)) -> Result<(), JournalError> {
        Ok(())
    }

    fn outages(&self, _: &Series, _: Period) -> Result<Vec<Outage>, JournalError> {
        Ok(Vec::new())
    }

    fn keep_baseline(&self, _: &Baseline) -> Result<bool, JournalError> {
        Ok(false)
    }

    fn baselines(&self, _: &str, _: &str) -> Result<Vec<Baseline>, JournalError> {
        Ok(Vec::new())
    }
}

impl ReadingStore for NoSamples {
    fn readings(
        &self,
        _: &Subject,
        _: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Reading>, JournalError> {
        if self.broken {
            return Err(JournalError::Unwritable {
                path: "journal".to_owned(),
                reason: "disk full".to_owned(),
            });
        }
        Ok(BTreeMap::new())
    }

    fn keep_readings(
        &self,
        _: &Subject,
        _: DateTime<Utc>,
        _: &BTreeMap<String, f64>,
    ) -> Result<(), JournalError> {
        Ok(())
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            config: Config::default(),
            variables: Vec::new(),
            person: Person::default(),
            nested: Nested::default(),
            data: Data::default(),
            told: RefCell::default(),
            masker: crate::base::Masker::default(),
            judged: false,
            thresholds: false,
            counts_only: false,
            may_change: true,
            agreed_rows: None,
            most_rows: None,
            deadline: None,
            environment: Vec::new(),
            store_is_broken: false,
            stops_at: None,
        }
    }

    /// Adds a database of a name.
    pub(super) fn with_database(mut self, name: &str, kind: DatabaseKind) -> Self {
        self.config.folder = self.path("");
        self.config.databases.push(Database {
            name: name.to_owned(),
            kind,
            retention: Vec::new(),
            copies: None,
            migrations: None,
            place: place(),
        });
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a call would do: its verb, its object, its options.
    pub(super) async fn preview(
        &self,
        action: &dyn Action,
        verb: &str,
        object: Argument,
        options: &[(&'static str, Argument)],
    ) -> Result<Preview, ActionError> {
        let invocation = Invocation {
            verb: action.spec().verb(verb).unwrap(),
            object,
            options: options.to_vec(),
            place: place(),
        };
        self.with_context(async |context| action.preview(&invocation, context).await)
            .await
    }

    pub(super) async fn with_context<T>(
        &self,
        act: impl AsyncFnOnce(&ActionContext<'_>) -> T,
    ) -> T {
        let step = StepKey::new("step");
        let (engine, cancel) = tokio::sync::watch::channel(false);
        act(&ActionContext {
            step: &step,
            config: &self.config,
            folder: self.folder.path(),
            deadline: self.deadline,
            environment: &self.environment,
            variables: &self.variables,
            prompt: &self.person,
            data: &self.data,
            nested: &self.nested,
            samples: &NoSamples {
                broken: self.store_is_broken,
            },
            now: chrono::Utc::now(),
            resolve: &|template| Ok(template.text.clone()),
            masker: &self.masker,
            progress: &|line| {
                if self.stops_at == Some(line.as_str()) {
                    engine.send_replace(true);
                }
                self.told.borrow_mut().push(line);
            },
            cancel,
            judged: self.judged,
            thresholds: self.thresholds,
            counts_only: self.counts_only,
            may_change: self.may_change,
            keeps: false,
            most_rows: self.most_rows,
            agreed_rows: self.agreed_rows,
        })
        .await
    }

    /// Runs a call: its verb, its object, its options.
    pub(super) async fn run(
        &self,
        action: &dyn Action,
        verb: &str,
        object: Argument,
        options: &[(&'static str, Argument)],
    ) -> Result<Outputs, ActionError> {
        let spec = action.spec();
        let verb = spec.verb(verb).unwrap();
        for (name, _) in options {
            assert!(
                spec.options_of(verb).any(|option| option.name == *name),
                "{} does not describe its option {name}",
                spec.name
            );
        }
        let invocation = Invocation {
            verb,
            object,
            options: options.to_vec(),
            place: place(),
        };
        let outcome = self
            .with_context(async |context| action.run(&invocation, context).await)
            .await;
        if let Ok(outputs) = &outcome
            && !matches!(spec.name, "set" | "runbook")
        {
            let given: Vec<_> = outputs.values.keys().map(String::as_str).collect();
            for name in &given {
                assert!(
                    spec.outputs_of(verb).any(|output| output.name == *name),
                    "{} does not describe its output {name}",
                    spec.name
                );
            }
            for output in spec.outputs_of(verb) {
                assert!(given.contains(&output.name), "{} is missing", output.name);
            }
        }
        outcome
    }
}

/// Text at the beginning of some file.
pub(super) fn template(text: &str) -> Template {
    Template {
        text: text.to_owned(),
        place: place(),
    }
}

fn place() -> Place {
    Place::new(&SourceFile::new("test.toml", ""), 0..0)
}

pub(super) fn sqlite(path: impl AsRef<Path>, create: Option<&str>) -> DatabaseKind {
    DatabaseKind::Sqlite {
        path: path.as_ref().to_owned(),
        create: create.map(PathBuf::from),
    }
}

pub(super) fn text(text: &str) -> Argument {
    Argument::Text(text.to_owned())
}

pub(super) fn list<const N: usize>(items: [&str; N]) -> Argument {
    Argument::List(items.map(str::to_owned).to_vec())
}

pub(super) fn sql(text: &str, parameters: &[Value]) -> Argument {
    Argument::Sql(SqlText {
        text: text.to_owned(),
        parameters: parameters.to_vec(),
    })
}
