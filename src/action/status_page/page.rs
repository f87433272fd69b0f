//! What a page of Statuspage says (<https://doers.statuspage.io/api/>): `/api/v2/summary.json`, and `/api/v2/status.json`,
//! which is the part of it without components and incidents.

use serde_json::Value;

use crate::base::nearest;
use crate::engine::ActionError;

/// How bad it is in all, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Indicator {
    None,
    Maintenance,
    Minor,
    Major,
    Critical,
}

impl Indicator {
    const ALL: [(&str, Self); 5] = [
        ("none", Self::None),
        ("maintenance", Self::Maintenance),
        ("minor", Self::Minor),
        ("major", Self::Major),
        ("critical", Self::Critical),
    ];

    fn parse(word: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == word)?;
        Some(known.1)
    }

    fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, indicator)| *indicator == self)
            .map_or("", |(word, _)| word)
    }

    /// What the status of one component means.
    fn of_component(status: &str) -> Option<Self> {
        Some(match status {
            "operational" => Self::None,
            "under_maintenance" => Self::Maintenance,
            "degraded_performance" => Self::Minor,
            "partial_outage" => Self::Major,
            "major_outage" => Self::Critical,
            _ => return None,
        })
    }
}

/// A page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// How bad it is; none where the page says a word that nobody knows.
    pub(super) indicator: Option<Indicator>,
    /// The word for it.
    pub(super) word: String,
    /// The same for a person.
    pub(super) description: String,
    /// What the vendor's service consists of.
    pub(super) components: Vec<Component>,
    /// What is not over yet.
    pub(super) incidents: Vec<Incident>,
    /// Whether only some components are looked at; the description then names them.
    pub(super) narrowed: bool,
    /// Whether the page tells its components at all.
    has_components: bool,
}

/// A part of the vendor's service.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) status: String,
    /// Whether it only stands for those below it.
    is_group: bool,
}

/// Something that happened to it.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) name: String,
    pub(super) impact: String,
    pub(super) since: Option<String>,
    pub(super) url: Option<String>,
    /// The names of the components that it touches; empty where that is not told.
    touches: Vec<String>,
}

impl Page {
    /// Reads an answer; none where it is no such page's.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let word = answer["status"]["indicator"].as_str()?;
        let description = answer["status"]["description"].as_str().unwrap_or(word);
        let components = answer["components"].as_array();
        let incidents = answer["incidents"].as_array();
        Some(Self {
            indicator: Indicator::parse(word),
            word: word.to_owned(),
            description: description.to_owned(),
            components: components
                .into_iter()
                .flatten()
                .filter_map(Component::read)
                .collect(),
            incidents: incidents
                .into_iter()
                .flatten()
                .filter_map(Incident::read)
                .collect(),
            narrowed: false,
            has_components: components.is_some(),
        })
    }

    /// The page as far as it is about components of these names. A name that several share means all of them.
    pub(super) fn only(mut self, names: &[String]) -> Result<Self, ActionError> {
        if !self.has_components {
            return Err(
                ActionError::own("the page does not tell its components now")
                    .help("without `components`, the page as a whole is judged"),
            );
        }
        for name in names {
            let known = || self.components.iter().map(|part| part.name.as_str());
            if !known().any(|known| known == name) {
                let error = ActionError::own(format!("the page has no component {name:?}"));
                return Err(match nearest(name, known()) {
                    Some(near) => error.help(format!("did you mean {near:?}?")),
                    None => error.help("take the name from the page, letter by letter"),
                });
            }
        }
        self.components.retain(|part| names.contains(&part.name));
        self.incidents.retain(|incident| {
            incident.touches.is_empty() || incident.touches.iter().any(|name| names.contains(name))
        });
        let states = self.components.iter().map(|part| part.indicator());
        self.indicator = states
            .collect::<Option<Vec<_>>>()
            .and_then(|all| all.into_iter().max());
        self.word = self
            .indicator
            .map_or("unknown", Indicator::as_str)
            .to_owned();
        let told = self.components.iter().map(Component::in_words);
        self.description = told.collect::<Vec<_>>().join(", ");
        self.narrowed = true;
        Ok(self)
    }
}

impl Component {
    fn read(part: &Value) -> Option<Self> {
        Some(Self {
            name: part["name"].as_str()?.to_owned(),
            status: part["status"].as_str()?.to_owned(),
            is_group: part["group"].as_bool().unwrap_or_default(),
        })
    }

    fn indicator(&self) -> Option<Indicator> {
        Indicator::of_component(&self.status)
    }

    /// Whether nothing is wrong with it. A group is told by its parts.
    pub(super) fn is_well(&self) -> bool {
        self.is_group || self.indicator() == Some(Indicator::None)
    }

    /// `D1 partial outage`
    pub(super) fn in_words(&self) -> String {
        format!("{} {}", self.name, self.status.replace('_', " "))
    }
}

impl Incident {
    fn read(incident: &Value) -> Option<Self> {
        let text = |key: &str| incident[key].as_str().map(str::to_owned);
        let touched = incident["components"].as_array().into_iter().flatten();
        Some(Self {
            name: text("name")?,
            impact: text("impact").unwrap_or_default(),
            since: text("started_at").or_else(|| text("created_at")),
            url: text("shortlink"),
            touches: touched
                .filter_map(|part| part["name"].as_str().map(str::to_owned))
                .collect(),
        })
    }
}
